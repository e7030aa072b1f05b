// SPDX-License-Identifier: GPL-2.0-only
/* Switching recording on and off: the states, and what must not change them */
#include <linux/sched/signal.h>

#include "rig.h"

static int read_all(struct rig *rig)
{
	return rig_read(rig, rig->at.small, rig->at.medium - 1, 0);
}

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
	return 0;
}

static void expect_off(struct rig *rig)
{
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	if (!rig->hw->kind->fmt->always_records)
		KUNIT_EXPECT_FALSE(rig->hw->test, rig->hd->recording);
}

static void expect_exact(struct rig *rig)
{
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
	if (!rig->hw->kind->fmt->always_records)
		KUNIT_EXPECT_TRUE(rig->hw->test, rig->hd->recording);
}

static void start_makes_what_is_mapped_clean(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct oracle_span *span;

	rig_map(rig, rig->at.medium, rig->at.medium_size, rig->medium,
		true);
	rig_map(rig, rig->at.edge, rig->at.edge_size, rig->page, true);
	rig_map(rig, rig->at.large, rig->at.large_size, rig->large, true);
	rig_map(rig, rig->at.ro, rig->at.ro_size, rig->page, false);

	/* Dirty from an earlier period, and still in the caches */
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	list_for_each_entry(span, &rig->hd->oracle.spans, node)
		if (span->writable)
			hwm_write(rig->dev, span->iova);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 0);

	/* And it is recorded when the same pages are written again */
	list_for_each_entry(span, &rig->hd->oracle.spans, node)
		if (span->writable)
			hwm_write(rig->dev, span->iova);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 4);
}

static void starting_twice_loses_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 3));
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EALREADY);
	expect_exact(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
}

static void stopping_what_is_off_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), -EALREADY);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_off(rig);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), -EALREADY);
	expect_off(rig);
}

static void reading_what_is_off_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	u32 hash = hwm_table_hash(rig->hd);

	KUNIT_EXPECT_EQ(test, read_all(rig), -EINVAL);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 0));
	hash = hwm_table_hash(rig->hd);
	KUNIT_EXPECT_EQ(test, read_all(rig), -EINVAL);
	KUNIT_EXPECT_EQ(test, hwm_table_hash(rig->hd), hash);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).reads, 0);
}

static void bad_arguments_change_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct rig_ranges mapped = rig_ranges(rig->hd);
	struct iommu_domain *domain = &rig->hd->domain;
	u64 seq = rig_query(rig->hd).seq;

	KUNIT_EXPECT_EQ(test, iommu_dirty_start(domain, NULL, &mapped.ranges),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_dirty_start(domain, test, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_dirty_stop(domain, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SET_FEATURE], 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq);
	expect_off(rig);
}

static void a_second_owner_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	int other;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 7));
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, &other, rig->at.small,
				    rig->at.medium - 1, rig->page, 0),
			-EBUSY);
	expect_exact(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);

	/* When the first is done, another may */
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, &other), 0);
	KUNIT_EXPECT_EQ(test, read_all(rig), -EBUSY);
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, &other, rig->at.small,
				    rig->at.medium - 1, rig->page, 0),
			0);
}

static void a_domain_without_devices_can_be_tracked(struct kunit *test)
{
	struct rig *rig = test->priv;

	hwm_device_free(rig->dev);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 0);

	/* A device that comes later is recorded from its first write */
	rig->dev = rig_device(rig, rig->hd);
	hwm_write(rig->dev, rig_page(rig, 1));
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
}

static void an_incapable_device_prevents_the_start(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *unable = hwm_device_new(rig->hw);

	unable->caps = 0;
	KUNIT_ASSERT_EQ(test, rig_attach(rig->hd, unable), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SET_FEATURE], 0);
	expect_off(rig);

	hwm_device_free(unable);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
}

static void an_incapable_table_prevents_the_start(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd;

	rig->hw->caps = 0;
	hd = hwm_domain_new(rig->hw);
	KUNIT_EXPECT_EQ(test, rig_start(hd, test), -EOPNOTSUPP);

	rig->hw->caps = IOMMU_DIRTY_CAP_RECORD;
	hd = hwm_domain_new(rig->hw);
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_start(hd, test), -EOPNOTSUPP);
	KUNIT_EXPECT_TRUE(test, rig->hw->fault.hit);
}

static void a_table_without_leaves_prevents_the_start(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);

	hd->domain.pgsize_bitmap = 0;
	KUNIT_EXPECT_EQ(test, rig_start(hd, test), -EOPNOTSUPP);
}

