/* SPDX-License-Identifier: GPL-2.0-only */
/* What the AMD driver and its dirty-tracking backend ask of each other */
#ifndef __IOMMU_DIRTY_AMD_DTE_H
#define __IOMMU_DIRTY_AMD_DTE_H

#include <linux/types.h>

struct amd_iommu;

#ifdef CONFIG_IOMMU_DIRTY_AMD
/* A function of the driver that its backend calls too */
#define IOMMU_DIRTY_AMD_VISIBLE
int iommu_completion_wait(struct amd_iommu *iommu);
bool iommu_dirty_amd_records(const struct amd_iommu *iommu);
#else
#define IOMMU_DIRTY_AMD_VISIBLE static
static inline bool iommu_dirty_amd_records(const struct amd_iommu *iommu)
{
	return true;
}
#endif

#endif /* __IOMMU_DIRTY_AMD_DTE_H */
