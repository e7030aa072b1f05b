// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e's cases about an SMMUv3 whose commands fail, and about what is shared by
 * devices and by SMMUs. They want a machine that can be told to fail (qemu/README.rst,
 * x-fail), elsewhere they are skipped, and they run only when they are asked for by name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "dma.h"
#include "e2e.h"
#include "need.h"
#include "smmu.h"

static void open_smmu(struct fixture *f, struct smmu *smmu)
{
	if (!smmu_open(smmu, f->rig.dev[0].name))
		skip("no SMMUv3 that can be told to fail");
}

static void expect_mode(struct fixture *f, const char *what, __u32 mode, __u32 reason)
{
	struct iommu_dirty_query q = query(f);

	expect(q.out_mode == mode && q.out_reason == reason, "%s: mode %s, reason %u", what,
	       mode_name(q.out_mode), q.out_reason);
}

static void expect_exact_mode(struct fixture *f, const char *what)
{
	expect_mode(f, what, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

static enum smmu_command invalidation(struct fixture *f)
{
	return f->rig.stage == 1 ? SMMU_TLBI_NH_VA : SMMU_TLBI_S2_IPA;
}

static void poke_both(struct fixture *f)
{
	poke(f, 0, f->small->iova + SZ_4K * 7);
	poke(f, 0, f->large->iova + SZ_4K * 7);
}

/* Everything is as it was, and what is cached is not taken for clean. */
static void expect_unharmed(struct fixture *f, const char *what)
{
	expect_all(f, what, 0);
	expect_exact_mode(f, what);
	for (int i = 0; i < 3; i++) {
		poke_both(f);
		expect_all(f, "the same pages again", 0);
	}
	expect_exact_mode(f, "the same pages again");
}

static void fail_once(struct fixture *f, enum smmu_command command, enum smmu_fault fault,
		      const char *what)
{
	struct smmu smmu;

	open_smmu(f, &smmu);
	open_with(f, DIRTY_FLAG);
	start(f);
	for (int i = 0; i < 2; i++) {
		/* In the last region that is read: no later command makes up for it. */
		poke(f, 0, f->large->iova + SZ_4K * 7);
		smmu_fail(&smmu, command, fault);
		expect_unharmed(f, what);
		expect(smmu_failed(&smmu), "%s: it did not happen", what);
	}
}

static void smmu_illegal_command(struct fixture *f)
{
	fail_once(f, invalidation(f), SMMU_ILLEGAL, "an invalidation was illegal");
}

static void smmu_aborted_fetch(struct fixture *f)
{
	fail_once(f, invalidation(f), SMMU_ABORT, "an invalidation could not be fetched");
}

static void smmu_lost_completion(struct fixture *f)
{
	fail_once(f, invalidation(f), SMMU_LOST, "an invalidation's CMD_SYNC was late");
}

static void smmu_lost_sync(struct fixture *f)
{
	fail_once(f, SMMU_CMD_SYNC, SMMU_SYNC_LOST, "the first CMD_SYNC was late");
}

/* One that does not answer makes its own domain all-dirty, and a start fails. */
static void smmu_dead_device(struct fixture *f)
{
	struct tally t = {};
	struct smmu smmu;
	int rc;

	open_smmu(f, &smmu);
	open_with(f, DIRTY_FLAG);
	start(f);
	poke_both(f);
	expect_all(f, "alive", 0);
	poke_both(f);
	smmu_set_answers(&smmu, f->rig.dev[0].name, false);
	rc = check_all(&f->s, 0, &t);
	expect_rc("the read whose flush fails", rc, -EIO);
	expect_mode(f, "the flush failed", IOMMU_DIRTY_MODE_ALL_DIRTY,
		    IOMMU_DIRTY_REASON_FLUSH);
	f->s.oracle.all_dirty = true;
	poke_both(f);
	expect_all(f, "all dirty", 0);
	expect_rc("stop", space_stop(&f->s), 0);
	f->s.oracle.all_dirty = false;
	expect_rc("start", space_start(&f->s), -EIO);
	expect_mode(f, "the start failed", IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	smmu_set_answers(&smmu, f->rig.dev[0].name, true);
	start(f);
	poke_both(f);
	expect_unharmed(f, "it answers again");
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* On a machine of fewer processors, wherever. */
	sched_setaffinity(0, sizeof(set), &set);
}

/* Somebody else's device that does not answer: each unmap of his is a time-out. */
struct neighbour {
	struct space s;
	struct region *r;
	pthread_t thread;
	int stop, rc;
	unsigned int turns;
};

static void *map_and_unmap(void *arg)
{
	struct neighbour *n = arg;

	pin_to(1);
	while (!__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE) && !n->rc) {
		n->rc = region_unmap(n->r, n->s.rig->iommufd, n->s.ioas);
		if (!n->rc)
			n->rc = region_map(n->r, n->s.rig->iommufd, n->s.ioas);
		__atomic_fetch_add(&n->turns, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void open_neighbour(struct fixture *f, struct neighbour *n)
{
	struct region_spec spec = { "his", SZ_1G, SZ_2M, SZ_2M, 0, false };

	expect_rc("another HWPT", space_open(&n->s, &f->rig, DIRTY_FLAG), 0);
	expect_rc("attach the other device", space_attach(&n->s, 1), 0);
	n->r = space_add(&n->s, &spec);
	need(n->r ? 0 : -errno, "huge pages");
	expect_rc("map", space_map(&n->s), 0);
}

#define NEIGHBOUR_TURNS 200
#define NEIGHBOUR_SECONDS 60

/*
 * Two domains of one SMMU. One's device dies, and goes on being told of what is unmapped;
 * the other stays exact, and converges: with no more writes, nothing more is dirty.
 */
static void smmu_neighbour_dies(struct fixture *f)
{
	struct neighbour n = {};
	struct tally t = {};
	struct smmu smmu;
	unsigned int reads = 0;
	double begin;

	open_smmu(f, &smmu);
	open_with(f, DIRTY_FLAG);
	open_neighbour(f, &n);
	start(f);
	expect_rc("start the other", space_start(&n.s), 0);
	expect_rc("DMA write", dma_poke(&n.s, 1, n.r->iova), 0);
	smmu_set_answers(&smmu, f->rig.dev[1].name, false);

	/* During its own flush. */
	expect_rc("the read of the other", check_all(&n.s, 0, &t), -EIO);
	poke_both(f);
	expect_unharmed(f, "the other's flush failed");

	/* And all the time. */
	pin_to(2);
	need(-pthread_create(&n.thread, NULL, map_and_unmap, &n), "thread");
	begin = now();
	while (now() < begin + NEIGHBOUR_SECONDS &&
	       (__atomic_load_n(&n.turns, __ATOMIC_ACQUIRE) < NEIGHBOUR_TURNS ||
		reads < NEIGHBOUR_TURNS)) {
		scribble(f, 0);
		poke_both(f);
		expect_all(f, "while the other fails", 0);
		expect_exact_mode(f, "while the other fails");
		reads++;
	}
	expect_all(f, "nothing more was written", 0);
	__atomic_store_n(&n.stop, 1, __ATOMIC_RELEASE);
	pthread_join(n.thread, NULL);
	printf("# %u reads, %u unmaps that failed\n", reads, n.turns);
	expect_rc("map and unmap", n.rc, 0);
	expect(n.turns >= 2 && reads >= 5, "too little happened to tell");
	expect_unharmed(f, "the end");
}

/*
 * The SMMU may not have seen that a device was attached: what the domain reports of it
 * is not known to be everything, until the next start makes sure.
 */
static void smmu_attach_not_seen(struct fixture *f)
{
	struct smmu smmu;

	open_smmu(f, &smmu);
	open_with(f, DIRTY_FLAG);
	start(f);
	poke_both(f);
	expect_all(f, "one device", 0);
	smmu_fail(&smmu, SMMU_CFGI_STE, SMMU_ILLEGAL);
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	expect(smmu_failed(&smmu), "CMD_CFGI_STE was not issued");
	expect_mode(f, "it may not have been seen", IOMMU_DIRTY_MODE_ALL_DIRTY,
		    IOMMU_DIRTY_REASON_FLUSH);
	f->s.oracle.all_dirty = true;
	expect_all(f, "it may not have been seen", 0);
	f->s.oracle.all_dirty = false;
	expect_rc("stop", space_stop(&f->s), 0);
	start(f);
	poke(f, 1, f->small->iova);
	poke_both(f);
	expect_unharmed(f, "after a new start");
}

/* Once more: the start makes sure, and does not when that fails. */
static void smmu_start_not_seen(struct fixture *f)
{
	struct smmu smmu;

	open_smmu(f, &smmu);
	open_with(f, DIRTY_FLAG);
	smmu_fail(&smmu, SMMU_CFGI_STE, SMMU_ILLEGAL);
	start(f);
	expect(smmu_failed(&smmu), "the start does not ask for the configuration to be seen");
	poke_both(f);
	expect_unharmed(f, "after the start");
}

/* A device that leaves with what it has cached still writes: the old domain knows. */
static void smmu_left_with_translations(struct fixture *f)
{
	struct space other;
	struct smmu smmu;

	open_smmu(f, &smmu);
	open_with(f, DIRTY_FLAG);
	other = f->s;
	expect_rc("allocate another HWPT",
		  hwpt_alloc(f->rig.iommufd, f->rig.dev[0].dev_id, f->s.ioas, DIRTY_FLAG,
			     &other.hwpt), 0);
	start(f);
	poke_both(f);
	expect_all(f, "attached", 0);
	poke_both(f);
	smmu_set_answers(&smmu, f->rig.dev[0].name, false);
	expect_rc("move", space_attach(&other, 0), 0);
	smmu_set_answers(&smmu, f->rig.dev[0].name, true);
	expect_mode(f, "it may still write", IOMMU_DIRTY_MODE_ALL_DIRTY,
		    IOMMU_DIRTY_REASON_FLUSH);
	f->s.oracle.all_dirty = true;
	expect_all(f, "it may still write", 0);
	expect_rc("stop the old one", space_stop(&f->s), 0);
	expect_rc("start the old one", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), -EIO);
	expect_rc("start the new one", hwpt_set_dirty(f->rig.iommufd, other.hwpt, true), 0);
}

static int device_elsewhere(struct fixture *f)
{
	struct pci_name first, other;

	for (int i = 1; i < f->rig.devices; i++)
		if (pci_iommu(f->rig.dev[0].name, &first) &&
		    pci_iommu(f->rig.dev[i].name, &other) &&
		    !strncmp(first.name, "smmu3.", 6) && strcmp(first.name, other.name))
			return i;
	skip("no device is behind another SMMU");
}

/* Another SMMU, which does not record: its devices have domains of their own. */
static void smmu_that_does_not_record(struct fixture *f)
{
	int dev = device_elsewhere(f);
	__u32 dev_id = f->rig.dev[dev].dev_id, hwpt;
	struct iommu_dirty_can_attach would;
	struct hw_info hw;

	expect_rc("IOMMU_GET_HW_INFO", iommufd_hw_info(f->rig.iommufd, dev_id, &hw), 0);
	expect(!(hw.caps & IOMMU_HW_CAP_DIRTY_TRACKING), "it claims dirty tracking");
	open_with(f, 0);
	expect_rc("allocate with DIRTY_TRACKING",
		  hwpt_alloc(f->rig.iommufd, dev_id, f->s.ioas, DIRTY_FLAG, &hwpt),
		  -EOPNOTSUPP);
	for (__u32 p = IOMMU_DIRTY_POLICY_PLAIN; p <= IOMMU_DIRTY_POLICY_DEGRADE; p++) {
		expect_rc(policy_name(p), hwpt_set_policy(f->rig.iommufd, f->s.hwpt, p), 0);
		start(f);
		expect_rc("the forecast", hwpt_can_attach(f->rig.iommufd, f->s.hwpt, dev_id,
							  &would), 0);
		expect(would.out_verdict == IOMMU_DIRTY_VERDICT_FOREIGN,
		       "the forecast was: %s", verdict_name(would.out_verdict));
		expect_rc("attach it", space_attach(&f->s, dev), -EINVAL);
		expect(query(f).out_attached == 1, "%u attached", query(f).out_attached);
		/* Attached to the IOAS, it gets tables of its own; they are not ours. */
		expect_rc("attach it to the IOAS", vfio_attach(&f->rig.dev[dev], f->s.ioas), 0);
		scribble(f, 0);
		expect_rc("DMA write of the other",
			  edu_write(&f->rig.edu[dev], f->small->iova + SZ_4K, 16, 0), 0);
		expect_all(f, "what the first wrote", 0);
		expect_exact_mode(f, policy_name(p));
		expect_rc("detach it", vfio_detach(&f->rig.dev[dev]), 0);
		expect_rc("stop", space_stop(&f->s), 0);
	}
}

const struct test smmu_tests[] = {
	{ "smmu_illegal_command", smmu_illegal_command, 1 },
	{ "smmu_aborted_fetch", smmu_aborted_fetch, 1 },
	{ "smmu_lost_completion", smmu_lost_completion, 1 },
	{ "smmu_lost_sync", smmu_lost_sync, 1 },
	{ "smmu_dead_device", smmu_dead_device, 1 },
	{ "smmu_neighbour_dies", smmu_neighbour_dies, 2 },
	{ "smmu_attach_not_seen", smmu_attach_not_seen, 2 },
	{ "smmu_start_not_seen", smmu_start_not_seen, 1 },
	{ "smmu_left_with_translations", smmu_left_with_translations, 1 },
	{ "smmu_that_does_not_record", smmu_that_does_not_record, 2 },
	{}
};
