// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: the backend of every driver that has upstream's
 * iommu_dirty_ops and no backend of its own.
 *
 * Those operations read and clear in one step, straight into the caller's bitmap.
 * Here they are called twice, to look (IOMMU_DIRTY_NO_CLEAR) and to clear, and what
 * they record with iommu_dirty_bitmap_record() goes into the core's mask, so that the
 * core can publish in between.
 *
 * Drivers go on by the size of each leaf from where they were asked to begin. In the
 * middle of a leaf that leads them astray. And of a leaf that the range cuts they
 * clear all. So each call is about a block: its size is a power of two, and it is
 * aligned to it. Leaves are blocks, too. So a leaf either lies in the block, or the
 * block is a part of it, and then there is no other.
 *
 * This is relied on: a clear makes clean the leaves that have a byte in the block,
 * and no other, and each is recorded. A record is as long as its leaf, also where the
 * block is shorter, and it begins with the leaf or with the block. The domain's
 * pgsize_bitmap has the size. A driver that breaks a rule ends exactness.
 *
 * Nobody says whether an invalidation succeeded, nor what has to be invalidated: it
 * is everything, where the driver can do that.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>

#include "../iommu-priv.h"
#include "adapter.h"

/**
 * struct redirect - what a driver records to in place of a bitmap
 * @dirty: passed to the driver
 * @chunk: gets the sizes of the leaves
 * @first: the block that the driver is asked about: first byte
 * @last: its last byte
 * @limit: the range that it is a part of ends here
 * @sizes: leaf sizes that the domain may have, bytes, one bit each
 * @mark: set the bits of what is recorded in @chunk, and count it
 * @records: number of them
 * @largest: size of the largest leaf recorded, bytes
 * @broken: something was recorded that is no leaf, or elsewhere
 */
struct redirect {
	struct iommu_dirty_bitmap dirty;
	struct iommu_dirty_chunk *chunk;
	unsigned long first;
	unsigned long last;
	unsigned long limit;
	unsigned long sizes;
	bool mark;
	unsigned int records;
	unsigned long largest;
	bool broken;
};

/* Drivers ask whether there is a bitmap, and must not touch it themselves */
#define NO_BITMAP ((struct iova_bitmap *)ZERO_SIZE_PTR)

/* Is it the record of a leaf that lies in the block, or that the block lies in? */
static bool is_leaf(const struct redirect *rd, unsigned long iova,
		    unsigned long length)
{
	if (!is_power_of_2(length) || !(length & rd->sizes))
		return false;
	if (length - 1 > rd->last - rd->first)
		return !((iova ^ rd->first) & ~(length - 1));
	return IS_ALIGNED(iova, length) && iova >= rd->first &&
	       iova <= rd->last;
}

static void mark(struct redirect *rd, unsigned long iova, unsigned long last)
{
	struct iommu_dirty_chunk *chunk = rd->chunk;

	chunk->dirty++;
	chunk->leaves++;
	iova = max(iova, rd->first);
	last = min(last, rd->limit);
	if (iova > last)
		return;
	iova = (iova - chunk->iova) >> chunk->shift;
	last = (last - chunk->iova) >> chunk->shift;
	bitmap_set(chunk->mask, iova, last - iova + 1);
}

static void record(struct iommu_dirty_bitmap *dirty, unsigned long iova,
		   unsigned long length)
{
	struct redirect *rd = container_of(dirty, struct redirect, dirty);
	unsigned long last = max(iova, iova + (length - 1));

	if (!length)
		return;
	rd->records++;
	if (is_leaf(rd, iova, length)) {
		rd->largest = max(rd->largest, length);
		rd->chunk->leaf_sizes |= length;
		/* All of it, wherever the record starts */
		iova &= ~(length - 1);
		last = iova | (length - 1);
	} else {
		rd->broken = true;
	}
	if (rd->mark)
		mark(rd, iova, last);
}

