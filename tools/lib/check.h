/* SPDX-License-Identifier: GPL-2.0-only */
/* Read a dirty bitmap and compare it with the oracle, bit by bit. */
#ifndef TOOLS_CHECK_H
#define TOOLS_CHECK_H

#include "space.h"

#define TALLY_WRONG 8

/* Sums over reads, in 4 KiB pages. */
struct tally {
	__u64 expected, reported, missing, extra;
	__u64 overwritten;	/* bytes outside of the bitmap */
	int errors;		/* reads that failed */
	struct wrong {
		__u64 iova;
		bool missing;
	} wrong[TALLY_WRONG];	/* the first ones */
	int wrongs;
	/* Not NULL: bitmaps over the layout's pages that collect both sides. */
	__u8 *expected_map, *reported_map;
};

bool tally_exact(const struct tally *t);
void tally_wrong(struct tally *t, __u64 iova, bool missing);
/* The first wrong pages, a line each, indented by @indent. */
void tally_print_wrong(const struct tally *t, const char *indent);

/*
 * Read [@iova, @iova + @len) of @r into a fenced bitmap that ends @slack bytes
 * before a forbidden page, and compare. A read with
 * IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR is compared too, but only its mistakes
 * are counted. Returns what the ioctl returned.
 */
int check_read(struct space *s, const struct region *r, __u64 iova, __u64 len,
	       __u32 flags, size_t slack, struct tally *t);

/* Every region, one read each. */
int check_all(struct space *s, __u32 flags, struct tally *t);

#endif
