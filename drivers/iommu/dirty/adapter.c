// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: the backend of every driver that has upstream's
 * iommu_dirty_ops and no backend of its own.
 *
 * Those operations read and clear in one step, straight into the caller's bitmap.
 * Here they are called twice, to look (IOMMU_DIRTY_NO_CLEAR) and to clear, and what
 * they record with iova_bitmap_set() goes into the core's mask, so that the core
 * can publish in between.
 *
 * They say neither how large a leaf is nor whether an invalidation succeeded, and
 * they clear a large leaf of which only a part was asked for. So a run of pages is
 * made clean only where no leaf can reach out of it, everything is invalidated
 * where the driver can do that, and nothing is claimed that the operations do not
 * promise.
 */
#include <linux/export.h>
#include <linux/iova_bitmap.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>

#include "../iommu-priv.h"
#include "priv.h"

/* What a driver records in place of a bitmap; passed as a tagged pointer */
struct redirect {
	struct iommu_dirty_chunk *chunk;	/* set bits here, or NULL */
	unsigned long first;			/* what the driver was asked */
	unsigned long last;
	u64 leaf_sizes;				/* that the domain may have */
	unsigned int records;
	bool outside;				/* it recorded more than that */
};

#define REDIRECT_TAG 1UL

/**
 * __iommu_dirty_redirect() - record a range in a redirected bitmap
 * @bitmap: one for which iommu_dirty_redirected() is true
 * @iova: first byte
 * @length: bytes
 *
 * Context: any; called by iova_bitmap_set().
 */
void __iommu_dirty_redirect(struct iova_bitmap *bitmap, unsigned long iova,
			    size_t length)
{
	struct redirect *rd =
		(struct redirect *)((unsigned long)bitmap & ~REDIRECT_TAG);
	unsigned long last = iova + (length - 1);
	struct iommu_dirty_chunk *chunk = rd->chunk;

	if (!length)
		return;
	rd->records++;
	if (iova < rd->first || last > rd->last)
		rd->outside = true;
	if (!chunk)
		return;

	chunk->dirty++;
	chunk->leaves++;
	if (is_power_of_2(length))
		chunk->leaf_sizes |= length & rd->leaf_sizes;
	iova = max(iova, rd->first);
	last = min(last, rd->last);
	if (iova <= last) {
		iova = (iova - chunk->iova) >> chunk->shift;
		last = (last - chunk->iova) >> chunk->shift;
		bitmap_set(chunk->mask, iova, last - iova + 1);
	}
}
EXPORT_SYMBOL_GPL(__iommu_dirty_redirect);

/* Call the driver for [@rd->first, @rd->last] */
static int call_driver(struct iommu_domain *domain, struct redirect *rd,
		       unsigned long flags)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;

	iommu_dirty_bitmap_init(&dirty,
				(struct iova_bitmap *)((unsigned long)rd |
						       REDIRECT_TAG),
				&gather);
	return domain->dirty_ops->read_and_clear_dirty(domain, rd->first,
						       rd->last - rd->first + 1,
						       flags, &dirty);
}

/* Backends are asked first; bind_backend() in core.c comes here last */
static bool adapter_claims(const struct iommu_domain *domain)
{
	return domain->dirty_ops;
}

/*
 * The driver answers for a device. Whether leaves are born dirty, and what ATS does,
 * it does not say: reckon with both.
 */
static int adapter_capability(struct iommu_domain *domain, struct device *dev,
			      ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	if (!domain)
		return -ENODEV;
	caps->leaf_sizes = domain->pgsize_bitmap;
	caps->flags = IOMMU_DIRTY_CAP_BORN_DIRTY;
	if (!dev) {
		caps->flags |= IOMMU_DIRTY_CAP_RECORD;
		return 0;
	}

	if (!dev->iommu || !dev->iommu->iommu_dev)
		return -ENODEV;
	if (dev_is_pci(dev) && pci_ats_supported(to_pci_dev(dev)))
		caps->flags |= IOMMU_DIRTY_CAP_ATS_DIRTY;
	if (dev_iommu_ops(dev)->capable &&
	    dev_iommu_ops(dev)->capable(dev, IOMMU_CAP_DIRTY_TRACKING))
		caps->flags |= IOMMU_DIRTY_CAP_RECORD;
	return 0;
}

