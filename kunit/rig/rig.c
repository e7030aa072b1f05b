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

/* For KUNIT_CASE_PARAM: Arm, with leaves that are runs and updates held back */
const void *rig_arm_kinds(const void *prev, char *desc)
{
	const struct hwm_kind *kind = prev;

	do {
		kind = rig_kinds(kind, desc);
	} while (kind && !kind->fmt->holds_back);
	return kind;
}

/* For KUNIT_CASE_PARAM: those whose leaves can be for writing alone */
const void *rig_write_only_kinds(const void *prev, char *desc)
{
	const struct hwm_kind *kind = prev;

	do {
		kind = rig_kinds(kind, desc);
	} while (kind && !kind->fmt->write_only);
	return kind;
}

/*
 * In units of the kind's leaves; with leaves of 4 KiB, 2 MiB and 1 GiB the first
 * table ends at 2 MiB, medium leaves follow from 4 MiB on, large ones from 1 GiB to
 * 3 GiB, and all ends at 4 GiB.
 */
void rig_lay_out(struct rig *rig)
{
	const struct hwm_kind *kind = rig->hw->kind;
	struct rig_layout *at = &rig->at;
	unsigned long page = BIT(kind->fmt->granule_shift);

	rig->page = page;
	rig->medium = kind->medium;
	rig->large = kind->large;
	rig->chunk = page << 18;

	at->table = page << kind->fmt->level_bits;
	at->base = at->table - 512 * page;
	at->small = at->base + 16 * page;
	at->small_size = 1008 * page;
	at->medium = at->base + 1024 * page;
	at->medium_size = 3 * rig->medium;
	at->ro = at->medium + at->medium_size;
	at->ro_size = 16 * page;
	at->hole_size = 4096 * page;
	at->hole = round_up(at->ro + at->ro_size, at->hole_size);
	at->edge_size = 512 * page;
	at->edge = rig->chunk - at->edge_size;
	at->large = 2 * rig->chunk - rig->large;
	at->large_size = 2 * rig->large;
	at->after = 3 * rig->chunk;
	at->after_size = rig->medium;
	at->tail = at->after + at->after_size;
	at->tail_size = 32 * page;
	at->tail_last = at->tail + at->tail_size - 1;
	at->last = 4 * rig->chunk - 1;
	at->extra_size = 1024 * page;
	at->extra = at->last - at->extra_size + 1;
}

/* A model of one kind and nothing else */
int rig_init_kind(struct kunit *test, const struct hwm_kind *kind)
{
	struct rig *rig = kunit_kzalloc(test, sizeof(*rig), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rig);
	rig->hw = hwm_create(test, kind);
	rig_lay_out(rig);
	test->priv = rig;
	return 0;
}

/* A model of the kind that the test is run with */
int rig_init_bare(struct kunit *test)
{
	return rig_init_kind(test, test->param_value ?: hwm_kinds);
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
	while (hd->joined && range->last < last) {
		span = oracle_find(&hd->oracle, range->last + 1,
				   range->last + 1);
		if (!span || span->writable != range->writable)
			break;
		range->last = min(last, span->last);
	}
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
	struct hwm_domain *hd;
	int ret;

	list_for_each_entry(hd, &bm->hw->domains, node)
		hwm_expect_locks(bm->hw, hd->domain.dirty, HWM_PUBLISH);
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
	unsigned long end = hwm_reach(rig->hw) + 1, middle = end / 2;
	unsigned long page = rig->page, medium = rig->medium;
	const struct rig_layout *at = &rig->at;
	unsigned long top = min(rig->large, 512 * medium);

	rig_map(rig, at->small, at->small_size, page, true);
	rig_map(rig, at->medium, at->medium_size, medium, true);
	rig_map(rig, at->ro, at->ro_size, page, false);
	rig_map(rig, at->edge, at->edge_size, page, true);
	rig_map(rig, at->large, at->large_size, rig->large, true);
	rig_map(rig, at->after, at->after_size, medium, true);
	rig_map(rig, at->tail, at->tail_size, page, true);
	/* From the middle of the address space to its end */
	rig_map(rig, middle - medium, medium, medium, true);
	rig_map(rig, middle, 2 * page, page, true);
	rig_map(rig, end - top - medium, medium, medium, true);
	if (top > 512 * page)
		rig_map(rig, end - top, top - 512 * page, medium, true);
	rig_map(rig, end - 512 * page, 512 * page, page, true);
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

	/* The oracle knows one call at a time */
	guard(rwsem_write)(&hd->map_lock);
	/* Else what was written before may be reported, which no caller minds */
	hwm_settle(hd);
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

	guard(rwsem_write)(&rig->hd->map_lock);
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

/* A read by the test itself, a bit for each page */
int rig_read(struct rig *rig, unsigned long iova, unsigned long last, u32 flags)
{
	return rig_read_as(rig, rig->hw->test, iova, last, rig->page,
			   flags);
}

/* A read of each four chunks in which something is mapped */
int rig_read_mapped(struct rig *rig, u32 flags)
{
	unsigned long pos = 0, size = 4 * rig->chunk;
	int ret = 0;

	while (!ret) {
		struct oracle_span *span =
			oracle_find(&rig->hd->oracle, pos, ULONG_MAX);
		unsigned long first, last;

		if (!span)
			break;
		first = max(pos, span->iova) & ~(size - 1);
		last = first + size - 1;
		ret = rig_read(rig, first, last, flags);
		pos = last + 1;
		if (!pos)
			break;
	}
	return ret;
}
