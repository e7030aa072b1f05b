// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA between the steps of a read: every step, reads and writes, of the leaf that
 * is being reported and of others, with hot and with cold caches. Nothing may be
 * missing from the reports, and when the devices are quiet they are exact.
 */
#include "rig.h"

enum who {
	HOT,		/* the device that wrote the leaf */
	COLD,		/* one that has nothing cached */
	HOT_ATS,	/* one with a cache of its own that wrote the leaf */
	NR_WHO,
};

enum where {
	SAME_PAGE,
	SAME_LEAF,	/* another page of it, for 4 KiB the next leaf */
	CLEAN_LEAF,	/* of the same chunk */
	OTHER_CHUNK,
	NR_WHERE,
};

static const unsigned long targets[] = {
	RIG_SMALL + 511 * SZ_4K, RIG_MEDIUM + 1 * SZ_2M, RIG_LARGE
};

/* What to inject, and whether it was */
struct injection {
	enum hwm_step step;
	bool after;
	struct hwm_device *dev;
	unsigned long iova;
	bool write;
	unsigned int done;
};

static void inject(struct hwm_model *hw, enum hwm_step step, bool after)
{
	struct injection *in = hw->data;

	if (step != in->step || after != in->after || in->done)
		return;
	in->done++;
	KUNIT_EXPECT_EQ(hw->test,
			hwm_dma(in->dev, IOMMU_NO_PASID, in->iova, 1,
				in->write),
			0);
}

static unsigned long place(unsigned long target, enum where where)
{
	switch (where) {
	case SAME_PAGE:
		return target;
	case SAME_LEAF:
		return target + SZ_4K;
	case CLEAN_LEAF:
		return target < RIG_LARGE ? RIG_EDGE + SZ_1M : RIG_TAIL;
	default:
		return target < RIG_LARGE ? RIG_TAIL + SZ_64K : RIG_SMALL;
	}
}

static void one(struct rig *rig, struct hwm_device **devs, unsigned long target,
		struct injection *in)
{
	struct kunit *test = rig->hw->test;
	enum who who;

	/* Dirty, and cached so */
	hwm_write(devs[HOT], target);
	hwm_write(devs[HOT_ATS], target);
	in->done = 0;
	rig->hw->data = in;
	rig->hw->watch = inject;
	rig->hw->watch_leaves = in->step == HWM_CLEAN_LEAF;
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, SZ_4G - 1, 0), 0);
	rig->hw->watch = NULL;
	rig->hw->watch_leaves = false;
	KUNIT_EXPECT_EQ(test, in->done, 1);

	/* With whatever is cached now */
	for (who = 0; who < NR_WHO; who++) {
		hwm_write(devs[who], target);
		hwm_write(devs[who], in->iova);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, SZ_4G - 1, 0), 0);
	}
	/* All is quiet: nothing is left */
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, SZ_4G - 1, 0), 0);
}

static void dma_at(struct kunit *test, enum hwm_step step, bool after)
{
	struct rig *rig = test->priv;
	struct hwm_device *devs[NR_WHO] = {
		[HOT] = rig->dev,
		[HOT_ATS] = rig_device(rig, rig->hd),
	};
	unsigned int t, stride, n = 0;
	struct injection in = { .step = step, .after = after };
	enum where where;
	enum who who;
	int write;

	/* All of them in one geometry, a sample in the other */
	stride = rig->hw->kind->levels == 4 ? rig_rounds(1, 7) :
					      rig_rounds(7, 23);
	devs[HOT_ATS]->ats = true;
	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);

	for (t = 0; t < ARRAY_SIZE(targets); t++)
		for (where = 0; where < NR_WHERE; where++)
			for (who = 0; who < NR_WHO; who++)
				for (write = 0; write < 2; write++) {
					if (n++ % stride)
						continue;
					devs[COLD] = rig_device(rig, rig->hd);
					in.dev = devs[who];
					in.iova = place(targets[t], where);
					in.write = write;
					one(rig, devs, targets[t], &in);
					hwm_device_free(devs[COLD]);
				}
}

static void dma_before_the_walk(struct kunit *test)
{
	dma_at(test, HWM_WALK, false);
}

static void dma_between_walk_and_publish(struct kunit *test)
{
	dma_at(test, HWM_WALK, true);
}

static void dma_before_publishing(struct kunit *test)
{
	dma_at(test, HWM_PUBLISH, false);
}

static void dma_between_publish_and_clear(struct kunit *test)
{
	dma_at(test, HWM_PUBLISH, true);
}

static void dma_before_the_clear(struct kunit *test)
{
	dma_at(test, HWM_CLEAR, false);
}

static void dma_while_a_leaf_is_made_clean(struct kunit *test)
{
	dma_at(test, HWM_CLEAN_LEAF, false);
}

static void dma_between_clear_and_flush(struct kunit *test)
{
	dma_at(test, HWM_CLEAR, true);
}

static void dma_before_the_flush(struct kunit *test)
{
	dma_at(test, HWM_FLUSH, false);
}

static void dma_after_the_flush(struct kunit *test)
{
	dma_at(test, HWM_FLUSH, true);
}

/* Somebody took the accessed flag out, and hardware sets it in that moment */
static void a_leaf_that_is_accessed_while_made_clean_is_clean(struct kunit *test)
{
	struct rig *rig = test->priv;
	u64 accessed = rig->hw->kind->fmt->accessed(0);
	struct injection in = {
		.step = HWM_CLEAN_LEAF,
		.dev = rig_device(rig, rig->hd),
	};
	unsigned int t;

	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	rig->hw->data = &in;
	rig->hw->watch_leaves = true;
	for (t = 0; t < ARRAY_SIZE(targets); t++) {
		unsigned int level;
		u64 *entry = hwm_find_leaf(rig->hd, targets[t], &level);

		hwm_write(rig->dev, targets[t]);
		WRITE_ONCE(*entry, READ_ONCE(*entry) & ~accessed);
		in.iova = targets[t];
		in.done = 0;
		rig->hw->watch = inject;
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, SZ_4G - 1, 0), 0);
		rig->hw->watch = NULL;
		KUNIT_EXPECT_EQ(test, in.done, 1);
		KUNIT_EXPECT_TRUE(test, READ_ONCE(*entry) & accessed);
		KUNIT_EXPECT_FALSE(test,
				   rig->hw->kind->fmt->dirty(READ_ONCE(*entry)));
	}
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, ARRAY_SIZE(targets));
}

static struct kunit_case inject_cases[] = {
	KUNIT_CASE_PARAM(dma_before_the_walk, rig_kinds),
	KUNIT_CASE_PARAM(dma_between_walk_and_publish, rig_kinds),
	KUNIT_CASE_PARAM(dma_before_publishing, rig_kinds),
	KUNIT_CASE_PARAM(dma_between_publish_and_clear, rig_kinds),
	KUNIT_CASE_PARAM(dma_before_the_clear, rig_kinds),
	KUNIT_CASE_PARAM(dma_while_a_leaf_is_made_clean, rig_kinds),
	KUNIT_CASE_PARAM(a_leaf_that_is_accessed_while_made_clean_is_clean,
			 rig_kinds),
	KUNIT_CASE_PARAM(dma_between_clear_and_flush, rig_kinds),
	KUNIT_CASE_PARAM(dma_before_the_flush, rig_kinds),
	KUNIT_CASE_PARAM(dma_after_the_flush, rig_kinds),
	{}
};

static struct kunit_suite inject_suite = {
	.name = "iommu-dirty-inject",
	.init = rig_init,
	.test_cases = inject_cases,
};

kunit_test_suite(inject_suite);
