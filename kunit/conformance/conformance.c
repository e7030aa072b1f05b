// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conformance cases: what every backend has to do, in the order of the promises.
 * What is expected comes from the oracle, or is written down here.
 */
#include <linux/bitmap.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "../../priv.h"
#include "conformance.h"

#define NO_CLEAR IOMMU_DIRTY_READ_NO_CLEAR

/* The layout, tracked */
static struct conf *tracked(struct kunit *test)
{
	struct conf *conf = test->priv;

	conf_map_layout(conf);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	return conf;
}

/* The smallest leaves alone, tracked */
static struct conf *tracked_small(struct kunit *test)
{
	struct conf *conf = test->priv;

	conf_map_area(conf, CONF_SMALL);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	return conf;
}

static int read_small(struct conf *conf, u32 flags)
{
	return conf_read(conf, conf->area[CONF_SMALL].iova,
			 conf_last(conf, CONF_SMALL), flags);
}

/* Smallest leaves that write_some() writes, on both sides of a table's end */
static unsigned int nr_some(const struct conf *conf)
{
	return conf_rounds(conf, 600, 70, 70);
}

#define MAX_SOME 640

static void add_some(struct conf *conf, unsigned long iova)
{
	KUNIT_ASSERT_LT(conf->test, conf->nr_some, MAX_SOME);
	conf->some[conf->nr_some++] = iova;
}

/* In leaves of all sizes that a chunk has room for, in several chunks, in ascending order */
static void list_some(struct conf *conf)
{
	unsigned int i, nr = nr_some(conf);
	enum conf_place place;

	if (conf->some)
		return;
	conf->some = kunit_kcalloc(conf->test, MAX_SOME, sizeof(*conf->some),
				   GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(conf->test, conf->some);
	for (i = 0; i < nr; i++)
		add_some(conf, conf_page(conf, conf_border(conf) - nr / 2 + i));
	add_some(conf, conf->area[CONF_MEDIUM].iova + conf->medium / 2);
	add_some(conf, conf->area[CONF_MEDIUM].iova + conf->medium);
	add_some(conf, conf_last(conf, CONF_EDGE));
	add_some(conf, conf->area[CONF_LARGE].iova + conf->large / 2);
	add_some(conf, conf_last(conf, CONF_LARGE));
	add_some(conf, conf->area[CONF_AFTER].iova);
	add_some(conf, conf_last(conf, CONF_TAIL));
	for (place = CONF_OTHER; place <= CONF_OTHER_LAST; place++)
		if (conf_has(conf, place))
			add_some(conf, conf->area[place].iova +
				       conf->area[place].leaf_size / 2);
}

/*
 * Write leaves of all sizes, in several chunks; what was written before as well. In one
 * direction, then in the other: what was written last is written first the next time, and
 * is cached then, however small the cache is.
 */
static void write_some(struct conf *conf)
{
	unsigned int i;

	list_some(conf);
	for (i = 0; i < conf->nr_some; i++)
		conf_write(conf, conf->some[conf->backward ?
					    conf->nr_some - 1 - i : i]);
	conf->backward = !conf->backward;
}

/* Leaves that write_some() makes dirty, and chunks that they lie in */
static unsigned int leaves_of_some(struct conf *conf)
{
	list_some(conf);
	return conf->nr_some;
}

static unsigned int chunks_of_some(struct conf *conf)
{
	unsigned long chunk = conf_chunk(conf);
	unsigned int i, n = 1;

	list_some(conf);
	for (i = 1; i < conf->nr_some; i++)
		n += conf->some[i] / chunk != conf->some[i - 1] / chunk;
	return n;
}

static void expect_off(struct conf *conf)
{
	conf_expect_mode(conf, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
}

static void expect_exact(struct conf *conf)
{
	conf_expect_mode(conf, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

/* Writes of a pair are recorded, once and again; what was written last comes first then */
static void expect_recorded(struct conf *conf, unsigned int n, ioasid_t pasid)
{
	const unsigned long iovas[] = {
		conf_page(conf, 2),
		conf_page(conf, conf_border(conf)),
	};
	struct kunit *test = conf->test;
	unsigned int i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++)
			KUNIT_EXPECT_EQ(test,
					conf_dma(conf, n, pasid, iovas[i ^ j],
						 1, true),
					0);
		KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	}
}

/*
 * What it can, and switching it on and off
 */

static void what_it_can_makes_sense(struct kunit *test)
{
	struct conf *conf = test->priv;
	struct iommu_dirty_info info = conf_query(conf);
	u64 sizes = info.caps.leaf_sizes;

	KUNIT_EXPECT_TRUE(test, info.caps.flags & IOMMU_DIRTY_CAP_RECORD);
	KUNIT_EXPECT_FALSE(test, info.caps.flags & ~(IOMMU_DIRTY_CAP_ABILITIES |
						     IOMMU_DIRTY_CAP_CAVEATS));
	if (!conf->target->ops->vague) {
		KUNIT_EXPECT_GE(test, info.caps.stage, 1);
		KUNIT_EXPECT_LE(test, info.caps.stage, 2);
	}
	KUNIT_EXPECT_EQ(test, sizes & ~(u64)conf->domain->pgsize_bitmap, 0);
	KUNIT_EXPECT_EQ(test, info.attached, 1);
	KUNIT_EXPECT_NE(test, info.backend[0], 0);
	expect_off(conf);
}

/* Whatever sizes the format has, and however wide its root is */
static void every_leaf_size_and_both_ends_are_laid_out(struct kunit *test)
{
	struct conf *conf = test->priv;
	const struct iommu_domain_geometry *geo = &conf->domain->geometry;
	enum conf_place place;
	u64 sizes = 0;

	for (place = 0; place < CONF_NR_PLACES; place++)
		if (conf_has(conf, place))
			sizes |= conf->area[place].leaf_size;
	KUNIT_EXPECT_EQ(test, sizes, conf->leaf_sizes);
	if (geo->force_aperture && !conf->target->ops->max_bits)
		KUNIT_EXPECT_EQ(test, conf->reach, geo->aperture_end);
	KUNIT_EXPECT_EQ(test, conf_last(conf, CONF_LAST), conf->reach);
	conf_map_layout(conf);
}

static void start_makes_what_is_mapped_clean(struct kunit *test)
{
	struct conf *conf = tracked(test);

	/* Dirty from an earlier period, and still in the caches */
	write_some(conf);
	KUNIT_ASSERT_EQ(test, conf_stop(conf), 0);
	write_some(conf);

	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	KUNIT_EXPECT_EQ(test, conf_read_mapped(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, 0);

	/* And it is recorded when the same pages are written again */
	write_some(conf);
	KUNIT_EXPECT_EQ(test, conf_read_mapped(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, leaves_of_some(conf));
}

static void starting_twice_loses_nothing(struct kunit *test)
{
	struct conf *conf = tracked_small(test);

	conf_write(conf, conf_page(conf, 3));
	KUNIT_EXPECT_EQ(test, conf_start(conf), -EALREADY);
	expect_exact(conf);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, 1);
}

static void stopping_what_is_off_is_refused(struct kunit *test)
{
	struct conf *conf = test->priv;

	KUNIT_EXPECT_EQ(test, conf_stop(conf), -EALREADY);
	tracked_small(test);
	KUNIT_EXPECT_EQ(test, conf_stop(conf), 0);
	expect_off(conf);
	conf->calls[CONF_SET_FEATURE] = 0;
	KUNIT_EXPECT_EQ(test, conf_stop(conf), -EALREADY);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_SET_FEATURE], 0);
	expect_off(conf);
}

static void reading_what_is_off_is_refused(struct kunit *test)
{
	struct conf *conf = test->priv;

	KUNIT_EXPECT_EQ(test, read_small(conf, 0), -EINVAL);
	tracked_small(test);
	KUNIT_EXPECT_EQ(test, conf_stop(conf), 0);
	conf_write(conf, conf_page(conf, 0));
	memset(conf->calls, 0, sizeof(conf->calls));
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_WALK], 0);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_CLEAR], 0);
}

