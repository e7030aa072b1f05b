// SPDX-License-Identifier: GPL-2.0-only
/* What is mapped where, and with which leaves, by construction. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mman.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "iommufd.h"
#include "layout.h"

void layout_init(struct layout *l, __u64 leaf_sizes)
{
	memset(l, 0, sizeof(*l));
	l->leaf_sizes = leaf_sizes;
}

void layout_free(struct layout *l)
{
	for (int i = 0; i < l->regions; i++) {
		struct region *r = &l->region[i];
		bool owner = true;

		for (int j = 0; j < i; j++)
			owner = owner && l->region[j].mem != r->mem;
		if (owner)
			munmap(r->mem, r->mem_len);
	}
	l->regions = 0;
}

static __u64 leaf_size(__u64 iova, __u64 chunk, __u64 sizes)
{
	__u64 common = (iova % chunk) | chunk;

	common &= -common;
	sizes &= common | (common - 1);
	return 1ULL << (63 - __builtin_clzll(sizes));
}

static struct region *place(struct layout *l, const struct region_spec *spec,
			    void *mem, __u64 mem_len)
{
	struct region *r = &l->region[l->regions++];

	*r = (struct region) {
		.name = spec->name,
		.iova = spec->iova,
		.len = spec->len,
		.leaf = leaf_size(spec->iova, spec->chunk, l->leaf_sizes),
		.page0 = l->pages,
		.chunk = spec->chunk,
		.mem_len = mem_len,
		.mem = mem,
		.writable = !spec->read_only,
	};
	l->pages += region_pages(r);
	return r;
}

struct region *layout_add(struct layout *l, const struct region_spec *spec)
{
	__u64 mem_len = spec->mem_len ? spec->mem_len : spec->len;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_HUGETLB;
	void *mem;

	flags |= __builtin_ctzll(spec->chunk) << MAP_HUGE_SHIFT;
	mem = mmap(NULL, mem_len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	return place(l, spec, mem, mem_len);
}

struct region *layout_alias(struct layout *l, const struct region *of,
			    const struct region_spec *spec)
{
	return place(l, spec, of->mem, of->mem_len);
}

int region_map(struct region *r, int iommufd, __u32 ioas)
{
	r->mapped = true;
	for (__u64 at = 0; at < r->len; at += r->chunk) {
		int rc = ioas_map(iommufd, ioas, r->mem + at % r->mem_len,
				  r->chunk, r->iova + at, r->writable);

		if (rc)
			return rc;
	}
	return 0;
}

int region_unmap(struct region *r, int iommufd, __u32 ioas)
{
	r->mapped = false;
	return ioas_unmap(iommufd, ioas, r->iova, r->len);
}

struct region *layout_find(struct layout *l, __u64 iova)
{
	for (int i = 0; i < l->regions; i++) {
		struct region *r = &l->region[i];

		if (iova >= r->iova && iova - r->iova < r->len)
			return r;
	}
	return NULL;
}

__u8 *region_mem(const struct region *r, __u64 iova)
{
	return r->mem + (iova - r->iova) % r->mem_len;
}
