// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e's cases about units that differ: which tables each of them can read, and
 * what tracking makes of one that has no way to record. The machine that they want
 * is that of MIXED=units in iommu-args.sh; elsewhere they are skipped, and they run
 * only when they are asked for by name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "dma.h"
#include "e2e.h"
#include "need.h"

/* VT-d's registers: leaves of 1 GiB in either stage; address width; scalable mode. */
#define CAP_FL1GP	BIT_ULL(56)
#define CAP_SLLPS_1G	BIT_ULL(35)
#define CAP_MGAW(cap)	(((cap) >> 16 & 0x3f) + 1)
#define ECAP_SMTS	BIT_ULL(43)

static bool legacy(const struct hw_info *hw)
{
	return !(hw->ecap_reg & ECAP_SMTS);
}

static bool without_1g(const struct hw_info *hw)
{
	return !legacy(hw) && !(hw->cap_reg & (CAP_FL1GP | CAP_SLLPS_1G));
}

static bool wide(const struct hw_info *hw)
{
	return CAP_MGAW(hw->cap_reg) > 48;
}

static int device_behind(struct fixture *f, bool (*unit)(const struct hw_info *hw))
{
	for (int i = 0; i < f->rig.devices; i++) {
		struct hw_info hw;

		expect_rc("IOMMU_GET_HW_INFO",
			  iommufd_hw_info(f->rig.iommufd, f->rig.dev[i].dev_id, &hw), 0);
		if (hw.vtd && unit(&hw))
			return i;
	}
	skip("no device is behind such a unit");
}

/* Another HWPT over the same IOAS, for the tables that @dev's unit likes best. */
static struct space another_hwpt(struct fixture *f, int dev)
{
	struct space s = f->s;

	expect_rc("allocate another HWPT",
		  hwpt_alloc(f->rig.iommufd, f->rig.dev[dev].dev_id, s.ioas, 0, &s.hwpt), 0);
	return s;
}

/* @s in the place of the fixture's, for what works on that. */
static void use(struct fixture *f, const struct space *s)
{
	f->s.hwpt = s->hwpt;
}

/* Of a device that should not have been attached. */
static void confess(struct fixture *f, int dev, struct region *r)
{
	struct edu *edu = &f->rig.edu[dev];
	int mapped = edu_write(edu, r->iova, 1, 0), unmapped;

	expect_rc("unmap", space_unmap_one(&f->s, r), 0);
	unmapped = edu_write(edu, r->iova, 1, 0);
	printf("# it was attached; its write to a mapped page %s, to one no longer mapped %s\n",
	       mapped ? "was blocked" : "landed", unmapped ? "was blocked" : "landed");
}

/* The forecast says so, the attach fails, and nothing has changed. */
static void expect_foreign(struct fixture *f, const char *what, int dev, struct region *r)
{
	struct iommu_dirty_query was = query(f), q;
	struct iommu_dirty_can_attach forecast;
	int rc;

	expect_rc(what, hwpt_can_attach(f->rig.iommufd, f->s.hwpt, f->rig.dev[dev].dev_id,
					&forecast), 0);
	rc = space_attach(&f->s, dev);
	if (!rc)
		confess(f, dev, r);
	expect_rc(what, rc, -EINVAL);
	expect(forecast.out_verdict == IOMMU_DIRTY_VERDICT_FOREIGN, "%s: the forecast was: %s",
	       what, verdict_name(forecast.out_verdict));
	q = query(f);
	expect(q.out_seq == was.out_seq && q.out_attached == was.out_attached,
	       "%s: %u attached, seq %llu; it was %u, %llu", what, q.out_attached, q.out_seq,
	       was.out_attached, was.out_seq);
}

/* Under no policy, whether tracking is on or off; the owner goes on. */
static void refused_by_all_policies(struct fixture *f, int owner, int dev)
{
	for (__u32 p = IOMMU_DIRTY_POLICY_PLAIN; p <= IOMMU_DIRTY_POLICY_DEGRADE; p++) {
		expect_rc(policy_name(p), hwpt_set_policy(f->rig.iommufd, f->s.hwpt, p), 0);
		expect_foreign(f, policy_name(p), dev, f->small);
		start(f);
		expect_foreign(f, policy_name(p), dev, f->small);
		scribble(f, owner);
		expect_all(f, policy_name(p), 0);
		expect_rc("stop", space_stop(&f->s), 0);
	}
}

