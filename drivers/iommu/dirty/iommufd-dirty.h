/* SPDX-License-Identifier: GPL-2.0-only */
/* What iommufd asks its dirty-tracking consumer */
#ifndef __IOMMU_DIRTY_IOMMUFD_H
#define __IOMMU_DIRTY_IOMMUFD_H

#include <linux/types.h>

struct io_pagetable;
struct iommu_domain;
struct iommu_hwpt_get_dirty_bitmap;
struct iommufd_ucmd;

int iommufd_dirty_set_tracking(struct io_pagetable *iopt,
			       struct iommu_domain *domain, bool enable);
int iommufd_dirty_get_bitmap(struct io_pagetable *iopt,
			     struct iommu_domain *domain, unsigned long flags,
			     struct iommu_hwpt_get_dirty_bitmap *bitmap);
int iommufd_dirty_query(struct iommufd_ucmd *ucmd);
int iommufd_dirty_set_policy(struct iommufd_ucmd *ucmd);
int iommufd_dirty_can_attach(struct iommufd_ucmd *ucmd);
int iommufd_dirty_eventfd(struct iommufd_ucmd *ucmd);

#endif /* __IOMMU_DIRTY_IOMMUFD_H */
