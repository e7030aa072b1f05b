// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e's cases about a queue of invalidations that domains share, and in which one of
 * them fails: what is not known to have been
 * carried out makes that domain all-dirty, or the call fails; and the neighbour, another
 * device in another domain behind the same IOMMU, stays exact. The emulated IOMMU fails
 * when the DMA engine is told so. The cases run only when they are asked for by name.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "describe.h"
#include "dma.h"
#include "e2e.h"
#include "need.h"

#define VICTIM 0
#define NEIGHBOUR 1

/* A domain of its own for the second device; @b has its own view of the devices. */
static void open_neighbour(struct fixture *f, struct fixture *b)
{
	b->rig = f->rig;
	expect_rc("allocate a HWPT", space_open(&b->s, &b->rig, DIRTY_FLAG), 0);
	expect_rc("attach", space_attach(&b->s, NEIGHBOUR), 0);
	b->small = add_late(b, "4K", SZ_1G + SZ_4K, SZ_2M * 4, false);
	map(b, b->small);
	b->large = add_late(b, "2M", SZ_1G * 2, SZ_2M * 8, false);
	map(b, b->large);
	start(b);
}

static void need_queue(struct fixture *f)
{
	if (!f->rig.hw.vtd)
		skip("the IOMMU has no such queue");
}

static void open_both(struct fixture *f, struct fixture *b, enum edu_fail how)
{
	need_queue(f);
	open_with(f, DIRTY_FLAG);
	if (how != EDU_FAIL_REJECT && !(query(f).out_caps & IOMMU_DIRTY_CAP_ATS_DIRTY))
		skip("the device has no TLB of its own");
	start(f);
	open_neighbour(f, b);
}

static void fail(struct fixture *f, enum edu_fail how, unsigned int count, bool gone)
{
	edu_fail(&f->rig.edu[VICTIM], how, count, gone);
}

static void expect_mode(struct fixture *f, const char *who, __u32 mode, __u32 reason)
{
	struct iommu_dirty_query q = query(f);

	expect(q.out_mode == mode && q.out_reason == reason,
	       "%s: mode %s, reason %s; should be %s, %s", who, mode_name(q.out_mode),
	       reason_name(q.out_reason), mode_name(mode), reason_name(reason));
}

static void expect_all_dirty(struct fixture *f, const char *who)
{
	expect_mode(f, who, IOMMU_DIRTY_MODE_ALL_DIRTY, IOMMU_DIRTY_REASON_FLUSH);
	f->s.oracle.all_dirty = true;
	expect_all(f, who, 0);
	f->s.oracle.all_dirty = false;
}

