/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What depends on the internals of the kernel that this is laid over. Nothing
 * else in drivers/iommu/dirty may look at LINUX_VERSION_CODE.
 */
#ifndef __IOMMU_DIRTY_COMPAT_H
#define __IOMMU_DIRTY_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#error "IOMMU dirty tracking is laid over Linux 6.12.y; other kernels need porting here"
#endif

#endif /* __IOMMU_DIRTY_COMPAT_H */