static void a_dma_api_domain_is_never_tracked(struct kunit *test)
{
	static const unsigned int types[] = {
		IOMMU_DOMAIN_DMA,
		IOMMU_DOMAIN_DMA_FQ,
		IOMMU_DOMAIN_IDENTITY,
		IOMMU_DOMAIN_BLOCKED,
	};
	struct rig *rig = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		struct hwm_domain *hd = hwm_domain_new(rig->hw);
		struct hwm_device *dev = hwm_device_new(rig->hw);
		struct iommu_dirty_info info;

		hd->domain.type = types[i];
		KUNIT_EXPECT_EQ(test, rig_start(hd, test), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, rig_stop(hd, test), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, iommu_dirty_query(&hd->domain, &info),
				-EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, rig_attach(hd, dev), 0);
		KUNIT_EXPECT_PTR_EQ(test, hd->domain.dirty, NULL);
		KUNIT_EXPECT_TRUE(test, hlist_empty(&dev->dev.iommu->dirty));
	}
}

static void a_switch_that_fails_to_go_on_leaves_it_off(struct kunit *test)
{
	struct rig *rig = test->priv;

	hwm_fail(rig->hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EIO);
	expect_off(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
}

static void a_switch_that_fails_to_go_off_leaves_it_on(struct kunit *test)
{
	struct rig *rig = test->priv;
	int other;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 9));
	hwm_fail(rig->hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), -EIO);
	expect_exact(rig);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
}

static void a_start_that_cannot_clean_is_undone(struct kunit *test)
{
	static const enum hwm_step steps[] = { HWM_CLEAR, HWM_FLUSH };
	struct rig *rig = test->priv;
	unsigned int i, late;

	/* Something to clean, and to flush */
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (late = 0; late < 2; late++) {
			hwm_write(rig->dev, rig_page(rig, i));
			hwm_write(rig->dev, rig_page(rig, 500 + i));
			KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);

			hwm_fail(rig->hw, BIT(steps[i]), 1, late, -EIO);
			KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EIO);
			KUNIT_EXPECT_TRUE(test, rig->hw->fault.hit);
			expect_off(rig);
			KUNIT_EXPECT_EQ(test, read_all(rig), -EINVAL);

			KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
			expect_exact(rig);
			KUNIT_EXPECT_EQ(test, read_all(rig), 0);
		}
	}
}

/* Cleaning fails, and then what was switched on cannot be switched off */
static void fail_next_clear_and_switch(struct hwm_model *hw, enum hwm_step step,
				       bool after)
{
	if (step == HWM_CLEAR && !after)
		hwm_fail(hw, BIT(HWM_CLEAR) | BIT(HWM_SET_FEATURE), 1, false,
			 -EIO);
	if (step == HWM_SET_FEATURE && !after && hw->calls[HWM_CLEAR])
		hwm_fail(hw, BIT(HWM_SET_FEATURE), 1, false, -ENXIO);
}

static void a_start_that_cannot_be_undone_says_all_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;

	rig->hw->watch = fail_next_clear_and_switch;
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EIO);
	rig->hw->watch = NULL;
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_BACKEND);
	hwm_write(rig->dev, rig_page(rig, 0));
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_off(rig);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	expect_exact(rig);
}

static void kill_in_first_clear(struct hwm_model *hw, enum hwm_step step,
				bool after)
{
	if (step == HWM_CLEAR && !after && hw->calls[HWM_CLEAR] == 1)
		send_sig(SIGKILL, current, 1);
}

static void a_starter_that_is_killed_gives_up(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_model *hw = rig->hw;
	int ret;

	/* Leaves in more than one chunk, all dirty */
	rig_map(rig, rig->at.edge, rig->at.edge_size, rig->page, true);
	rig_map(rig, rig->at.tail, rig->at.tail_size, rig->page, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 0));
	hwm_write(rig->dev, rig->at.tail);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);

	hw->calls[HWM_CLEAR] = 0;
	hw->calls[HWM_FLUSH] = 0;
	hw->watch = kill_in_first_clear;
	allow_kernel_signal(SIGKILL);
	ret = rig_start(rig->hd, test);
	disallow_signal(SIGKILL);
	flush_signals(current);
	hw->watch = NULL;
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	/* Not a chunk more, and what was made clean is flushed */
	KUNIT_EXPECT_EQ(test, hw->calls[HWM_CLEAR], 1);
	KUNIT_EXPECT_EQ(test, hw->calls[HWM_FLUSH], 1);
	expect_off(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig), -EINVAL);

	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	expect_exact(rig);
	hwm_write(rig->dev, rig->at.tail);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
}