static void a_second_owner_is_refused(struct kunit *test)
{
	struct conf *conf = tracked_small(test);
	unsigned long first = conf->area[CONF_SMALL].iova;
	unsigned long last = conf_last(conf, CONF_SMALL);
	int other;

	conf_write(conf, conf_page(conf, 7));
	KUNIT_EXPECT_EQ(test, conf_start_as(conf, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, conf_stop_as(conf, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, &other, first, last, conf->granule,
				     0),
			-EBUSY);
	expect_exact(conf);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);

	/* When the first is done, another may */
	KUNIT_EXPECT_EQ(test, conf_stop(conf), 0);
	KUNIT_EXPECT_EQ(test, conf_start_as(conf, &other), 0);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, &other, first, last, conf->granule,
				     0),
			0);
}

static void bad_arguments_change_nothing(struct kunit *test)
{
	struct conf *conf = test->priv;
	struct conf_ranges mapped = conf_ranges(conf);
	u64 seq = conf_query(conf).seq;

	KUNIT_EXPECT_EQ(test,
			iommu_dirty_start(conf->domain, NULL, &mapped.ranges),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_dirty_start(conf->domain, test, NULL),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommu_dirty_stop(conf->domain, NULL), -EINVAL);
	/* A backend is asked for nothing that it does not know */
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_SET_FEATURE], 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).seq, seq);
	expect_off(conf);
}

static void off_calls_no_backend(struct kunit *test)
{
	struct conf *conf = test->priv;
	enum conf_step step;

	memset(conf->calls, 0, sizeof(conf->calls));
	conf_map_layout(conf);
	write_some(conf);
	conf_unmap(conf, conf->area[CONF_SMALL].iova);
	for (step = 0; step < CONF_NR_STEPS; step++)
		KUNIT_EXPECT_EQ(test, conf->calls[step], 0);
}

static void a_switch_that_fails_changes_nothing(struct kunit *test)
{
	struct conf *conf = test->priv;
	unsigned int late;
	int other;

	conf_map_area(conf, CONF_SMALL);
	for (late = 0; late < 2; late++) {
		conf->calls[CONF_CLEAR] = 0;
		conf_fail(conf, BIT(CONF_SET_FEATURE), 1, late, -EIO);
		KUNIT_EXPECT_EQ(test, conf_start(conf), -EIO);
		expect_off(conf);
		KUNIT_EXPECT_EQ(test, read_small(conf, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, conf->calls[CONF_CLEAR], 0);
	}
	conf_fail(conf, 0, 0, false, 0);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);

	conf_write(conf, conf_page(conf, 9));
	conf_fail(conf, BIT(CONF_SET_FEATURE), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, conf_stop(conf), -EIO);
	expect_exact(conf);
	KUNIT_EXPECT_EQ(test, conf_start_as(conf, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
	KUNIT_EXPECT_EQ(test, conf_stop(conf), 0);
}

static void a_start_that_cannot_clean_is_undone(struct kunit *test)
{
	static const enum conf_step steps[] = { CONF_CLEAR, CONF_FLUSH };
	struct conf *conf = tracked_small(test);
	unsigned int i, late;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (late = 0; late < 2; late++) {
			conf_write(conf, conf_page(conf, i));
			KUNIT_ASSERT_EQ(test, conf_stop(conf), 0);

			conf_fail(conf, BIT(steps[i]), 1, late, -EIO);
			KUNIT_EXPECT_EQ(test, conf_start(conf), -EIO);
			KUNIT_EXPECT_TRUE(test, conf->fault.hit);
			conf_fail(conf, 0, 0, false, 0);
			expect_off(conf);
			KUNIT_EXPECT_EQ(test, read_small(conf, 0), -EINVAL);

			KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
			expect_exact(conf);
			expect_recorded(conf, 0, IOMMU_NO_PASID);
		}
	}
}

/*
 * Reads, clears and flushes
 */

static void a_second_read_reports_nothing(struct kunit *test)
{
	struct conf *conf = tracked(test);
	u64 dirty = leaves_of_some(conf);

	write_some(conf);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, dirty);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, dirty);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, dirty);
}

static void a_write_after_a_read_is_reported_by_the_next(struct kunit *test)
{
	struct conf *conf = tracked(test);
	enum conf_place place;
	u64 dirty = 0;
	unsigned int i;

	/* The translations are cached, and were cached dirty */
	for (i = 0; i < 3; i++) {
		write_some(conf);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
		dirty += leaves_of_some(conf);
		KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, dirty);
	}

	/* A leaf of each place by itself: it is in the smallest cache */
	for (place = 0; place < CONF_NR_PLACES; place++) {
		const struct conf_area *area = &conf->area[place];

		if (!conf_has(conf, place) || !area->writable)
			continue;
		for (i = 0; i < 3; i++) {
			conf_write(conf, area->iova + area->leaf_size / 2);
			KUNIT_EXPECT_EQ(test, conf_read_area(conf, place, 0), 0);
			if (!conf->target->ops->vague)
				KUNIT_EXPECT_EQ(test, conf_query(conf).dirty,
						++dirty);
		}
	}
}

static void a_flush_follows_a_clear_and_only_a_clear(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned int *calls = conf->calls;
	u64 before = conf_query(conf).flushes;
	unsigned long medium = conf->area[CONF_MEDIUM].iova;

	calls[CONF_FLUSH] = 0;
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, calls[CONF_FLUSH], 0);

	conf_write(conf, conf_page(conf, 1));
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, NO_CLEAR), 0);
	KUNIT_EXPECT_EQ(test, calls[CONF_FLUSH], 0);

	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, calls[CONF_FLUSH], 1);

	/* A cut leaf is not cleaned: there is nothing to flush */
	conf_write(conf, medium);
	KUNIT_EXPECT_EQ(test,
			conf_read(conf, medium, medium + conf->medium / 2 - 1,
				  0),
			0);
	KUNIT_EXPECT_EQ(test, calls[CONF_FLUSH], 1);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, 1);

	/* One for each chunk that had something */
	write_some(conf);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, calls[CONF_FLUSH], 1 + chunks_of_some(conf));
	KUNIT_EXPECT_EQ(test, conf_query(conf).flushes - before,
			calls[CONF_FLUSH]);
}

/*
 * The suite itself: with a backend that does not do what it says, the oracle must
 * miss something. A target that passes without a flush proves nothing.
 */
static void a_forgotten_flush_is_noticed(struct kunit *test)
{
	struct conf *conf = tracked_small(test);

	conf_write(conf, conf_page(conf, 3));
	conf->leave_out = BIT(CONF_FLUSH);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	conf->leave_out = 0;
	conf_write(conf, conf_page(conf, 3));
	conf->silent = true;
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf->missing, 1);
	KUNIT_EXPECT_EQ(test, conf->extra, 0);
}

/* However many translations the target's devices have cached */
static void a_forgotten_flush_is_noticed_with_any_cache(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 16, 64, 256, 512, CONF_MAX_CACHE };
	struct conf *conf = test->priv;
	unsigned int i;

	if (!conf->target->ops->set_cache)
		kunit_skip(test, "the devices' caches are as they are");
	conf_map_layout(conf);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		conf_detach(conf, 0, IOMMU_NO_PASID);
		conf->target->ops->set_cache(conf->devs[0].dev, sizes[i]);
		KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 0, 0), 0);
		KUNIT_ASSERT_EQ(test, conf_start(conf), 0);

		write_some(conf);
		conf->leave_out = BIT(CONF_FLUSH);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
		conf->leave_out = 0;
		write_some(conf);
		conf->silent = true;
		conf->missing = 0;
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
		conf->silent = false;
		KUNIT_EXPECT_GE_MSG(test, conf->missing, 1,
				    "with %u translations cached", sizes[i]);
		KUNIT_EXPECT_EQ(test, conf->extra, 0);
		KUNIT_ASSERT_EQ(test, conf_stop(conf), 0);
	}
}

static void a_forgotten_clear_is_noticed(struct kunit *test)
{
	struct conf *conf = tracked_small(test);

	conf_write(conf, conf_page(conf, 3));
	conf->leave_out = BIT(CONF_CLEAR);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	conf->leave_out = 0;
	conf->silent = true;
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf->missing, 0);
	KUNIT_EXPECT_EQ(test, conf->extra, 1);
}

