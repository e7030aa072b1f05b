// SPDX-License-Identifier: GPL-2.0-only
/* What the suites share: set-up, and reads that are compared with the oracle */
#include <linux/bitmap.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rig.h"

#define GUARD_BYTES 64

/* For KUNIT_CASE_PARAM: every format with every number of levels */
const void *rig_kinds(const void *prev, char *desc)
{
	const struct hwm_kind *kind = prev ? prev : NULL;

	kind = kind ? kind + 1 : hwm_kinds;
	if (kind == hwm_kinds + hwm_nr_kinds)
		return NULL;
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
	return kind;
}

/* A model and nothing else */
int rig_init_bare(struct kunit *test)
{
	const struct hwm_kind *kind = test->param_value ?: hwm_kinds;
	struct rig *rig = kunit_kzalloc(test, sizeof(*rig), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rig);
	rig->hw = hwm_create(test, kind);
	test->priv = rig;
	return 0;
}

/* A model, a domain and a device that is attached to it */
int rig_init(struct kunit *test)
{
	struct rig *rig;

	rig_init_bare(test);
	rig = test->priv;
	rig->hd = hwm_domain_new(rig->hw);
	rig->dev = rig_device(rig, rig->hd);
	return 0;
}

int rig_attach(struct hwm_domain *hd, struct hwm_device *dev)
{
	return iommu_dirty_attach_dev(&hd->domain, &dev->dev, false);
}

int rig_attach_must(struct hwm_domain *hd, struct hwm_device *dev)
{
	return iommu_dirty_attach_dev(&hd->domain, &dev->dev, true);
}

/* One more device, attached to @hd */
struct hwm_device *rig_device(struct rig *rig, struct hwm_domain *hd)
{
	struct hwm_device *dev = hwm_device_new(rig->hw);

	KUNIT_ASSERT_EQ(rig->hw->test, rig_attach(hd, dev), 0);
	return dev;
}

static bool ranges_next(const struct iommu_dirty_ranges *ranges,
			unsigned long first, unsigned long last,
			struct iommu_dirty_range *range)
{
	struct hwm_domain *hd =
		container_of(ranges, struct rig_ranges, ranges)->hd;
	struct oracle_span *span = oracle_find(&hd->oracle, first, last);

	if (!span)
		return false;
	range->iova = max(first, span->iova);
	range->last = min(last, span->last);
	range->writable = span->writable;
	return true;
}

static void ranges_assert_stable(const struct iommu_dirty_ranges *ranges)
{
	const struct rig_ranges *mapped =
		container_of(ranges, struct rig_ranges, ranges);

	lockdep_assert_held(&mapped->hd->map_lock);
}

struct rig_ranges rig_ranges(struct hwm_domain *hd)
{
	return (struct rig_ranges){
		.ranges.next = ranges_next,
		.ranges.assert_stable = ranges_assert_stable,
		.hd = hd,
	};
}

static int publish(struct iommu_dirty_sink *sink, size_t offset, const u8 *data,
		   size_t len)
{
	struct rig_bitmap *bm = container_of(sink, struct rig_bitmap, sink);
	int ret;

	ret = hwm_step_begin(bm->hw, HWM_PUBLISH);
	if (ret)
		return ret;
	if (offset > bm->bytes || len > bm->bytes - offset) {
		KUNIT_FAIL(bm->hw->test,
			   "publishes bytes %zu+%zu of a bitmap of %zu", offset,
			   len, bm->bytes);
		return -EFAULT;
	}
	ret = bm->target->publish(bm->target, offset, data, len);
	return hwm_step_end(bm->hw, HWM_PUBLISH, ret);
}

/* A bitmap of @nbits, all clear, misaligned by @skew bytes */
int rig_bitmap_init(struct rig_bitmap *bm, struct hwm_model *hw,
		    unsigned long nbits, unsigned int skew)
{
	bm->hw = hw;
	bm->nbits = nbits;
	bm->bytes = DIV_ROUND_UP(nbits, BITS_PER_BYTE);
	bm->guarded = kvzalloc(bm->bytes + 2 * GUARD_BYTES + skew, GFP_KERNEL);
	bm->bits = kvcalloc(BITS_TO_LONGS(nbits), sizeof(long), GFP_KERNEL);
	bm->must = kvcalloc(BITS_TO_LONGS(nbits), sizeof(long), GFP_KERNEL);
	bm->may = kvcalloc(BITS_TO_LONGS(nbits), sizeof(long), GFP_KERNEL);
	if (!bm->guarded || !bm->bits || !bm->must || !bm->may) {
		rig_bitmap_free(bm);
		return -ENOMEM;
	}
	bm->data = bm->guarded + GUARD_BYTES + skew;
	bm->sink.publish = publish;
	iommu_dirty_kernel_sink_init(&bm->kernel, bm->data);
	bm->target = &bm->kernel.sink;
	return 0;
}

