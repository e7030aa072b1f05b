// SPDX-License-Identifier: GPL-2.0-only
/* What a read has to report. */
#include <errno.h>
#include <stdlib.h>

#include "bits.h"
#include "oracle.h"

int oracle_init(struct oracle *o, struct layout *layout)
{
	o->layout = layout;
	o->written = calloc(1, bit_bytes(layout->pages));
	return o->written ? 0 : -ENOMEM;
}

void oracle_free(struct oracle *o)
{
	free(o->written);
	o->written = NULL;
}

void oracle_reset(struct oracle *o)
{
	bits_fill(o->written, 0, o->layout->pages, false);
}

void oracle_wrote(struct oracle *o, const struct region *r, __u64 iova, __u64 len)
{
	__u64 last = region_page(r, iova + len - 1);

	for (__u64 page = region_page(r, iova); page <= last; page++)
		bit_set(o->written, page);
}

void oracle_expect(struct oracle *o, const struct region *r, __u64 iova,
		   __u64 len, __u8 *expected)
{
	__u64 end = iova + len;
	__u64 leaf = iova - (iova - r->iova) % r->leaf;

	bits_fill(expected, 0, len / SZ_4K, o->all_dirty && r->mapped && r->writable);
	if (o->all_dirty)
		return;
	for (; leaf < end; leaf += r->leaf) {
		__u64 from = leaf < iova ? iova : leaf;
		__u64 to = leaf + r->leaf > end ? end : leaf + r->leaf;

		if (bits_any(o->written, region_page(r, leaf), r->leaf / SZ_4K))
			bits_fill(expected, (from - iova) / SZ_4K,
				  (to - from) / SZ_4K, true);
	}
}

void oracle_cleared(struct oracle *o, const struct region *r, __u64 iova, __u64 len)
{
	__u64 skip = (iova - r->iova) % r->leaf;
	__u64 leaf = skip ? iova - skip + r->leaf : iova;

	for (; leaf + r->leaf <= iova + len; leaf += r->leaf)
		bits_fill(o->written, region_page(r, leaf), r->leaf / SZ_4K, false);
}

void oracle_forget(struct oracle *o, const struct region *r)
{
	bits_fill(o->written, r->page0, region_pages(r), false);
}