static void kill_in_first_flush(struct hwm_model *hw, enum hwm_step step,
				bool after)
{
	if (step == HWM_FLUSH && after && hw->calls[HWM_FLUSH] == 1)
		send_sig(SIGKILL, current, 1);
}

static void a_reader_that_is_killed_walks_no_further(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_model *hw = rig->hw;
	int ret;

	/* In the chunks that follow there is nothing to publish */
	rig_map(rig, rig->at.edge, rig->at.edge_size, rig->page, true);
	rig_map(rig, rig->at.tail, rig->at.tail_size, rig->page, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 0));

	hw->calls[HWM_FLUSH] = 0;
	hw->calls[HWM_CLEAR] = 0;
	hw->watch = kill_in_first_flush;
	allow_kernel_signal(SIGKILL);
	ret = rig_read(rig, 0, rig->at.last, 0);
	disallow_signal(SIGKILL);
	flush_signals(current);
	hw->watch = NULL;
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	KUNIT_EXPECT_EQ(test, hw->calls[HWM_CLEAR], 1);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

/* What is mapped, and something that happens when a start asks for the next part */
struct meddler {
	struct iommu_dirty_ranges ranges;
	struct rig_ranges mapped;
	struct rig *rig;
	struct hwm_device *dev;
	unsigned int asked;
	unsigned int asserted;
};

static bool meddle_and_go_on(const struct iommu_dirty_ranges *ranges,
			     unsigned long first, unsigned long last,
			     struct iommu_dirty_range *range)
{
	struct meddler *m = container_of(ranges, struct meddler, ranges);

	if (++m->asked == 2 && m->dev)
		KUNIT_EXPECT_EQ(m->rig->hw->test,
				rig_attach(m->rig->hd, m->dev), 0);
	return m->mapped.ranges.next(&m->mapped.ranges, first, last, range);
}

static void note_assertion(const struct iommu_dirty_ranges *ranges)
{
	struct meddler *m = container_of(ranges, struct meddler, ranges);

	m->asserted++;
}

static void meddler_init(struct meddler *m, struct rig *rig,
			 struct hwm_device *dev)
{
	*m = (struct meddler){
		.ranges.next = meddle_and_go_on,
		.ranges.assert_stable = note_assertion,
		.mapped = rig_ranges(rig->hd),
		.rig = rig,
		.dev = dev,
	};
}

static void an_incapable_device_may_come_while_a_start_cleans(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct hwm_device *unable = hwm_device_new(rig->hw);
	struct meddler m;

	unable->caps = 0;
	rig_map(rig, rig->at.tail, rig->at.tail_size, rig->page, true);
	meddler_init(&m, rig, unable);
	KUNIT_EXPECT_EQ(test, iommu_dirty_start(domain, test, &m.ranges),
			-EOPNOTSUPP);
	KUNIT_EXPECT_GE(test, m.asked, 2);
	expect_off(rig);

	/* Where that is wanted all is dirty, and the device is why */
	hwm_device_free(unable);
	unable = hwm_device_new(rig->hw);
	unable->caps = 0;
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE), 0);
	meddler_init(&m, rig, unable);
	KUNIT_EXPECT_EQ(test, iommu_dirty_start(domain, test, &m.ranges), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
}

static void what_is_mapped_has_to_stay_so(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct rig_bitmap bm = {};
	struct iommu_dirty_read rd = {
		.iova = rig->at.small,
		.last = rig->at.small + rig->at.small_size - 1,
		.page_size = rig->page,
	};
	struct meddler m;

	meddler_init(&m, rig, NULL);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_start(&rig->hd->domain, test, &m.ranges), 0);
	KUNIT_EXPECT_EQ(test, m.asserted, 1);

	KUNIT_ASSERT_EQ(test, rig_bitmap_init(&bm, rig->hw, 1008, 0), 0);
	rd.mapped = &m.ranges;
	rd.sink = &bm.sink;
	KUNIT_EXPECT_EQ(test, iommu_dirty_read(&rig->hd->domain, test, &rd), 0);
	KUNIT_EXPECT_EQ(test, m.asserted, 2);
	rig_bitmap_free(&bm);
}

