// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies and modes: every transition of the table in the documentation, and what
 * can be known before an attach.
 */
#include "rig.h"

#define RECORD IOMMU_DIRTY_CAP_RECORD
#define ANY (-1)

enum step {
	attach,
	put_back,
	detach,
	capability_fails,
	start,
	start_switching_fails,
	start_cleaning_fails,
	start_by_another,
	read,
	read_flush_fails,
	read_by_another,
	stop,
	stop_switching_fails,
	stop_by_another,
	policy_plain,
	policy_strict,
	policy_degrade,
	unknown_policy,
	policy_by_another,
};

enum who { all, not_the_device, not_the_table };

/* The words of the table, as the kernel has them */
enum {
	any = ANY,
	same = ANY,
	off = IOMMU_DIRTY_MODE_OFF,
	exact = IOMMU_DIRTY_MODE_EXACT,
	all_dirty = IOMMU_DIRTY_MODE_ALL_DIRTY,
	plain = IOMMU_DIRTY_POLICY_PLAIN,
	strict = IOMMU_DIRTY_POLICY_STRICT,
	degrade = IOMMU_DIRTY_POLICY_DEGRADE,
	none = IOMMU_DIRTY_REASON_NONE,
	device = IOMMU_DIRTY_REASON_DEVICE,
	flush = IOMMU_DIRTY_REASON_FLUSH,
	backend = IOMMU_DIRTY_REASON_BACKEND,
	table = IOMMU_DIRTY_REASON_TABLE,
};

/* Of a driver that has no backend */
static const struct iommu_ops other_ops;

struct transition {
	const char *name;
	struct {
		enum step step;
		enum who who;
		int policy;
		int mode;
		int error;
		int mode_after;
		int reason_after;
	};
};

#define TRANSITION(...) { #__VA_ARGS__, { __VA_ARGS__ } }

/*
 * As Documentation/driver-api/iommu-dirty/design.rst has them: step, who can record,
 * policy, mode, result, mode after, reason after. EIO stands for what the backend says.
 */
