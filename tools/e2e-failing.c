// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e's cases about hardware that fails: a device that no longer answers when it
 * is told to drop translations, an IOMMU that loses a command or stops. The emulated
 * devices do so when they are told to; the cases run only when they are asked for by
 * name. Two neighbours: what fails in one's domain must not be seen in the other's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "describe.h"
#include "dma.h"
#include "e2e.h"
#include "need.h"

#define ROUNDS 4

/* Tracked from the start, and with devices that do what they are told. */
static void open_healthy(struct fixture *f)
{
	for (int i = 0; i < f->rig.devices; i++)
		edu_misbehave(&f->rig.edu[i], 0);
	open_with(f, DIRTY_FLAG);
}

/* One more space, with another device in it. */
static struct fixture next_door(struct fixture *f, int dev)
{
	struct region_spec small = { "4K", SZ_1G + SZ_4K, SZ_2M * 2, SZ_2M, 0, false };
	struct region_spec large = { "2M", SZ_1G * 2, SZ_2M * 2, SZ_2M, 0, false };
	struct fixture n = { .rig = f->rig };

	expect_rc("the neighbour's HWPT", space_open(&n.s, &n.rig, DIRTY_FLAG), 0);
	n.s.rig = &f->rig;
	expect_rc("attach the neighbour", space_attach(&n.s, dev), 0);
	n.small = space_add(&n.s, &small);
	n.large = space_add(&n.s, &large);
	if (!n.small || !n.large)
		need(-errno, "no memory: huge pages are needed");
	expect_rc("map the neighbour's", space_map(&n.s), 0);
	return n;
}

static void need_device_tlb(struct fixture *f)
{
	if (!(query(f).out_caps & IOMMU_DIRTY_CAP_ATS_DIRTY))
		skip("the device has no TLB of its own");
}

static void expect_mode(struct fixture *f, const char *what, __u32 mode, __u32 reason)
{
	struct iommu_dirty_query q = query(f);

	expect(q.out_mode == mode && q.out_reason == reason,
	       "%s: the mode is %s, the reason %s; should be %s, %s", what,
	       mode_name(q.out_mode), reason_name(q.out_reason), mode_name(mode),
	       reason_name(reason));
}