static void no_clear_makes_nothing_clean(struct kunit *test)
{
	struct conf *conf = tracked(test);
	u64 dirty = leaves_of_some(conf);
	unsigned int i;

	write_some(conf);
	conf->calls[CONF_CLEAR] = 0;
	for (i = 1; i <= 3; i++) {
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, NO_CLEAR), 0);
		KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, dirty * i);
	}
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_CLEAR], 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, 0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, dirty);
}

static void read_pages(struct conf *conf, unsigned long first,
		       unsigned long last, unsigned long page)
{
	KUNIT_EXPECT_EQ(conf->test,
			conf_read_as(conf, conf->test, first, last, page, 0), 0);
}

static void a_cut_leaf_is_reported_in_part_and_stays_dirty(struct kunit *test)
{
	struct conf *conf = tracked(test);
	enum conf_place place;

	for (place = 0; place < CONF_NR_PLACES; place++) {
		const struct conf_area *area = &conf->area[place];
		unsigned long page = conf_leaf_page(conf, area->leaf_size);
		unsigned long first = area->iova;
		unsigned long last = first + area->leaf_size - 1;
		unsigned long mid = first + area->leaf_size / 2;
		u64 cleared;

		if (!conf_has(conf, place) || area->leaf_size == conf->granule)
			continue;
		conf_write(conf, mid - conf->granule);
		cleared = conf_query(conf).cleared;
		read_pages(conf, first, mid - 1, page);
		read_pages(conf, mid, last, page);
		read_pages(conf, first + page, last, page);
		read_pages(conf, first, last - page, page);
		KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, cleared);
		read_pages(conf, first, last, page);
		KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, cleared + 1);
	}
}

static void what_devices_only_read_is_not_reported(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long first = conf_page(conf, conf_border(conf) - 40);

	KUNIT_EXPECT_EQ(test,
			conf_dma(conf, 0, 0, first, 80 * conf->granule, false),
			0);
	KUNIT_EXPECT_EQ(test,
			conf_dma(conf, 0, 0, conf->area[CONF_MEDIUM].iova, 1,
				 false),
			0);
	KUNIT_EXPECT_EQ(test,
			conf_dma(conf, 0, 0, conf->area[CONF_RO].iova, 1, false),
			0);
	KUNIT_EXPECT_NE(test,
			conf_dma(conf, 0, 0, conf->area[CONF_RO].iova, 1, true),
			0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	if (!conf->ats_dirty)
		KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, 0);

	/* Cached clean: the write looks at the entry again */
	write_some(conf);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).seen_leaf_sizes & conf->granule,
			conf->granule);
}

static void what_is_mapped_later_is_tracked(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long iova = 8 * conf->medium, g = conf->granule;

	KUNIT_ASSERT_EQ(test,
			conf_map(conf, iova, 2 * conf->medium, g, true), 0);
	conf_write(conf, iova + 2 * g);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	conf_write(conf, iova + 2 * g);
	conf_write(conf, iova + conf->medium);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);

	/* The same place, with a leaf instead of a table */
	conf_unmap(conf, iova);
	KUNIT_ASSERT_EQ(test,
			conf_map(conf, iova, 2 * conf->medium, conf->medium,
				 true),
			0);
	conf_write(conf, iova + conf->medium);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	conf_write(conf, iova);
	conf_write(conf, iova + conf->medium);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
}

static void unmapping_leaves_the_neighbours_dirty(struct kunit *test)
{
	struct conf *conf = test->priv;
	unsigned long g = conf->granule, iova = conf->medium - 8 * g;
	unsigned int i;

	/* Four of eight leaves each, in two tables */
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test,
				conf_map(conf, iova + i * 4 * g, 4 * g, g, true),
				0);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	conf_write_pages(conf, iova, 16);
	conf_unmap(conf, iova + 4 * g);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, 2 * conf->medium - 1, NO_CLEAR),
			0);
	conf_unmap(conf, iova + 8 * g);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, 2 * conf->medium - 1, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, 8);

	/* What comes there next has nothing of what was there before */
	KUNIT_ASSERT_EQ(test, conf_map(conf, iova + 4 * g, 8 * g, g, true), 0);
	conf_write(conf, iova + 5 * g);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, 2 * conf->medium - 1, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, 2 * conf->medium - 1, 0), 0);
}

/*
 * The walk: every start and end
 */

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
static struct points *collect_points(struct conf *conf)
{
	struct points *p = kunit_kzalloc(conf->test, sizeof(*p), GFP_KERNEL);
	unsigned long g = conf->granule;
	struct oracle_span *span;
	unsigned int i, n = 0;

	KUNIT_ASSERT_NOT_NULL(conf->test, p);
	list_for_each_entry(span, &conf->oracle.spans, node) {
		unsigned long end = span->last + 1;

		add_point(p, span->iova - g);
		add_point(p, span->iova);
		add_point(p, span->iova + g);
		add_point(p, span->iova + span->leaf_size / 2);
		add_point(p, span->iova + span->leaf_size);
		add_point(p, end - g);
		add_point(p, end - span->leaf_size / 2);
		add_point(p, end);
	}
	add_point(p, 0);
	add_point(p, g);
	add_point(p, conf->medium);
	add_point(p, conf_chunk(conf));

	sort(p->at, p->nr, sizeof(p->at[0]), cmp_point, NULL);
	for (i = 0; i < p->nr; i++) {
		unsigned long at = p->at[i] & ~(g - 1);

		if (at <= conf->reach && (!n || at != p->at[n - 1]))
			p->at[n++] = at;
	}
	p->nr = n;
	return p;
}

/* Is the read of [@first, @last] small enough to be done many times? */
static bool short_enough(const struct conf *conf, unsigned long first,
			 unsigned long last)
{
	return last - first <= 5 * conf_chunk(conf);
}

/* The layout tracked, and a page of each kind of place written */
static struct conf *written(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long g = conf->granule;
	enum conf_place place;

	for (place = 0; place < CONF_NR_PLACES; place++) {
		const struct conf_area *area = &conf->area[place];

		if (!area->writable || !conf_has(conf, place))
			continue;
		conf_write(conf, area->iova);
		conf_write(conf, area->iova + area->size / 2);
		conf_write(conf, conf_last(conf, place));
	}
	conf_write_pages(conf, conf->medium - 3 * g, 6);
	return conf;
}

static void any_start_and_end_reports_what_was_written(struct kunit *test)
{
	struct conf *conf = written(test);
	struct points *p = collect_points(conf);
	unsigned int i, j, step = conf_rounds(conf, 3, 23, 53), n = 0;
	u64 cleared = conf_query(conf).cleared;

	for (i = 0; i < p->nr; i++) {
		for (j = i + 1; j < p->nr; j++) {
			if (!short_enough(conf, p->at[i], p->at[j]))
				break;
			if (n++ % step)
				continue;
			KUNIT_EXPECT_EQ(test,
					conf_read(conf, p->at[i], p->at[j] - 1,
						  NO_CLEAR),
					0);
		}
	}
	KUNIT_EXPECT_GT(test, n, 400);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, cleared);
}

