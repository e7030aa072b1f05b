/* SPDX-License-Identifier: GPL-2.0-only */
/* What the Intel driver asks its dirty-tracking backend */
#ifndef __IOMMU_DIRTY_INTEL_SLADE_H
#define __IOMMU_DIRTY_INTEL_SLADE_H

#include <linux/iommu-dirty.h>
#include <linux/types.h>

struct device;
struct intel_iommu;

#ifdef CONFIG_IOMMU_DIRTY_INTEL
bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags);
bool iommu_dirty_intel_records(const struct intel_iommu *iommu);
bool iommu_dirty_intel_fits(const struct iommu_domain *domain,
			    struct device *dev);

/**
 * iommu_dirty_intel_can_use() - may a device be attached to a domain?
 * @domain: domain
 * @dev: device
 *
 * Return: false if its unit cannot read the domain's table. Domains of the DMA API
 * are the driver's own business.
 */
static inline bool iommu_dirty_intel_can_use(const struct iommu_domain *domain,
					     struct device *dev)
{
	return !iommu_dirty_owns(domain) || iommu_dirty_intel_fits(domain, dev);
}
#else
static inline bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags)
{
	return false;
}

static inline bool iommu_dirty_intel_records(const struct intel_iommu *iommu)
{
	return true;
}

static inline bool iommu_dirty_intel_can_use(const struct iommu_domain *domain,
					     struct device *dev)
{
	return true;
}
#endif

#endif /* __IOMMU_DIRTY_INTEL_SLADE_H */
