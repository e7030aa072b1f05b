// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the hardware model's that has only upstream's iommu_dirty_ops, with the
 * habits that such drivers have.
 */
#include <linux/iova_bitmap.h>

#include "../walk.h"
#include "hw-model.h"

struct hwm_upstream hwm_upstream;

static bool test_leaf(struct hwm_domain *hd, u64 *entry, unsigned int level,
		      bool clear)
{
	const struct hwm_kind *kind = hd->hw->kind;
	u64 value = READ_ONCE(*entry);

	do {
		if (!kind->fmt->dirty(value))
			return false;
	} while (clear &&
		 !try_cmpxchg64(entry, &value,
				kind->walker->format->cleaned(value)));
	return true;
}

/* As stock drivers do: a leaf at a time, all of it, noted from @iova on */
static int read_and_clear_dirty(struct iommu_domain *domain, unsigned long iova,
				size_t size, unsigned long flags,
				struct iommu_dirty_bitmap *dirty)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	bool clear = !(flags & IOMMU_DIRTY_NO_CLEAR);
	unsigned long end = iova + size;

	if (clear && hwm_upstream.clears_too_much)
		end += SZ_4K;
	if (clear && hwm_upstream.writer)
		hwm_write(hwm_upstream.writer, hwm_upstream.write_at);
	while (iova < end) {
		unsigned int level;
		u64 *entry = hwm_find_leaf(hd, iova, &level);
		unsigned long leaf = SZ_4K;

		if (hwm_upstream.err)
			return hwm_upstream.err;
		if (entry) {
			leaf = BIT(hwm_level_shift(fmt, level));
			if (test_leaf(hd, entry, level, clear)) {
				if (hwm_upstream.record_itself)
					iova_bitmap_set(dirty->bitmap, iova,
							leaf);
				else
					iommu_dirty_bitmap_record(dirty, iova,
								  leaf);
			}
		}
		iova = ALIGN_DOWN(iova, leaf) + leaf;
	}
	return 0;
}

static int set_dirty_tracking(struct iommu_domain *domain, bool enabled)
{
	return hwm_backend.set_feature(domain, IOMMU_DIRTY_FEATURE_RECORD,
				       enabled);
}

static const struct iommu_dirty_ops dirty_ops = {
	.set_dirty_tracking = set_dirty_tracking,
	.read_and_clear_dirty = read_and_clear_dirty,
};

static void flush_iotlb_all(struct iommu_domain *domain)
{
	hwm_upstream.flushes++;
	hwm_invalidate(to_hwm_domain(domain), 0, ULONG_MAX, false);
}

/* Without a page size it does nothing, like one that is known */
void hwm_upstream_sync(struct iommu_domain *domain,
		       struct iommu_iotlb_gather *gather)
{
	hwm_upstream.syncs++;
	hwm_upstream.sync = *gather;
	if (gather->pgsize)
		hwm_invalidate(to_hwm_domain(domain), gather->start,
			       gather->end, true);
}

/**
 * hwm_make_upstream() - let a domain be such a driver's, and not the model's backend's
 * @hd: domain that nothing is attached to yet
 *
 * How the driver behaves starts anew.
 */
void hwm_make_upstream(struct hwm_domain *hd)
{
	memset(&hwm_upstream, 0, sizeof(hwm_upstream));
	hwm_upstream.ops = hwm_domain_ops;
	hwm_upstream.ops.flush_iotlb_all = flush_iotlb_all;
	hd->domain.owner = NULL;
	hd->domain.ops = &hwm_upstream.ops;
	hd->domain.dirty_ops = &dirty_ops;
}
