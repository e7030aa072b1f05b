/* SPDX-License-Identifier: GPL-2.0-only */
/* One round: a device reads and writes at random, then the bitmap is compared. */
#ifndef TOOLS_ROUND_H
#define TOOLS_ROUND_H

#include "check.h"

#define ROUND_HOT 16

struct rounds {
	struct space *s;
	int dev;
	__u64 rng;
	/* Written again in every round: a forgotten flush loses these. */
	__u64 hot[ROUND_HOT];
	bool whole_leaves;	/* never read a part of a leaf */
	__u64 writes, reads;	/* transfers of all rounds */
	int rc;			/* what a failed transfer or read returned */
	const char *failed;	/* which of them */
};

void rounds_init(struct rounds *rs, struct space *s, int dev, __u64 seed);

/*
 * Round @n, from 0. Kinds take turns: read all at once; read without clearing
 * first, twice; read in random pieces, in random order; read while the device
 * writes. Every one ends with all of it read and cleared. 0 or a negative errno.
 */
int round_run(struct rounds *rs, unsigned int n, struct tally *t);

/* Writes at random, without reading anything. */
int round_writes(struct rounds *rs, unsigned int count);

#endif