static const struct transition transitions[] = {
	TRANSITION(attach, all, any, any, 0, same, same),
	TRANSITION(attach, not_the_device, plain, off, 0, same, same),
	TRANSITION(attach, not_the_device, plain, exact, EINVAL, same, same),
	TRANSITION(attach, not_the_device, plain, all_dirty, 0, same, same),
	TRANSITION(attach, not_the_device, strict, any, EINVAL, same, same),
	TRANSITION(attach, not_the_device, degrade, off, 0, same, same),
	TRANSITION(attach, not_the_device, degrade, exact, 0, all_dirty,
		   device),
	TRANSITION(attach, not_the_device, degrade, all_dirty, 0, same, same),
	TRANSITION(put_back, all, any, any, 0, same, same),
	TRANSITION(put_back, not_the_device, any, off, 0, same, same),
	TRANSITION(put_back, not_the_device, any, exact, 0, all_dirty, device),
	TRANSITION(put_back, not_the_device, any, all_dirty, 0, same, same),
	TRANSITION(detach, all, any, any, 0, same, same),
	TRANSITION(detach, not_the_device, any, off, 0, same, same),
	TRANSITION(detach, not_the_device, any, all_dirty, 0, same, same),
	TRANSITION(capability_fails, all, any, off, 0, same, same),
	TRANSITION(capability_fails, all, any, exact, 0, all_dirty, backend),
	TRANSITION(capability_fails, all, any, all_dirty, 0, same, same),
	TRANSITION(start, all, any, off, 0, exact, none),
	TRANSITION(start, not_the_device, plain, off, EOPNOTSUPP, same, same),
	TRANSITION(start, not_the_device, strict, off, EOPNOTSUPP, same, same),
	TRANSITION(start, not_the_device, degrade, off, 0, all_dirty, device),
	TRANSITION(start, not_the_table, plain, off, EOPNOTSUPP, same, same),
	TRANSITION(start, not_the_table, degrade, off, 0, all_dirty, table),
	TRANSITION(start, all, any, exact, EALREADY, same, same),
	TRANSITION(start, all, any, all_dirty, EALREADY, same, same),
	TRANSITION(start_switching_fails, all, any, off, EIO, same, same),
	TRANSITION(start_cleaning_fails, all, any, off, EIO, same, same),
	TRANSITION(start_by_another, all, any, exact, EBUSY, same, same),
	TRANSITION(start_by_another, all, any, all_dirty, EBUSY, same, same),
	TRANSITION(read, all, any, off, EINVAL, same, same),
	TRANSITION(read, not_the_device, any, off, EOPNOTSUPP, same, same),
	TRANSITION(read, not_the_table, plain, off, EOPNOTSUPP, same, same),
	TRANSITION(read, all, any, exact, 0, same, same),
	TRANSITION(read, all, any, all_dirty, 0, same, same),
	TRANSITION(read, not_the_table, degrade, all_dirty, 0, same, same),
	TRANSITION(read_flush_fails, all, any, exact, EIO, all_dirty, flush),
	TRANSITION(read_by_another, all, any, exact, EBUSY, same, same),
	TRANSITION(read_by_another, all, any, all_dirty, EBUSY, same, same),
	TRANSITION(stop, all, any, off, EALREADY, same, same),
	TRANSITION(stop, not_the_table, plain, off, EOPNOTSUPP, same, same),
	TRANSITION(stop, all, any, exact, 0, off, none),
	TRANSITION(stop, all, any, all_dirty, 0, off, none),
	TRANSITION(stop, not_the_table, degrade, all_dirty, 0, off, none),
	TRANSITION(stop_switching_fails, all, any, exact, EIO, same, same),
	TRANSITION(stop_by_another, all, any, exact, EBUSY, same, same),
	TRANSITION(stop_by_another, all, any, all_dirty, EBUSY, same, same),
	TRANSITION(policy_plain, all, any, any, 0, same, same),
	TRANSITION(policy_strict, all, any, any, 0, same, same),
	TRANSITION(policy_strict, not_the_device, any, off, EOPNOTSUPP, same,
		   same),
	TRANSITION(policy_strict, not_the_device, plain, all_dirty,
		   EOPNOTSUPP, same, same),
	TRANSITION(policy_strict, not_the_table, plain, off, EOPNOTSUPP, same,
		   same),
	TRANSITION(policy_degrade, all, any, any, 0, same, same),
	TRANSITION(policy_degrade, not_the_table, plain, off, 0, same, same),
	TRANSITION(unknown_policy, all, any, any, EOPNOTSUPP, same, same),
	TRANSITION(policy_by_another, all, any, off, 0, same, same),
	TRANSITION(policy_by_another, all, any, exact, EBUSY, same, same),
	TRANSITION(policy_by_another, all, any, all_dirty, EBUSY, same, same),
};