/* Exact, and nothing is left over: it converges. */
static void expect_converges(struct fixture *f, const char *who, int dev)
{
	for (int i = 0; i < 3; i++) {
		poke(f, dev, f->small->iova + SZ_4K * 7);
		poke(f, dev, f->large->iova + SZ_4K * 7);
		scribble(f, dev);
		expect_all(f, who, 0);
		expect_all(f, who, 0);
	}
	expect_mode(f, who, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

/* A read that clears, while the victim's invalidations fail. */
static int read_failing(struct fixture *f, enum edu_fail how, unsigned int count, bool gone)
{
	struct tally t = {};
	int rc;

	poke(f, VICTIM, f->small->iova);
	fail(f, how, count, gone);
	rc = check_all(&f->s, 0, &t);
	fail(f, EDU_FAIL_NONE, 0, false);
	return rc;
}

/* A new period: exact again. */
static void again(struct fixture *f)
{
	expect_rc("stop", space_stop(&f->s), 0);
	start(f);
}

static void one_dies(struct fixture *f, enum edu_fail how, unsigned int count, bool gone)
{
	struct fixture b = {};
	struct tally t = {};
	int rc;

	open_both(f, &b, how);
	rc = read_failing(f, how, count, gone);
	if (!rc) {
		/* What it comes to if nobody knows. */
		poke(f, VICTIM, f->small->iova);
		check_all(&f->s, 0, &t);
		printf("# the read succeeded; of pages written after it %llu of %llu are missing\n",
		       t.missing, t.expected);
	}
	expect(rc, "the read whose invalidation failed returned 0");
	expect_all_dirty(f, "the victim");
	expect_converges(&b, "the neighbour", NEIGHBOUR);
	again(f);
	expect_converges(f, "the victim, later", VICTIM);
	expect_converges(&b, "the neighbour, later", NEIGHBOUR);
}

static void fail_first_rejected(struct fixture *f)
{
	one_dies(f, EDU_FAIL_REJECT, 1, false);
}

/* Not the first of the descriptors that are submitted together. */
static void fail_second_rejected(struct fixture *f)
{
	one_dies(f, EDU_FAIL_REJECT_DEVICE, 1, false);
}

static void fail_gone_at_wait(struct fixture *f)
{
	one_dies(f, EDU_FAIL_SILENT, EDU_FAIL_ALL, true);
}

static void fail_gone_ahead(struct fixture *f)
{
	one_dies(f, EDU_FAIL_SILENT_AHEAD, EDU_FAIL_ALL, true);
}

/* The device is there and answers the next time: nothing is lost, nobody is told. */
static void one_stumbles(struct fixture *f, enum edu_fail how)
{
	struct fixture b = {};

	open_both(f, &b, how);
	for (int i = 0; i < 4; i++) {
		expect_rc("read", read_failing(f, how, 1, false), 0);
		poke(f, VICTIM, f->small->iova);
		expect_all(f, "the page that was written before", 0);
		expect_converges(f, "the one that was late", VICTIM);
		expect_converges(&b, "the neighbour", NEIGHBOUR);
	}
}

static void fail_late_at_wait(struct fixture *f)
{
	one_stumbles(f, EDU_FAIL_SILENT);
}

static void fail_late_ahead(struct fixture *f)
{
	one_stumbles(f, EDU_FAIL_SILENT_AHEAD);
}

/* Reads of the neighbour, from a thread of its own: whoever polls first sees the error. */
struct busy {
	struct fixture *b;
	pthread_t thread;
	atomic_bool stop;
	unsigned int reads;
};

static void *keep_reading(void *arg)
{
	struct busy *busy = arg;

	while (!busy->stop) {
		poke(busy->b, NEIGHBOUR, busy->b->small->iova + SZ_4K * 7);
		poke(busy->b, NEIGHBOUR, busy->b->large->iova + SZ_4K * 7);
		expect_all(busy->b, "the neighbour, meanwhile", 0);
		busy->reads++;
	}
	return NULL;
}

static void while_neighbour_reads(struct fixture *f, enum edu_fail how, unsigned int count,
				  bool gone)
{
	struct fixture b = {};
	struct busy busy = { .b = &b };

	open_both(f, &b, how);
	need(-pthread_create(&busy.thread, NULL, keep_reading, &busy), "a thread");
	for (int i = 0; i < 12; i++) {
		int rc;

		usleep(20000);
		rc = read_failing(f, how, count, gone);
		expect(gone || count == 1 ? !rc == !gone : rc, "read %d: returned %s", i,
		       rc ? errno_name(rc) : "0");
		if (rc) {
			expect_all_dirty(f, "the victim");
		} else {
			poke(f, VICTIM, f->small->iova);
			expect_all(f, "the page that was written before", 0);
			expect_converges(f, "the victim", VICTIM);
		}
		again(f);
	}
	busy.stop = true;
	pthread_join(busy.thread, NULL);
	printf("# meanwhile %u reads of the neighbour\n", busy.reads);
	expect_converges(&b, "the neighbour, later", NEIGHBOUR);
}

static void fail_neighbour_reads_gone_at_wait(struct fixture *f)
{
	while_neighbour_reads(f, EDU_FAIL_SILENT, EDU_FAIL_ALL, true);
}

static void fail_neighbour_reads_gone_ahead(struct fixture *f)
{
	while_neighbour_reads(f, EDU_FAIL_SILENT_AHEAD, EDU_FAIL_ALL, true);
}

static void fail_neighbour_reads_late_ahead(struct fixture *f)
{
	while_neighbour_reads(f, EDU_FAIL_SILENT_AHEAD, 1, false);
}

static void fail_neighbour_reads_rejected(struct fixture *f)
{
	while_neighbour_reads(f, EDU_FAIL_REJECT, EDU_FAIL_ALL, false);
}

/* Nothing is mapped, so all that there is to invalidate is the switch itself. */
static void fail_start_switch(struct fixture *f)
{
	struct fixture b = {};

	need_queue(f);
	expect_rc("allocate a HWPT", space_open(&f->s, &f->rig, DIRTY_FLAG), 0);
	expect_rc("attach", space_attach(&f->s, VICTIM), 0);
	if (query(f).out_stage == 1)
		skip("the first stage has no switch");
	open_neighbour(f, &b);
	for (int i = 0; i < 2; i++) {
		fail(f, EDU_FAIL_REJECT, EDU_FAIL_ALL, false);
		expect(hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true),
		       "the start whose invalidations failed returned 0");
		fail(f, EDU_FAIL_NONE, 0, false);
		expect_mode(f, "after it", IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	}
	expect_rc("start", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), 0);
	f->small = add_late(f, "4K", SZ_1G + SZ_4K, SZ_2M * 4, false);
	map(f, f->small);
	f->large = add_late(f, "2M", SZ_1G * 2, SZ_2M * 8, false);
	map(f, f->large);
	expect_converges(f, "the victim, later", VICTIM);
	expect_converges(&b, "the neighbour", NEIGHBOUR);
}

/* The same with pages mapped: all of them are flushed at the start, too. */
static void fail_start_flush(struct fixture *f)
{
	struct fixture b = {};

	need_queue(f);
	open_with(f, DIRTY_FLAG);
	open_neighbour(f, &b);
	poke(f, VICTIM, f->small->iova);
	fail(f, EDU_FAIL_REJECT, EDU_FAIL_ALL, false);
	expect(space_start(&f->s), "the start whose invalidations failed returned 0");
	fail(f, EDU_FAIL_NONE, 0, false);
	start(f);
	expect_converges(f, "the victim, later", VICTIM);
	expect_converges(&b, "the neighbour", NEIGHBOUR);
}

/* What is unmapped may still be written: nobody can say what was. */
static void fail_unmap(struct fixture *f)
{
	struct fixture b = {};
	struct region *r;

	need_queue(f);
	open_with(f, DIRTY_FLAG);
	r = add_late(f, "late", SZ_1G * 3 + SZ_4K, SZ_2M, false);
	map(f, r);
	start(f);
	open_neighbour(f, &b);
	poke(f, VICTIM, r->iova);
	expect_all(f, "before", 0);
	fail(f, EDU_FAIL_REJECT, EDU_FAIL_ALL, false);
	expect_rc("unmap", space_unmap_one(&f->s, r), 0);
	fail(f, EDU_FAIL_NONE, 0, false);
	f->s.oracle.all_dirty = true;
	expect_all(f, "the victim's next read", 0);
	expect_all_dirty(f, "the victim");
	expect_converges(&b, "the neighbour", NEIGHBOUR);
	again(f);
	expect_converges(f, "the victim, later", VICTIM);
}

/* A device that has left may still be writing through what the IOMMU remembers. */
static void fail_detach(struct fixture *f)
{
	struct fixture b = {};

	open_both(f, &b, EDU_FAIL_REJECT);
	poke(f, VICTIM, f->small->iova);
	expect_all(f, "before", 0);
	fail(f, EDU_FAIL_REJECT, EDU_FAIL_ALL, false);
	expect_rc("detach", space_detach(&f->s, VICTIM), 0);
	fail(f, EDU_FAIL_NONE, 0, false);
	f->s.oracle.all_dirty = true;
	expect_all(f, "the victim's next read", 0);
	expect_all_dirty(f, "the victim");
	expect_converges(&b, "the neighbour", NEIGHBOUR);
}

const struct test queue_tests[] = {
	{ "fail_first_rejected", fail_first_rejected, 2 },
	{ "fail_gone_at_wait", fail_gone_at_wait, 2 },
	{ "fail_gone_ahead", fail_gone_ahead, 2 },
	{ "fail_late_at_wait", fail_late_at_wait, 2 },
	{ "fail_late_ahead", fail_late_ahead, 2 },
	{ "fail_neighbour_reads_gone_at_wait", fail_neighbour_reads_gone_at_wait, 2 },
	{ "fail_neighbour_reads_gone_ahead", fail_neighbour_reads_gone_ahead, 2 },
	{ "fail_neighbour_reads_late_ahead", fail_neighbour_reads_late_ahead, 2 },
	{ "fail_start_switch", fail_start_switch, 2 },
	{ "fail_start_flush", fail_start_flush, 2 },
	{ "fail_unmap", fail_unmap, 2 },
	{ "fail_detach", fail_detach, 2 },
	/* These stop the machine if nobody takes care of them: last. */
	{ "fail_neighbour_reads_rejected", fail_neighbour_reads_rejected, 2 },
	{ "fail_second_rejected", fail_second_rejected, 2 },
	{}
};
