// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs out: every call that a consumer or the IOMMU core makes, with each of its
 * allocations failing in turn, alone and with all that follow. What has another way to
 * get its memory may succeed; what fails says -ENOMEM, has changed nothing, and can be
 * done again. What must not fail asks for no memory, or waits for it.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/eventfd.h>
#include <linux/fault-inject.h>
#include <linux/fdtable.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include "../../../iommu-priv.h"
#include "rig.h"

#define PASID 5

/* The knobs of one kind of fault injection, and what they were before */
struct knobs {
	const char *dir;
	unsigned long *probability;
	unsigned long *verbose;
	atomic_t *times;
	bool *task_filter;
	bool *ignore_gfp_wait;
	bool *ignore_gfp_highmem;	/* of pages */
	u32 *min_order;			/* of pages */
	bool had_task_filter;
	unsigned long had_verbose;
};

static struct knobs kinds[] = { { "failslab" }, { "fail_page_alloc" } };

/* debugfs's file has the variable's address */
static void *knob(const char *dir, const char *name)
{
	struct dentry *parent = debugfs_lookup(dir, NULL), *dentry = NULL;
	void *value = NULL;

	if (parent)
		dentry = debugfs_lookup(name, parent);
	if (dentry)
		value = d_inode(dentry)->i_private;
	dput(dentry);
	dput(parent);
	return value;
}

static int suite_init(struct kunit_suite *suite)
{
	struct knobs *k;

	for (k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		k->probability = knob(k->dir, "probability");
		k->verbose = knob(k->dir, "verbose");
		k->times = knob(k->dir, "times");
		k->task_filter = knob(k->dir, "task-filter");
		k->ignore_gfp_wait = knob(k->dir, "ignore-gfp-wait");
		k->ignore_gfp_highmem = knob(k->dir, "ignore-gfp-highmem");
		k->min_order = knob(k->dir, "min-order");
		if (!k->probability)
			continue;
		k->had_verbose = *k->verbose;
		k->had_task_filter = *k->task_filter;
		*k->verbose = 0;
		*k->task_filter = true;
		*k->ignore_gfp_wait = false;
		if (k->ignore_gfp_highmem)
			*k->ignore_gfp_highmem = false;
		if (k->min_order)
			*k->min_order = 0;
		atomic_set(k->times, -1);
	}
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	struct knobs *k;

	for (k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		if (!k->probability)
			continue;
		*k->verbose = k->had_verbose;
		*k->task_filter = k->had_task_filter;
		*k->ignore_gfp_wait = true;
		if (k->ignore_gfp_highmem)
			*k->ignore_gfp_highmem = true;
		if (k->min_order)
			*k->min_order = 1;
		atomic_set(k->times, 1);
	}
}

static int init(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!kinds[i].probability)
			kunit_skip(test, "this kernel has no %s", kinds[i].dir);
	return test->param_value ? 0 : rig_init(test);
}

/**
 * struct sweep - one allocation of a call after the other
 * @test: test
 * @nth: the allocation that fails, from 1
 * @on: and all that follow
 * @hit: the call got so far
 * @failed: calls that failed
 */
struct sweep {
	struct kunit *test;
	unsigned int nth;
	bool on;
	bool hit;
	unsigned int failed;
};

static bool sweep_next(struct sweep *s)
{
	if (s->nth && !s->hit) {
		if (s->on)
			return false;
		s->on = true;
		s->nth = 0;
	}
	s->nth++;
	s->hit = false;
	KUNIT_ASSERT_LT(s->test, s->nth, 200);
	return true;
}

static void arm(struct sweep *s)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		*kinds[i].probability = s->on ? 100 : 0;
	current->make_it_fail = s->on;
	WRITE_ONCE(current->fail_nth, s->nth);
}

static int disarm(struct sweep *s, int ret)
{
	unsigned int i;

	s->hit = !READ_ONCE(current->fail_nth);
	WRITE_ONCE(current->fail_nth, 0);
	current->make_it_fail = 0;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		*kinds[i].probability = 0;
	s->failed += !!ret;
	if (!s->hit)
		KUNIT_EXPECT_EQ(s->test, ret, 0);
	else if (ret)
		KUNIT_EXPECT_EQ(s->test, ret, -ENOMEM);
	return ret;
}