/* First-stage tables, and a unit that knows no stages. */
static void unit_in_legacy_mode(struct fixture *f)
{
	int dev = device_behind(f, legacy), owner = device_behind(f, without_1g);
	struct space small;

	open_with(f, 0);
	if (query(f).out_stage != 1)
		skip("the first device's unit was not given first-stage tables");
	refused_by_all_policies(f, 0, dev);
	/* Tables without leaves of 1 GiB, of which that unit knows nothing either. */
	small = another_hwpt(f, owner);
	use(f, &small);
	expect(query(f).out_stage == 1, "stage %u", query(f).out_stage);
	expect(!(query(f).out_leaf_sizes & SZ_1G), "the table may have leaves of 1 GiB");
	expect_rc("attach", space_attach(&f->s, owner), 0);
	refused_by_all_policies(f, owner, dev);
}

/* Attached to the IOAS, each gets tables that its unit can read: unmapped is unmapped. */
static void unit_in_legacy_mode_same_ioas(struct fixture *f)
{
	int dev = device_behind(f, legacy);
	struct transfer t;

	open_with(f, 0);
	expect_rc("attach the first", vfio_attach(&f->rig.dev[0], f->s.ioas), 0);
	expect_rc("attach the second", vfio_attach(&f->rig.dev[dev], f->s.ioas), 0);
	t = (struct transfer){ .region = f->small, .iova = f->small->iova, .len = 16 };
	expect_rc("DMA read of the first", dma_read(&f->s, 0, &t), 0);
	expect_rc("DMA read of the second", dma_read(&f->s, dev, &t), 0);
	poke(f, 0, t.iova);
	poke(f, dev, t.iova);
	expect_rc("unmap", space_unmap_one(&f->s, f->small), 0);
	expect_rc("the first writes what is unmapped",
		  edu_write(&f->rig.edu[0], t.iova, t.len, 0), -EIO);
	expect_rc("the second writes what is unmapped",
		  edu_write(&f->rig.edu[dev], t.iova, t.len, 0), -EIO);
}

/* A leaf of 1 GiB, made before anything is attached, and a unit that has none. */
static void no_1g_leaves(struct fixture *f, int owner)
{
	struct region_spec spec = { "1G", SZ_1G * 5, SZ_1G, SZ_1G, 0, false };
	int dev = device_behind(f, without_1g);
	struct space giant;
	struct region *r;

	open_with(f, 0);
	r = space_add(&f->s, &spec);
	if (!r)
		skip("no huge page of 1 GiB");
	oracle_free(&f->s.oracle);
	expect_rc("memory", oracle_init(&f->s.oracle, &f->s.layout), 0);
	map(f, r);
	giant = another_hwpt(f, owner);
	use(f, &giant);
	expect(query(f).out_leaf_sizes & SZ_1G, "the table may not have leaves of 1 GiB");
	expect_rc("attach", space_attach(&f->s, owner), 0);
	poke(f, owner, r->iova + 5);
	expect_foreign(f, "a unit without leaves of 1 GiB", dev, r);
	poke(f, owner, r->iova + SZ_2M);
}

static void unit_without_1g_first_stage(struct fixture *f)
{
	no_1g_leaves(f, 0);
}

/* The tables of a unit that knows no stages are those of the second. */
static void unit_without_1g_second_stage(struct fixture *f)
{
	no_1g_leaves(f, device_behind(f, legacy));
}

/* A table of five levels, and a unit that walks four. */
static void unit_of_fewer_levels(struct fixture *f)
{
	int dev = device_behind(f, wide);
	struct space other;

	open_with(f, 0);
	other = another_hwpt(f, dev);
	use(f, &other);
	expect_foreign(f, "nobody attached", 0, f->small);
	expect_rc("attach", space_attach(&f->s, dev), 0);
	poke(f, dev, f->small->iova);
	expect_foreign(f, "in use", 0, f->small);
	poke(f, dev, f->small->iova + SZ_4K);
	poke(f, dev, f->large->iova);
}

