// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk, over every level, leaf size and alignment of a range's ends, against
 * the oracle.
 */
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "rig.h"

#define MAX_POINTS 256

/* Places in IOVA space at which something changes, and those next to them */
struct points {
	unsigned long at[MAX_POINTS];
	unsigned int nr;
};

static void add_point(struct points *p, unsigned long at)
{
	if (p->nr < MAX_POINTS)
		p->at[p->nr++] = at;
}

static int cmp_point(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a;
	unsigned long y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

/* First and last granules, the edges, the granules beyond them, and the middle */
static void collect_points(struct rig *rig, struct points *p)
{
	unsigned long reach = hwm_reach(rig->hw);
	struct oracle_span *span;
	unsigned int i, n = 0;

	list_for_each_entry(span, &rig->hd->oracle.spans, node) {
		unsigned long end = span->last + 1;

		add_point(p, span->iova - rig->page);
		add_point(p, span->iova);
		add_point(p, span->iova + rig->page);
		add_point(p, span->iova + span->leaf_size / 2);
		add_point(p, span->iova + span->leaf_size);
		add_point(p, end - rig->page);
		add_point(p, end - span->leaf_size / 2);
		add_point(p, end);
	}
	add_point(p, 0);
	add_point(p, rig->page);
	add_point(p, rig->at.table);
	add_point(p, rig->chunk);

	sort(p->at, p->nr, sizeof(p->at[0]), cmp_point, NULL);
	for (i = 0; i < p->nr; i++) {
		unsigned long at = p->at[i] & ~(rig->page - 1);

		if (at <= reach && (!n || at != p->at[n - 1]))
			p->at[n++] = at;
	}
	p->nr = n;
}

/* A layout with tracking on and a page of each kind of place written */
static void set_up(struct rig *rig)
{
	struct kunit *test = rig->hw->test;
	struct oracle_span *span;

	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	list_for_each_entry(span, &rig->hd->oracle.spans, node) {
		unsigned long size = span->last - span->iova + 1;

		if (!span->writable)
			continue;
		hwm_write(rig->dev, span->iova);
		hwm_write(rig->dev, span->iova + size / 2);
		hwm_write(rig->dev, span->last);
	}
	hwm_dma(rig->dev, IOMMU_NO_PASID, rig->at.table - 3 * rig->page,
		6 * rig->page, true);
}

static void any_start_and_end_reports_what_was_written(struct kunit *test)
{
	struct points *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	unsigned int i, j, step, n = 0;
	struct rig *rig = test->priv;
	u32 hash;

	KUNIT_ASSERT_NOT_NULL(test, p);
	step = rig_rounds(1, 7) * (rig_sampled(rig) ? 5 : 1);
	set_up(rig);
	collect_points(rig, p);
	hash = hwm_table_hash(rig->hd);

	for (i = 0; i < p->nr; i++) {
		for (j = i + 1; j < p->nr; j++) {
			if (p->at[j] - p->at[i] > 5 * rig->chunk)
				break;
			if (n++ % step)
				continue;
			KUNIT_EXPECT_EQ(test,
					rig_read(rig, p->at[i], p->at[j] - 1,
						 IOMMU_DIRTY_READ_NO_CLEAR),
					0);
		}
	}
	KUNIT_EXPECT_GT(test, n, 400);
	KUNIT_EXPECT_EQ(test, hwm_table_hash(rig->hd), hash);
}

static void any_start_and_end_cleans_whole_leaves_only(struct kunit *test)
{
	struct points *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	unsigned int i, j, step, n = 0;
	struct rig *rig = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, p);
	step = rig_rounds(5, 31) * (rig_sampled(rig) ? 5 : 1);
	set_up(rig);
	collect_points(rig, p);

	for (i = 0; i < p->nr; i++) {
		for (j = i + 1; j < p->nr; j++) {
			if (p->at[j] - p->at[i] > 5 * rig->chunk)
				break;
			if (n++ % step)
				continue;
			hwm_write(rig->dev, p->at[i]);
			hwm_write(rig->dev, p->at[j] - 1);
			KUNIT_EXPECT_EQ(test,
					rig_read(rig, p->at[i], p->at[j] - 1,
						 0),
					0);
			/* What the cut leaves have is still there */
			KUNIT_EXPECT_EQ(test,
					rig_read(rig, p->at[i],
						 p->at[i] + rig->page - 1, 0),
					0);
			KUNIT_EXPECT_EQ(test,
					rig_read(rig, p->at[j] - rig->page,
						 p->at[j] - 1, 0),
					0);
		}
	}
	KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
}