static int adapter_set_feature(struct iommu_domain *domain,
			       enum iommu_dirty_feature feature, bool value)
{
	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;
	return domain->dirty_ops->set_dirty_tracking(domain, value);
}

static int adapter_walk(struct iommu_domain *domain,
			struct iommu_dirty_chunk *chunk, unsigned long iova,
			unsigned long last)
{
	struct redirect rd = {
		.chunk = chunk,
		.first = iova,
		.last = last,
		.leaf_sizes = domain->pgsize_bitmap,
	};

	return call_driver(domain, &rd, IOMMU_DIRTY_NO_CLEAR);
}

/*
 * May a leaf cross into the page at @iova from its neighbour? Leaves of the run are
 * dirty, so that page would be dirty as well. When in doubt, it may.
 */
static bool leaf_may_cross(struct iommu_domain *domain, unsigned long iova,
			   unsigned int shift)
{
	struct redirect rd = {
		.first = iova,
		.last = iova + (BIT(shift) - 1),
	};

	return call_driver(domain, &rd, IOMMU_DIRTY_NO_CLEAR) || rd.records;
}

/*
 * Make the pages of [@first, @last] clean, but for those at its ends that may be
 * part of a leaf that reaches out of it.
 */
static int clean_run(struct iommu_domain *domain,
		     struct iommu_dirty_chunk *chunk, unsigned long first,
		     unsigned long last)
{
	unsigned long largest = BIT(__fls(domain->pgsize_bitmap));
	unsigned int small = __ffs(domain->pgsize_bitmap);
	struct redirect rd = {};
	int ret;

	if (!IS_ALIGNED(first, largest) &&
	    leaf_may_cross(domain, first - BIT(small), small)) {
		first = ALIGN(first, largest);
		if (!first || first > last)
			return 0;
	}
	if (!IS_ALIGNED(last + 1, largest) &&
	    leaf_may_cross(domain, last + 1, small)) {
		last = ALIGN_DOWN(last, largest);
		if (last <= first)
			return 0;
		last--;
	}

	rd.first = first;
	rd.last = last;
	chunk->first = min(chunk->first, first);
	chunk->last = max(chunk->last, last);
	ret = call_driver(domain, &rd, 0);
	chunk->cleared += rd.records;
	/* It has made clean what was not reported: only this is still true */
	if (rd.outside)
		iommu_dirty_set_mode(domain->dirty, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     IOMMU_DIRTY_REASON_BACKEND);
	return ret;
}

static int adapter_clear(struct iommu_domain *domain,
			 struct iommu_dirty_chunk *chunk)
{
	unsigned int start, end;

	for_each_set_bitrange(start, end, chunk->mask, chunk->nbits) {
		unsigned long first, last;
		int ret;

		first = chunk->iova + ((unsigned long)start << chunk->shift);
		last = chunk->iova + ((unsigned long)end << chunk->shift) - 1;
		ret = clean_run(domain, chunk, first, last);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * All of it, if the driver has a way: what upstream gathers for a range while it
 * clears lacks the page size, without which a driver may invalidate nothing.
 */
static int adapter_flush(struct iommu_domain *domain, unsigned long iova,
			 unsigned long last)
{
	struct iommu_iotlb_gather gather = {
		.start = iova,
		.end = last,
		.pgsize = BIT(__ffs(domain->pgsize_bitmap)),
		.freelist = LIST_HEAD_INIT(gather.freelist),
	};

	if (domain->ops->flush_iotlb_all)
		domain->ops->flush_iotlb_all(domain);
	else if (domain->ops->iotlb_sync)
		domain->ops->iotlb_sync(domain, &gather);
	return 0;
}

const struct iommu_dirty_backend iommu_dirty_adapter = {
	.name = "adapter",
	.owner = THIS_MODULE,
	.claims = adapter_claims,
	.capability = adapter_capability,
	.set_feature = adapter_set_feature,
	.walk = adapter_walk,
	.clear = adapter_clear,
	.flush = adapter_flush,
};
