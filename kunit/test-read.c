// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads: what they make clean, that a flush follows, and that nothing is lost when
 * a step fails.
 */
#include <linux/sched/signal.h>

#include "rig.h"

#define NO_CLEAR IOMMU_DIRTY_READ_NO_CLEAR

static int init(struct kunit *test)
{
	rig_init(test);
	rig_map_layout(test->priv);
	KUNIT_ASSERT_EQ(test,
			rig_start(((struct rig *)test->priv)->hd, test), 0);
	return 0;
}

/* Write leaves of all sizes, in four chunks; what was written before as well */
static void write_some(struct rig *rig)
{
	hwm_dma(rig->dev, IOMMU_NO_PASID, rig_page(rig, 100), 600 * rig->page,
		true);
	hwm_write(rig->dev, rig->at.medium + rig->medium / 2);
	hwm_write(rig->dev, rig->at.medium + 2 * rig->medium);
	hwm_write(rig->dev, rig->at.edge + rig->at.edge_size - 1);
	hwm_write(rig->dev, rig->at.large + rig->medium / 2);
	hwm_write(rig->dev, rig->at.large + rig->at.large_size - 1);
	hwm_write(rig->dev, rig->at.after);
	hwm_write(rig->dev, rig->at.tail_last);
}

static int read_all(struct rig *rig, u32 flags)
{
	return rig_read(rig, 0, rig->at.last, flags);
}

static void a_second_read_reports_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;

	write_some(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 607);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, 607);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 607);
}

static void a_write_after_a_read_is_reported_by_the_next(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;

	/* The translations are cached, and were cached dirty */
	for (i = 0; i < 3; i++) {
		write_some(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 607 * (i + 1));
	}
}

static void a_flush_follows_a_clear_and_only_a_clear(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int *calls = rig->hw->calls;
	u64 before = rig_query(rig->hd).flushes;

	calls[HWM_FLUSH] = 0;
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, calls[HWM_FLUSH], 0);

	hwm_write(rig->dev, rig_page(rig, 1));
	KUNIT_EXPECT_EQ(test, read_all(rig, NO_CLEAR), 0);
	KUNIT_EXPECT_EQ(test, calls[HWM_FLUSH], 0);

	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, calls[HWM_FLUSH], 1);

	/* A cut leaf is not cleaned: there is nothing to flush */
	hwm_write(rig->dev, rig->at.medium);
	KUNIT_EXPECT_EQ(test,
			rig_read(rig, rig->at.medium,
				 rig->at.medium + rig->medium / 2 - 1, 0),
			0);
	KUNIT_EXPECT_EQ(test, calls[HWM_FLUSH], 1);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, 1);

	/* One for each chunk that had something */
	write_some(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, calls[HWM_FLUSH], 5);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).flushes - before, 5);
}

static void no_clear_changes_no_entry(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;
	u32 hash;

	write_some(rig);
	hash = hwm_table_hash(rig->hd);
	rig->hw->calls[HWM_CLEAR] = 0;
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, read_all(rig, NO_CLEAR), 0);
	KUNIT_EXPECT_EQ(test, hwm_table_hash(rig->hd), hash);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, 0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
}

static void a_cut_leaf_is_reported_in_part_and_stays_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;
	const struct {
		unsigned long leaf, size;
	} leaves[] = {
		{ rig->at.medium, rig->medium },
		{ rig->at.large, rig->large },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		unsigned long first = leaves[i].leaf;
		unsigned long last = first + leaves[i].size - 1;
		unsigned long mid = first + leaves[i].size / 2;
		u32 hash;

		hwm_write(rig->dev, mid - rig->page);
		hash = hwm_table_hash(rig->hd);
		KUNIT_EXPECT_EQ(test, rig_read(rig, first, mid - 1, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, mid, last, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, first + rig->page, last, 0),
				0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, first, last - rig->page, 0),
				0);
		KUNIT_EXPECT_EQ(test, hwm_table_hash(rig->hd), hash);
		KUNIT_EXPECT_EQ(test, rig_read(rig, first, last, 0), 0);
		KUNIT_EXPECT_NE(test, hwm_table_hash(rig->hd), hash);
	}
}

static void what_devices_only_read_is_not_reported(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_EXPECT_EQ(test,
			hwm_dma(rig->dev, IOMMU_NO_PASID, rig->at.small,
				rig->at.small_size + rig->at.medium_size +
					rig->at.ro_size,
				false),
			0);
	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig->at.ro), -EFAULT);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 0);

	/* Cached clean: the write looks at the entry again */
	write_some(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 607);
}

static void what_is_mapped_later_is_tracked(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long iova = rig->at.hole, size = 1024 * rig->page;

	rig_map(rig, iova, size, rig->page, true);
	hwm_write(rig->dev, iova + 2 * rig->page);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	hwm_write(rig->dev, iova + 2 * rig->page);
	hwm_write(rig->dev, iova + size / 2);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);

	hwm_unmap(rig->hd, iova, size);
	rig_map(rig, iova, size, rig->medium, true);
	hwm_write(rig->dev, iova + size / 2);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).met_sizes,
			rig->page | rig->medium | rig->large);
}

