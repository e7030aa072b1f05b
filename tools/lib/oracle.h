/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a read has to report: a plain bitmap of the pages that the device was
 * told to write, and the layout's leaf sizes. Nothing here asks the kernel.
 *
 * A page is expected when any page of its leaf was written. A read that clears
 * forgets the leaves that it reported as a whole; a leaf that the range only
 * touches stays dirty. Where everything counts as dirty, every page is expected
 * that is mapped and that a device may write, always.
 */
#ifndef TOOLS_ORACLE_H
#define TOOLS_ORACLE_H

#include "layout.h"

struct oracle {
	struct layout *layout;
	__u8 *written;		/* bit i: page i of the layout */
	bool all_dirty;		/* what the mode has to be */
};

int oracle_init(struct oracle *o, struct layout *layout);
void oracle_free(struct oracle *o);

/* The device was told to write there; the range lies in one region. */
void oracle_wrote(struct oracle *o, const struct region *r, __u64 iova, __u64 len);

/* Tracking has started: all clean. */
void oracle_reset(struct oracle *o);

/* Expected bits of [@iova, @iova + @len) of @r, bit 0 for @iova. */
void oracle_expect(struct oracle *o, const struct region *r, __u64 iova,
		   __u64 len, __u8 *expected);
/* The read cleared. */
void oracle_cleared(struct oracle *o, const struct region *r, __u64 iova, __u64 len);
/* It is no longer mapped: what was written there is nobody's business. */
void oracle_forget(struct oracle *o, const struct region *r);

#endif