static void any_start_and_end_cleans_whole_leaves_only(struct kunit *test)
{
	struct conf *conf = written(test);
	struct points *p = collect_points(conf);
	unsigned int i, j, step = conf_rounds(conf, 11, 67, 151), n = 0;
	unsigned long g = conf->granule;

	for (i = 0; i < p->nr; i++) {
		for (j = i + 1; j < p->nr; j++) {
			unsigned long first = p->at[i], end = p->at[j];

			if (!short_enough(conf, first, end))
				break;
			if (n++ % step)
				continue;
			/* Where something writable is mapped */
			conf_dma(conf, 0, 0, first, 1, true);
			conf_dma(conf, 0, 0, end - 1, 1, true);
			KUNIT_EXPECT_EQ(test, conf_read(conf, first, end - 1, 0),
					0);
			/* What the cut leaves have is still there */
			KUNIT_EXPECT_EQ(test,
					conf_read(conf, first, first + g - 1, 0),
					0);
			KUNIT_EXPECT_EQ(test,
					conf_read(conf, end - g, end - 1, 0),
					0);
		}
	}
	KUNIT_EXPECT_EQ(test, conf_read_mapped(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_read_mapped(conf, 0), 0);
}

/* A page size at which a bitmap of the whole table is small */
static unsigned long coarse_page(const struct conf *conf)
{
	return max(BIT(__fls(conf->reach)) >> 14, conf->granule);
}

static void the_whole_address_space_can_be_read(struct kunit *test)
{
	struct conf *conf = written(test);
	unsigned long beyond = max(conf->reach + 1, BIT(58));
	u64 dirty;

	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, test, 0, conf->reach,
				     coarse_page(conf), 0),
			0);
	dirty = conf_query(conf).dirty;
	KUNIT_EXPECT_GT(test, dirty, 20);
	/* The page size of the bitmap is nothing to the leaves: all are clean */
	KUNIT_EXPECT_EQ(test, conf_read_mapped(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, dirty);
	KUNIT_EXPECT_EQ(test, conf_query(conf).cleared, dirty);
	/* Beyond what the table reaches nothing is mapped */
	if (conf->reach != ULONG_MAX)
		KUNIT_EXPECT_EQ(test,
				conf_read_as(conf, test, beyond, ULONG_MAX,
					     beyond, 0),
				0);
}

/* Of dirty leaves, and of clean ones */
static void leaf_sizes_that_were_met_are_told(struct kunit *test)
{
	struct conf *conf = written(test);
	unsigned long large = conf->area[CONF_LARGE].iova + conf->large / 2;
	enum conf_place place;
	unsigned int clean;

	for (clean = 0; clean < 2; clean++) {
		if (clean && conf->target->ops->vague)
			break;
		conf_read(conf, large, large + conf->granule - 1, 0);
		KUNIT_EXPECT_EQ(test, conf_query(conf).seen_leaf_sizes, conf->large);
		conf_read_all(conf, NO_CLEAR);
		KUNIT_EXPECT_EQ(test, conf_query(conf).seen_leaf_sizes,
				conf->leaf_sizes & ~conf->huge_sizes);
		conf_read_as(conf, test, 0, conf->reach, coarse_page(conf),
			     NO_CLEAR);
		KUNIT_EXPECT_EQ(test, conf_query(conf).seen_leaf_sizes,
				conf->leaf_sizes);
		for (place = 0; place < CONF_NR_PLACES; place++) {
			u64 dirty = conf_query(conf).dirty;

			/* What is read-only is always clean */
			if (!conf_has(conf, place) ||
			    (place == CONF_RO && conf->target->ops->vague))
				continue;
			conf_read_area(conf, place, 0);
			KUNIT_EXPECT_EQ(test, conf_query(conf).seen_leaf_sizes,
					conf->area[place].leaf_size);
			if (clean)
				KUNIT_EXPECT_EQ(test, conf_query(conf).dirty,
						dirty);
		}
	}
	conf_read(conf, 0, conf->granule - 1, 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).seen_leaf_sizes, 0);
}

static void each_leaf_is_looked_at_once(struct kunit *test)
{
	struct conf *conf = written(test);
	struct oracle_span *span;
	u64 leaves = 0;

	conf_need_leaves(conf);
	list_for_each_entry(span, &conf->oracle.spans, node)
		leaves += (span->last - span->iova + 1) / span->leaf_size;
	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, test, 0, conf->reach,
				     coarse_page(conf), NO_CLEAR),
			0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).leaves, leaves);
}

/* A chunk for the backend's own callbacks, with what the core never asks for */
static struct iommu_dirty_chunk *direct_chunk(struct conf *conf)
{
	struct iommu_dirty_chunk *chunk =
		kunit_kzalloc(conf->test, sizeof(*chunk), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(conf->test, chunk);
	chunk->shift = ilog2(conf->granule);
	chunk->nbits = 8 * conf->medium / conf->granule;
	chunk->first = ULONG_MAX;
	chunk->mask = kunit_kcalloc(conf->test, BITS_TO_LONGS(chunk->nbits),
				    sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(conf->test, chunk->mask);
	return chunk;
}

/* What is mapped of [@iova, @last], as the core does it */
static int mapped_walk(struct conf *conf, struct iommu_dirty_chunk *chunk,
		       unsigned long iova, unsigned long last)
{
	struct conf_ranges mapped = conf_ranges(conf);
	struct iommu_dirty_range range;
	int ret = 0;

	while (!ret && iova <= last &&
	       mapped.ranges.next(&mapped.ranges, iova, last, &range)) {
		ret = conf->real->walk(conf->domain, chunk, range.iova,
				       range.last);
		iova = range.last + 1;
	}
	return ret;
}

static int direct_walk(struct conf *conf, struct iommu_dirty_chunk *chunk,
		       unsigned long iova, unsigned long last)
{
	int ret = 0;

	down_read(&conf->dirty->attach_lock);
	if (conf->real->sync)
		ret = conf->real->sync(conf->domain);
	if (!ret && conf->target->ops->vague)
		ret = mapped_walk(conf, chunk, iova, last);
	else if (!ret)
		ret = conf->real->walk(conf->domain, chunk, iova, last);
	up_read(&conf->dirty->attach_lock);
	return ret;
}

static int direct_clear(struct conf *conf, struct iommu_dirty_chunk *chunk)
{
	int ret;

	down_read(&conf->dirty->attach_lock);
	mutex_lock(&conf->dirty->lock);
	ret = conf_real_clear(conf, chunk);
	mutex_unlock(&conf->dirty->lock);
	up_read(&conf->dirty->attach_lock);
	return ret;
}

/* As the core does: what ->clear says it has made clean, if anything */
static int direct_flush(struct conf *conf, const struct iommu_dirty_chunk *chunk)
{
	int ret = 0;

	down_read(&conf->dirty->attach_lock);
	mutex_lock(&conf->dirty->lock);
	if (chunk->first <= chunk->last)
		ret = conf->real->flush(conf->domain, chunk->first, chunk->last);
	mutex_unlock(&conf->dirty->lock);
	up_read(&conf->dirty->attach_lock);
	return ret;
}

static void a_walk_touches_only_the_bits_of_its_range(struct kunit *test)
{
	struct conf *conf = test->priv;
	struct iommu_dirty_chunk *chunk = direct_chunk(conf);
	unsigned long g = conf->granule, m = conf->medium;
	unsigned int first, last, nr = 3 * m / g, per = m / g;
	unsigned int step = conf_rounds(conf, 1, 5, 7), far = per / 5;
	unsigned long *want;

	want = kunit_kcalloc(test, BITS_TO_LONGS(chunk->nbits), sizeof(long),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, want);
	/* A table and the start of the next, a hole, a leaf */
	KUNIT_ASSERT_EQ(test, conf_map(conf, 0, m + 16 * g, g, true), 0);
	KUNIT_ASSERT_EQ(test, conf_map(conf, 2 * m, m, m, true), 0);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	conf_write_pages(conf, 0, per + 16);
	conf_write(conf, 2 * m);

	for (first = 0; first < nr; first += first % per < 66 ? step : far) {
		for (last = first; last < nr;
		     last += (last + 66) % per < 132 ? 7 : far) {
			int ret;

			bitmap_zero(chunk->mask, chunk->nbits);
			bitmap_zero(want, chunk->nbits);
			bitmap_set(want, 0, per + 16);
			bitmap_set(want, 2 * per, per);
			bitmap_clear(want, 0, first);
			bitmap_clear(want, last + 1, chunk->nbits - last - 1);
			ret = direct_walk(conf, chunk, first * g,
					  (last + 1UL) * g - 1);
			if (ret || !bitmap_equal(chunk->mask, want,
						 chunk->nbits)) {
				KUNIT_FAIL(test, "pages %u to %u: %d", first,
					   last, ret);
				return;
			}
		}
	}
}

static void a_walk_beyond_the_table_is_an_error(struct kunit *test)
{
	struct conf *conf = tracked(test);
	struct iommu_dirty_chunk *chunk = direct_chunk(conf);
	unsigned long size = chunk->nbits * conf->granule;
	unsigned long beyond = max(conf->reach + 1, BIT(58));

	conf_need_leaves(conf);
	if (conf->reach == ULONG_MAX)
		kunit_skip(test, "nothing is beyond the table");
	/* The core passes on what the consumer says is mapped */
	chunk->iova = beyond;
	KUNIT_EXPECT_EQ(test,
			direct_walk(conf, chunk, beyond, beyond + size - 1),
			-ERANGE);
	bitmap_set(chunk->mask, 0, 1);
	KUNIT_EXPECT_EQ(test, direct_clear(conf, chunk), -ERANGE);
	KUNIT_EXPECT_EQ(test, chunk->cleared, 0);
}

static void only_whole_leaves_that_are_named_are_cleaned(struct kunit *test)
{
	struct conf *conf = test->priv;
	struct iommu_dirty_chunk *chunk = direct_chunk(conf);
	unsigned long g = conf->granule, m = conf->medium;
	unsigned int per = m / g, rest = per - 1;

	KUNIT_ASSERT_EQ(test, conf_map(conf, 0, m, g, true), 0);
	KUNIT_ASSERT_EQ(test, conf_map(conf, m, 2 * m, m, true), 0);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	conf_write(conf, 5 * g);
	conf_write(conf, m);
	conf_write(conf, 2 * m);

	/* Clean leaves, parts of large leaves, and what is not mapped */
	if (!conf->target->ops->vague)
		rest += 101;
	bitmap_set(chunk->mask, 0, 5);
	bitmap_set(chunk->mask, 6, 2 * per - 1 - 6);
	bitmap_set(chunk->mask, 2 * per + 1, rest);
	KUNIT_EXPECT_EQ(test, direct_clear(conf, chunk), 0);
	KUNIT_EXPECT_EQ(test, chunk->cleared, 0);
	KUNIT_EXPECT_GT(test, chunk->first, chunk->last);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, 4 * m - 1, NO_CLEAR), 0);

