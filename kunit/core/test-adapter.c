// SPDX-License-Identifier: GPL-2.0-only
/*
 * The adapter: drivers that have only upstream's iommu_dirty_ops, see hw-upstream.c
 */
#include <linux/bitmap.h>

#include "rig.h"

/* For KUNIT_CASE_PARAM */
static const void *drivers(const void *prev, char *desc)
{
	const struct hwm_driver *driver = prev;

	driver = driver ? driver + 1 : hwm_drivers;
	if (driver == hwm_drivers + hwm_nr_drivers)
		return NULL;
	strscpy(desc, driver->name, KUNIT_PARAM_DESC_SIZE);
	return driver;
}

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init_kind(test, hwm_upstream_kind());
	rig = test->priv;
	rig->hd = hwm_domain_new(rig->hw);
	hwm_make_upstream(rig->hd, test->param_value);
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

/* Past the layout: for maps of a test's own. More than any leaf but those of 4 GiB. */
static unsigned long past(const struct rig *rig)
{
	return rig->at.last + 1;
}

/* rig_read(), and how many pages are in the report */
static unsigned int pages_read(struct rig *rig, unsigned long iova,
			       unsigned long last, u32 flags)
{
	unsigned long nbits = (last - iova + 1) / rig->page;
	struct rig_bitmap bm = {};
	unsigned int pages;

	KUNIT_ASSERT_EQ(rig->hw->test, rig_bitmap_init(&bm, rig->hw, nbits, 0),
			0);
	KUNIT_EXPECT_EQ(rig->hw->test,
			rig_read_to(rig, rig->hw->test, &bm, iova, last,
				    rig->page, flags),
			0);
	pages = bitmap_weight(bm.bits, nbits);
	rig_bitmap_free(&bm);
	return pages;
}

static void write_pages(struct rig *rig, unsigned long iova, unsigned long nr)
{
	KUNIT_EXPECT_EQ(rig->hw->test,
			hwm_dma(rig->dev, IOMMU_NO_PASID, iova, nr * rig->page,
				true),
			0);
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
	guard(rwsem_write)(&rig->hd->map_lock);
	KUNIT_EXPECT_EQ(rig->hw->test,
			iommu_dirty_read(&rig->hd->domain, rig->hw->test, &rd),
			0);
	return bits << first;
}

static void a_page_next_to_a_dirty_one_is_cleaned(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_write(rig->dev, rig_page(rig, 4));
	hwm_write(rig->dev, rig_page(rig, 5));
	hwm_write(rig->dev, rig_page(rig, 8));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 5, 7), BIT(5));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), BIT(4) | BIT(8));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), 0);
}

/* Two leaves of 1 MiB, and a read that has the second half of one and half the other */
static void a_leaf_behind_one_that_the_range_cuts_is_found(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long at = past(rig), half = SZ_1M / 2;
	unsigned long first = at + half, last = at + 3 * half - 1;

	rig_map(rig, at, 2 * SZ_1M, SZ_1M, true);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_write(rig->dev, at + SZ_1M);
	KUNIT_EXPECT_EQ(test, pages_read(rig, first, last, 0), 128);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at + SZ_1M, last, 0), 128);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, at + 2 * SZ_1M - 1, 0), 256);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, at + 2 * SZ_1M - 1, 0), 0);
}

static void of_a_cut_leaf_no_more_is_reported_than_it_has(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long at = past(rig), half = SZ_1M / 2;

	rig_map(rig, at, 2 * SZ_1M, SZ_1M, true);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_write(rig->dev, at);
	KUNIT_EXPECT_EQ(test,
			pages_read(rig, at + half, at + 3 * half - 1, 0), 128);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, at + 2 * SZ_1M - 1, 0), 256);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, at + 2 * SZ_1M - 1, 0), 0);
}

