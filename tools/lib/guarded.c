// SPDX-License-Identifier: GPL-2.0-only
/* A bitmap with a fence. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guarded.h"

/* Ones and zeros, so that bits set and bits cleared are both seen. */
#define FENCE 0x5a

int guarded_alloc(struct guarded *g, size_t bytes, size_t slack)
{
	size_t page = getpagesize();

	g->bytes = bytes;
	/* At least a page of fence in front. */
	g->open_len = (bytes + slack + 2 * page - 1) & ~(page - 1);
	g->map_len = g->open_len + 2 * page;
	g->map = mmap(NULL, g->map_len, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (g->map == MAP_FAILED)
		return -errno;
	g->open = (__u8 *)g->map + page;
	if (mprotect(g->open, g->open_len, PROT_READ | PROT_WRITE)) {
		int rc = -errno;

		munmap(g->map, g->map_len);
		return rc;
	}
	g->bits = g->open + g->open_len - slack - bytes;
	memset(g->open, FENCE, g->open_len);
	guarded_zero(g);
	return 0;
}

void guarded_free(struct guarded *g)
{
	munmap(g->map, g->map_len);
}

void guarded_zero(struct guarded *g)
{
	memset(g->bits, 0, g->bytes);
}

size_t guarded_overwritten(const struct guarded *g)
{
	size_t n = 0;

	for (const __u8 *p = g->open; p < g->bits; p++)
		n += *p != FENCE;
	for (const __u8 *p = g->bits + g->bytes; p < g->open + g->open_len; p++)
		n += *p != FENCE;
	return n;
}