void rig_bitmap_free(struct rig_bitmap *bm)
{
	kvfree(bm->guarded);
	kvfree(bm->bits);
	kvfree(bm->must);
	kvfree(bm->may);
}

/* Copy what was published to @bits; was nothing written beyond its ends? */
bool rig_bitmap_intact(struct rig_bitmap *bm)
{
	unsigned int odd = bm->nbits % BITS_PER_BYTE;

	if (bm->fetch)
		bm->fetch(bm);
	memcpy(bm->bits, bm->data, bm->bytes);
	if (odd && bm->data[bm->bytes - 1] >> odd)
		return false;
	return !memchr_inv(bm->guarded, 0, bm->data - bm->guarded) &&
	       !memchr_inv(bm->data + bm->bytes, 0, GUARD_BYTES);
}

void rig_map(struct rig *rig, unsigned long iova, unsigned long size,
	     unsigned long leaf_size, bool writable)
{
	KUNIT_ASSERT_EQ(rig->hw->test,
			hwm_map(rig->hd, iova, size, leaf_size, writable), 0);
}

void rig_map_layout(struct rig *rig)
{
	unsigned long reach = hwm_reach(rig->hw);

	rig_map(rig, RIG_SMALL, RIG_SMALL_SIZE, SZ_4K, true);
	rig_map(rig, RIG_MEDIUM, RIG_MEDIUM_SIZE, SZ_2M, true);
	rig_map(rig, RIG_RO, RIG_RO_SIZE, SZ_4K, false);
	rig_map(rig, RIG_EDGE, RIG_EDGE_SIZE, SZ_4K, true);
	rig_map(rig, RIG_LARGE, RIG_LARGE_SIZE, SZ_1G, true);
	rig_map(rig, RIG_AFTER, RIG_AFTER_SIZE, SZ_2M, true);
	rig_map(rig, RIG_TAIL, RIG_TAIL_SIZE, SZ_4K, true);
	/* From the middle of the address space to its end */
	rig_map(rig, (reach >> 1) + 1 - SZ_2M, SZ_2M, SZ_2M, true);
	rig_map(rig, (reach >> 1) + 1, SZ_8K, SZ_4K, true);
	rig_map(rig, reach - SZ_1G - SZ_2M + 1, SZ_2M, SZ_2M, true);
	rig_map(rig, reach - SZ_1G + 1, SZ_1G - SZ_2M, SZ_2M, true);
	rig_map(rig, reach - SZ_2M + 1, SZ_2M, SZ_4K, true);
}

static void with_oracle(struct hwm_domain *hd, void (*fn)(struct oracle *o))
{
	spin_lock(&hd->hw->lock);
	fn(&hd->oracle);
	spin_unlock(&hd->hw->lock);
}

int rig_start(struct hwm_domain *hd, const void *owner)
{
	struct rig_ranges mapped = rig_ranges(hd);
	int ret;

	guard(mutex)(&hd->map_lock);
	with_oracle(hd, oracle_begin);
	ret = iommu_dirty_start(&hd->domain, owner, &mapped.ranges);
	if (!ret)
		with_oracle(hd, oracle_cleaned);
	return ret;
}

int rig_stop(struct hwm_domain *hd, const void *owner)
{
	return iommu_dirty_stop(&hd->domain, owner);
}

struct iommu_dirty_info rig_query(struct hwm_domain *hd)
{
	struct iommu_dirty_info info = {};

	KUNIT_EXPECT_EQ(hd->hw->test, iommu_dirty_query(&hd->domain, &info), 0);
	return info;
}

void rig_expect_mode(struct rig *rig, enum iommu_dirty_mode mode,
		     enum iommu_dirty_reason reason)
{
	struct iommu_dirty_info info = rig_query(rig->hd);

	KUNIT_EXPECT_EQ(rig->hw->test, (int)info.mode, (int)mode);
	KUNIT_EXPECT_EQ(rig->hw->test, (int)info.reason, (int)reason);
}

/* Every bit of @part must be in @whole */
static void expect_subset(struct rig *rig, const struct oracle_report *r,
			  const unsigned long *part, const unsigned long *whole,
			  unsigned long nbits, const char *what)
{
	unsigned long bit, n = 0, first = 0;

	if (bitmap_subset(part, whole, nbits))
		return;
	for_each_andnot_bit(bit, part, whole, nbits)
		if (!n++)
			first = bit;
	KUNIT_FAIL(rig->hw->test,
		   "read of %#lx-%#lx by %#lx: %lu pages %s, the first at %#lx",
		   r->iova, r->last, r->page_size, n, what,
		   r->iova + first * r->page_size);
}

