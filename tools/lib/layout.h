/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is mapped where, and with which leaves, by construction.
 *
 * Memory is huge pages, of 2 MiB or 1 GiB for example, each mapped by a call of its own, so a
 * leaf never spans two of them; and physical addresses are aligned like the huge
 * page. A leaf is then the largest one that the hardware has and that fits the
 * alignment which IOVA and physical address have in common: an IOVA that is off
 * by 4 KiB forces 4 KiB leaves, one off by 64 KiB leaves of 64 KiB at most.
 */
#ifndef TOOLS_LAYOUT_H
#define TOOLS_LAYOUT_H

#include <linux/types.h>
#include <stdbool.h>

#include "compiler.h"

#define SZ_4K	BIT_ULL(12)
#define SZ_16K	BIT_ULL(14)
#define SZ_64K	BIT_ULL(16)
#define SZ_2M	BIT_ULL(21)
#define SZ_32M	BIT_ULL(25)
#define SZ_512M	BIT_ULL(29)
#define SZ_1G	BIT_ULL(30)

#define LAYOUT_REGIONS 8

struct region {
	const char *name;
	__u64 iova, len;
	__u64 leaf;		/* the size of every leaf of it */
	__u64 page0;		/* its first page's number in the layout */
	__u64 chunk;		/* the size of a huge page of its memory */
	__u64 mem_len;		/* shorter than len: mapped again and again */
	__u8 *mem;
	bool writable;
	bool mapped;
};

struct layout {
	struct region region[LAYOUT_REGIONS];
	int regions;
	__u64 pages;
	__u64 leaf_sizes;	/* what the hardware has, one bit each */
};

/* The smallest leaf that the hardware has. */
static inline __u64 layout_smallest(const struct layout *l)
{
	return l->leaf_sizes & -l->leaf_sizes;
}

/* How to map a region; mem_len of 0 means len. */
struct region_spec {
	const char *name;
	__u64 iova, len, chunk, mem_len;
	bool read_only;
};

void layout_init(struct layout *l, __u64 leaf_sizes);
void layout_free(struct layout *l);

/* Memory and place, nothing mapped yet. NULL and errno if there is no memory. */
struct region *layout_add(struct layout *l, const struct region_spec *spec);
int region_map(struct region *r, int iommufd, __u32 ioas);
int region_unmap(struct region *r, int iommufd, __u32 ioas);

/* Another name for an existing region's memory. */
struct region *layout_alias(struct layout *l, const struct region *of,
			    const struct region_spec *spec);

struct region *layout_find(struct layout *l, __u64 iova);
__u8 *region_mem(const struct region *r, __u64 iova);

static inline __u64 region_pages(const struct region *r)
{
	return r->len / SZ_4K;
}

/* The number of an IOVA's page in the layout. */
static inline __u64 region_page(const struct region *r, __u64 iova)
{
	return r->page0 + (iova - r->iova) / SZ_4K;
}

#endif