/* Make a call with the allocation failing that it is the turn of */
#define failing(s, call)            \
({                                  \
	struct sweep *__s = (s);    \
				    \
	arm(__s);                   \
	disarm(__s, call);          \
})

/* Do what must not fail for want of memory, with none to be had */
#define without_memory(kunit, call)                                      \
({                                                                       \
	struct sweep __s = { .test = (kunit), .nth = 1, .on = true };    \
									 \
	arm(&__s);                                                       \
	KUNIT_EXPECT_EQ(__s.test, disarm(&__s, call), 0);                \
})

static void expect_same(struct kunit *test, const struct iommu_dirty_info *was,
			struct hwm_domain *hd)
{
	struct iommu_dirty_info info = rig_query(hd);

	KUNIT_EXPECT_EQ(test, (int)info.mode, (int)was->mode);
	KUNIT_EXPECT_EQ(test, (int)info.reason, (int)was->reason);
	KUNIT_EXPECT_EQ(test, (int)info.policy, (int)was->policy);
	KUNIT_EXPECT_EQ(test, info.caps.flags, was->caps.flags);
	KUNIT_EXPECT_EQ(test, info.attached, was->attached);
	KUNIT_EXPECT_EQ(test, info.seq, was->seq);
}

/* Calls that may be the first one for a domain, which has no state then */

static int nobody(struct notifier_block *nb, unsigned long events, void *info)
{
	return NOTIFY_OK;
}

struct first {
	const char *name;
	int (*call)(struct rig *rig, struct hwm_domain *hd);
};

static int first_query(struct rig *rig, struct hwm_domain *hd)
{
	struct iommu_dirty_info info;

	return iommu_dirty_query(&hd->domain, &info);
}

static int first_policy(struct rig *rig, struct hwm_domain *hd)
{
	return iommu_dirty_set_policy(&hd->domain, rig,
				      IOMMU_DIRTY_POLICY_DEGRADE);
}

static int first_can_attach(struct rig *rig, struct hwm_domain *hd)
{
	struct iommu_dirty_forecast forecast;

	return iommu_dirty_can_attach(&hd->domain, &rig->dev->dev, &forecast);
}

static int first_want(struct rig *rig, struct hwm_domain *hd)
{
	return iommu_dirty_domain_require(&hd->domain, &rig->dev->dev);
}

static int first_start(struct rig *rig, struct hwm_domain *hd)
{
	return rig_start(hd, rig);
}

static int first_register(struct rig *rig, struct hwm_domain *hd)
{
	static struct notifier_block nb;

	nb = (struct notifier_block){ .notifier_call = nobody };
	return iommu_dirty_register_notifier(&hd->domain, &nb);
}

static int first_attach(struct rig *rig, struct hwm_domain *hd)
{
	return rig_attach(hd, rig->dev);
}

static int first_pasid(struct rig *rig, struct hwm_domain *hd)
{
	return iommu_dirty_set_dev_pasid(&hd->domain, &rig->dev->dev, PASID,
					 NULL);
}

static int first_nest(struct rig *rig, struct hwm_domain *hd)
{
	struct iommu_domain child = { .type = IOMMU_DOMAIN_NESTED };

	return iommu_dirty_nest(&child, &hd->domain);
}

static const struct first firsts[] = {
	{ "query", first_query },
	{ "set policy", first_policy },
	{ "can attach", first_can_attach },
	{ "want", first_want },
	{ "start", first_start },
	{ "register a notifier", first_register },
	{ "attach", first_attach },
	{ "set a PASID", first_pasid },
	{ "nest", first_nest },
};

static const void *each_first(const void *prev, char *desc)
{
	const struct first *first = prev;

	first = first ? first + 1 : firsts;
	if (first == firsts + ARRAY_SIZE(firsts))
		return NULL;
	strscpy(desc, first->name, KUNIT_PARAM_DESC_SIZE);
	return first;
}

