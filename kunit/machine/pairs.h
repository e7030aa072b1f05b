/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two calls that overlap: the first is held at a point, where the core has called out,
 * and the second runs there. Devices write before, between and after.
 *
 * Two things must hold. What the calls return, and the state that they leave, is what
 * some order of them, one after the other, must return and leave; the reference knows
 * (reference.h). And nothing is lost to a user who takes every answer at its word.
 *
 *	pairs.c		the user, the threads, and one run
 *	pairs-calls.c	the calls, and the states in which they begin
 *	test-pairs.c	all pairs, at all points
 */
#ifndef __IOMMU_DIRTY_KUNIT_PAIRS_H
#define __IOMMU_DIRTY_KUNIT_PAIRS_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "reference.h"
#include "rig.h"

enum { OWNER_A, OWNER_B, NR_OWNERS, ANY_OWNER = NR_OWNERS };

/* Devices by number, as the reference has them, and domains */
enum pair_device {
	PAIR_STEADY,	/* attached all the time */
	PAIR_MOVER,	/* attached at first */
	PAIR_NEWCOMER,	/* not attached at first */
	PAIR_POOR,	/* cannot record; attached at first only where that is said */
	PAIR_DEVICES,
};

enum { PAIR_TRACKED, PAIR_AWAY, PAIR_DOMAINS };

/* PASIDs of the steady device: the first is set at first, the second is not */
#define PAIR_SLOT_SET 1
#define PAIR_SLOT_FREE 2

/* When a page is written; a page may have several of these */
enum pair_moment {
	BEFORE_FIRST,	/* before the first call begins */
	BEFORE_SECOND,	/* at the point, before the second call begins */
	AFTER_SECOND,	/* at the point, when the second has returned, or waits */
	AT_EACH_STEP,	/* of both calls, wherever the core calls out */
	AFTER_BOTH,	/* all pages */
};

#define PAIR_PAGES 32

/**
 * struct pair_page - a page whose contents the user wants to have
 * @iova: first byte
 * @moments: when it is written, &enum pair_moment, one bit each
 * @bit: of the bitmap, the first one of its leaf
 * @nbits: those of its leaf
 * @own: its own one
 * @mapped: as it says
 * @version: times that it was written
 */
struct pair_page {
	unsigned long iova;
	unsigned long moments;
	unsigned int bit;
	unsigned int nbits;
	unsigned int own;
	bool mapped;
	u32 version;
};

/**
 * struct pair_promise - what a caller was told
 * @holds: nothing that the user did has ended it
 * @owner: who was told; ANY_OWNER by a query
 * @by: which call
 * @copy: the version of each page that the user has
 *
 * From then on each write is reported by some read of the owner's that comes later: in
 * the end the user has the last version of each page.
 */
struct pair_promise {
	bool holds;
	unsigned int owner;
	const char *by;
	u32 copy[PAIR_PAGES];
};

#define PAIR_PROMISES 16
#define PAIR_BITS 4096

/**
 * struct pair_bitmap - a bitmap, and what it may have
 * @bits: which reads set and the user takes out
 * @may: what a read that is under way may set
 * @readers: reads under way
 * @begun: reads that have begun
 * @owner: who reads to it
 * @clears: the read that is under way makes clean what it publishes
 */
struct pair_bitmap {
	unsigned long bits[BITS_TO_LONGS(PAIR_BITS)];
	unsigned long may[BITS_TO_LONGS(PAIR_BITS)];
	unsigned int readers;
	unsigned int begun;
	unsigned int owner;
	bool clears;
};

struct pair_run;
struct pair_call;

/* What a call returned, and what else it said */
struct pair_answer {
	int ret;
	u64 says;
	bool hit;	/* something failed in it, on purpose */
};

/* What is known of everything, for the rules */
struct pair_outlook {
	struct ref ref;
	const char *owners;	/* their addresses */
	bool all_dirty;	/* the mode, at some time */
	bool extra;	/* mapped by the call that maps */
	bool old;	/* not unmapped by the call that unmaps */
	bool gone;	/* the mover */
	bool listens[2];
};

/**
 * struct pair_op - something that a consumer, or the IOMMU core, can call
 * @call: make the call
 * @rule: what it must answer, and what changes
 */
struct pair_op {
	void (*call)(struct pair_run *r, const struct pair_call *c,
		     struct pair_answer *ans);
	void (*rule)(struct pair_outlook *o, const struct pair_call *c,
		     const struct pair_answer *real, struct pair_answer *want);
};

/**
 * struct pair_call - a call
 * @name: for messages
 * @op: of what
 * @owner: whose
 * @arg: device, policy, flags: what @op likes
 * @fails: its steps that fail, one bit each
 * @nth: which of them does, 1 for the first
 * @err: with which error
 */
struct pair_call {
	const char *name;
	const struct pair_op *op;
	unsigned int owner;
	unsigned long arg;
	unsigned long fails;
	unsigned int nth;
	int err;
};

#define PAIR_SEQUENCE 2

/**
 * struct pair_script - a call, or several in a row, by one thread
 * @calls: as many as there are
 * @kind: of the first call: which test it belongs to
 */
struct pair_script {
	const struct pair_call *calls[PAIR_SEQUENCE];
	enum pair_kind {
		PAIR_READ,
		PAIR_START,
		PAIR_STOP,
		PAIR_DEVICE,
		PAIR_OTHER,
	} kind;
};

extern const struct pair_script pair_scripts[];
extern const unsigned int pair_nr_scripts;

/* A state to begin in */
struct pair_world {
	const char *name;
	enum iommu_dirty_policy policy;
	bool on;	/* the first owner has started */
	bool poor;	/* a device that cannot record is attached, then */
};