static void expect_still_exact(struct fixture *f, const char *what)
{
	expect_mode(f, what, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

/* From here on everything counts as written. */
static void expect_gave_up(struct fixture *f, const char *what)
{
	expect_mode(f, what, IOMMU_DIRTY_MODE_ALL_DIRTY, IOMMU_DIRTY_REASON_FLUSH);
	f->s.oracle.all_dirty = true;
	expect_all(f, what, 0);
}

/* Written, reported, and then there is nothing more. */
static void expect_converges(struct fixture *f, int dev, const char *what)
{
	struct tally t = {};

	expect_still_exact(f, what);
	for (int i = 0; i < ROUNDS; i++) {
		scribble(f, dev);
		expect_all(f, what, 0);
	}
	expect_rc(what, check_all(&f->s, 0, &t), 0);
	expect_exact(what, &t);
	expect(!t.reported, "%s: %llu pages after nothing was written", what, t.reported);
	expect_still_exact(f, what);
}

static void begin_anew(struct fixture *f, int dev, const char *what)
{
	expect_rc("stop", space_stop(&f->s), 0);
	f->s.oracle.all_dirty = false;
	start(f);
	expect_converges(f, dev, what);
}

struct reader {
	pthread_t thread;
	struct fixture *f;
	int rc;
	bool done;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct tally t = {};

	r->rc = check_all(&r->f->s, 0, &t);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The device is given up in the middle of a flush; next door nobody notices. */
static void device_dies_in_flush(struct fixture *f)
{
	struct reader r = { .f = f };
	struct fixture n;

	open_healthy(f);
	need_device_tlb(f);
	n = next_door(f, 1);
	start(f);
	start(&n);
	expect_converges(f, 0, "before");
	expect_converges(&n, 1, "the neighbour, before");

	scribble(f, 0);
	edu_misbehave(&f->rig.edu[0], EDU_MUTE);
	need(-pthread_create(&r.thread, NULL, read_all, &r), "thread");
	for (int i = 0; i < ROUNDS || !__atomic_load_n(&r.done, __ATOMIC_ACQUIRE); i++) {
		scribble(&n, 1);
		expect_all(&n, "the neighbour, meanwhile", 0);
		expect_still_exact(&n, "the neighbour, meanwhile");
	}
	pthread_join(r.thread, NULL);
	expect_rc("the read whose flush failed", r.rc, -EIO);
	expect_gave_up(f, "the one with the dead device");
	expect_converges(&n, 1, "the neighbour, afterwards");

	edu_misbehave(&f->rig.edu[0], 0);
	begin_anew(f, 0, "answering again");
}

/* What is written through what an unmap left behind, nobody sees. */
static void device_dies_before_unmap(struct fixture *f)
{
	struct region *late;
	struct fixture n;

	open_healthy(f);
	need_device_tlb(f);
	late = add_late(f, "late", SZ_1G * 4, SZ_2M, false);
	map(f, late);
	n = next_door(f, 1);
	start(f);
	start(&n);
	poke(f, 0, late->iova);
	expect_all(f, "before", 0);

	edu_misbehave(&f->rig.edu[0], EDU_MUTE);
	expect_rc("unmap", space_unmap_one(&f->s, late), 0);
	expect_gave_up(f, "after the unmap");
	expect_converges(&n, 1, "the neighbour");
	edu_misbehave(&f->rig.edu[0], 0);
	begin_anew(f, 0, "answering again");
}

/* A start that is not known to have reached the device is none. */
static void device_dies_before_start(struct fixture *f)
{
	struct fixture n;

	open_healthy(f);
	need_device_tlb(f);
	n = next_door(f, 1);
	scribble(f, 0);
	edu_misbehave(&f->rig.edu[0], EDU_MUTE);
	expect_rc("start", space_start(&f->s), -EIO);
	expect_mode(f, "not started", IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	start(&n);
	expect_converges(&n, 1, "the neighbour");
	edu_misbehave(&f->rig.edu[0], 0);
	start(f);
	expect_converges(f, 0, "answering again");
}

/* Nothing is mapped: nothing has to be flushed but the switch itself. */
static void device_dies_before_empty_start(struct fixture *f)
{
	edu_misbehave(&f->rig.edu[0], 0);
	expect_rc("allocate a HWPT", space_open(&f->s, &f->rig, DIRTY_FLAG), 0);
	expect_rc("attach", space_attach(&f->s, 0), 0);
	need_device_tlb(f);
	edu_misbehave(&f->rig.edu[0], EDU_MUTE);
	expect_rc("start", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), -EIO);
	expect_mode(f, "not started", IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	edu_misbehave(&f->rig.edu[0], 0);
	/* What it was asked for when the switch was put back is given up by then. */
	sleep(3);
	expect_rc("start", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), 0);
	expect_still_exact(f, "answering again");
}

/* Attached while tracking is on: it may not record yet. */
static void device_dies_before_attach(struct fixture *f)
{
	open_healthy(f);
	need_device_tlb(f);
	start(f);
	scribble(f, 0);
	expect_all(f, "before", 0);
	edu_misbehave(&f->rig.edu[1], EDU_MUTE);
	expect_rc("attach", space_attach(&f->s, 1), 0);
	expect_gave_up(f, "after the attach");
	edu_misbehave(&f->rig.edu[1], 0);
	begin_anew(f, 1, "answering again");
}

/* The IOMMU does not say that it is done, once; it is asked again. */
static void wait_is_lost(struct fixture *f)
{
	struct fixture n;
	double began;

	open_healthy(f);
	n = next_door(f, 1);
	start(f);
	start(&n);
	scribble(f, 0);
	scribble(&n, 1);
	began = now();
	edu_misbehave(&f->rig.edu[0], EDU_IOMMU_LOSES_WAIT);
	expect_all(f, "with a wait that was lost", 0);
	expect(now() - began > 1, "no wait was lost: the reads took %.3f s", now() - began);
	expect_converges(f, 0, "afterwards");
	expect_converges(&n, 1, "the neighbour");
}

/* The IOMMU executes nothing more: whoever needs a flush gets none. The last case. */
static void iommu_stops(struct fixture *f)
{
	struct tally t = {};
	struct fixture n;
	double began;

	open_healthy(f);
	n = next_door(f, 1);
	start(f);
	start(&n);
	scribble(f, 0);
	scribble(&n, 1);
	edu_misbehave(&f->rig.edu[0], EDU_IOMMU_STOPS);
	began = now();
	expect_rc("read", check_all(&f->s, 0, &t), -EIO);
	expect(now() - began < 3, "it was waited for, %.3f s", now() - began);
	expect_gave_up(f, "the first");
	expect_rc("the other's read", check_all(&n.s, 0, &t), -EIO);
	expect_gave_up(&n, "the other");
	expect_rc("stop", space_stop(&f->s), 0);
	expect_rc("start", space_start(&f->s), -EIO);
}

const struct test failing_tests[] = {
	{ "failing_device_in_flush", device_dies_in_flush, 2 },
	{ "failing_device_before_unmap", device_dies_before_unmap, 2 },
	{ "failing_device_before_start", device_dies_before_start, 2 },
	{ "failing_device_before_empty_start", device_dies_before_empty_start, 2 },
	{ "failing_device_before_attach", device_dies_before_attach, 2 },
	{ "failing_wait_is_lost", wait_is_lost, 2 },
	{ "stopped_iommu", iommu_stops, 2 },
	{}
};