static void the_first_call_for_a_domain(struct kunit *test)
{
	const struct first *first = test->param_value;
	struct sweep s = { .test = test };
	struct rig *rig;

	/* The parameter is not the model's kind */
	test->param_value = NULL;
	rig_init(test);
	rig = test->priv;
	while (sweep_next(&s)) {
		struct hwm_domain *hd = hwm_domain_new(rig->hw);
		struct hwm_device *dev = rig->dev;

		rig->dev = hwm_device_new(rig->hw);
		if (failing(&s, first->call(rig, hd))) {
			KUNIT_EXPECT_TRUE(test, hlist_empty(&rig->dev->dev.iommu->dirty));
			KUNIT_EXPECT_EQ(test, rig_query(hd).attached, 0);
			KUNIT_EXPECT_EQ(test, (int)rig_query(hd).mode,
					IOMMU_DIRTY_MODE_OFF);
			KUNIT_EXPECT_EQ(test, first->call(rig, hd), 0);
		}
		hwm_device_free(rig->dev);
		hwm_domain_free(hd);
		rig->dev = dev;
	}
	KUNIT_EXPECT_GE(test, s.failed, 2);
	test->param_value = first;
}

/* Attach, move, detach */

static void an_attach_that_fails_changes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct sweep s = { .test = test };

	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	while (sweep_next(&s)) {
		struct iommu_dirty_info was = rig_query(rig->hd);
		struct hwm_device *dev = hwm_device_new(rig->hw);

		if (failing(&s, rig_attach(rig->hd, dev))) {
			expect_same(test, &was, rig->hd);
			KUNIT_EXPECT_TRUE(test, hlist_empty(&dev->dev.iommu->dirty));
			KUNIT_EXPECT_NE(test, hwm_write(dev, rig_page(rig, 1)),
					0);
			KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, dev), 0);
		}
		KUNIT_EXPECT_EQ(test, hwm_write(dev, rig_page(rig, 2)), 0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
		hwm_device_free(dev);
	}
	KUNIT_EXPECT_GE(test, s.failed, 4);
}

/* The device stays where it was, and is recorded there */
static void a_move_that_fails_changes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *to = hwm_domain_new(rig->hw);
	struct sweep s = { .test = test };

	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_start(to, test), 0);
	while (sweep_next(&s)) {
		struct iommu_dirty_info was = rig_query(rig->hd);
		struct iommu_dirty_info was_to = rig_query(to);

		if (!failing(&s, rig_attach(to, rig->dev))) {
			KUNIT_EXPECT_EQ(test, rig_query(to).attached, 1);
			without_memory(test, rig_attach_must(rig->hd,
							     rig->dev));
			KUNIT_EXPECT_EQ(test, rig_query(to).attached, 0);
			continue;
		}
		expect_same(test, &was, rig->hd);
		expect_same(test, &was_to, to);
		KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig_page(rig, 2)), 0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	}
	KUNIT_EXPECT_GE(test, s.failed, 2);
}

static void a_pasid_that_cannot_be_set_changes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *from = hwm_domain_new(rig->hw);
	struct device *dev = &rig->dev->dev;
	struct sweep s = { .test = test };

	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_dev_pasid(&from->domain, dev, PASID,
						  NULL),
			0);
	while (sweep_next(&s)) {
		struct iommu_dirty_info was = rig_query(rig->hd);
		struct iommu_dirty_info was_from = rig_query(from);

		if (failing(&s, iommu_dirty_set_dev_pasid(&rig->hd->domain, dev,
							  PASID,
							  &from->domain))) {
			expect_same(test, &was, rig->hd);
			expect_same(test, &was_from, from);
			continue;
		}
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 2);
		KUNIT_EXPECT_EQ(test, rig_query(from).attached, 0);
		KUNIT_ASSERT_EQ(test,
				iommu_dirty_set_dev_pasid(&from->domain, dev,
							  PASID,
							  &rig->hd->domain),
				0);
	}
	KUNIT_EXPECT_GE(test, s.failed, 2);
}

static int remove_pasid(struct rig *rig)
{
	iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, &rig->dev->dev, PASID,
				     &rig->hd->domain);
	return 0;
}

static int release(struct rig *rig)
{
	iommu_dirty_release_device(&hwm_iommu_ops, &rig->dev->dev);
	return 0;
}