	/* Now one of them is named in full */
	bitmap_set(chunk->mask, 2 * per - 1, 1);
	KUNIT_EXPECT_EQ(test, direct_clear(conf, chunk), 0);
	KUNIT_EXPECT_EQ(test, chunk->cleared, 1);
	KUNIT_EXPECT_EQ(test, chunk->first, m);
	KUNIT_EXPECT_EQ(test, chunk->last, 2 * m - 1);
	KUNIT_EXPECT_EQ(test, direct_flush(conf, chunk), 0);
	conf->silent = true;
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, 4 * m - 1, 0), 0);
	/* Of what is reported, just that leaf is not there */
	KUNIT_EXPECT_EQ(test, conf->missing, per);
	KUNIT_EXPECT_EQ(test, conf->extra, 0);
}

/*
 * Bitmaps: page sizes, alignments, and reads that make no sense
 */

static void a_bit_stands_for_any_page_size(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned int shift = ilog2(conf->granule);

	for (; shift <= ilog2(conf->end + 1); shift++) {
		conf->skew = shift % 8;
		write_some(conf);
		KUNIT_EXPECT_EQ(test,
				conf_read_as(conf, test, 0,
					     round_up(conf->end + 1, BIT(shift)) -
						     1,
					     BIT(shift), 0),
				0);
	}
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
}

static void a_page_smaller_than_a_leaf_is_a_run_of_bits(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned int shift;

	for (shift = ilog2(conf->granule) - 5; BIT(shift) < conf->granule;
	     shift++) {
		conf_write(conf, conf_page(conf, 3));
		conf_write(conf, conf->area[CONF_MEDIUM].iova);
		KUNIT_EXPECT_EQ(test,
				conf_read_as(conf, test, 0, 4 * conf->medium - 1,
					     BIT(shift), 0),
				0);
	}
}

static void the_first_bit_is_at_any_alignment(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long last = conf->area[CONF_MEDIUM].iova + conf->medium / 2 - 1;
	unsigned int n, step = conf_rounds(conf, 1, 13, 23);

	for (n = 0; n < 140; n += n < 70 ? step : 9) {
		conf->skew = n % 8;
		conf_write_pages(conf, conf_page(conf, n), 70);
		conf_write(conf, conf->area[CONF_MEDIUM].iova);
		KUNIT_EXPECT_EQ(test,
				conf_read(conf, conf_page(conf, n),
					  conf_page(conf, n + 65) - 1, 0),
				0);
		KUNIT_EXPECT_EQ(test, conf_read(conf, conf_page(conf, n), last,
						0),
				0);
		KUNIT_EXPECT_EQ(test, conf_read(conf, conf_page(conf, 0), last,
						0),
				0);
	}
}

static void half_of_all_addresses_may_be_a_page(struct kunit *test)
{
	struct conf *conf = tracked(test);

	write_some(conf);
	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, test, 0, ULONG_MAX, BIT(63), NO_CLEAR),
			0);
	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, test, 0, BIT(63) - 1, BIT(63), 0), 0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
}

static void a_read_that_makes_no_sense_is_refused(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long g = conf->granule, m = conf->medium;
	const struct iommu_dirty_read bad[] = {
		/* Page sizes that are no power of two */
		{ .last = m - 1, .page_size = 0 },
		{ .last = m - 1, .page_size = 3 * g },
		{ .last = m - 1, .page_size = g - 1 },
		{ .last = m - 1, .page_size = g + 1 },
		{ .last = m - 1, .page_size = ULONG_MAX },
		{ .last = m - 1, .page_size = ~(g - 1) },
		/* An end before the start, ends that are not on a page or leaf */
		{ .iova = m, .last = m - 1, .page_size = g },
		{ .iova = 2 * m, .last = m - 1, .page_size = g },
		{ .last = 0, .page_size = g },
		{ .last = m, .page_size = g },
		{ .iova = 1, .last = m - 1, .page_size = g },
		{ .iova = g, .last = m - 1, .page_size = 2 * g },
		{ .last = m - 1, .page_size = 2 * m },
		{ .iova = g / 8, .last = g - 1, .page_size = g / 8 },
		{ .last = g / 8 - 1, .page_size = g / 8 },
		{ .last = ULONG_MAX - 1, .page_size = BIT(63) },
	};
	struct iommu_dirty_read rd = { .last = m - 1, .page_size = g };
	u64 dirty = leaves_of_some(conf);
	unsigned int i;

	write_some(conf);
	memset(conf->calls, 0, sizeof(conf->calls));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (conf_read_raw(conf, &bad[i]) != -EINVAL)
			KUNIT_FAIL(test, "bad read %u is not refused", i);
	/* Flags that nobody knows */
	for (i = 1; i < 32; i++) {
		rd.flags = BIT(i);
		KUNIT_EXPECT_EQ(test, conf_read_raw(conf, &rd), -EOPNOTSUPP);
	}
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_WALK], 0);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_CLEAR], 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).reads, 0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).dirty, dirty);
}

/*
 * DMA between the steps of a read: reads and writes, of the leaf that is being
 * reported and of others, with hot and with cold caches. Nothing may be missing from
 * the reports, and when the devices are quiet they are exact.
 */

enum who {
	HOT,		/* the device that wrote the leaf */
	COLD,		/* one that has nothing cached */
	HOT_ATS,	/* one that wrote the leaf, and may have a cache of its own */
	NR_WHO,
};

enum where {
	SAME_PAGE,
	SAME_LEAF,	/* another page of it, for the smallest the next leaf */
	CLEAN_LEAF,	/* of the same chunk */
	OTHER_CHUNK,
	NR_WHERE,
};

/* What to inject, and whether it was */
struct injection {
	enum conf_step step;
	bool after;
	unsigned int dev;
	unsigned long iova;
	bool write;
	unsigned int done;
};

static void inject(struct conf *conf, enum conf_step step, bool after)
{
	struct injection *in = conf->data;

	if (step != in->step || after != in->after || in->done)
		return;
	in->done++;
	KUNIT_EXPECT_EQ(conf->test,
			conf_dma(conf, in->dev, IOMMU_NO_PASID, in->iova, 1,
				 in->write),
			0);
}