static void the_whole_address_space_can_be_read(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long reach = hwm_reach(rig->hw);
	u64 dirty;

	set_up(rig);
	KUNIT_EXPECT_EQ(test, rig_read_as(rig, test, 0, reach, BIT(34), 0), 0);
	dirty = rig_query(rig->hd).dirty;
	KUNIT_EXPECT_GT(test, dirty, 20);
	/* The page size of the bitmap is nothing to the leaves: all are clean */
	KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, dirty);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, dirty);
	/* Beyond what the table reaches nothing is mapped */
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, test, BIT(58), ULONG_MAX, BIT(58), 0),
			0);
}

static void a_walk_beyond_the_table_is_an_error(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long reach = hwm_reach(rig->hw);

	set_up(rig);
	KUNIT_ASSERT_EQ(test,
			hwm_map(rig->hd, rig->at.hole, rig->medium, rig->medium,
				true),
			0);
	/* The oracle alone thinks that there is something */
	oracle_find(&rig->hd->oracle, reach, reach)->last += rig->medium;
	KUNIT_EXPECT_EQ(test,
			rig_read(rig, reach + 1, reach + rig->medium,
				 IOMMU_DIRTY_READ_NO_CLEAR),
			-ERANGE);
	oracle_find(&rig->hd->oracle, reach, reach)->last -= rig->medium;
}

static void leaf_sizes_that_were_met_are_told(struct kunit *test)
{
	struct rig *rig = test->priv;

	set_up(rig);
	rig_read(rig, rig->at.small, rig->at.small + rig->at.small_size - 1, 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).met_sizes, rig->page);
	rig_read(rig, rig->at.medium, rig->at.medium + rig->page - 1, 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).met_sizes,
			rig->medium);
	rig_read(rig, rig->at.large + rig->large / 2,
		 rig->at.large + rig->large - 1, 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).met_sizes, rig->large);
	rig_read(rig, 0, rig->at.last, 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).met_sizes,
			rig->page | rig->medium | rig->large);
	rig_read(rig, rig->at.hole, rig->at.hole + rig->at.hole_size - 1, 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).met_sizes, 0);
}

static void each_leaf_is_looked_at_once(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct oracle_span *span;
	u64 leaves = 0;

	set_up(rig);
	list_for_each_entry(span, &rig->hd->oracle.spans, node)
		leaves += (span->last - span->iova + 1) / span->leaf_size;
	KUNIT_EXPECT_EQ(test,
			rig_read_as(rig, test, 0, hwm_reach(rig->hw), BIT(34),
				    IOMMU_DIRTY_READ_NO_CLEAR),
			0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).leaves, leaves);
}