static void counters_start_from_zero(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_dirty_info info;
	u64 flushes;

	/* In two chunks */
	rig_map(rig, rig->at.tail, rig->at.tail_size, rig->page, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	/* Those of the start itself */
	flushes = rig_query(rig->hd).flushes;
	hwm_dma(rig->dev, IOMMU_NO_PASID, rig_page(rig, 0), rig->page * 4,
		true);
	hwm_write(rig->dev, rig->at.tail);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	info = rig_query(rig->hd);
	KUNIT_EXPECT_EQ(test, info.reads, 1);
	KUNIT_EXPECT_EQ(test, info.leaves,
			(rig->at.small_size + rig->at.tail_size) / rig->page);
	KUNIT_EXPECT_EQ(test, info.dirty, 5);
	KUNIT_EXPECT_EQ(test, info.cleared, 5);
	KUNIT_EXPECT_EQ(test, info.seen_leaf_sizes, rig->page);
	KUNIT_EXPECT_EQ(test, info.flushes, flushes + 2);
	KUNIT_EXPECT_GT(test, info.time_ns, 0);

	/* A read that fails says nothing of the sizes that there are */
	hwm_fail(rig->hw, BIT(HWM_WALK), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, read_all(rig), -EIO);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seen_leaf_sizes, rig->page);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).reads, 2);

	/* A start that is refused leaves them */
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	hwm_fail(rig->hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EIO);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 5);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	info = rig_query(rig->hd);
	KUNIT_EXPECT_EQ(test, info.reads, 0);
	KUNIT_EXPECT_EQ(test, info.leaves, 0);
	KUNIT_EXPECT_EQ(test, info.dirty, 0);
	KUNIT_EXPECT_EQ(test, info.cleared, 0);
	KUNIT_EXPECT_EQ(test, info.seen_leaf_sizes, 0);
	KUNIT_EXPECT_EQ(test, info.flushes, flushes);
	KUNIT_EXPECT_EQ(test, info.time_ns, 0);
}

static void every_change_of_mode_has_a_number(struct kunit *test)
{
	struct rig *rig = test->priv;
	u64 seq = rig_query(rig->hd).seq, now;

	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	now = rig_query(rig->hd).seq;
	KUNIT_EXPECT_GT(test, now, seq);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, now);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_GT(test, rig_query(rig->hd).seq, now);
}

static struct kunit_case feature_cases[] = {
	KUNIT_CASE_PARAM(start_makes_what_is_mapped_clean, rig_kinds),
	KUNIT_CASE_PARAM(starting_twice_loses_nothing, rig_kinds),
	KUNIT_CASE_PARAM(stopping_what_is_off_is_refused, rig_kinds),
	KUNIT_CASE_PARAM(reading_what_is_off_is_refused, rig_kinds),
	KUNIT_CASE(bad_arguments_change_nothing),
	KUNIT_CASE(a_second_owner_is_refused),
	KUNIT_CASE_PARAM(a_domain_without_devices_can_be_tracked, rig_kinds),
	KUNIT_CASE(an_incapable_device_prevents_the_start),
	KUNIT_CASE(an_incapable_table_prevents_the_start),
	KUNIT_CASE(a_table_without_leaves_prevents_the_start),
	KUNIT_CASE(a_dma_api_domain_is_never_tracked),
	KUNIT_CASE_PARAM(a_switch_that_fails_to_go_on_leaves_it_off, rig_kinds),
	KUNIT_CASE_PARAM(a_switch_that_fails_to_go_off_leaves_it_on, rig_kinds),
	KUNIT_CASE_PARAM(a_start_that_cannot_clean_is_undone, rig_kinds),
	KUNIT_CASE(a_start_that_cannot_be_undone_says_all_dirty),
	KUNIT_CASE_PARAM(a_starter_that_is_killed_gives_up, rig_kinds),
	KUNIT_CASE_PARAM(a_reader_that_is_killed_walks_no_further, rig_kinds),
	KUNIT_CASE_PARAM(an_incapable_device_may_come_while_a_start_cleans,
			 rig_kinds),
	KUNIT_CASE(what_is_mapped_has_to_stay_so),
	KUNIT_CASE(counters_start_from_zero),
	KUNIT_CASE(every_change_of_mode_has_a_number),
	{}
};

static struct kunit_suite feature_suite = {
	.name = "iommu-dirty-feature",
	.init = init,
	.test_cases = feature_cases,
};

kunit_test_suite(feature_suite);
