// SPDX-License-Identifier: GPL-2.0-only
/* Read a dirty bitmap and compare it with the oracle, bit by bit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "check.h"
#include "guarded.h"

bool tally_exact(const struct tally *t)
{
	return !t->missing && !t->extra && !t->overwritten && !t->errors;
}

void tally_wrong(struct tally *t, __u64 iova, bool missing)
{
	if (missing)
		t->missing++;
	else
		t->extra++;
	if (t->wrongs < TALLY_WRONG)
		t->wrong[t->wrongs++] = (struct wrong) { iova, missing };
}

void tally_print_wrong(const struct tally *t, const char *indent)
{
	for (int i = 0; i < t->wrongs; i++)
		printf("%s%s at IOVA %#llx\n", indent,
		       t->wrong[i].missing ? "missing" : "extra", t->wrong[i].iova);
	if (t->overwritten)
		printf("%s%llu bytes outside of a bitmap were written\n", indent,
		       t->overwritten);
	if (t->errors)
		printf("%s%d reads failed\n", indent, t->errors);
}

static void collect(__u8 *map, __u64 first, const __u8 *bits, __u64 n)
{
	if (!map)
		return;
	for (__u64 i = 0; i < n; i++)
		if (bit_test(bits, i))
			bit_set(map, first + i);
}

static void compare(const struct region *r, __u64 iova, __u64 pages,
		    const __u8 *expected, const __u8 *bits, bool count,
		    struct tally *t)
{
	if (count) {
		t->expected += bits_count(expected, 0, pages);
		t->reported += bits_count(bits, 0, pages);
		collect(t->expected_map, region_page(r, iova), expected, pages);
		collect(t->reported_map, region_page(r, iova), bits, pages);
	}
	if (!memcmp(expected, bits, bit_bytes(pages)))
		return;
	/* The last byte's spare bits are part of it: nothing may set them. */
	for (__u64 i = 0; i < bit_bytes(pages) * 8; i++)
		if (bit_test(expected, i) != bit_test(bits, i))
			tally_wrong(t, iova + i * SZ_4K, bit_test(expected, i));
}

int check_read(struct space *s, const struct region *r, __u64 iova, __u64 len,
	       __u32 flags, size_t slack, struct tally *t)
{
	bool clear = !(flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
	__u64 pages = len / SZ_4K;
	__u8 *expected = calloc(1, bit_bytes(pages));
	struct guarded g;
	int rc;

	if (!expected)
		return -ENOMEM;
	rc = guarded_alloc(&g, bit_bytes(pages), slack);
	if (rc)
		goto out;
	oracle_expect(&s->oracle, r, iova, len, expected);
	rc = hwpt_get_dirty(s->rig->iommufd, s->hwpt, iova, len, SZ_4K, g.bits, flags);
	if (rc)
		t->errors++;
	compare(r, iova, pages, expected, g.bits, clear, t);
	if (clear && !rc)
		oracle_cleared(&s->oracle, r, iova, len);
	t->overwritten += guarded_overwritten(&g);
	guarded_free(&g);
out:
	free(expected);
	return rc;
}

int check_all(struct space *s, __u32 flags, struct tally *t)
{
	int rc = 0;

	for (int i = 0; i < s->layout.regions; i++) {
		const struct region *r = &s->layout.region[i];
		int err = check_read(s, r, r->iova, r->len, flags, 0, t);

		rc = rc ? rc : err;
	}
	return rc;
}