static unsigned long place(struct conf *conf, unsigned long target,
			   enum where where)
{
	bool low = target < conf->area[CONF_LARGE].iova;

	switch (where) {
	case SAME_PAGE:
		return target;
	case SAME_LEAF:
		return target + conf->granule;
	case CLEAN_LEAF:
		return conf->area[low ? CONF_EDGE : CONF_TAIL].iova;
	default:
		return low ? conf_last(conf, CONF_TAIL) :
			     conf->area[CONF_SMALL].iova;
	}
}

static void one_injection(struct conf *conf, unsigned long target,
			  struct injection *in)
{
	struct kunit *test = conf->test;
	unsigned int n;

	/* Dirty, and cached so */
	for (n = 0; n < conf->nr_devs; n++)
		if (n != COLD)
			KUNIT_EXPECT_EQ(test,
					conf_dma(conf, n, 0, target, 1, true),
					0);
	in->done = 0;
	conf->data = in;
	conf->watch = inject;
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	conf->watch = NULL;
	KUNIT_EXPECT_EQ(test, in->done, 1);

	/* With whatever is cached now */
	for (n = 0; n < conf->nr_devs; n++) {
		KUNIT_EXPECT_EQ(test, conf_dma(conf, n, 0, target, 1, true), 0);
		KUNIT_EXPECT_EQ(test, conf_dma(conf, n, 0, in->iova, 1, true),
				0);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	}
	/* All is quiet: nothing is left */
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
}

static void dma_at(struct kunit *test, enum conf_step step, bool after)
{
	struct conf *conf = test->priv;
	struct injection in = { .step = step, .after = after };
	const unsigned long targets[] = {
		conf_page(conf, conf_border(conf) - 1),
		conf->area[CONF_MEDIUM].iova + conf->medium,
		conf->area[CONF_LARGE].iova,
	};
	/* No divisor in common with what follows: all kinds get their turn */
	unsigned int t, n = 0, stride = conf_rounds(conf, 5, 11, 29);
	unsigned int who, where, write;

	if (step == CONF_SYNC && !conf->real->sync)
		kunit_skip(test, "the backend has no ->sync");
	for (who = 1; who < conf->nr_devs; who++) {
		if (who == HOT_ATS && conf->target->ops->set_ats)
			conf->target->ops->set_ats(conf->devs[who].dev, true);
		KUNIT_ASSERT_EQ(test,
				conf_attach(conf, conf->domain, who,
					    IOMMU_NO_PASID),
				0);
	}
	tracked(test);

	for (t = 0; t < ARRAY_SIZE(targets); t++)
		for (where = 0; where < NR_WHERE; where++)
			for (who = 0; who < conf->nr_devs; who++)
				for (write = 0; write < 2; write++) {
					if (n++ % stride)
						continue;
					in.dev = who;
					in.iova = place(conf, targets[t], where);
					in.write = write;
					if (who == COLD) {
						conf_detach(conf, COLD, 0);
						conf_attach(conf, conf->domain,
							    COLD, 0);
					}
					one_injection(conf, targets[t], &in);
				}
}

static void dma_before_the_sync(struct kunit *test)
{
	dma_at(test, CONF_SYNC, false);
}

static void dma_before_the_walk(struct kunit *test)
{
	dma_at(test, CONF_WALK, false);
}

static void dma_after_the_walk(struct kunit *test)
{
	dma_at(test, CONF_WALK, true);
}

static void dma_before_publishing(struct kunit *test)
{
	dma_at(test, CONF_PUBLISH, false);
}

static void dma_after_publishing(struct kunit *test)
{
	dma_at(test, CONF_PUBLISH, true);
}

static void dma_before_the_clear(struct kunit *test)
{
	dma_at(test, CONF_CLEAR, false);
}

static void dma_between_clear_and_flush(struct kunit *test)
{
	dma_at(test, CONF_CLEAR, true);
}

static void dma_before_the_flush(struct kunit *test)
{
	dma_at(test, CONF_FLUSH, false);
}

static void dma_after_the_flush(struct kunit *test)
{
	dma_at(test, CONF_FLUSH, true);
}

/*
 * DMA inside ->clear, behind the load of an entry and before its store
 */

struct at_load {
	unsigned int nth;
	unsigned int seen;
	unsigned long iova;
};

static void write_at_load(struct conf *conf)
{
	struct at_load *at = conf->data;

	if (++at->seen != at->nth)
		return;
	conf_write(conf, at->iova);
	if (conf->target->ops->settle)
		conf->target->ops->settle(conf->domain);
}

/* Name the whole of a leaf, and nothing else */
static void name_leaf(struct iommu_dirty_chunk *chunk, const struct conf *conf,
		      unsigned long iova, unsigned long leaf_size)
{
	chunk->shift = ilog2(conf_leaf_page(conf, leaf_size));
	chunk->nbits = leaf_size >> chunk->shift;
	chunk->iova = iova;
	chunk->first = ULONG_MAX;
	chunk->last = 0;
	bitmap_fill(chunk->mask, chunk->nbits);
}

/* Name a leaf that is clean or dirty, and let a device write it behind the n-th load */
static void write_while_named(struct conf *conf, struct iommu_dirty_chunk *chunk,
			      enum conf_place place, bool dirty)
{
	const struct conf_area *area = &conf->area[place];
	struct at_load at = { .iova = area->iova };
	unsigned int step = conf_rounds(conf, 1, 7, 7);

	do {
		at.nth += at.nth < 8 ? 1 : step;
		at.seen = 0;
		if (dirty)
			conf_write(conf, area->iova);
		name_leaf(chunk, conf, area->iova, area->leaf_size);
		conf->data = &at;
		conf->at_load = write_at_load;
		KUNIT_EXPECT_EQ(conf->test, direct_clear(conf, chunk), 0);
		conf->at_load = NULL;
		KUNIT_EXPECT_EQ(conf->test, direct_flush(conf, chunk), 0);
		/* Whatever is cached now: the next write has to be seen */
		conf_write(conf, area->iova);
		KUNIT_EXPECT_EQ(conf->test, conf_read_area(conf, place, 0), 0);
		KUNIT_EXPECT_EQ(conf->test, conf_read_area(conf, place, 0), 0);
	} while (at.seen >= at.nth);
}

/*
 * What was named has been reported, and the caller copies it afterwards: a write that is
 * undone is no loss. But a leaf that was clean is not said to have been made clean, and
 * nothing flushes it: if D is undone there, the cached translation goes on without setting
 * it, and all later writes are lost.
 */
static void a_write_inside_a_clear_is_not_undone(struct kunit *test)
{
	struct conf *conf = tracked(test);
	struct iommu_dirty_chunk *chunk;
	enum conf_place place;

	conf_need_leaves(conf);
	chunk = kunit_kzalloc(test, sizeof(*chunk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chunk);
	chunk->mask = kunit_kcalloc(test, BITS_TO_LONGS(BIT(18)), sizeof(long),
				    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chunk->mask);
	for (place = 0; place < CONF_NR_PLACES; place++) {
		if (!conf_has(conf, place) || !conf->area[place].writable)
			continue;
		write_while_named(conf, chunk, place, false);
		if (!conf->loads)
			kunit_skip(test, "there is no point behind the loads of ->clear");
		write_while_named(conf, chunk, place, true);
	}
}

/* Inside the clears of a read, to the leaf that is cleaned and to others */
static void dma_inside_the_clear(struct kunit *test)
{
	struct conf *conf = tracked(test);
	const unsigned long targets[] = {
		conf_page(conf, conf_border(conf) - 1),
		conf->area[CONF_MEDIUM].iova + conf->medium,
		conf->area[CONF_LARGE].iova,
	};
	unsigned int t, where;

	conf_write(conf, targets[0]);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	if (!conf->loads)
		kunit_skip(test, "there is no point behind the loads of ->clear");
	for (t = 0; t < ARRAY_SIZE(targets); t++) {
		for (where = 0; where < NR_WHERE; where++) {
			struct at_load at = {
				.iova = place(conf, targets[t], where),
			};

			do {
				at.nth++;
				at.seen = 0;
				conf_write(conf, targets[t]);
				conf->data = &at;
				conf->at_load = write_at_load;
				KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
				conf->at_load = NULL;
				conf_write(conf, at.iova);
				conf_write(conf, targets[t]);
				KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
			} while (at.seen >= at.nth && at.nth < 12);
			KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
		}
	}
}

/* A device that writes until it is told to stop, on a CPU of its own if there is one */
static int writer(void *data)
{
	struct conf *conf = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 1);
	while (!kthread_should_stop()) {
		u32 n = prandom_u32_state(&rnd);
		unsigned long iova;

		if (n & 1)
			iova = conf_page(conf, n / 8 % 64);
		else if (n & 2)
			iova = conf->area[CONF_MEDIUM].iova +
			       n / 8 % 3 * conf->medium;
		else
			iova = conf_last(conf, CONF_EDGE);
		conf_dma(conf, conf->nr_devs - 1, IOMMU_NO_PASID, iova, 1,
			 n & 4);
		cond_resched();
	}
	return 0;
}

