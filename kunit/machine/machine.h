/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A random machine: devices, PASIDs and domains of all sorts, attaches that are
 * refused or fail, policies, DMA, reads, and a backend that fails. After each step what
 * it returned and what a query says of every domain must be what the reference
 * says, and each read what the oracle says.
 *
 * Several machines may run at the same time on one model. Then nothing fails on
 * purpose, and there is a domain that all of them use, of which each can say less. It is
 * tracked by one of them, or by all, as one owner with one bitmap: then their starts,
 * reads and stops overlap, and a user takes bits out while reads run (crew.c).
 */
#ifndef __IOMMU_DIRTY_KUNIT_MACHINE_H
#define __IOMMU_DIRTY_KUNIT_MACHINE_H

#include <linux/completion.h>

#include "reference.h"
#include "rig.h"

/* Domains by number; a child comes after its parent */
enum {
	MACHINE_PLAIN,
	MACHINE_CHILD,
	MACHINE_SECOND,
	MACHINE_WANTED,
	MACHINE_POOR,
	MACHINE_OTHER,
	MACHINE_DMA_API,
	MACHINE_BLOCKED,
	MACHINE_SHARED,
	MACHINE_DOMAINS,
};

/* The last one is another driver's */
#define MACHINE_DEVICES 6

/* Where something is mapped, or may be */
#define MACHINE_PLACES 7

struct machine_place {
	unsigned long iova;
	unsigned long size;
};

/**
 * struct crew_user - who tracks the domain for all, and copies what is reported
 * @lock: for all that follows
 * @owner: its address
 * @on: was told that tracking is on, and has not begun to stop it
 * @stops: stops begun
 * @stopping: stops under way
 * @readers: reads under way
 * @nbits: of the bitmaps; bit n is page n of IOVA space
 * @bits: the bitmap, in which reads set bits with no lock
 * @taken: taken out of it, to be copied when the reads that ran then have returned
 * @reads: that were checked
 * @copies: pages copied
 */
struct crew_user {
	spinlock_t lock;	/* what follows */
	char owner;
	bool on;
	unsigned int stops;
	unsigned int stopping;
	unsigned int readers;
	unsigned long nbits;
	unsigned long *bits;
	unsigned long *taken;
	unsigned long reads;
	unsigned long copies;
};

/**
 * struct crew - what machines that run at the same time share
 * @lock: for the model's lists, and @mapped
 * @shared: a domain
 * @mapped: what is mapped in it
 * @user: tracks it for all
 */
struct crew {
	struct mutex lock;	/* the model's lists, @mapped */
	struct hwm_domain *shared;
	struct machine_place mapped[MACHINE_PLACES];
	struct crew_user user;
};

/**
 * struct machine_ear - who listens to a domain
 * @nb: registered
 * @lock: for the next two
 * @events: told
 * @seq: of the last that was told
 * @told: completed by each call
 * @must: what has to be told
 * @may: what may be, as well
 */
struct machine_ear {
	struct notifier_block nb;
	spinlock_t lock;	/* @events, @seq */
	unsigned long events;
	u64 seq;
	struct completion told;
	unsigned long must;
	unsigned long may;
};

#define MACHINE_HISTORY 12
#define MACHINE_NOTE_LEN 112

/**
 * struct machine - one run
 * @test: to report to
 * @rig: model and layout
 * @crew: it runs with others; NULL when alone
 * @ref: what must be so
 * @hd: domains, by number
 * @dev: devices, by number
 * @seen: what the last query said
 * @seq: and its sequence number
 * @ears: who listens, by domain
 * @churn: domains, one bit each, whose sequence number may have grown although
 *	nothing is other than it was
 * @shared_seen: what the last query said of the shared domain
 * @owns_shared: it started tracking that domain, as the first owner
 * @must: what a read for all must report, bit n is page n of IOVA space
 * @now: the same, when it is over
 * @places: where mappings go
 * @mapped: what is mapped there, by domain; of no size when nothing is
 * @owners: their addresses name owners
 * @rnd: random numbers
 * @step: number of the current step
 * @notes: what the last ones were
 */
struct machine {
	struct kunit *test;
	struct rig rig;
	struct crew *crew;
	struct ref ref;
	struct hwm_domain *hd[MACHINE_DOMAINS];
	struct hwm_device *dev[MACHINE_DEVICES];
	struct ref_view seen[MACHINE_DOMAINS];
	u64 seq[MACHINE_DOMAINS];
	struct machine_ear ears[MACHINE_DOMAINS];
	unsigned long churn;
	struct iommu_dirty_info shared_seen;
	bool owns_shared;
	unsigned long *must;
	unsigned long *now;
	struct machine_place places[MACHINE_PLACES];
	struct machine_place mapped[MACHINE_DOMAINS][MACHINE_PLACES];
	char owners[2];
	struct rnd_state rnd;
	unsigned int step;
	char notes[MACHINE_HISTORY][MACHINE_NOTE_LEN];
};

void machine_share(struct crew *crew, struct rig *rig);
void machine_unshare(struct crew *crew);
void machine_init(struct machine *m, struct rig *rig, struct crew *crew);
void machine_begin(struct machine *m, unsigned int seed);
bool machine_step(struct machine *m);
void machine_write(struct machine *m);
void machine_leave(struct machine *m);
void machine_tell(struct machine *m);
void machine_end(struct machine *m);

/* crew.c: for all */
void crew_init(struct crew *crew, struct rig *rig);
void crew_free(struct crew *crew);
int crew_start(struct machine *m);
int crew_stop(struct machine *m);
int crew_read(struct machine *m, unsigned long first, unsigned long last,
	      u32 flags);
void crew_take(struct machine *m);
void crew_settle(struct machine *m);
bool crew_is_on(struct crew *crew);

#endif /* __IOMMU_DIRTY_KUNIT_MACHINE_H */
