// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations against the oracle. A failure names the seed: boot with
 * iommu_dirty_kunit.seed=N to run that one alone.
 */
#include <linux/moduleparam.h>
#include <linux/prandom.h>

#include "conformance.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "iommu_dirty_kunit."

#define NR_OPS 60

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Seed of the random operations; 0 for a list of them");

/* One run */
struct run {
	struct conf *conf;
	struct rnd_state rnd;
	unsigned long extra;
	bool extra_mapped;
};

static u32 pick(struct run *run, u32 below)
{
	return prandom_u32_state(&run->rnd) % below;
}

static bool one_in(struct run *run, u32 n)
{
	return !pick(run, n);
}

/* An IOVA of the layout, below its end */
static unsigned long pick_iova(struct run *run)
{
	struct conf *conf = run->conf;
	unsigned int place = pick(run, CONF_NR_LOW_PLACES + run->extra_mapped);
	unsigned long iova = run->extra, size = 2 * conf->medium;

	if (place < CONF_NR_LOW_PLACES) {
		if (!conf_has(conf, place))
			place = CONF_SMALL;
		iova = conf->area[place].iova;
		size = conf->area[place].size;
	}
	return iova + pick(run, size / conf->granule) * conf->granule;
}

/* And one of what is above it: the ends of leaves that may be very large */
static unsigned long pick_high(struct run *run)
{
	struct conf *conf = run->conf;
	unsigned int place = CONF_NR_LOW_PLACES +
			     pick(run, CONF_NR_PLACES - CONF_NR_LOW_PLACES);

	if (!conf_has(conf, place))
		place = CONF_LAST;
	return one_in(run, 2) ? conf->area[place].iova :
				conf_last(conf, place) - conf->granule + 1;
}

static void random_dma(struct run *run)
{
	struct conf *conf = run->conf;
	u32 pages = one_in(run, 8) ? conf_rounds(conf, 500, 50, 50) : 8;
	unsigned long iova = one_in(run, 8) ? pick_high(run) : pick_iova(run);
	ioasid_t pasid = IOMMU_NO_PASID;

	if (conf->target->ops->attach_pasid && one_in(run, 4))
		pasid = CONF_PASID;
	/* It may be attached to nothing, or run out of what is mapped */
	conf_dma(conf, pick(run, conf->nr_devs), pasid, iova,
		 (1 + pick(run, pages)) * conf->granule, !one_in(run, 3));
}

static void random_read(struct run *run)
{
	struct conf *conf = run->conf;
	unsigned int shift = ilog2(conf->granule);
	unsigned long page, first, last;
	u32 flags = one_in(run, 5) ? IOMMU_DIRTY_READ_NO_CLEAR : 0;

	if (one_in(run, 8)) {
		conf_read_mapped(conf, flags);
		return;
	}
	if (one_in(run, 3))
		shift += pick(run, 20);
	page = BIT(shift);
	first = one_in(run, 2) ? pick_iova(run) : 0;
	last = one_in(run, 2) ? pick_iova(run) : conf->end;
	if (first > last)
		swap(first, last);
	first &= ~(page - 1);
	last |= page - 1;
	conf->skew = pick(run, 8);
	conf_read_as(conf, conf->test, first, last, page, flags);
}

/* A device does something at a step of a read, or the step fails */
static void act(struct conf *conf, enum conf_step step, bool after)
{
	struct run *run = conf->data;

	if (one_in(run, 3))
		random_dma(run);
}

/* Inside ->clear, where loads are many */
static void act_at_load(struct conf *conf)
{
	struct run *run = conf->data;

	if (one_in(run, 50))
		random_dma(run);
}

static void restart(struct conf *conf)
{
	KUNIT_EXPECT_EQ(conf->test, conf_stop(conf), 0);
	KUNIT_EXPECT_EQ(conf->test, conf_start(conf), 0);
}

