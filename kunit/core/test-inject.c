// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA in the moment when a leaf is made clean, between the load and the exchange:
 * reads and writes, of that leaf and of others, with hot and with cold caches. Nothing
 * may be missing from the reports, and when the devices are quiet they are exact. The
 * moment is the hardware model's; those between the steps of a read are conformance.c's.
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
	SAME_LEAF,	/* another page of it, for the smallest the next leaf */
	CLEAN_LEAF,	/* of the same chunk */
	OTHER_CHUNK,
	NR_WHERE,
};

#define NR_TARGETS 3

/* A leaf of each size */
static unsigned long target_of(const struct rig *rig, unsigned int n)
{
	switch (n) {
	case 0:
		return rig_page(rig, 511);
	case 1:
		return rig->at.medium + rig->medium;
	default:
		return rig->at.large;
	}
}

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

static unsigned long place(const struct rig *rig, unsigned long target,
			   enum where where)
{
	const struct rig_layout *at = &rig->at;

	switch (where) {
	case SAME_PAGE:
		return target;
	case SAME_LEAF:
		return target + rig->page;
	case CLEAN_LEAF:
		return target < at->large ? at->edge + 256 * rig->page :
					    at->large + rig->large;
	default:
		return target < at->large ? at->tail + 16 * rig->page :
					    at->small;
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
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	rig->hw->watch = NULL;
	rig->hw->watch_leaves = false;
	KUNIT_EXPECT_EQ(test, in->done, 1);

	/* With whatever is cached now */
	for (who = 0; who < NR_WHO; who++) {
		hwm_write(devs[who], target);
		hwm_write(devs[who], in->iova);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	}
	/* All is quiet: nothing is left */
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

static void dma_while_a_leaf_is_made_clean(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *devs[NR_WHO] = {
		[HOT] = rig->dev,
		[HOT_ATS] = rig_device(rig, rig->hd),
	};
	const struct hwm_kind *kind = rig->hw->kind;
	unsigned int t, stride, n = kind - hwm_kinds;
	struct injection in = { .step = HWM_CLEAN_LEAF };

	/* All of them with some kinds, a sample with the others */
	stride = rig_sampled(rig) ? rig_rounds(7, 23) : rig_rounds(1, 7);
	devs[HOT_ATS]->ats = true;
	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);

	for (t = 0; t < NR_TARGETS * NR_WHERE * NR_WHO * 2; t++) {
		unsigned int pick = t;
		unsigned long target;

		if (n++ % stride)
			continue;
		in.write = pick % 2;
		pick /= 2;
		devs[COLD] = rig_device(rig, rig->hd);
		in.dev = devs[pick % NR_WHO];
		pick /= NR_WHO;
		target = target_of(rig, pick / NR_WHERE);
		in.iova = place(rig, target, pick % NR_WHERE);
		one(rig, devs, target, &in);
		hwm_device_free(devs[COLD]);
	}
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
	for (t = 0; t < NR_TARGETS; t++) {
		unsigned int level;
		unsigned long target = target_of(rig, t);
		u64 *entry = hwm_find_leaf(rig->hd, target, &level);

		hwm_write(rig->dev, target);
		hwm_settle(rig->hd);
		WRITE_ONCE(*entry, READ_ONCE(*entry) & ~accessed);
		in.iova = target;
		in.done = 0;
		rig->hw->watch = inject;
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
		rig->hw->watch = NULL;
		KUNIT_EXPECT_EQ(test, in.done, 1);
		KUNIT_EXPECT_TRUE(test, READ_ONCE(*entry) & accessed);
		KUNIT_EXPECT_FALSE(test,
				   hwm_leaf_dirty(rig->hw->kind->fmt, entry,
						  level));
	}
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, NR_TARGETS);
}

static struct kunit_case inject_cases[] = {
	KUNIT_CASE_PARAM(dma_while_a_leaf_is_made_clean, rig_kinds),
	KUNIT_CASE_PARAM(a_leaf_that_is_accessed_while_made_clean_is_clean,
			 rig_kinds),
	{}
};

static struct kunit_suite inject_suite = {
	.name = "iommu-dirty-inject",
	.init = rig_init,
	.test_cases = inject_cases,
};

kunit_test_suite(inject_suite);