static void what_must_not_fail_needs_no_memory(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct hwm_domain *other = hwm_domain_new(rig->hw), *blocked;
	struct notifier_block nb = { .notifier_call = nobody };
	struct iommu_dirty_info info;

	blocked = hwm_domain_new(rig->hw);
	blocked->domain.type = IOMMU_DOMAIN_BLOCKED;
	KUNIT_ASSERT_EQ(test, first_pasid(rig, rig->hd), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, iommu_dirty_register_notifier(domain, &nb), 0);

	without_memory(test, iommu_dirty_query(domain, &info));
	without_memory(test,
		       iommu_dirty_set_policy(domain, test,
					      IOMMU_DIRTY_POLICY_DEGRADE));
	without_memory(test, iommu_dirty_unregister_notifier(domain, &nb));
	iommu_dirty_notifier_sync(&nb);
	without_memory(test, iommu_dirty_stop(domain, test));
	without_memory(test, remove_pasid(rig));
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 1);

	/* Back to where it was, into a domain that is new, and out of all */
	without_memory(test, rig_attach(blocked, rig->dev));
	without_memory(test, rig_attach_must(rig->hd, rig->dev));
	without_memory(test, rig_attach_must(other, rig->dev));
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 0);
	KUNIT_EXPECT_EQ(test, rig_query(other).attached, 1);
	without_memory(test, release(rig));
	KUNIT_EXPECT_EQ(test, rig_query(other).attached, 0);
}

/* Tracking */

static void a_start_that_fails_leaves_it_off(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct sweep s = { .test = test };

	rig_map_layout(rig);
	while (sweep_next(&s)) {
		struct iommu_dirty_info was = rig_query(rig->hd);

		/* To be cleaned */
		hwm_write(rig->dev, rig_page(rig, 3));
		hwm_write(rig->dev, rig->at.large);
		if (failing(&s, rig_start(rig->hd, test))) {
			struct iommu_dirty_info info = rig_query(rig->hd);

			KUNIT_EXPECT_EQ(test, (int)info.mode, (int)was.mode);
			KUNIT_EXPECT_EQ(test, (int)info.reason,
					(int)was.reason);
			KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test),
					-EALREADY);
			KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
		}
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
		hwm_write(rig->dev, rig_page(rig, 3));
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
		KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	}
	/* The buffer has a second way to get its memory, and no third */
	KUNIT_EXPECT_GE(test, s.failed, 1);
}

static void a_read_that_fails_loses_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	u32 flags;

	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	for (flags = 0; flags <= IOMMU_DIRTY_READ_NO_CLEAR; flags++) {
		struct sweep s = { .test = test };

		while (sweep_next(&s)) {
			struct iommu_dirty_info was = rig_query(rig->hd);
			struct rig_bitmap bm = {};
			int ret;

			hwm_write(rig->dev, rig_page(rig, s.nth));
			hwm_write(rig->dev, rig->at.large);
			ret = rig_bitmap_init(&bm, rig->hw,
					      (rig->at.last + 1) / rig->page,
					      0);
			KUNIT_ASSERT_EQ(test, ret, 0);
			ret = failing(&s, rig_read_to(rig, test, &bm, 0,
						      rig->at.last, rig->page,
						      flags));
			rig_bitmap_free(&bm);
			expect_same(test, &was, rig->hd);
			if (ret)
				KUNIT_EXPECT_EQ(test, rig_query(rig->hd).reads,
						was.reads);
			KUNIT_EXPECT_EQ(test,
					rig_read(rig, 0, rig->at.last, 0), 0);
		}
		KUNIT_EXPECT_GE(test, s.failed, 1);
	}
}

