// SPDX-License-Identifier: GPL-2.0-only
/*
 * The adapter: a driver that has only upstream's iommu_dirty_ops, see hw-upstream.c
 */
#include "rig.h"

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init_bare(test);
	rig = test->priv;
	rig->hd = hwm_domain_new(rig->hw);
	hwm_make_upstream(rig->hd);
	rig->dev = rig_device(rig, rig->hd);
	rig_map_layout(rig);
	return 0;
}

static int start(struct rig *rig)
{
	int ret = rig_start(rig->hd, rig->hw->test);

	hwm_upstream.flushes = 0;
	hwm_upstream.syncs = 0;
	return ret;
}

static int read_all(struct rig *rig, u32 flags)
{
	return rig_read(rig, 0, rig->at.last, flags);
}

static void write_some(struct rig *rig)
{
	hwm_write(rig->dev, rig_page(rig, 3));
	hwm_write(rig->dev, rig_page(rig, 4));
	hwm_write(rig->dev, rig->at.medium + SZ_4K);
	hwm_write(rig->dev, rig->at.large + rig->large - 1);
	hwm_write(rig->dev, rig->at.after);
}

static void a_driver_with_upstream_operations_is_served(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_dirty_info info = rig_query(rig->hd);

	KUNIT_EXPECT_STREQ(test, info.backend, "adapter");
	KUNIT_EXPECT_EQ(test, info.caps.flags,
			IOMMU_DIRTY_CAP_RECORD | IOMMU_DIRTY_CAP_BORN_DIRTY);
	KUNIT_EXPECT_EQ(test, info.caps.leaf_sizes,
			rig->hd->domain.pgsize_bitmap);
	KUNIT_EXPECT_EQ(test, start(rig), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
}

static void what_is_rewritten_is_reported_again(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	for (i = 1; i <= 3; i++) {
		write_some(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 5 * i);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, 5 * i);
		KUNIT_EXPECT_GT(test, hwm_upstream.flushes, 0);
		hwm_upstream.flushes = 0;
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, hwm_upstream.flushes, 0);
	}
}

static void a_read_without_clear_clears_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	write_some(rig);
	KUNIT_EXPECT_EQ(test, read_all(rig, IOMMU_DIRTY_READ_NO_CLEAR), 0);
	KUNIT_EXPECT_EQ(test, hwm_upstream.flushes, 0);
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
}

static void drivers_may_record_by_themselves(struct kunit *test)
{
	hwm_upstream.record_itself = true;
	what_is_rewritten_is_reported_again(test);
}

static void a_driver_that_only_syncs_gets_a_page_size(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;

	hwm_upstream.ops.flush_iotlb_all = NULL;
	hwm_upstream.ops.iotlb_sync = hwm_upstream_sync;
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	for (i = 1; i <= 3; i++) {
		write_some(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 5 * i);
	}
	KUNIT_EXPECT_GT(test, hwm_upstream.syncs, 0);
	KUNIT_EXPECT_EQ(test, hwm_upstream.sync.pgsize, rig->page);
}

/* The driver would clear all of it, and report what was asked for */
static void a_leaf_that_the_range_cuts_stays_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long half = rig->medium / 2, at = rig->at.medium;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	for (i = 0; i < 2; i++) {
		hwm_write(rig->dev, at);
		KUNIT_EXPECT_EQ(test, rig_read(rig, at + half,
					       at + rig->medium - 1, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, at, at + half - 1, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, i);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, i + 1);
	}
}

/* Bit n of the answer: is page n of the layout dirty? */
static unsigned long raw_read(struct rig *rig, unsigned int first,
			      unsigned int last)
{
	struct rig_ranges mapped = rig_ranges(rig->hd);
	struct iommu_dirty_kernel_sink sink;
	unsigned long bits = 0;
	struct iommu_dirty_read rd = {
		.iova = rig_page(rig, first),
		.last = rig_page(rig, last + 1) - 1,
		.page_size = rig->page,
		.mapped = &mapped.ranges,
		.sink = &sink.sink,
	};

	iommu_dirty_kernel_sink_init(&sink, &bits);
	guard(mutex)(&rig->hd->map_lock);
	KUNIT_EXPECT_EQ(rig->hw->test,
			iommu_dirty_read(&rig->hd->domain, rig->hw->test, &rd),
			0);
	return bits << first;
}

/*
 * Nobody says whether it is the same leaf: it is reported again rather than lost,
 * until it is clean.
 */
static void a_page_next_to_a_dirty_one_outside_stays_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_write(rig->dev, rig_page(rig, 4));
	hwm_write(rig->dev, rig_page(rig, 5));
	hwm_write(rig->dev, rig_page(rig, 8));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 5, 7), BIT(5));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), BIT(4) | BIT(5) | BIT(8));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), 0);
}

/* A page that is written just then is made clean with the run, and was not reported */
static void what_a_driver_clears_unreported_makes_all_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_upstream.clears_too_much = true;
	hwm_write(rig->dev, rig_page(rig, 4));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), BIT(4));
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);

	hwm_write(rig->dev, rig_page(rig, 4));
	hwm_upstream.writer = rig->dev;
	hwm_upstream.write_at = rig_page(rig, 5);
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), BIT(4));
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_BACKEND);
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), 0xffff);
}

static void a_driver_s_error_reaches_the_caller(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	write_some(rig);
	hwm_upstream.err = -EIO;
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), -EIO);
	hwm_upstream.err = 0;
	KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 5);
}

static void a_device_that_cannot_record_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);

	dev->caps = 0;
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, dev), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 1);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, dev), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EOPNOTSUPP);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_driver_with_upstream_operations_is_served),
	KUNIT_CASE(what_is_rewritten_is_reported_again),
	KUNIT_CASE(a_read_without_clear_clears_nothing),
	KUNIT_CASE(drivers_may_record_by_themselves),
	KUNIT_CASE(a_driver_that_only_syncs_gets_a_page_size),
	KUNIT_CASE(a_leaf_that_the_range_cuts_stays_dirty),
	KUNIT_CASE(a_page_next_to_a_dirty_one_outside_stays_dirty),
	KUNIT_CASE(what_a_driver_clears_unreported_makes_all_dirty),
	KUNIT_CASE(a_driver_s_error_reaches_the_caller),
	KUNIT_CASE(a_device_that_cannot_record_is_refused),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu-dirty-adapter",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