static void transition_name(const struct transition *t, char *desc)
{
	strscpy(desc, t->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(transition, transitions, transition_name);

/**
 * struct scene - where a transition starts
 * @rig: with the domain, and a device that can record
 * @second: one more of those
 * @unable: a device that cannot
 * @other: address that stands for another owner
 */
struct scene {
	struct rig *rig;
	struct hwm_device *second;
	struct hwm_device *unable;
	int other;
};

static struct hwm_device *unable_device(struct rig *rig)
{
	struct hwm_device *dev = hwm_device_new(rig->hw);

	dev->caps = 0;
	return dev;
}

static int set_policy(struct rig *rig, const void *owner, int policy)
{
	return iommu_dirty_set_policy(&rig->hd->domain, owner, policy);
}

static void set_the_scene(struct kunit *test, struct scene *s,
			  const struct transition *t, int policy, int mode)
{
	s->rig = test->priv;
	s->rig->hd = hwm_domain_new(s->rig->hw);
	if (t->who == not_the_table)
		s->rig->hd->domain.owner = &other_ops;
	s->rig->dev = rig_device(s->rig, s->rig->hd);
	s->second = rig_device(s->rig, s->rig->hd);
	s->unable = unable_device(s->rig);
	rig_map(s->rig, s->rig->at.small, s->rig->at.small_size, s->rig->page,
		true);

	KUNIT_ASSERT_EQ(test, set_policy(s->rig, test, policy), 0);
	if (mode != off)
		KUNIT_ASSERT_EQ(test, rig_start(s->rig->hd, test), 0);
	if (t->who == not_the_table)
		return;
	if (mode == all_dirty || (t->who == not_the_device && mode == off))
		KUNIT_ASSERT_EQ(test, rig_attach_must(s->rig->hd, s->unable),
				0);
	/* For these it comes later, or it has gone */
	if (t->who == all || t->step == attach || t->step == put_back) {
		hwm_device_free(s->unable);
		s->unable = unable_device(s->rig);
	}
}

static int read_as(struct scene *s, const void *owner)
{
	return rig_read_as(s->rig, owner, s->rig->at.small,
			   s->rig->at.medium - 1, s->rig->page, 0);
}

static int do_detach(struct scene *s, enum who who)
{
	hwm_device_free(who == all ? s->second : s->unable);
	return 0;
}

static int do_step(struct kunit *test, struct scene *s,
		   const struct transition *t)
{
	struct hwm_device *dev = t->who == all ? hwm_device_new(s->rig->hw) :
						 s->unable;
	struct hwm_domain *hd = s->rig->hd;
	struct hwm_model *hw = s->rig->hw;

	switch (t->step) {
	case attach:
		return rig_attach(hd, dev);
	case put_back:
		return rig_attach_must(hd, dev);
	case detach:
		return do_detach(s, t->who);
	case capability_fails:
		/* What the table can do is asked when a device goes */
		hwm_fail(hw, BIT(HWM_CAPABILITY), 1, false, -EIO);
		return do_detach(s, all);
	case start_switching_fails:
		hwm_fail(hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
		return rig_start(hd, test);
	case start_cleaning_fails:
		hwm_fail(hw, BIT(HWM_CLEAR), 1, false, -EIO);
		return rig_start(hd, test);
	case start:
		return rig_start(hd, test);
	case start_by_another:
		return rig_start(hd, &s->other);
	case read_flush_fails:
		hwm_write(s->rig->dev, rig_page(s->rig, 3));
		hwm_fail(hw, BIT(HWM_FLUSH), 1, false, -EIO);
		return read_as(s, test);
	case read:
		return read_as(s, test);
	case read_by_another:
		return read_as(s, &s->other);
	case stop_switching_fails:
		hwm_fail(hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
		return rig_stop(hd, test);
	case stop:
		return rig_stop(hd, test);
	case stop_by_another:
		return rig_stop(hd, &s->other);
	case policy_plain:
		return set_policy(s->rig, test, plain);
	case policy_strict:
		return set_policy(s->rig, test, strict);
	case policy_degrade:
		return set_policy(s->rig, test, degrade);
	case unknown_policy:
		return set_policy(s->rig, test, degrade + 1);
	case policy_by_another:
		return set_policy(s->rig, &s->other, plain);
	}
	return -ENOENT;
}

static int policy_after(const struct transition *t, int policy)
{
	if (t->error)
		return policy;
	switch (t->step) {
	case policy_plain:
	case policy_by_another:
		return plain;
	case policy_strict:
		return strict;
	case policy_degrade:
		return degrade;
	default:
		return policy;
	}
}

static void try_transition(struct kunit *test, const struct transition *t,
			   int policy, int mode)
{
	struct iommu_dirty_info before, after;
	struct scene s = {};
	int ret;

	set_the_scene(test, &s, t, policy, mode);
	before = rig_query(s.rig->hd);
	KUNIT_ASSERT_EQ(test, (int)before.mode, mode);
	KUNIT_ASSERT_EQ(test, (int)before.policy, policy);

	ret = do_step(test, &s, t);
	after = rig_query(s.rig->hd);
	KUNIT_EXPECT_EQ_MSG(test, ret, -t->error, "policy %d, mode %d", policy,
			    mode);
	KUNIT_EXPECT_EQ_MSG(test, (int)after.mode,
			    t->mode_after == same ? mode : t->mode_after,
			    "policy %d, mode %d", policy, mode);
	KUNIT_EXPECT_EQ_MSG(test, (int)after.reason,
			    t->reason_after == same ? (int)before.reason :
						      t->reason_after,
			    "policy %d, mode %d", policy, mode);
	KUNIT_EXPECT_EQ_MSG(test, (int)after.policy, policy_after(t, policy),
			    "policy %d, mode %d", policy, mode);
	if (ret && ret != -EIO)
		KUNIT_EXPECT_EQ_MSG(test, after.seq, before.seq,
				    "policy %d, mode %d: a refusal changes something",
				    policy, mode);
	if (after.mode != before.mode || after.policy != before.policy)
		KUNIT_EXPECT_GT(test, after.seq, before.seq);

	/* Whatever has happened: nothing is lost */
	if ((int)after.mode != off) {
		hwm_write(s.rig->dev, rig_page(s.rig, 40));
		KUNIT_EXPECT_EQ(test, read_as(&s, test), 0);
		KUNIT_EXPECT_EQ(test, rig_stop(s.rig->hd, test), 0);
	}
}

static void every_transition_is_as_documented(struct kunit *test)
{
	const struct transition *t = test->param_value;
	int policy, mode;

	for (policy = plain; policy <= degrade; policy++)
		for (mode = off; mode <= all_dirty; mode++)
			if ((t->policy == any || t->policy == policy) &&
			    (t->mode == any || t->mode == mode))
				try_transition(test, t, policy, mode);
}

static void an_owner_is_needed(struct kunit *test)
{
	struct rig *rig = test->priv;
	u64 seq = rig_query(rig->hd).seq;

	KUNIT_EXPECT_EQ(test, set_policy(rig, NULL, degrade), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq);
}

static void an_unknown_policy_is_refused(struct kunit *test)
{
	static const int unknown[] = { -1, INT_MIN, degrade + 1, 256, INT_MAX };
	struct rig *rig = test->priv;
	u64 seq = rig_query(rig->hd).seq;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		KUNIT_EXPECT_EQ(test, set_policy(rig, test, unknown[i]),
				-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, (int)rig_query(rig->hd).policy, plain);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq);
}

static void what_is_never_tracked_has_no_policy(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *child = hwm_domain_child(rig->hd);
	struct hwm_domain *dma = hwm_domain_new(rig->hw);

	dma->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_set_policy(&dma->domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE),
			-EOPNOTSUPP);
	KUNIT_EXPECT_PTR_EQ(test, dma->domain.dirty, NULL);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_set_policy(&child->domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, (int)rig_query(rig->hd).policy, plain);
}

/* A table that no backend serves, with devices that write to it */
static void all_dirty_needs_no_backend(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_dirty_info info;

	rig->hd = hwm_domain_new(rig->hw);
	rig->hd->domain.owner = &other_ops;
	rig->dev = rig_device(rig, rig->hd);
	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, set_policy(rig, test, degrade), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	info = rig_query(rig->hd);
	KUNIT_EXPECT_EQ(test, (int)info.mode, all_dirty);
	KUNIT_EXPECT_EQ(test, (int)info.reason, table);
	KUNIT_EXPECT_STREQ(test, info.backend, "");

	/* All that is writable, and nothing else, again and again */
	hwm_write(rig->dev, rig_page(rig, 5));
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test,
			rig_read(rig, 0, rig->at.last,
				 IOMMU_DIRTY_READ_NO_CLEAR),
			0);
	KUNIT_EXPECT_EQ(test,
			rig_read(rig, rig->at.base, rig_page(rig, 7) - 1, 0),
			0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).reads, 4);

	/* What is mapped later too */
	rig_map(rig, rig->at.extra, rig->at.extra_size, rig->page, true);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), -EALREADY);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_WALK], 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SET_FEATURE], 0);
}

