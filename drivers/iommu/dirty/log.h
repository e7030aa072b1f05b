/* SPDX-License-Identifier: GPL-2.0-only */
/* The data path: see log.c */
#ifndef __IOMMU_DIRTY_LOG_H
#define __IOMMU_DIRTY_LOG_H

#include "priv.h"

int iommu_dirty_clean(struct iommu_dirty_domain *dd,
		      const struct iommu_dirty_ranges *mapped);

#endif /* __IOMMU_DIRTY_LOG_H */