/* What the report must and may have; nothing in @must when the read failed */
static void expected(struct rig *rig, const struct oracle_report *r,
		     struct rig_bitmap *bm, enum iommu_dirty_mode before,
		     enum iommu_dirty_mode after, int ret)
{
	struct oracle *o = &rig->hd->oracle;

	if (before == IOMMU_DIRTY_MODE_ALL_DIRTY)
		oracle_all(o, r, bm->must);
	else
		oracle_bounds(o, r, bm->must, bm->may);
	if (before == IOMMU_DIRTY_MODE_ALL_DIRTY ||
	    after != IOMMU_DIRTY_MODE_EXACT)
		oracle_all(o, r, bm->may);
	if (ret)
		bitmap_zero(bm->must, bm->nbits);
}

/*
 * Read to an empty bitmap, and compare the report with the oracle: all that was
 * written before must be in it, and nothing that was not written. Then note what
 * the next one must say.
 */
int rig_read_to(struct rig *rig, const void *owner, struct rig_bitmap *bm,
		unsigned long iova, unsigned long last, unsigned long page_size,
		u32 flags)
{
	struct rig_ranges mapped = rig_ranges(rig->hd);
	enum iommu_dirty_mode before, after;
	enum oracle_outcome outcome;
	struct iommu_dirty_read rd = {
		.iova = iova,
		.last = last,
		.page_size = page_size,
		.flags = flags,
		.mapped = &mapped.ranges,
		.sink = &bm->sink,
	};
	struct oracle_report report = {
		.iova = iova,
		.last = last,
		.page_size = page_size,
		.bits = bm->bits,
	};
	bool owes;
	int ret;

	guard(mutex)(&rig->hd->map_lock);
	before = rig_query(rig->hd).mode;
	with_oracle(rig->hd, oracle_begin);
	ret = iommu_dirty_read(&rig->hd->domain, owner, &rd);
	after = rig_query(rig->hd).mode;
	if (!rig_bitmap_intact(bm))
		KUNIT_FAIL(rig->hw->test,
			   "read of %#lx-%#lx by %#lx: writes beyond the bitmap",
			   iova, last, page_size);

	outcome = ret ? ORACLE_FAILED :
		  flags & IOMMU_DIRTY_READ_NO_CLEAR ? ORACLE_KEPT :
						      ORACLE_CLEARED;
	spin_lock(&rig->hw->lock);
	expected(rig, &report, bm, before, after, ret);
	if (before == IOMMU_DIRTY_MODE_EXACT)
		oracle_settle(&rig->hd->oracle, &report, outcome);
	owes = after == IOMMU_DIRTY_MODE_EXACT && oracle_owes(&rig->hd->oracle);
	spin_unlock(&rig->hw->lock);

	expect_subset(rig, &report, bm->must, bm->bits, bm->nbits,
		      "are missing");
	expect_subset(rig, &report, bm->bits, bm->may, bm->nbits,
		      "are too many");
	if (owes)
		KUNIT_FAIL(rig->hw->test,
			   "read of %#lx-%#lx: cleaned leaves are not flushed",
			   iova, last);
	return ret;
}

/* rig_read_to() a bitmap of the right size in kernel memory */
int rig_read_as(struct rig *rig, const void *owner, unsigned long iova,
		unsigned long last, unsigned long page_size, u32 flags)
{
	struct rig_bitmap bm = {};
	int ret;

	ret = rig_bitmap_init(&bm, rig->hw, ((last - iova) / page_size) + 1,
			      rig->skew);
	if (ret) {
		KUNIT_FAIL(rig->hw->test, "no memory for a bitmap");
		return ret;
	}
	ret = rig_read_to(rig, owner, &bm, iova, last, page_size, flags);
	rig_bitmap_free(&bm);
	return ret;
}

/* A read by the test itself, a bit for each 4 KiB page */
int rig_read(struct rig *rig, unsigned long iova, unsigned long last, u32 flags)
{
	return rig_read_as(rig, rig->hw->test, iova, last, SZ_4K, flags);
}

/* A read of each 4 GiB in which something is mapped */
int rig_read_mapped(struct rig *rig, u32 flags)
{
	unsigned long pos = 0;
	int ret = 0;

	while (!ret) {
		struct oracle_span *span =
			oracle_find(&rig->hd->oracle, pos, ULONG_MAX);
		unsigned long first, last;

		if (!span)
			break;
		first = max(pos, span->iova) & ~(SZ_4G - 1);
		last = first + SZ_4G - 1;
		ret = rig_read(rig, first, last, flags);
		pos = last + 1;
		if (!pos)
			break;
	}
	return ret;
}
