// SPDX-License-Identifier: GPL-2.0-only
// The SMMUv3 driver leaves dirty tracking to its backend, which says whose
// walks record writes and understands every value of IDR0.HTTU. Errors of the
// command queue, which the driver drops, are counted for it.
// Target: drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c
// Adds: 8
// Removes: 3

@ includes @
@@
 #include "arm-smmu-v3.h"
+#include <linux/iommu-dirty.h>
+#include "../../dirty/arm-smmu-v3.h"

@ error @
expression E;
@@
 __arm_smmu_cmdq_skip_err(...)
 {
 ...
+iommu_dirty_arm_cmdq_error();
 dev_err(E, "CMDQ error (cons 0x%08x): %s\n", ...);
 ...
 }

@ timeout @
identifier ret;
expression E;
@@
 arm_smmu_cmdq_issue_cmdlist(...)
 {
 <...
 ret = arm_smmu_cmdq_poll_until_sync(...);
 if (ret) {
+iommu_dirty_arm_cmdq_error();
 dev_err_ratelimited(E, ...);
 }
 ...>
 }

@ stage1 @
identifier target, master, smmu_domain, cfg;
@@
 void arm_smmu_make_s1_cd(struct arm_smmu_cd *target, struct arm_smmu_master *master, struct arm_smmu_domain *smmu_domain)
 {
 <...
-cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD
+iommu_dirty_arm_cd_hd(cfg, smmu_domain, master->smmu)
 ...>
 }

@ finalise @
identifier flags;
@@
 arm_smmu_domain_finalise(..., u32 flags)
 {
 ...
-bool enable_dirty = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
+bool enable_dirty = iommu_dirty_left_to_driver(flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
 ...
 }

@ httu @
expression reg;
@@
-FIELD_GET(IDR0_HTTU, reg)
+iommu_dirty_arm_httu(FIELD_GET(IDR0_HTTU, reg))

@ unregister @
identifier drv;
@@
 arm_smmu_driver_unregister(struct platform_driver *drv)
 {
 ...
 platform_driver_unregister(drv);
+iommu_dirty_arm_unregister();
 }