static void dma_all_the_time(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long last = conf_last(conf, CONF_EDGE);
	unsigned int i, n = conf_rounds(conf, 200, 300, 50);
	struct task_struct *task;

	if (conf->nr_devs > 1)
		KUNIT_ASSERT_EQ(test,
				conf_attach(conf, conf->domain,
					    conf->nr_devs - 1, 0),
				0);
	task = kthread_run(writer, conf, "conformance-dma");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, conf_read(conf, 0, last, 0), 0);
		schedule_timeout_uninterruptible(!(i % 8));
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, last, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_read(conf, 0, last, 0), 0);
	KUNIT_EXPECT_GT(test, conf_query(conf).cleared, 10);
}

/*
 * Steps that fail
 */

/* Let the k-th of @steps fail, for every k that there is */
static void fail_each(struct kunit *test, unsigned long steps, bool late)
{
	struct conf *conf = test->priv;
	unsigned int nth;

	for (nth = 1;; nth++) {
		int ret;

		write_some(conf);
		conf_fail(conf, steps, nth, late, -EIO);
		ret = conf_read_all(conf, 0);
		if (!conf->fault.hit)
			break;
		KUNIT_EXPECT_EQ(test, ret, -EIO);

		/* What is left, and that nothing is cached that should not be */
		conf_fail(conf, 0, 0, false, 0);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
		if (conf_query(conf).mode != IOMMU_DIRTY_MODE_EXACT) {
			KUNIT_EXPECT_TRUE(test, steps & BIT(CONF_FLUSH));
			KUNIT_ASSERT_EQ(test, conf_stop(conf), 0);
			KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
		}
		write_some(conf);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	}
	/* There is no such step: the read was a good one */
	conf_fail(conf, 0, 0, false, 0);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_GT(test, nth, 1);
}

static void fail_early_and_late(struct kunit *test, unsigned long steps)
{
	tracked(test);
	fail_each(test, steps, false);
	fail_each(test, steps, true);
}

static void a_failed_sync_loses_nothing(struct kunit *test)
{
	struct conf *conf = test->priv;

	if (!conf->real->sync)
		kunit_skip(test, "the backend has no ->sync");
	fail_early_and_late(test, BIT(CONF_SYNC));
}

static void a_failed_walk_loses_nothing(struct kunit *test)
{
	fail_early_and_late(test, BIT(CONF_WALK));
}

static void a_failed_publish_loses_nothing(struct kunit *test)
{
	fail_early_and_late(test, BIT(CONF_PUBLISH));
}

static void a_failed_clear_loses_nothing(struct kunit *test)
{
	fail_early_and_late(test, BIT(CONF_CLEAR));
}

static void a_failed_flush_loses_nothing(struct kunit *test)
{
	fail_early_and_late(test, BIT(CONF_FLUSH));
}

static void any_failed_step_loses_nothing(struct kunit *test)
{
	fail_early_and_late(test, CONF_READ_STEPS);
}

static void a_failed_flush_makes_all_dirty(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned long large = conf->area[CONF_LARGE].iova + conf->large / 2;
	u64 seq = conf_query(conf).seq;

	write_some(conf);
	conf_fail(conf, BIT(CONF_FLUSH), 2, false, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), -ETIMEDOUT);
	conf_expect_mode(conf, IOMMU_DIRTY_MODE_ALL_DIRTY,
			 IOMMU_DIRTY_REASON_FLUSH);
	KUNIT_EXPECT_GT(test, conf_query(conf).seq, seq);

	/* What devices may write, each time, and nothing is cleaned for it */
	memset(conf->calls, 0, sizeof(conf->calls));
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	KUNIT_EXPECT_EQ(test,
			conf_read(conf, large, large + conf->granule - 1, 0), 0);
	KUNIT_EXPECT_EQ(test,
			conf_read_as(conf, test, 0, conf->end, conf->medium, 0),
			0);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_SYNC], 0);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_WALK], 0);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_CLEAR], 0);

	/* A failure to publish is told in this mode too */
	conf_fail(conf, BIT(CONF_PUBLISH), 3, false, -EFAULT);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), -EFAULT);
}

static void a_start_after_a_failed_flush_flushes(struct kunit *test)
{
	struct conf *conf = tracked(test);

	write_some(conf);
	conf_fail(conf, BIT(CONF_FLUSH), 1, false, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), -ETIMEDOUT);
	KUNIT_ASSERT_EQ(test, conf_stop(conf), 0);
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);

	/* The leaves are clean, but what was cached of them was dirty */
	write_some(conf);
	KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
}

static void kill_before_flush(struct conf *conf, enum conf_step step, bool after)
{
	if (step == CONF_FLUSH && !after)
		send_sig(SIGKILL, current, 1);
}

static void a_killed_reader_has_flushed_what_it_cleaned(struct kunit *test)
{
	struct conf *conf = tracked(test);
	unsigned int i;
	int ret;

	for (i = 0; i < 3; i++) {
		write_some(conf);
		conf->watch = kill_before_flush;
		allow_kernel_signal(SIGKILL);
		ret = conf_read_all(conf, 0);
		disallow_signal(SIGKILL);
		flush_signals(current);
		conf->watch = NULL;
		KUNIT_EXPECT_EQ(test, ret, -EINTR);
		if (i)
			write_some(conf);
		KUNIT_EXPECT_EQ(test, conf_read_all(conf, 0), 0);
	}
}

/*
 * Devices, PASIDs and nested children that come and go
 */

static void a_device_attached_later_is_recorded(struct kunit *test)
{
	struct conf *conf = test->priv;

	conf_need_devices(conf, 2);
	tracked_small(test);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 2);
	/* From its first write, and each device's caches are flushed */
	expect_recorded(conf, 1, IOMMU_NO_PASID);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
	expect_recorded(conf, 1, IOMMU_NO_PASID);

	/* What a device wrote stays when it goes */
	KUNIT_EXPECT_EQ(test, conf_dma(conf, 1, 0, conf_page(conf, 9), 1, true),
			0);
	conf_detach(conf, 1, IOMMU_NO_PASID);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 1);
	KUNIT_EXPECT_NE(test, conf_dma(conf, 1, 0, conf_page(conf, 8), 1, true),
			0);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	expect_exact(conf);
	expect_recorded(conf, 0, IOMMU_NO_PASID);

	/* The last one goes, and comes back */
	conf_detach(conf, 0, IOMMU_NO_PASID);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 0);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 0, 0), 0);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
}

static void a_device_that_moves_is_recorded_where_it_is(struct kunit *test)
{
	struct conf *conf = test->priv;
	struct iommu_domain *other;

	tracked_small(test);
	other = conf_other_domain(conf);
	conf_write(conf, conf_page(conf, 4));
	if (!conf->target->ops->moves)
		conf_detach(conf, 0, IOMMU_NO_PASID);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, other, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 0);
	/* Nothing is mapped there */
	KUNIT_EXPECT_NE(test, conf_dma(conf, 0, 0, conf_page(conf, 5), 1, true),
			0);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), 0);
	if (!conf->target->ops->moves)
		conf_detach(conf, 0, IOMMU_NO_PASID);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 1);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
}