static void a_read_in_pieces_converges(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long at = past(rig), size = SZ_4M, piece = SZ_512K;
	unsigned int i, round, pages;

	rig_map(rig, at, size, rig->page, true);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	write_pages(rig, at, size / rig->page);
	for (round = 0; round < 3; round++) {
		pages = 0;
		for (i = 0; i < size / piece; i++)
			pages += pages_read(rig, at + i * piece,
					    at + (i + 1) * piece - 1, 0);
		KUNIT_EXPECT_EQ(test, pages, round ? 0 : size / rig->page);
	}
}

/* A call to look and one to clean for each block, and one to see how large leaves are */
static void a_read_is_a_few_calls(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long at = past(rig), size = SZ_4M;

	rig_map(rig, at, size, rig->page, true);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	write_pages(rig, at, size / rig->page);
	memset(hwm_upstream.calls, 0, sizeof(hwm_upstream.calls));
	rig_read(rig, at, at + size - 1, IOMMU_DIRTY_READ_NO_CLEAR);
	KUNIT_EXPECT_EQ(test, hwm_upstream.calls[false], 1);
	KUNIT_EXPECT_EQ(test, hwm_upstream.calls[true], 0);
	rig_read(rig, at, at + size - 1, 0);
	KUNIT_EXPECT_EQ(test, hwm_upstream.calls[false], 3);
	KUNIT_EXPECT_EQ(test, hwm_upstream.calls[true], 1);

	/* The worst there is: 512 KiB and a page less, and the same again */
	write_pages(rig, at, size / rig->page);
	memset(hwm_upstream.calls, 0, sizeof(hwm_upstream.calls));
	rig_read(rig, at + SZ_512K + rig->page, at + 3 * SZ_512K - rig->page - 1,
		 0);
	KUNIT_EXPECT_EQ(test, hwm_upstream.calls[false], 2 * 14);
	KUNIT_EXPECT_EQ(test, hwm_upstream.calls[true], 14);
}

/* A start has to clean it in a second step: it sees how large the leaf is in the first */
static void a_leaf_larger_than_a_chunk_is_cleaned(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long at = past(rig), last = at + SZ_4G - 1;

	rig_map(rig, at, SZ_4G, SZ_4G, true);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_write(rig->dev, at + SZ_2G);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, last, 0), 0);

	hwm_write(rig->dev, last);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at + SZ_1G, at + SZ_2G - 1, 0),
			SZ_1G / rig->page);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, last, 0),
			SZ_4G / rig->page);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, last, 0), 0);
	hwm_write(rig->dev, at);
	KUNIT_EXPECT_EQ(test, pages_read(rig, at, last, 0),
			SZ_4G / rig->page);
}

/* What is mapped, but for what the consumer is about to take away */
struct remaining {
	struct iommu_dirty_ranges ranges;
	struct rig_ranges all;
};

static bool remaining_next(const struct iommu_dirty_ranges *ranges,
			   unsigned long first, unsigned long last,
			   struct iommu_dirty_range *range)
{
	const struct iommu_dirty_ranges *all =
		&container_of(ranges, struct remaining, ranges)->all.ranges;

	while (all->next(all, first, last, range)) {
		if (range->iova > hwm_upstream.gone_last ||
		    range->last < hwm_upstream.gone_first)
			return true;
		if (range->last == last)
			break;
		first = range->last + 1;
	}
	return false;
}

static void remaining_assert_stable(const struct iommu_dirty_ranges *ranges)
{
}

