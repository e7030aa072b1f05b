// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations against the oracle. A failure names the seed: boot with
 * test_random.seed=N to run that one alone.
 */
#include <linux/moduleparam.h>

#include "rig.h"

#define PASID 3
#define NR_OPS 60

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Seed of the random operations; 0 for a list of them");

/* One run */
struct run {
	struct rig *rig;
	struct rnd_state rnd;
	struct hwm_device *devs[3];
	bool extra_mapped;
};

static u32 pick(struct run *run, u32 below)
{
	return prandom_u32_state(&run->rnd) % below;
}

/* An IOVA in a span that can be written */
static unsigned long pick_iova(struct run *run)
{
	const struct rig *rig = run->rig;
	const struct {
		unsigned long iova, size;
	} areas[] = {
		{ rig->at.small, rig->at.small_size },
		{ rig->at.medium, rig->at.medium_size },
		{ rig->at.edge, rig->at.edge_size },
		{ rig->at.large, rig->at.large_size },
		{ rig->at.after, rig->at.after_size },
		{ rig->at.tail, rig->at.tail_size },
		{ rig->at.extra, rig->at.extra_size },
	};
	unsigned int i = pick(run, ARRAY_SIZE(areas) - !run->extra_mapped);

	return areas[i].iova + pick(run, areas[i].size / rig->page) * rig->page;
}

static void random_dma(struct run *run)
{
	struct hwm_device *dev = run->devs[pick(run, ARRAY_SIZE(run->devs))];
	unsigned long iova = pick_iova(run);
	unsigned long len = 1 + pick(run, (pick(run, 4) ? 8 : 512) *
						  run->rig->page);

	/* It may be attached to nothing, or run out of what is mapped */
	hwm_dma(dev, pick(run, 4) ? IOMMU_NO_PASID : PASID, iova, len,
		pick(run, 3));
}

static void random_read(struct run *run)
{
	struct rig *rig = run->rig;
	unsigned int shift = pick(run, 3) ? 0 : pick(run, 20);
	unsigned long page = rig->page << shift, first, last;
	u32 flags = pick(run, 5) ? 0 : IOMMU_DIRTY_READ_NO_CLEAR;

	first = pick(run, 2) ? 0 : pick_iova(run) & ~(page - 1);
	last = pick(run, 2) ? rig->at.last : pick_iova(run) | (page - 1);
	if (first > last)
		swap(first, last);
	first &= ~(page - 1);
	last |= page - 1;
	rig->skew = pick(run, 8);
	rig_read_as(rig, rig->hw->test, first, last, page, flags);
}

static void restart(struct rig *rig)
{
	struct kunit *test = rig->hw->test;

	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
}

static void toggle_pasid(struct rig *rig, struct hwm_device *dev)
{
	struct hwm_context *ctx = hwm_context(dev, PASID);
	struct iommu_domain *domain = &rig->hd->domain;
	int ret;

	if (ctx && ctx->domain) {
		iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, &dev->dev, PASID,
					     domain);
		return;
	}
	ret = iommu_dirty_set_dev_pasid(domain, &dev->dev, PASID, NULL);
	KUNIT_EXPECT_EQ(rig->hw->test, ret, 0);
}

static void random_op(struct run *run)
{
	struct rig *rig = run->rig;
	struct kunit *test = rig->hw->test;
	struct hwm_device *dev = run->devs[1 + pick(run, 2)];

	switch (pick(run, 40)) {
	case 0 ... 19:
		random_dma(run);
		break;
	case 20 ... 29:
		random_read(run);
		break;
	case 30 ... 31:
		hwm_fail(rig->hw, HWM_READ_STEPS, 1 + pick(run, 12),
			 pick(run, 2), -EIO);
		random_read(run);
		hwm_fail(rig->hw, 0, 0, false, 0);
		if (rig_query(rig->hd).mode == IOMMU_DIRTY_MODE_ALL_DIRTY)
			restart(rig);
		break;
	case 32 ... 33:
		KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, dev), 0);
		break;
	case 34:
		hwm_device_release(dev);
		break;
	case 35:
		toggle_pasid(rig, dev);
		break;
	case 36 ... 37:
		if (run->extra_mapped)
			hwm_unmap(rig->hd, rig->at.extra, rig->at.extra_size);
		else
			rig_map(rig, rig->at.extra, rig->at.extra_size,
				pick(run, 2) ? rig->page : rig->medium, true);
		run->extra_mapped = !run->extra_mapped;
		break;
	case 38:
		dev->ats = !dev->ats;
		break;
	default:
		restart(rig);
	}
}

static void run_seed(struct kunit *test, unsigned int s)
{
	struct rig *rig = test->priv;
	struct run run = { .rig = rig };
	unsigned int i;

	prandom_seed_state(&run.rnd, s);
	rig->hd = hwm_domain_new(rig->hw);
	rig_map_layout(rig);
	for (i = 0; i < ARRAY_SIZE(run.devs); i++)
		run.devs[i] = rig_device(rig, rig->hd);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);

	for (i = 0; i < NR_OPS; i++)
		random_op(&run);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);

	for (i = 0; i < ARRAY_SIZE(run.devs); i++)
		hwm_device_free(run.devs[i]);
	hwm_domain_free(rig->hd);
}

static void random_operations_lose_nothing(struct kunit *test)
{
	unsigned int s, seeds = rig_kind_rounds(test->priv, 25, 6);

	if (seed) {
		run_seed(test, seed);
		return;
	}
	for (s = 1; s <= seeds; s++) {
		run_seed(test, s);
		if (READ_ONCE(test->status) == KUNIT_FAILURE) {
			kunit_err(test, "fails with seed %u\n", s);
			return;
		}
	}
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE_PARAM_ATTR(random_operations_lose_nothing, rig_kinds,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite random_suite = {
	.name = "iommu-dirty-random",
	.init = rig_init_bare,
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);
