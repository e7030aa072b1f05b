// SPDX-License-Identifier: GPL-2.0-only
/* Each line marked so must be reported, and no other. */

static int bad(struct iova_bitmap *bitmap, struct iommu_dirty_bitmap *dirty)
{
	iova_bitmap_set(bitmap, 0, SZ_4K); /* finding */
	iommu_dirty_bitmap_record(dirty, 0, SZ_4K); /* finding */
	return iova_bitmap_for_each(bitmap, NULL, bad_each); /* finding */
}

static int read_and_clear_dirty(struct iommu_domain *domain, unsigned long iova,
				size_t size, unsigned long flags,
				struct iommu_dirty_bitmap *dirty)
{
	iommu_dirty_bitmap_record(dirty, iova, size);
	return 0;
}

static int good(struct iommu_dirty_sink *sink, const u8 *data, size_t len)
{
	return sink->publish(sink, 0, data, len);
}