/* hw-upstream.c complains of any call about what is not mapped, in all tests */
static void nothing_is_asked_about_what_goes(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long at = past(rig), size = 16 * rig->page;
	struct remaining remaining = {
		.ranges.next = remaining_next,
		.ranges.assert_stable = remaining_assert_stable,
		.all = rig_ranges(rig->hd),
	};
	struct iommu_dirty_kernel_sink sink;
	unsigned long bits = 0;
	struct iommu_dirty_read rd = {
		.iova = at,
		.last = at + 3 * size - 1,
		.page_size = rig->page,
		.mapped = &remaining.ranges,
		.sink = &sink.sink,
	};

	rig_map(rig, at, size, rig->page, true);
	rig_map(rig, at + size, size, rig->page, true);
	rig_map(rig, at + 2 * size, size, rig->page, true);
	hwm_upstream.gone_first = at + size;
	hwm_upstream.gone_last = at + 2 * size - 1;
	scoped_guard(rwsem_write, &rig->hd->map_lock)
		KUNIT_ASSERT_EQ(test,
				iommu_dirty_start(&rig->hd->domain, test,
						  &remaining.ranges),
				0);
	/* All dirty, up to the ends of what remains */
	write_pages(rig, at, 48);
	iommu_dirty_kernel_sink_init(&sink, &bits);
	scoped_guard(rwsem_write, &rig->hd->map_lock)
		KUNIT_EXPECT_EQ(test,
				iommu_dirty_read(&rig->hd->domain, test, &rd),
				0);
	KUNIT_EXPECT_EQ(test, bits, GENMASK(47, 32) | GENMASK(15, 0));
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, 32);
}

/* A page that is written just then is made clean with the run, and was not reported */
static void expect_unreported(struct rig *rig, unsigned int page)
{
	struct kunit *test = rig->hw->test;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_write(rig->dev, rig_page(rig, 4));
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), BIT(4));
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);

	hwm_write(rig->dev, rig_page(rig, 4));
	hwm_upstream.writer = rig->dev;
	hwm_upstream.write_at = rig_page(rig, page);
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), BIT(4));
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_BACKEND);
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), 0xffff);
}

static void what_is_cleared_behind_makes_all_dirty(struct kunit *test)
{
	hwm_upstream.clears_behind = true;
	expect_unreported(test->priv, 5);
}

static void what_is_cleared_before_makes_all_dirty(struct kunit *test)
{
	hwm_upstream.clears_before = true;
	expect_unreported(test->priv, 3);
}

/* It was not flushed either: a write that is cached there would not be recorded */
static void a_start_that_clears_too_much_fails(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int before;

	for (before = 0; before < 2; before++) {
		KUNIT_ASSERT_EQ(test, start(rig), 0);
		hwm_write(rig->dev, rig_page(rig, 0));
		hwm_write(rig->dev, rig_page(rig, 16));
		KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);

		/* The first blocks have 16 pages and 32 */
		hwm_upstream.clears_behind = !before;
		hwm_upstream.clears_before = before;
		hwm_upstream.writer = rig->dev;
		hwm_upstream.write_at = rig_page(rig, before ? 15 : 16);
		KUNIT_EXPECT_EQ(test, start(rig), -EIO);
		rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF,
				IOMMU_DIRTY_REASON_NONE);
		hwm_upstream.clears_behind = false;
		hwm_upstream.clears_before = false;
		hwm_upstream.writer = NULL;
	}
	what_is_rewritten_is_reported_again(test);
}

/* Three neighbours as one are no leaf. Four are, where the domain may have such a one */
static void a_driver_that_joins_neighbours_is_not_believed(struct kunit *test)
{
	const struct hwm_driver *driver = test->param_value;
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	hwm_upstream.joins = true;
	write_pages(rig, rig_page(rig, 3), 5);
	KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), GENMASK(7, 3));
	if (driver->sizes & (4 * rig->page)) {
		rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT,
				IOMMU_DIRTY_REASON_NONE);
		KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), 0);
		write_pages(rig, rig_page(rig, 3), 5);
		KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), GENMASK(7, 3));
	} else {
		rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
				IOMMU_DIRTY_REASON_BACKEND);
		KUNIT_EXPECT_EQ(test, raw_read(rig, 0, 15), 0xffff);
	}

	write_pages(rig, rig_page(rig, 4), 3);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, start(rig), -EIO);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
}

