/* SPDX-License-Identifier: GPL-2.0-only */
/* What each SMMUv3 remembers of commands that failed: see arm-failures.h */
#ifndef __IOMMU_DIRTY_ARM_FAILURE_LOG_H
#define __IOMMU_DIRTY_ARM_FAILURE_LOG_H

#include <linux/types.h>

/**
 * enum iommu_dirty_arm_about - whom a command that failed concerns
 * @IOMMU_DIRTY_ARM_NOBODY: no domain relies on it
 * @IOMMU_DIRTY_ARM_ASID: the first-stage domain of an ASID
 * @IOMMU_DIRTY_ARM_VMID: the second-stage domain of a VMID
 * @IOMMU_DIRTY_ARM_STREAM: the domains that a device is attached to
 * @IOMMU_DIRTY_ARM_ALL: every domain of the SMMU
 */
enum iommu_dirty_arm_about {
	IOMMU_DIRTY_ARM_NOBODY,
	IOMMU_DIRTY_ARM_ASID,
	IOMMU_DIRTY_ARM_VMID,
	IOMMU_DIRTY_ARM_STREAM,
	IOMMU_DIRTY_ARM_ALL,
};

/**
 * struct iommu_dirty_arm_failure - a command not known to have done its work
 * @about: whom it concerns, &enum iommu_dirty_arm_about
 * @id: ASID, VMID or StreamID
 */
struct iommu_dirty_arm_failure {
	u32 about;
	u32 id;
};

/* So many are remembered; a power of two, and more than a list of commands has */
#define IOMMU_DIRTY_ARM_FAILURES 128

/**
 * struct iommu_dirty_arm_failures - what failed on an SMMU
 * @count: how many so far
 * @last: the last of them; the n-th is at n % %IOMMU_DIRTY_ARM_FAILURES
 */
struct iommu_dirty_arm_failures {
	u64 count;
	struct iommu_dirty_arm_failure last[IOMMU_DIRTY_ARM_FAILURES];
};

#endif /* __IOMMU_DIRTY_ARM_FAILURE_LOG_H */