/* Nobody says how small leaves are: the driver does, or else they are pages */
static void a_read_without_backend_is_aligned_too(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long small = SZ_64K;

	rig->hd = hwm_domain_new(rig->hw);
	rig->hd->domain.owner = &other_ops;
	rig_map(rig, 0, 2 * rig->medium, rig->medium, true);
	KUNIT_ASSERT_EQ(test, set_policy(rig, test, degrade), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);

	rig->hd->domain.pgsize_bitmap = small | SZ_2M;
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, test, small, 3 * small - 1, PAGE_SIZE,
				    0), 0);
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, test, PAGE_SIZE, small - 1, PAGE_SIZE,
				    0), -EINVAL);
	rig->hd->domain.pgsize_bitmap = 0;
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, test, PAGE_SIZE, small - 1, PAGE_SIZE,
				    0), 0);
}

/* The domain and the device are the test's; @would is compared, then it is tried */
static void expect_verdict(struct kunit *test, struct hwm_domain *hd,
			   struct hwm_device *dev, int verdict, int mode,
			   u32 flags)
{
	struct iommu_dirty_info before = rig_query(hd), after;
	struct iommu_dirty_forecast forecast;
	int can, ret;

	can = iommu_dirty_can_attach(&hd->domain, &dev->dev, &forecast);
	KUNIT_EXPECT_EQ(test, rig_query(hd).seq, before.seq);
	KUNIT_EXPECT_EQ(test, rig_query(hd).attached, before.attached);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict, verdict);

	ret = rig_attach(hd, dev);
	after = rig_query(hd);
	KUNIT_EXPECT_EQ(test, can, ret);
	KUNIT_EXPECT_EQ(test, (int)after.mode, mode);
	KUNIT_EXPECT_EQ(test, after.caps.flags, flags);
	if (verdict == IOMMU_DIRTY_VERDICT_FOREIGN)
		return;
	KUNIT_EXPECT_EQ(test, (int)forecast.mode, mode);
	KUNIT_EXPECT_EQ(test, (int)forecast.reason, (int)after.reason);
	KUNIT_EXPECT_EQ(test, forecast.caps.flags, flags);
}