static void an_incapable_device_is_refused(struct kunit *test)
{
	struct conf *conf = test->priv;
	u64 seq;

	conf_need_devices(conf, 2);
	conf_map_area(conf, CONF_SMALL);
	conf->unable = conf->devs[1].dev;

	/* It keeps tracking from being started */
	KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 1, 0), 0);
	conf->calls[CONF_SET_FEATURE] = 0;
	KUNIT_EXPECT_EQ(test, conf_start(conf), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, conf->calls[CONF_SET_FEATURE], 0);
	expect_off(conf);
	KUNIT_EXPECT_EQ(test, read_small(conf, 0), -EOPNOTSUPP);
	conf_detach(conf, 1, IOMMU_NO_PASID);

	/* And it cannot be attached once it is */
	KUNIT_ASSERT_EQ(test, conf_start(conf), 0);
	seq = conf_query(conf).seq;
	KUNIT_EXPECT_EQ(test, conf_attach(conf, conf->domain, 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 1);
	KUNIT_EXPECT_EQ(test, conf_query(conf).seq, seq);
	expect_exact(conf);
	expect_recorded(conf, 0, IOMMU_NO_PASID);

	conf->unable = NULL;
	KUNIT_EXPECT_EQ(test, conf_attach(conf, conf->domain, 1, 0), 0);
	expect_recorded(conf, 1, IOMMU_NO_PASID);
}

static void a_pasid_attached_later_is_recorded(struct kunit *test)
{
	struct conf *conf = test->priv;

	if (!conf->target->ops->attach_pasid)
		kunit_skip(test, "the devices have no PASIDs");
	tracked_small(test);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 0, CONF_PASID), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 2);
	expect_recorded(conf, 0, CONF_PASID);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
	expect_recorded(conf, 0, CONF_PASID);
	conf_detach(conf, 0, CONF_PASID);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 1);
	KUNIT_EXPECT_NE(test,
			conf_dma(conf, 0, CONF_PASID, conf_page(conf, 8), 1,
				 true),
			0);
}

static void a_nested_child_is_recorded_in_its_parent(struct kunit *test)
{
	struct conf *conf = test->priv;
	struct iommu_domain *child;

	if (!conf->target->ops->domain_nest)
		kunit_skip(test, "the IOMMU does not nest");
	conf_need_devices(conf, 2);
	child = conf_child(conf);
	tracked_small(test);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, child, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 2);
	expect_recorded(conf, 1, IOMMU_NO_PASID);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
	if (conf->target->ops->attach_pasid) {
		KUNIT_ASSERT_EQ(test, conf_attach(conf, child, 1, CONF_PASID),
				0);
		KUNIT_EXPECT_EQ(test, conf_query(conf).attached, 3);
		expect_recorded(conf, 1, CONF_PASID);
	}
}

static void a_device_with_ats_is_recorded(struct kunit *test)
{
	struct conf *conf = test->priv;

	if (!conf->target->ops->set_ats)
		kunit_skip(test, "the devices' ATS cannot be switched");
	conf_detach(conf, 0, IOMMU_NO_PASID);
	conf->target->ops->set_ats(conf->devs[0].dev, true);
	KUNIT_ASSERT_EQ(test, conf_attach(conf, conf->domain, 0, 0), 0);
	tracked_small(test);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
	expect_recorded(conf, 0, IOMMU_NO_PASID);
}

static void random_operations_lose_nothing(struct kunit *test)
{
	conf_random_operations(test);
}

/* Each runs with every target of a suite */
static const struct kunit_case cases[] = {
	KUNIT_CASE(what_it_can_makes_sense),
	KUNIT_CASE(every_leaf_size_and_both_ends_are_laid_out),
	KUNIT_CASE(start_makes_what_is_mapped_clean),
	KUNIT_CASE(starting_twice_loses_nothing),
	KUNIT_CASE(stopping_what_is_off_is_refused),
	KUNIT_CASE(reading_what_is_off_is_refused),
	KUNIT_CASE(a_second_owner_is_refused),
	KUNIT_CASE(bad_arguments_change_nothing),
	KUNIT_CASE(off_calls_no_backend),
	KUNIT_CASE(a_switch_that_fails_changes_nothing),
	KUNIT_CASE(a_start_that_cannot_clean_is_undone),
	KUNIT_CASE(a_second_read_reports_nothing),
	KUNIT_CASE(a_write_after_a_read_is_reported_by_the_next),
	KUNIT_CASE(a_flush_follows_a_clear_and_only_a_clear),
	KUNIT_CASE(a_forgotten_flush_is_noticed),
	KUNIT_CASE(a_forgotten_flush_is_noticed_with_any_cache),
	KUNIT_CASE(a_forgotten_clear_is_noticed),
	KUNIT_CASE(no_clear_makes_nothing_clean),
	KUNIT_CASE(a_cut_leaf_is_reported_in_part_and_stays_dirty),
	KUNIT_CASE(what_devices_only_read_is_not_reported),
	KUNIT_CASE(what_is_mapped_later_is_tracked),
	KUNIT_CASE(unmapping_leaves_the_neighbours_dirty),
	KUNIT_CASE(any_start_and_end_reports_what_was_written),
	KUNIT_CASE(any_start_and_end_cleans_whole_leaves_only),
	KUNIT_CASE(the_whole_address_space_can_be_read),
	KUNIT_CASE(leaf_sizes_that_were_met_are_told),
	KUNIT_CASE(each_leaf_is_looked_at_once),
	KUNIT_CASE(a_walk_touches_only_the_bits_of_its_range),
	KUNIT_CASE(a_walk_beyond_the_table_is_an_error),
	KUNIT_CASE(only_whole_leaves_that_are_named_are_cleaned),
	KUNIT_CASE(a_bit_stands_for_any_page_size),
	KUNIT_CASE(a_page_smaller_than_a_leaf_is_a_run_of_bits),
	KUNIT_CASE(the_first_bit_is_at_any_alignment),
	KUNIT_CASE(half_of_all_addresses_may_be_a_page),
	KUNIT_CASE(a_read_that_makes_no_sense_is_refused),
	KUNIT_CASE(dma_before_the_sync),
	KUNIT_CASE(dma_before_the_walk),
	KUNIT_CASE(dma_after_the_walk),
	KUNIT_CASE(dma_before_publishing),
	KUNIT_CASE(dma_after_publishing),
	KUNIT_CASE(dma_before_the_clear),
	KUNIT_CASE(dma_inside_the_clear),
	KUNIT_CASE(a_write_inside_a_clear_is_not_undone),
	KUNIT_CASE(dma_between_clear_and_flush),
	KUNIT_CASE(dma_before_the_flush),
	KUNIT_CASE(dma_after_the_flush),
	KUNIT_CASE(dma_all_the_time),
	KUNIT_CASE(a_failed_sync_loses_nothing),
	KUNIT_CASE(a_failed_walk_loses_nothing),
	KUNIT_CASE(a_failed_publish_loses_nothing),
	KUNIT_CASE(a_failed_clear_loses_nothing),
	KUNIT_CASE(a_failed_flush_loses_nothing),
	KUNIT_CASE(any_failed_step_loses_nothing),
	KUNIT_CASE(a_failed_flush_makes_all_dirty),
	KUNIT_CASE(a_start_after_a_failed_flush_flushes),
	KUNIT_CASE(a_killed_reader_has_flushed_what_it_cleaned),
	KUNIT_CASE(a_device_attached_later_is_recorded),
	KUNIT_CASE(a_device_that_moves_is_recorded_where_it_is),
	KUNIT_CASE(an_incapable_device_is_refused),
	KUNIT_CASE(a_pasid_attached_later_is_recorded),
	KUNIT_CASE(a_nested_child_is_recorded_in_its_parent),
	KUNIT_CASE(a_device_with_ats_is_recorded),
	KUNIT_CASE(random_operations_lose_nothing),
};

/* Give a suite its own copy, in which its results are noted */
int conf_fill_cases(struct kunit_case *copy,
		    const void *(*next_target)(const void *prev, char *desc))
{
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(cases) > CONF_MAX_CASES);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		copy[i] = cases[i];
		copy[i].generate_params = next_target;
	}
	return 0;
}
