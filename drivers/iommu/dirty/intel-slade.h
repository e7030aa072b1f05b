/* SPDX-License-Identifier: GPL-2.0-only */
/* What the Intel driver asks its dirty-tracking backend */
#ifndef __IOMMU_DIRTY_INTEL_SLADE_H
#define __IOMMU_DIRTY_INTEL_SLADE_H

#include <linux/types.h>

struct device;

#ifdef CONFIG_IOMMU_DIRTY_INTEL
bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags);
#else
static inline bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags)
{
	return false;
}
#endif

#endif /* __IOMMU_DIRTY_INTEL_SLADE_H */