/* Let the k-th of @steps fail, for every k that there is, or a sample of them */
static void fail_each(struct kunit *test, unsigned long steps, bool late)
{
	struct rig *rig = test->priv;
	unsigned int stride = rig_sampled(rig) ? 3 : 1;
	unsigned int nth = 1 + (rig->hw->kind - hwm_kinds) % stride;

	for (;; nth += stride) {
		int ret;

		write_some(rig);
		hwm_fail(rig->hw, steps, nth, late, -EIO);
		ret = read_all(rig, 0);
		if (!rig->hw->fault.hit)
			break;
		KUNIT_EXPECT_EQ(test, ret, -EIO);

		/* What is left, and that nothing is cached that should not be */
		hwm_fail(rig->hw, 0, 0, false, 0);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		if (rig_query(rig->hd).mode != IOMMU_DIRTY_MODE_EXACT) {
			KUNIT_EXPECT_TRUE(test, steps & BIT(HWM_FLUSH));
			KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
			KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
		}
		write_some(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	}
	/* There is no such step: the read was a good one */
	hwm_fail(rig->hw, 0, 0, false, 0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_GT(test, nth, 4);
}

static void a_failed_walk_loses_nothing(struct kunit *test)
{
	fail_each(test, BIT(HWM_WALK), false);
	fail_each(test, BIT(HWM_WALK), true);
}

static void a_failed_publish_loses_nothing(struct kunit *test)
{
	fail_each(test, BIT(HWM_PUBLISH), false);
	fail_each(test, BIT(HWM_PUBLISH), true);
}

static void a_failed_clear_loses_nothing(struct kunit *test)
{
	fail_each(test, BIT(HWM_CLEAR), false);
	fail_each(test, BIT(HWM_CLEAR), true);
}

static void a_failed_flush_loses_nothing(struct kunit *test)
{
	fail_each(test, BIT(HWM_FLUSH), false);
	fail_each(test, BIT(HWM_FLUSH), true);
}

static void any_failed_step_loses_nothing(struct kunit *test)
{
	fail_each(test, HWM_READ_STEPS, false);
	fail_each(test, HWM_READ_STEPS, true);
}

static void a_failed_flush_makes_all_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;
	u64 seq = rig_query(rig->hd).seq;
	unsigned long half = rig->large / 2;

	write_some(rig);
	hwm_fail(rig->hw, BIT(HWM_FLUSH), 2, false, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), -ETIMEDOUT);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_FLUSH);
	KUNIT_EXPECT_GT(test, rig_query(rig->hd).seq, seq);

	/* What devices may write, each time, and nothing is cleaned for it */
	rig->hw->calls[HWM_WALK] = 0;
	rig->hw->calls[HWM_CLEAR] = 0;
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test,
			rig_read(rig, rig->at.large + half,
				 rig->at.large + half + rig->page - 1, 0),
			0);
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, test, 0, rig->at.last,
				    512 * rig->page, 0),
			0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_WALK], 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);

	/* A failure to publish is told in this mode too */
	hwm_fail(rig->hw, BIT(HWM_PUBLISH), 3, false, -EFAULT);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), -EFAULT);
}

static void a_start_after_a_failed_flush_flushes(struct kunit *test)
{
	struct rig *rig = test->priv;

	write_some(rig);
	hwm_fail(rig->hw, BIT(HWM_FLUSH), 1, false, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), -ETIMEDOUT);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);

	/* The leaves are clean, but what was cached of them was dirty */
	write_some(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
}

static void kill_before_flush(struct hwm_model *hw, enum hwm_step step,
			      bool after)
{
	if (step == HWM_FLUSH && !after)
		send_sig(SIGKILL, current, 1);
}

static void a_killed_reader_has_flushed_what_it_cleaned(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;
	int ret;

	for (i = 0; i < 3; i++) {
		write_some(rig);
		rig->hw->watch = kill_before_flush;
		allow_kernel_signal(SIGKILL);
		ret = read_all(rig, 0);
		disallow_signal(SIGKILL);
		flush_signals(current);
		rig->hw->watch = NULL;
		KUNIT_EXPECT_EQ(test, ret, -EINTR);
		if (i)
			write_some(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	}
}

static struct kunit_case read_cases[] = {
	KUNIT_CASE_PARAM(a_second_read_reports_nothing, rig_kinds),
	KUNIT_CASE_PARAM(a_write_after_a_read_is_reported_by_the_next,
			 rig_kinds),
	KUNIT_CASE_PARAM(a_flush_follows_a_clear_and_only_a_clear, rig_kinds),
	KUNIT_CASE_PARAM(no_clear_changes_no_entry, rig_kinds),
	KUNIT_CASE_PARAM(a_cut_leaf_is_reported_in_part_and_stays_dirty,
			 rig_kinds),
	KUNIT_CASE_PARAM(what_devices_only_read_is_not_reported,
			 rig_kinds),
	KUNIT_CASE_PARAM(what_is_mapped_later_is_tracked, rig_kinds),
	KUNIT_CASE_PARAM(a_failed_walk_loses_nothing, rig_kinds),
	KUNIT_CASE_PARAM(a_failed_publish_loses_nothing, rig_kinds),
	KUNIT_CASE_PARAM(a_failed_clear_loses_nothing, rig_kinds),
	KUNIT_CASE_PARAM(a_failed_flush_loses_nothing, rig_kinds),
	KUNIT_CASE_PARAM(any_failed_step_loses_nothing, rig_kinds),
	KUNIT_CASE_PARAM(a_failed_flush_makes_all_dirty, rig_kinds),
	KUNIT_CASE_PARAM(a_start_after_a_failed_flush_flushes, rig_kinds),
	KUNIT_CASE_PARAM(a_killed_reader_has_flushed_what_it_cleaned,
			 rig_kinds),
	{}
};

static struct kunit_suite read_suite = {
	.name = "iommu-dirty-read",
	.init = init,
	.test_cases = read_cases,
};

kunit_test_suite(read_suite);