/* The backend's walk by itself, with what the core never asks for */
static void a_walk_touches_only_the_bits_of_its_range(struct kunit *test)
{
	const unsigned int nbits = 4096;
	struct rig *rig = test->priv;
	unsigned long *mask, *want;
	unsigned int first, last;
	unsigned long page = rig->page;
	struct iommu_dirty_chunk chunk = {
		.iova = 0,
		.shift = ilog2(page),
		.nbits = nbits,
	};

	mask = kunit_kcalloc(test, BITS_TO_LONGS(nbits), sizeof(long),
			     GFP_KERNEL);
	want = kunit_kcalloc(test, BITS_TO_LONGS(nbits), sizeof(long),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mask);
	KUNIT_ASSERT_NOT_NULL(test, want);
	chunk.mask = mask;
	rig_map(rig, 0, 1024 * page, page, true);
	rig_map(rig, 1024 * page, 1024 * page, rig->medium, true);
	rig_map(rig, 2560 * page, 512 * page, page, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_dma(rig->dev, IOMMU_NO_PASID, 0, 2048 * page, true);
	hwm_dma(rig->dev, IOMMU_NO_PASID, 2560 * page, 512 * page, true);
	hwm_settle(rig->hd);

	for (first = 0; first < nbits; first += first % 512 < 66 ? 1 : 89) {
		for (last = first; last < nbits;
		     last += (last + 66) % 512 < 132 ? 7 : 101) {
			int ret;

			bitmap_zero(mask, nbits);
			bitmap_set(want, 0, nbits);
			bitmap_clear(want, 2048, 512);
			bitmap_clear(want, 3072, nbits - 3072);
			bitmap_clear(want, 0, first);
			bitmap_clear(want, last + 1, nbits - last - 1);
			ret = rig->hw->backend.walk(&rig->hd->domain, &chunk,
						    first * page,
						    (last + 1) * page - 1);
			if (ret || !bitmap_equal(mask, want, nbits)) {
				KUNIT_FAIL(test, "pages %u to %u: %d", first,
					   last, ret);
				return;
			}
		}
		if (!IS_ENABLED(CONFIG_UML) || rig_sampled(rig))
			first += 5;
	}
}

static void only_whole_leaves_that_are_named_are_cleaned(struct kunit *test)
{
	const unsigned int nbits = 2048;
	struct rig *rig = test->priv;
	unsigned long page = rig->page, medium = rig->medium;
	unsigned int nr = medium / page;
	struct iommu_dirty_chunk chunk = {
		.shift = ilog2(page),
		.nbits = nbits,
		.first = ULONG_MAX,
	};
	u32 hash;

	chunk.mask = kunit_kcalloc(test, BITS_TO_LONGS(nbits), sizeof(long),
				   GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chunk.mask);
	rig_map(rig, 0, 512 * page, page, true);
	rig_map(rig, 512 * page, 2 * medium, medium, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, page * 5);
	hwm_write(rig->dev, 512 * page);
	hwm_write(rig->dev, 512 * page + medium);
	hash = hwm_table_hash(rig->hd);

	/* Clean leaves, parts of large leaves, and what is not mapped */
	bitmap_set(chunk.mask, 0, 5);
	bitmap_set(chunk.mask, 6, 512 + nr - 1 - 6);
	bitmap_set(chunk.mask, 512 + nr + 1, nr + 100);
	KUNIT_EXPECT_EQ(test,
			rig->hw->backend.clear(&rig->hd->domain, &chunk), 0);
	KUNIT_EXPECT_EQ(test, hwm_table_hash(rig->hd), hash);
	KUNIT_EXPECT_EQ(test, chunk.cleared, 0);
	KUNIT_EXPECT_GT(test, chunk.first, chunk.last);

	/* Now one of them is named in full */
	bitmap_set(chunk.mask, 512 + nr - 1, 1);
	KUNIT_EXPECT_EQ(test,
			rig->hw->backend.clear(&rig->hd->domain, &chunk), 0);
	KUNIT_EXPECT_EQ(test, chunk.cleared, 1);
	KUNIT_EXPECT_EQ(test, chunk.first, 512 * page);
	KUNIT_EXPECT_EQ(test, chunk.last, 512 * page + medium - 1);
	hwm_invalidate(rig->hd, 0, ULONG_MAX, true);
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE_PARAM_ATTR(any_start_and_end_reports_what_was_written,
			      rig_kinds, { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(any_start_and_end_cleans_whole_leaves_only,
			      rig_kinds, { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM(the_whole_address_space_can_be_read, rig_kinds),
	KUNIT_CASE_PARAM(a_walk_beyond_the_table_is_an_error, rig_kinds),
	KUNIT_CASE_PARAM(leaf_sizes_that_were_met_are_told, rig_kinds),
	KUNIT_CASE_PARAM(each_leaf_is_looked_at_once, rig_kinds),
	KUNIT_CASE_PARAM(a_walk_touches_only_the_bits_of_its_range, rig_kinds),
	KUNIT_CASE_PARAM(only_whole_leaves_that_are_named_are_cleaned,
			 rig_kinds),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "iommu-dirty-walk",
	.init = rig_init,
	.test_cases = walk_cases,
};

kunit_test_suite(walk_suite);
