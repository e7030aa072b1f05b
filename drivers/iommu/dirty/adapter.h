/* SPDX-License-Identifier: GPL-2.0-only */
/* The backend of every driver that has no other: see adapter.c */
#ifndef __IOMMU_DIRTY_ADAPTER_H
#define __IOMMU_DIRTY_ADAPTER_H

#include <linux/iommu-dirty.h>

extern const struct iommu_dirty_backend iommu_dirty_adapter;

#endif /* __IOMMU_DIRTY_ADAPTER_H */