static void what_an_attach_would_do_is_known_before(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *able = hwm_device_new(rig->hw);
	struct hwm_device *unable = unable_device(rig);
	u32 flags = rig_query(rig->hd).caps.flags;
	struct hwm_domain *hd;

	/* Off: it comes in, and the domain can do less */
	expect_verdict(test, rig->hd, able, IOMMU_DIRTY_VERDICT_ATTACHES, off,
		       flags);
	hd = hwm_domain_new(rig->hw);
	expect_verdict(test, hd, unable, IOMMU_DIRTY_VERDICT_ATTACHES, off,
		       flags & ~RECORD);
	/* It is there already */
	expect_verdict(test, hd, unable, IOMMU_DIRTY_VERDICT_ATTACHES, off,
		       flags & ~RECORD);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_verdict(test, rig->hd, unable, IOMMU_DIRTY_VERDICT_REFUSED,
		       exact, flags);
	KUNIT_ASSERT_EQ(test, set_policy(rig, test, degrade), 0);
	expect_verdict(test, rig->hd, unable, IOMMU_DIRTY_VERDICT_ATTACHES,
		       all_dirty, flags & ~RECORD);
	KUNIT_EXPECT_EQ(test, (int)rig_query(rig->hd).reason, device);

	/* One that the backend cannot say anything about is one that cannot */
	hd = hwm_domain_new(rig->hw);
	KUNIT_ASSERT_EQ(test, rig_start(hd, test), 0);
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&hd->domain, &able->dev,
					       &(struct iommu_dirty_forecast){}),
			-EINVAL);
}

