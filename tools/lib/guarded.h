/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bitmap with a fence: bytes of a known value around it, and a page that
 * nobody may touch before and after those.
 */
#ifndef TOOLS_GUARDED_H
#define TOOLS_GUARDED_H

#include <linux/types.h>
#include <stddef.h>

struct guarded {
	__u8 *bits;
	size_t bytes;
	__u8 *open;		/* what may be accessed, fence included */
	size_t open_len;
	void *map;
	size_t map_len;
};

/*
 * All bits clear, and @slack bytes of fence between the bitmap's end and the
 * forbidden page: 0 puts the end of the bitmap right there, and an odd number
 * makes its address odd.
 */
int guarded_alloc(struct guarded *g, size_t bytes, size_t slack);
void guarded_free(struct guarded *g);
void guarded_zero(struct guarded *g);

/* How many bytes around the bitmap were written. */
size_t guarded_overwritten(const struct guarded *g);

#endif