/* What is clean is flushed, and was reported; what is not is reported again */
static void fail_half_way(struct rig *rig, unsigned int n, bool rewrite)
{
	struct kunit *test = rig->hw->test;
	u64 cleared = rig_query(rig->hd).cleared;
	unsigned long first = rig_page(rig, 14);
	unsigned long last = rig_page(rig, 32) - 1;

	/* Two pages that are a block, and 16 that are another */
	write_pages(rig, first, 18);
	hwm_upstream.cleaned = 0;
	hwm_upstream.fail_after = n;
	KUNIT_EXPECT_EQ(test, rig_read(rig, first, last, 0), -EIO);
	hwm_upstream.fail_after = 0;
	KUNIT_EXPECT_EQ(test, hwm_upstream.cleaned, n);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, cleared + n);
	if (rewrite)
		write_pages(rig, first, 18);
	KUNIT_EXPECT_EQ(test, pages_read(rig, first, last, 0),
			rewrite ? 18 : 18 - n);
	KUNIT_EXPECT_EQ(test, pages_read(rig, first, last, 0), 0);
}

static void a_clear_that_fails_half_way_loses_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	for (n = 1; n < 18; n++) {
		fail_half_way(rig, n, false);
		fail_half_way(rig, n, true);
	}
	/* Each failed read flushes, and so does each of those that follow */
	KUNIT_EXPECT_EQ(test, hwm_upstream.flushes, 2 * 34);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

/* A driver that invalidates what it is told to, and no more */
static void what_a_failed_clear_has_cleaned_is_flushed(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int n;

	hwm_upstream.ops.flush_iotlb_all = NULL;
	hwm_upstream.ops.iotlb_sync = hwm_upstream_sync;
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	for (n = 1; n < 18; n++)
		fail_half_way(rig, n, true);
	KUNIT_EXPECT_EQ(test, hwm_upstream.syncs, 34);
}

static void a_start_that_fails_half_way_can_be_repeated(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	write_some(rig);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	hwm_upstream.cleaned = 0;
	hwm_upstream.fail_after = 1;
	KUNIT_EXPECT_EQ(test, start(rig), -EIO);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	hwm_upstream.fail_after = 0;
	what_is_rewritten_is_reported_again(test);
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

static void any_call_that_fails_loses_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int n, failed = 0;
	int ret;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	for (n = 1;; n++) {
		write_some(rig);
		hwm_upstream.fail_call = n;
		ret = read_all(rig, 0);
		if (hwm_upstream.fail_call)
			break;
		KUNIT_EXPECT_EQ(test, ret, -EIO);
		failed++;
		write_some(rig);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, read_all(rig, 0), 0);
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, failed, 15);
}

/* Leaves in a row, of sizes as the address and chance have them, with some holes */
static unsigned long map_at_random(struct rig *rig, struct rnd_state *rnd,
				   unsigned long at)
{
	const struct hwm_driver *driver = rig->hw->test->param_value;
	unsigned int i;

	for (i = 0; i < 24; i++) {
		unsigned long leaf, nr = 1 + prandom_u32_state(rnd) % 4;
		unsigned int most = min(__ffs(at), 22);

		do {
			leaf = BIT(12 + prandom_u32_state(rnd) % (most - 11));
		} while (!(leaf & driver->sizes));
		rig_map(rig, at, nr * leaf, leaf, prandom_u32_state(rnd) % 8);
		at += nr * leaf;
		if (!(prandom_u32_state(rnd) % 4))
			at += (prandom_u32_state(rnd) % 64) * rig->page;
		if (!(prandom_u32_state(rnd) % 4))
			at = round_up(at, SZ_1M);
	}
	return at;
}