/* Call the driver for the block */
static int call_driver(struct iommu_domain *domain, struct redirect *rd,
		       unsigned long flags)
{
	struct iommu_iotlb_gather gather;

	rd->sizes = domain->pgsize_bitmap;
	iommu_dirty_bitmap_init(&rd->dirty, NO_BITMAP, &gather);
	rd->dirty.record = record;
	return domain->dirty_ops->read_and_clear_dirty(domain, rd->first,
						       rd->last - rd->first + 1,
						       flags, &rd->dirty);
}

/* Where the largest block ends that starts at @iova and lies in [@iova, @last] */
static unsigned long block_end(unsigned long iova, unsigned long last)
{
	unsigned int order = iova ? __ffs(iova) : BITS_PER_LONG - 1;
	unsigned long size = last - iova + 1;

	if (size)
		order = min(order, __fls(size));
	return iova + (BIT(order) - 1);
}

/* Backends are asked first; the core comes here last */
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

/* Of a leaf that is larger than a block the rest need not be asked for */
static int adapter_walk(struct iommu_domain *domain,
			struct iommu_dirty_chunk *chunk, unsigned long iova,
			unsigned long last)
{
	unsigned long end;
	int ret;

	for (;; iova = end + 1) {
		struct redirect rd = {
			.chunk = chunk,
			.first = iova,
			.last = block_end(iova, last),
			.limit = last,
			.mark = true,
		};

		ret = call_driver(domain, &rd, IOMMU_DIRTY_NO_CLEAR);
		if (ret)
			return ret;
		end = rd.last;
		if (rd.largest)
			end |= rd.largest - 1;
		if (end >= last)
			return 0;
	}
}

/* Look, and change nothing */
static int look(struct iommu_domain *domain, struct redirect *rd)
{
	rd->records = 0;
	return call_driver(domain, rd, IOMMU_DIRTY_NO_CLEAR);
}

/* The driver breaks a rule: it may have cleaned what is neither reported nor noted */
#define RULE_BROKEN -EUCLEAN

/*
 * Is there a dirty leaf in the block [@first, @last], of which all bits are set in the
 * mask? Then no leaf is larger than the block, and all of it may be cleaned. The first
 * leaf tells, which is dirty, unless somebody else has cleaned it since.
 */
static int may_clean(struct iommu_domain *domain,
		     struct iommu_dirty_chunk *chunk, unsigned long first,
		     unsigned long last)
{
	struct redirect rd = {
		.chunk = chunk,
		.first = first,
		.last = first + (BIT(__ffs(domain->pgsize_bitmap)) - 1),
	};
	int ret = look(domain, &rd);

	if (!ret && !rd.records && rd.last < last) {
		rd.last = last;
		ret = look(domain, &rd);
	}
	if (ret)
		return ret;
	if (rd.broken)
		return RULE_BROKEN;
	return rd.records && rd.largest - 1 <= last - first;
}

static int clean_block(struct iommu_domain *domain,
		       struct iommu_dirty_chunk *chunk, unsigned long first,
		       unsigned long last)
{
	struct redirect rd = {
		.chunk = chunk,
		.first = first,
		.last = last,
	};
	int ret;

	ret = may_clean(domain, chunk, first, last);
	if (ret <= 0)
		return ret;

	/* Whatever the driver says, some of it may be clean from here on */
	chunk->first = min(chunk->first, first);
	chunk->last = max(chunk->last, last);
	ret = call_driver(domain, &rd, 0);
	chunk->cleared += rd.records;
	if (rd.broken || rd.largest > last - first + 1)
		return RULE_BROKEN;
	return ret;
}

/* A leaf of which all bits are set lies in one block of those that are set */
static int adapter_clear(struct iommu_domain *domain,
			 struct iommu_dirty_chunk *chunk)
{
	unsigned int start, end;

	for_each_set_bitrange(start, end, chunk->mask, chunk->nbits) {
		unsigned long iova, last;
		int ret;

		iova = chunk->iova + ((unsigned long)start << chunk->shift);
		last = chunk->iova + ((unsigned long)end << chunk->shift) - 1;
		for (;;) {
			unsigned long to = block_end(iova, last);

			ret = clean_block(domain, chunk, iova, to);
			if (ret)
				return ret;
			if (to == last)
				break;
			iova = to + 1;
		}
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