/* Give the device to the container; its fd is the group's. */
static int join(struct fixture *f, int dev, int container)
{
	char name[PCI_NAME_LEN];
	int group;

	memcpy(name, f->rig.dev[dev].name, sizeof(name));
	vfio_close(&f->rig.dev[dev]);
	group = vfio_group_open(name);
	need(group < 0 ? group : 0, "open the group of %s", name);
	expect_rc("put the group into the container",
		  vfio_group_set_container(group, container), 0);
	return group;
}

/*
 * VFIO's own tables have five levels until a unit with four comes, and then the top one
 * is taken off. It must not be where another unit reads them.
 */
static void unit_of_fewer_levels_in_a_container(struct fixture *f)
{
	struct region_spec spec = { "2M", SZ_1G, SZ_2M * 4, SZ_2M, 0, false };
	int dev = device_behind(f, wide), container = vfio_container_open(), group;
	struct vfio_device *first = &f->rig.dev[dev];
	char name[PCI_NAME_LEN];
	struct layout l;
	struct region *r;
	const char *step;

	need(container < 0 ? container : 0, "/dev/vfio/vfio");
	layout_init(&l, f->rig.leaf_sizes);
	r = layout_add(&l, &spec);
	need(r ? 0 : -errno, "huge pages");
	memcpy(name, first->name, sizeof(name));
	group = join(f, dev, container);
	expect_rc("make it of type 1", vfio_container_set_type1(container), 0);
	need(vfio_group_device(first, group, name, &step), "%s: cannot %s", name, step);
	edu_init(&f->rig.edu[dev], first->bar0);
	for (int i = 0; i < 4; i++) {
		if (i == 2)
			join(f, 0, container);
		expect_rc("map", vfio_container_map(container, r->mem + i * SZ_2M, SZ_2M,
						    r->iova + i * SZ_1G), 0);
		expect_rc(i < 2 ? "DMA write, alone" : "DMA write, with the other",
			  edu_write(&f->rig.edu[dev], r->iova + i * SZ_1G, 16, 0), 0);
	}
}

/* Second-stage tables: exact, then a device comes that has no PASID entry. */
static void unit_without_pasid_table_stops(struct fixture *f)
{
	int dev = device_behind(f, legacy);
	struct space second;

	open_with(f, 0);
	second = another_hwpt(f, dev);
	use(f, &second);
	expect_rc("move", space_attach(&f->s, 0), 0);
	expect(query(f).out_stage == 2, "stage %u", query(f).out_stage);
	expect_rc("degrade", hwpt_set_policy(f->rig.iommufd, f->s.hwpt,
					     IOMMU_DIRTY_POLICY_DEGRADE), 0);
	for (int i = 0; i < 3; i++) {
		start(f);
		scribble(f, 0);
		expect_all(f, "exact", 0);
		expect_rc("attach it", space_attach(&f->s, dev), 0);
		expect(query(f).out_mode == IOMMU_DIRTY_MODE_ALL_DIRTY, "mode %s",
		       mode_name(query(f).out_mode));
		f->s.oracle.all_dirty = true;
		scribble(f, dev);
		expect_all(f, "all dirty", 0);
		expect_rc("stop", space_stop(&f->s), 0);
		expect(query(f).out_mode == IOMMU_DIRTY_MODE_OFF, "mode %s after the stop",
		       mode_name(query(f).out_mode));
		/* It cannot be exact with that one, and can be stopped as well. */
		start(f);
		scribble(f, 0);
		scribble(f, dev);
		expect_all(f, "all dirty from the start", 0);
		expect_rc("stop", space_stop(&f->s), 0);
		expect_rc("detach it", space_detach(&f->s, dev), 0);
		f->s.oracle.all_dirty = false;
	}
}

const struct test unit_tests[] = {
	{ "unit_in_legacy_mode", unit_in_legacy_mode, 2 },
	{ "unit_in_legacy_mode_same_ioas", unit_in_legacy_mode_same_ioas, 2 },
	{ "unit_without_1g_first_stage", unit_without_1g_first_stage, 2 },
	{ "unit_without_1g_second_stage", unit_without_1g_second_stage, 2 },
	{ "unit_of_fewer_levels", unit_of_fewer_levels, 2 },
	{ "unit_of_fewer_levels_in_a_container", unit_of_fewer_levels_in_a_container, 2 },
	{ "unit_without_pasid_table_stops", unit_without_pasid_table_stops, 2 },
	{}
};