static void random_reads(struct rig *rig, struct rnd_state *rnd,
			 unsigned long at, unsigned long end)
{
	unsigned long pages = (end - at) / rig->page;
	unsigned int i;

	for (i = 0; i < 60; i++) {
		unsigned long a = prandom_u32_state(rnd) % pages;
		unsigned long b = prandom_u32_state(rnd) % pages;
		unsigned int nr = 1 + prandom_u32_state(rnd) % 64;

		/* As far as it is mapped and writable */
		hwm_dma(rig->dev, IOMMU_NO_PASID, at + a * rig->page,
			nr * rig->page, true);
		if (prandom_u32_state(rnd) % 2)
			a = b + prandom_u32_state(rnd) % 300;
		else
			a = prandom_u32_state(rnd) % pages;
		if (a > b)
			swap(a, b);
		rig_read(rig, at + a * rig->page, at + (b + 1) * rig->page - 1,
			 prandom_u32_state(rnd) % 4 ? 0 :
					IOMMU_DIRTY_READ_NO_CLEAR);
	}
	rig_read(rig, at, end - 1, 0);
	KUNIT_EXPECT_EQ(rig->hw->test, pages_read(rig, at, end - 1, 0), 0);
}

/* The oracle says exactly what must be there, and what may be */
static void random_leaves_and_cuts_are_exact(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct rnd_state rnd;
	unsigned long at = past(rig), end;
	unsigned int seed;

	for (seed = 1; seed <= rig_rounds(12, 2); seed++) {
		prandom_seed_state(&rnd, seed);
		end = map_at_random(rig, &rnd, at);
		rig->hd->joined = seed % 2;
		KUNIT_ASSERT_EQ(test, start(rig), 0);
		random_reads(rig, &rnd, at, end);
		rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT,
				IOMMU_DIRTY_REASON_NONE);
		KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
		if (READ_ONCE(test->status) == KUNIT_FAILURE) {
			kunit_err(test, "fails with seed %u\n", seed);
			return;
		}
		at = round_up(end, SZ_4M);
	}
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
	KUNIT_CASE_PARAM(a_driver_with_upstream_operations_is_served, drivers),
	KUNIT_CASE_PARAM(what_is_rewritten_is_reported_again, drivers),
	KUNIT_CASE_PARAM(a_read_without_clear_clears_nothing, drivers),
	KUNIT_CASE_PARAM(a_driver_that_only_syncs_gets_a_page_size, drivers),
	KUNIT_CASE_PARAM(a_leaf_that_the_range_cuts_stays_dirty, drivers),
	KUNIT_CASE_PARAM(a_page_next_to_a_dirty_one_is_cleaned, drivers),
	KUNIT_CASE_PARAM(a_leaf_behind_one_that_the_range_cuts_is_found, drivers),
	KUNIT_CASE_PARAM(of_a_cut_leaf_no_more_is_reported_than_it_has, drivers),
	KUNIT_CASE_PARAM(a_read_in_pieces_converges, drivers),
	KUNIT_CASE_PARAM(a_read_is_a_few_calls, drivers),
	KUNIT_CASE_PARAM(a_leaf_larger_than_a_chunk_is_cleaned, drivers),
	KUNIT_CASE_PARAM(nothing_is_asked_about_what_goes, drivers),
	KUNIT_CASE_PARAM(what_is_cleared_behind_makes_all_dirty, drivers),
	KUNIT_CASE_PARAM(what_is_cleared_before_makes_all_dirty, drivers),
	KUNIT_CASE_PARAM(a_start_that_clears_too_much_fails, drivers),
	KUNIT_CASE_PARAM(a_driver_that_joins_neighbours_is_not_believed, drivers),
	KUNIT_CASE_PARAM(a_clear_that_fails_half_way_loses_nothing, drivers),
	KUNIT_CASE_PARAM(what_a_failed_clear_has_cleaned_is_flushed, drivers),
	KUNIT_CASE_PARAM(a_start_that_fails_half_way_can_be_repeated, drivers),
	KUNIT_CASE_PARAM(a_driver_s_error_reaches_the_caller, drivers),
	KUNIT_CASE_PARAM(any_call_that_fails_loses_nothing, drivers),
	KUNIT_CASE_PARAM(random_leaves_and_cuts_are_exact, drivers),
	KUNIT_CASE_PARAM(a_device_that_cannot_record_is_refused, drivers),
	{}
};

static struct kunit_suite suite = {
	.name = "iommu-dirty-adapter",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
