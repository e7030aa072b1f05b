// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware that makes what it has recorded visible late: a read waits for it, once
 * and before it looks.
 */
#include "rig.h"

#define NO_CLEAR IOMMU_DIRTY_READ_NO_CLEAR

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	memset(rig->hw->calls, 0, sizeof(rig->hw->calls));
	return 0;
}

static int read_all(struct rig *rig, u32 flags)
{
	return rig_read(rig, 0, rig->at.last, flags);
}

/* Write three leaves, in three chunks, of which software sees nothing yet */
static void write_unseen(struct rig *rig)
{
	const unsigned long at[] = {
		rig_page(rig, 3), rig->at.large, rig->at.after,
	};
	unsigned int i, level;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		u64 *entry = hwm_find_leaf(rig->hd, at[i], &level);

		KUNIT_EXPECT_EQ(rig->hw->test, hwm_write(rig->dev, at[i]), 0);
		KUNIT_EXPECT_FALSE(rig->hw->test,
				   hwm_leaf_dirty(rig->hw->kind->fmt, entry,
						  level));
	}
}

static void what_is_held_back_is_reported(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;

	for (i = 1; i <= 3; i++) {
		write_unseen(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 3 * i);
	}
	/* The queue is not endless */
	KUNIT_EXPECT_EQ(test,
			hwm_dma(rig->dev, IOMMU_NO_PASID, rig_page(rig, 0),
				3 * HWM_HELD * rig->page, true),
			0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 9 + 3 * HWM_HELD);
}

/* Each step may come only after those that have to be before it */
static void watch_order(struct hwm_model *hw, enum hwm_step step, bool after)
{
	if (step == HWM_SYNC)
		KUNIT_EXPECT_EQ(hw->test, hw->calls[HWM_WALK], 0);
	if (step == HWM_WALK)
		KUNIT_EXPECT_EQ(hw->test, hw->calls[HWM_SYNC], 1);
}

static void a_read_waits_once_before_it_walks(struct kunit *test)
{
	struct rig *rig = test->priv;
	static const u32 flags[] = { NO_CLEAR, 0, 0 };
	unsigned int i;

	rig->hw->watch = watch_order;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		write_unseen(rig);
		memset(rig->hw->calls, 0, sizeof(rig->hw->calls));
		KUNIT_EXPECT_EQ(test, read_all(rig, flags[i]), 0);
		KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SYNC], 1);
		KUNIT_EXPECT_GE(test, rig->hw->calls[HWM_WALK], 4);
		memset(rig->hw->calls, 0, sizeof(rig->hw->calls));
		if (flags[i] == NO_CLEAR)
			KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	}
	rig->hw->watch = NULL;
}

static void a_wait_that_fails_ends_the_read_and_loses_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int late;

	for (late = 0; late < 2; late++) {
		write_unseen(rig);
		memset(rig->hw->calls, 0, sizeof(rig->hw->calls));
		hwm_fail(rig->hw, BIT(HWM_SYNC), 1, late, -ETIMEDOUT);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), -ETIMEDOUT);
		KUNIT_EXPECT_TRUE(test, rig->hw->fault.hit);
		KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_WALK], 0);
		KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
		/* It is tried again, and nothing says that it was not exact */
		rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT,
				IOMMU_DIRTY_REASON_NONE);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 3 * (late + 1));
	}
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).reads, 4);
}

static void a_read_that_is_refused_does_not_wait(struct kunit *test)
{
	struct rig *rig = test->priv;
	int other;

	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, &other, 0, rig->at.last, rig->page, 0),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, rig_read_as(rig, test, 0, rig->at.last,
					  rig->page, BIT(5)), -EOPNOTSUPP);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SYNC], 0);
}

static void all_dirty_does_not_wait(struct kunit *test)
{
	struct rig *rig = test->priv;

	write_unseen(rig);
	hwm_fail(rig->hw, BIT(HWM_FLUSH), 1, false, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), -ETIMEDOUT);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_FLUSH);
	memset(rig->hw->calls, 0, sizeof(rig->hw->calls));
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SYNC], 0);
}

static void a_backend_that_holds_nothing_back_need_not_wait(struct kunit *test)
{
	struct rig *rig = test->priv;

	rig->hw->backend.sync = NULL;
	hwm_write(rig->dev, rig->at.medium);
	hwm_settle(rig->hd);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_SYNC], 0);
}

static struct kunit_case sync_cases[] = {
	KUNIT_CASE_PARAM(what_is_held_back_is_reported, rig_arm_kinds),
	KUNIT_CASE_PARAM(a_read_waits_once_before_it_walks, rig_arm_kinds),
	KUNIT_CASE_PARAM(a_wait_that_fails_ends_the_read_and_loses_nothing,
			 rig_arm_kinds),
	KUNIT_CASE_PARAM(a_read_that_is_refused_does_not_wait, rig_arm_kinds),
	KUNIT_CASE_PARAM(all_dirty_does_not_wait, rig_arm_kinds),
	KUNIT_CASE_PARAM(a_backend_that_holds_nothing_back_need_not_wait,
			 rig_arm_kinds),
	{}
};

static struct kunit_suite sync_suite = {
	.name = "iommu-dirty-sync",
	.init = init,
	.test_cases = sync_cases,
};

kunit_test_suite(sync_suite);