static void caveats_are_foreseen(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);
	u32 flags = rig_query(rig->hd).caps.flags;

	dev->caps |= IOMMU_DIRTY_CAP_ATS_DIRTY;
	expect_verdict(test, rig->hd, dev, IOMMU_DIRTY_VERDICT_ATTACHES, off,
		       flags | IOMMU_DIRTY_CAP_ATS_DIRTY);
}

static void a_nested_child_answers_for_its_parent(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *child = hwm_domain_child(rig->hd);
	struct hwm_device *unable = unable_device(rig);
	struct iommu_dirty_forecast forecast;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&child->domain, &unable->dev,
					       &forecast),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict, IOMMU_DIRTY_VERDICT_REFUSED);
	KUNIT_ASSERT_EQ(test, set_policy(rig, test, degrade), 0);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&child->domain, &unable->dev,
					       &forecast),
			0);
	KUNIT_EXPECT_EQ(test, (int)forecast.mode, all_dirty);
	KUNIT_EXPECT_EQ(test, rig_attach(child, unable), 0);
	KUNIT_EXPECT_EQ(test, (int)rig_query(rig->hd).mode, all_dirty);
}

static void a_domain_of_another_iommu_is_told_apart(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);
	struct hwm_domain *hd = hwm_domain_new(rig->hw);
	struct iommu_dirty_forecast forecast;
	u32 flags = rig_query(hd).caps.flags;

	/* Of another instance: the driver says so, whatever the policy */
	hd->unit = 1;
	expect_verdict(test, hd, dev, IOMMU_DIRTY_VERDICT_FOREIGN, off, flags);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(&hd->domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE),
			0);
	KUNIT_ASSERT_EQ(test, rig_start(hd, test), 0);
	expect_verdict(test, hd, dev, IOMMU_DIRTY_VERDICT_FOREIGN, exact,
		       flags);

	/* Of another driver, as the backend says, or as the domain does */
	hd = hwm_domain_new(rig->hw);
	rig_query(hd);
	hd->domain.owner = NULL;
	dev->iommu_dev.ops = &other_ops;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&hd->domain, &dev->dev, &forecast),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict, IOMMU_DIRTY_VERDICT_FOREIGN);
	dev->iommu_dev.ops = &hwm_iommu_ops;
	hd = hwm_domain_new(rig->hw);
	hd->domain.owner = &other_ops;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&hd->domain, &dev->dev, &forecast),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict, IOMMU_DIRTY_VERDICT_FOREIGN);
}

static void what_is_never_tracked_says_so(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);
	struct device *dev = &rig->dev->dev;
	struct dev_iommu *iommu = dev->iommu;
	struct iommu_dirty_forecast forecast;

	/* A table that belongs to an mm is the CPU's to track */
	hd->domain.type = IOMMU_DOMAIN_SVA;
	KUNIT_EXPECT_EQ(test, iommu_dirty_can_attach(&hd->domain, dev, &forecast),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict, IOMMU_DIRTY_VERDICT_CPU);
	hd->domain.type = IOMMU_DOMAIN_DMA_FQ;
	KUNIT_EXPECT_EQ(test, iommu_dirty_can_attach(&hd->domain, dev, &forecast),
			0);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict,
			IOMMU_DIRTY_VERDICT_UNTRACKED);
	KUNIT_EXPECT_PTR_EQ(test, hd->domain.dirty, NULL);

	dev->iommu = NULL;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&rig->hd->domain, dev, &forecast),
			-ENODEV);
	dev->iommu = iommu;
	iommu->iommu_dev = NULL;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&rig->hd->domain, dev, &forecast),
			-ENODEV);
	iommu->iommu_dev = &rig->dev->iommu_dev;
}

