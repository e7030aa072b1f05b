/* SPDX-License-Identifier: GPL-2.0-only */
/* What the AMD driver and its dirty-tracking backend ask of each other */
#ifndef __IOMMU_DIRTY_AMD_DTE_H
#define __IOMMU_DIRTY_AMD_DTE_H

#include <linux/types.h>

struct amd_iommu;
struct protection_domain;

#ifdef CONFIG_IOMMU_DIRTY_AMD
bool iommu_dirty_amd_records(const struct amd_iommu *iommu);
void iommu_dirty_amd_log_empty(struct amd_iommu *iommu);
void iommu_dirty_amd_log_overflow(struct amd_iommu *iommu);
int iommu_dirty_amd_flush(struct protection_domain *pdom, unsigned long iova,
			  unsigned long last, bool entries);
void iommu_dirty_amd_forget_lost(struct protection_domain *pdom);
#else
static inline bool iommu_dirty_amd_records(const struct amd_iommu *iommu)
{
	return true;
}

static inline void iommu_dirty_amd_log_empty(struct amd_iommu *iommu)
{
}

static inline void iommu_dirty_amd_log_overflow(struct amd_iommu *iommu)
{
}
#endif

#endif /* __IOMMU_DIRTY_AMD_DTE_H */
