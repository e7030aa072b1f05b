// SPDX-License-Identifier: GPL-2.0-only
/*
 * An invalidation that is the driver's own, of an unmap or an attach, and that is not
 * known to have happened: the backend says so whenever it finds out, and from then on
 * the domain is all-dirty.
 */
#include "rig.h"

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map_layout(rig);
	return 0;
}

static int start(struct rig *rig)
{
	return rig_start(rig->hd, rig->hw->test);
}

static void fail(struct rig *rig)
{
	iommu_dirty_flush_failed(&rig->hd->domain);
}

static void expect_all_dirty(struct rig *rig)
{
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_FLUSH);
}

static void expect_exact(struct rig *rig)
{
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

static void a_query_says_so(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	expect_exact(rig);
	fail(rig);
	expect_all_dirty(rig);
	fail(rig);
	expect_all_dirty(rig);
}

/* It need not have been asked about before */
/* Without a query before, which would find out as well */
static int read_unasked(struct rig *rig)
{
	struct rig_ranges mapped = rig_ranges(rig->hd);
	struct rig_bitmap bm = {};
	struct iommu_dirty_read rd = {
		.last = rig->at.last,
		.page_size = rig->page,
		.mapped = &mapped.ranges,
		.sink = &bm.sink,
	};
	int ret;

	ret = rig_bitmap_init(&bm, rig->hw, (rd.last + 1) / rig->page, 0);
	if (ret)
		return ret;
	scoped_guard(rwsem_write, &rig->hd->map_lock)
		ret = iommu_dirty_read(&rig->hd->domain, rig->hw->test, &rd);
	rig_bitmap_free(&bm);
	return ret;
}

static void the_next_read_reports_all(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_ASSERT_EQ(test, start(rig), 0);
	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig_page(rig, 3)), 0);
	memset(rig->hw->calls, 0, sizeof(rig->hw->calls));
	fail(rig);
	KUNIT_EXPECT_EQ(test, read_unasked(rig), 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_WALK], 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
	expect_all_dirty(rig);
}

static void a_start_begins_anew(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int queried;

	for (queried = 0; queried < 2; queried++) {
		KUNIT_ASSERT_EQ(test, start(rig), 0);
		expect_exact(rig);
		fail(rig);
		if (queried)
			expect_all_dirty(rig);
		KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	}
	/* Of what was while tracking is off, nothing is lost */
	fail(rig);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	expect_exact(rig);
	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig_page(rig, 3)), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
}

/* Between the flush of what is mapped and the moment that it is on */
static struct rig *failing;

static void fail_after_flush(struct hwm_model *hw, enum hwm_step step,
			     bool after)
{
	if (step == HWM_FLUSH && after)
		fail(failing);
}

static void a_start_does_not_hide_it(struct kunit *test)
{
	struct rig *rig = test->priv;

	failing = rig;
	rig->hw->watch = fail_after_flush;
	KUNIT_ASSERT_EQ(test, start(rig), 0);
	rig->hw->watch = NULL;
	expect_all_dirty(rig);
}

static void nobody_tracks(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain plain = { .type = IOMMU_DOMAIN_UNMANAGED };

	iommu_dirty_flush_failed(&plain);
	KUNIT_EXPECT_NULL(test, plain.dirty);
	fail(rig);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
}

static struct kunit_case flush_cases[] = {
	KUNIT_CASE_PARAM(a_query_says_so, rig_kinds),
	KUNIT_CASE_PARAM(the_next_read_reports_all, rig_kinds),
	KUNIT_CASE_PARAM(a_start_begins_anew, rig_kinds),
	KUNIT_CASE_PARAM(a_start_does_not_hide_it, rig_kinds),
	KUNIT_CASE_PARAM(nobody_tracks, rig_kinds),
	{}
};

static struct kunit_suite flush_suite = {
	.name = "iommu-dirty-flush",
	.init = init,
	.test_cases = flush_cases,
};

kunit_test_suite(flush_suite);