/* What the IOMMU core does when the third device of a group cannot be attached */
static void a_group_that_fails_half_way_goes_back(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *target = hwm_domain_new(rig->hw);
	struct hwm_device *group[] = {
		rig_device(rig, rig->hd),
		rig_device(rig, rig->hd),
		rig_device(rig, rig->hd),
	};
	struct iommu_dirty_info home, there;
	unsigned int i, round;

	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_start(target, test), 0);
	home = rig_query(rig->hd);
	there = rig_query(target);

	for (round = 0; round < 2; round++) {
		/* The driver's reason, or ours */
		if (round == 0)
			hwm_fail(rig->hw, BIT(HWM_ATTACH), 3, false, -EIO);
		else
			group[2]->caps = 0;
		KUNIT_EXPECT_EQ(test, rig_attach(target, group[0]), 0);
		KUNIT_EXPECT_EQ(test, rig_attach(target, group[1]), 0);
		KUNIT_EXPECT_EQ(test, rig_attach(target, group[2]),
				round == 0 ? -EIO : -EINVAL);
		group[2]->caps = rig->hw->caps;
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ(test,
					rig_attach_must(rig->hd, group[i]), 0);

		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached,
				home.attached);
		KUNIT_EXPECT_EQ(test, rig_query(target).attached,
				there.attached);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).caps.flags,
				home.caps.flags);
		KUNIT_EXPECT_EQ(test, rig_query(target).caps.flags,
				there.caps.flags);
		KUNIT_EXPECT_EQ(test, (int)rig_query(rig->hd).mode, exact);
		KUNIT_EXPECT_EQ(test, (int)rig_query(target).mode, exact);
		for (i = 0; i < 3; i++)
			hwm_write(group[i], rig_page(rig, 100 * i + round));
		KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
	}
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 6);
}

static void a_device_that_goes_takes_its_pasids_along(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *dma = hwm_domain_new(rig->hw);
	struct hwm_device *dev = hwm_device_new(rig->hw);

	/* Its own requests are not tracked; nobody removed the PASID */
	dma->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_ASSERT_EQ(test, rig_attach(dma, dev), 0);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_dev_pasid(&rig->hd->domain, &dev->dev,
						  5, NULL),
			0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 2);
	iommu_dirty_release_device(&hwm_iommu_ops, &dev->dev);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 1);
}

static int init_bare(struct kunit *test)
{
	const void *param = test->param_value;

	/* It is no kind of hardware: let it be the first */
	test->param_value = NULL;
	rig_init_bare(test);
	test->param_value = param;
	return 0;
}

static struct kunit_case transition_cases[] = {
	KUNIT_CASE_PARAM(every_transition_is_as_documented,
			 transition_gen_params),
	{}
};

static struct kunit_suite transition_suite = {
	.name = "iommu-dirty-transition",
	.init = init_bare,
	.test_cases = transition_cases,
};

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(an_owner_is_needed),
	KUNIT_CASE(an_unknown_policy_is_refused),
	KUNIT_CASE(what_is_never_tracked_has_no_policy),
	KUNIT_CASE_PARAM(all_dirty_needs_no_backend, rig_kinds),
	KUNIT_CASE(a_read_without_backend_is_aligned_too),
	KUNIT_CASE(what_an_attach_would_do_is_known_before),
	KUNIT_CASE(caveats_are_foreseen),
	KUNIT_CASE(a_nested_child_answers_for_its_parent),
	KUNIT_CASE(a_domain_of_another_iommu_is_told_apart),
	KUNIT_CASE(what_is_never_tracked_says_so),
	KUNIT_CASE_PARAM(a_group_that_fails_half_way_goes_back, rig_kinds),
	KUNIT_CASE(a_device_that_goes_takes_its_pasids_along),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "iommu-dirty-policy",
	.init = rig_init,
	.test_cases = policy_cases,
};

kunit_test_suites(&transition_suite, &policy_suite);