static void watched_read(struct run *run)
{
	struct conf *conf = run->conf;

	conf->data = run;
	conf->watch = act;
	conf->at_load = act_at_load;
	random_read(run);
	conf->watch = NULL;
	conf->at_load = NULL;
}

static void failing_read(struct run *run)
{
	struct conf *conf = run->conf;

	conf_fail(conf, CONF_READ_STEPS, 1 + pick(run, 12), one_in(run, 2),
		  -EIO);
	random_read(run);
	conf_fail(conf, 0, 0, false, 0);
	if (conf_query(conf).mode != IOMMU_DIRTY_MODE_EXACT) {
		random_read(run);
		restart(conf);
	}
}

static void toggle_attachment(struct run *run, ioasid_t pasid)
{
	struct conf *conf = run->conf;
	unsigned int n = pick(run, conf->nr_devs);

	if (pasid != IOMMU_NO_PASID && !conf->target->ops->attach_pasid)
		return;
	if (conf->devs[n].domain[pasid != IOMMU_NO_PASID]) {
		conf_detach(conf, n, pasid);
		return;
	}
	if (pasid == IOMMU_NO_PASID && conf->target->ops->set_ats)
		conf->target->ops->set_ats(conf->devs[n].dev, one_in(run, 2));
	KUNIT_EXPECT_EQ(conf->test, conf_attach(conf, conf->domain, n, pasid),
			0);
}

static void toggle_mapping(struct run *run)
{
	struct conf *conf = run->conf;

	if (run->extra_mapped)
		conf_unmap(conf, run->extra);
	else
		KUNIT_ASSERT_EQ(conf->test,
				conf_map(conf, run->extra, 2 * conf->medium,
					 one_in(run, 2) ? conf->granule :
							  conf->medium,
					 true),
				0);
	run->extra_mapped = !run->extra_mapped;
}

static void random_op(struct run *run)
{
	switch (pick(run, 40)) {
	case 0 ... 21:
		random_dma(run);
		break;
	case 22 ... 27:
		random_read(run);
		break;
	case 28 ... 29:
		watched_read(run);
		break;
	case 30 ... 31:
		failing_read(run);
		break;
	case 32 ... 34:
		toggle_attachment(run, IOMMU_NO_PASID);
		break;
	case 35:
		toggle_attachment(run, CONF_PASID);
		break;
	case 36 ... 37:
		toggle_mapping(run);
		break;
	case 38:
		/* A writer that is refused changes nothing */
		KUNIT_EXPECT_EQ(run->conf->test, conf_start(run->conf),
				-EALREADY);
		break;
	default:
		restart(run->conf);
	}
}

static void run_seed(struct conf *conf, unsigned int s)
{
	struct run run = { .conf = conf, .extra = 10 * conf->medium };
	unsigned int i;

	prandom_seed_state(&run.rnd, s);
	conf_map_layout(conf);
	for (i = 1; i < conf->nr_devs; i++)
		KUNIT_ASSERT_EQ(conf->test,
				conf_attach(conf, conf->domain, i, 0), 0);
	KUNIT_ASSERT_EQ(conf->test, conf_start(conf), 0);

	for (i = 0; i < NR_OPS; i++)
		random_op(&run);
	KUNIT_EXPECT_EQ(conf->test, conf_read_mapped(conf, 0), 0);
	KUNIT_EXPECT_EQ(conf->test, conf_read_mapped(conf, 0), 0);
}

void conf_random_operations(struct kunit *test)
{
	struct conf *conf = test->priv;
	unsigned int s = seed ?: 1;
	unsigned int last = seed ?: conf_rounds(conf, 12, 4, 1);

	for (; s <= last; s++) {
		run_seed(conf, s);
		if (READ_ONCE(test->status) == KUNIT_FAILURE) {
			kunit_err(test,
				  "fails with iommu_dirty_kunit.seed=%u\n", s);
			return;
		}
		conf_drop_domain(conf);
		conf_new_domain(conf);
	}
}