#define PAIR_WORLDS 5

extern const struct pair_world pair_worlds[PAIR_WORLDS];

/**
 * struct pair_actor - a thread that makes calls
 * @task: the thread
 * @run: for whom
 * @go: there is something to do, or it is to end
 * @done: it is done
 * @quit: it is to end
 * @script: what it does
 * @at: number of the call that it is in
 * @fault: what fails in that call
 * @answers: of its calls
 * @points: so far
 */
struct pair_actor {
	struct task_struct *task;
	struct pair_run *run;
	struct completion go;
	struct completion done;
	bool quit;
	const struct pair_script *script;
	unsigned int at;
	struct hwm_fault fault;
	struct pair_answer answers[PAIR_SEQUENCE];
	unsigned int points;
};

/* What came of it */
struct pair_counts {
	unsigned long runs;
	unsigned long inside;	/* the second call ran to its end at the point */
	unsigned long waits;	/* it had to wait for the first */
	unsigned long wrong;
	unsigned long promises;
};

/**
 * struct pair_run - one run, and what is kept from one to the next
 * @test: to report to
 * @hw: model
 * @world: state at the beginning
 * @actor: threads: the first and the second
 * @hold_at: number of the point where the first is held
 * @held_in: name of it
 * @held: the first is there, or it has ended
 * @go_on: it may leave
 * @was_held: it was there
 * @held_call: in which of its calls; their number when it was not held
 * @done_inside: calls of the second that had returned before the first went on
 * @why: what is wrong
 * @hd: domain
 * @away: another
 * @dev: devices
 * @group: what the IOMMU core holds while it attaches a device
 * @pasid: which PASIDs of the steady device are set, by slot
 * @gone: the mover has been released
 * @known: what is so, for the reference: at the beginning, and after each call of an
 *	order of them
 * @end: of an order that fits what the calls have answered
 * @ears: listeners, of which the first is registered at first
 * @first: first byte of what is read
 * @last: last byte
 * @chunk: where the second chunk begins
 * @old: where something is that may be unmapped
 * @extra: where something may be mapped
 * @nbits: of a bitmap
 * @lock: pages, promises, stops
 * @pages: what devices write
 * @nr_pages: of them
 * @promises: what callers were told
 * @nr_promises: of them
 * @stops: that owners have begun
 * @stopping: that they are in
 * @shared: the bitmap of each owner
 * @own: bitmaps of reads that have one of their own, by actor
 * @taken: what the user has taken out of a bitmap last
 * @extras: what was taken that nobody had written
 * @owners: their addresses name owners
 * @counts: what came of all runs
 */
struct pair_run {
	struct kunit *test;
	struct hwm_model *hw;
	const struct pair_world *world;
	struct pair_actor actor[2];
	unsigned int hold_at;
	const char *held_in;
	struct completion held;
	struct completion go_on;
	bool was_held;
	unsigned int held_call;
	unsigned int done_inside;
	char why[160];
	struct hwm_domain *hd;
	struct hwm_domain *away;
	struct hwm_device *dev[PAIR_DEVICES];
	struct mutex group[PAIR_DEVICES]; /* each device's attaches */
	bool pasid[REF_SLOTS];
	bool gone;
	struct pair_outlook known[2 * PAIR_SEQUENCE + 1];
	struct pair_outlook end;
	struct notifier_block *ears[2];
	unsigned long first;
	unsigned long last;
	unsigned long chunk;
	unsigned long old;
	unsigned long extra;
	unsigned int nbits;
	spinlock_t lock;	/* pages, promises, stops */
	struct pair_page pages[PAIR_PAGES];
	unsigned int nr_pages;
	struct pair_promise promises[PAIR_PROMISES];
	unsigned int nr_promises;
	unsigned int stops[NR_OWNERS];
	unsigned int stopping[NR_OWNERS];
	struct pair_bitmap shared[NR_OWNERS];
	struct pair_bitmap own[2];
	unsigned long taken[BITS_TO_LONGS(PAIR_BITS)];
	unsigned long extras[BITS_TO_LONGS(PAIR_BITS)];
	char owners[NR_OWNERS];
	struct pair_counts counts;
};

/* pairs.c: what calls are made of */
int pair_start(struct pair_run *r, unsigned int owner);
int pair_stop(struct pair_run *r, unsigned int owner);

enum pair_reading {
	PAIR_CLEARS,
	PAIR_CLEARS_PART,	/* the second chunk */
	PAIR_CLEARS_ALONE,	/* to a bitmap that nobody shares */
	PAIR_PEEKS,		/* makes nothing clean */
};

int pair_read(struct pair_run *r, unsigned int owner, enum pair_reading how);
u64 pair_query(struct pair_run *r);
u64 pair_view(enum iommu_dirty_mode mode, enum iommu_dirty_reason reason,
	      enum iommu_dirty_policy policy, unsigned int attached, u32 flags);
void pair_map(struct pair_run *r, bool map, struct pair_answer *ans);

static inline const void *pair_owner(struct pair_run *r, unsigned int owner)
{
	return &r->owners[owner];
}

void pair_run_init(struct pair_run *r, struct kunit *test,
		   struct hwm_model *hw);
unsigned int pair_points(struct pair_run *r, const struct pair_script *s);
void pair_run_one(struct pair_run *r, const struct pair_script *first,
		  const struct pair_script *second, unsigned int point);
void pair_script_name(const struct pair_script *s, char *buf, size_t len);

#endif /* __IOMMU_DIRTY_KUNIT_PAIRS_H */
