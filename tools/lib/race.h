/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA while the bitmap is read: what has to hold then.
 *
 * Nothing missing: a write that began after a read had returned must be in a
 * later one. So for every leaf the log keeps the number of reads that had
 * returned when its last write began, and the number of the last read that
 * reported it, which must be greater in the end.
 *
 * Nothing extra: a leaf is not reported more often than it was written.
 */
#ifndef TOOLS_RACE_H
#define TOOLS_RACE_H

#include <pthread.h>

#include "check.h"
#include "dma.h"

struct race_leaf {
	__u32 writes, reports;
	__u32 written_after;	/* reads that had returned when the last one began */
	__u32 reported_by;	/* the last read that reported it; reads count from 1 */
};

struct race {
	struct space *s;
	__u32 reads[LAYOUT_REGIONS];	/* that have returned */
	struct race_leaf *leaf[LAYOUT_REGIONS];
	pthread_mutex_t lock;
	int rc;				/* the first error */
};

/* A thread that writes at random with one device until it is stopped. */
struct race_writer {
	struct race *race;
	pthread_t thread;
	int dev;
	__u32 regions;	/* the ones it writes to, one bit each; it changes no other */
	__u64 seed;
	__u64 writes;
	int stop;
	bool alone;	/* no other device writes there: check that data landed */
};

/* Everything must be clean, as far as the oracle knows. */
int race_init(struct race *race, struct space *s);
/* Count the outcome into @t, in pages. */
void race_finish(struct race *race, struct tally *t);

/* From any thread, one thread for each device. */
int race_write(struct race *race, int dev, const struct transfer *t, bool alone);
/* Read and clear every region once; from one thread. */
int race_read(struct race *race, struct tally *t);

int race_start(struct race_writer *w);
int race_stop(struct race_writer *w);

#endif