/* The pages of the bitmap come into being as it is written */
static void a_user_bitmap_that_fails_is_an_error(struct kunit *test)
{
	const unsigned int pages = 3;
	struct iommu_dirty_user_sink user;
	unsigned int failed = 0, nth;
	unsigned long addr, at;
	struct mm_struct *mm;
	u8 data[64];

	memset(data, 0x5a, sizeof(data));
	addr = kunit_vm_mmap(test, NULL, 0, pages * PAGE_SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (!addr || IS_ERR_VALUE(addr))
		kunit_skip(test, "no user memory in this kernel's tests");
	at = addr + PAGE_SIZE - sizeof(data) / 2;
	iommu_dirty_user_sink_init(&user, (void __user *)at);
	for (nth = 1;; nth++) {
		struct sweep s = { .test = test, .nth = nth };
		u8 got[sizeof(data)];
		int ret;

		KUNIT_ASSERT_EQ(test,
				vm_mmap(NULL, addr, pages * PAGE_SIZE,
					PROT_READ | PROT_WRITE,
					MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED,
					0),
				addr);
		arm(&s);
		ret = user.sink.publish(&user.sink, 0, data, sizeof(data));
		s.hit = !READ_ONCE(current->fail_nth);
		WRITE_ONCE(current->fail_nth, 0);
		if (ret) {
			KUNIT_EXPECT_TRUE(test, s.hit);
			KUNIT_EXPECT_EQ(test, ret, -EFAULT);
			failed++;
			KUNIT_EXPECT_EQ(test,
					user.sink.publish(&user.sink, 0, data,
							  sizeof(data)),
					0);
		}
		KUNIT_EXPECT_EQ(test,
				copy_from_user(got, (void __user *)at,
					       sizeof(got)),
				0);
		KUNIT_EXPECT_MEMEQ(test, got, data, sizeof(data));
		if (!s.hit)
			break;
	}
	KUNIT_EXPECT_GE(test, failed, 2);
	/* The thread's end gives back one reference of the two that were taken */
	mm = current->mm;
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Who wants to be told, and who serves */

static void an_eventfd_that_cannot_be_added_is_let_go(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct sweep s = { .test = test };
	int fd = -EOPNOTSUPP;

#ifndef CONFIG_ARCH_HAS_SYSCALL_WRAPPER
	fd = sys_eventfd2(0, EFD_NONBLOCK);
#endif
	if (fd == -EOPNOTSUPP)
		kunit_skip(test, "no eventfd can be made here");
	KUNIT_ASSERT_GE(test, fd, 0);
	while (sweep_next(&s)) {
		if (failing(&s, iommu_dirty_add_eventfd(domain, fd))) {
			KUNIT_EXPECT_EQ(test,
					iommu_dirty_remove_eventfd(domain, fd),
					-ENOENT);
			KUNIT_EXPECT_EQ(test,
					iommu_dirty_add_eventfd(domain, fd), 0);
		}
		without_memory(test, iommu_dirty_remove_eventfd(domain, fd));
	}
	KUNIT_EXPECT_GE(test, s.failed, 1);
	close_fd(fd);
}

static void a_backend_that_cannot_be_registered_is_not_there(struct kunit *test)
{
	struct iommu_dirty_backend backend = hwm_backend;
	struct sweep s = { .test = test };

	backend.name = "kunit-nomem";
	while (sweep_next(&s)) {
		if (failing(&s, iommu_dirty_register(&backend))) {
			KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&backend),
					-ENOENT);
			continue;
		}
		without_memory(test, iommu_dirty_unregister(&backend));
	}
	KUNIT_EXPECT_GE(test, s.failed, 1);
}

static struct kunit_case nomem_cases[] = {
	KUNIT_CASE_PARAM(the_first_call_for_a_domain, each_first),
	KUNIT_CASE(an_attach_that_fails_changes_nothing),
	KUNIT_CASE(a_move_that_fails_changes_nothing),
	KUNIT_CASE(a_pasid_that_cannot_be_set_changes_nothing),
	KUNIT_CASE(what_must_not_fail_needs_no_memory),
	KUNIT_CASE(a_start_that_fails_leaves_it_off),
	KUNIT_CASE(a_read_that_fails_loses_nothing),
	KUNIT_CASE(a_user_bitmap_that_fails_is_an_error),
	KUNIT_CASE(an_eventfd_that_cannot_be_added_is_let_go),
	KUNIT_CASE(a_backend_that_cannot_be_registered_is_not_there),
	{}
};

static struct kunit_suite nomem_suite = {
	.name = "iommu-dirty-nomem",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = init,
	.test_cases = nomem_cases,
};

kunit_test_suite(nomem_suite);
