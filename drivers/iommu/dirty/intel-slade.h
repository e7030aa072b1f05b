/* SPDX-License-Identifier: GPL-2.0-only */
/* What the Intel driver asks its dirty-tracking backend */
#ifndef __IOMMU_DIRTY_INTEL_SLADE_H
#define __IOMMU_DIRTY_INTEL_SLADE_H

#include <linux/types.h>

struct device;
struct intel_iommu;

#ifdef CONFIG_IOMMU_DIRTY_INTEL
bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags);
bool iommu_dirty_intel_records(const struct intel_iommu *iommu);
#else
static inline bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags)
{
	return false;
}

static inline bool iommu_dirty_intel_records(const struct intel_iommu *iommu)
{
	return true;
}
#endif

#endif /* __IOMMU_DIRTY_INTEL_SLADE_H */
