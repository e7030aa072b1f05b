// SPDX-License-Identifier: GPL-2.0-only
// The SMMUv3 driver leaves dirty tracking to its backend, which says whose
// walks record writes and understands every value of IDR0.HTTU. It is told of commands
// that fail, which the driver does not mind, and of when a device comes and goes.
// Target: drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c
// Adds: 12
// Removes: 3

@ includes @
@@
 #include "arm-smmu-v3.h"
+#include <linux/iommu-dirty.h>
+#include "../../dirty/arm-smmu-v3.h"

@ error @
identifier smmu, cmdq;
expression E;
@@
 __arm_smmu_cmdq_skip_err(struct arm_smmu_device *smmu, struct arm_smmu_cmdq *cmdq)
 {
 ...
+iommu_dirty_arm_cmdq_error(smmu, cmdq);
 dev_err(E, "CMDQ error (cons 0x%08x): %s\n", ...);
 ...
 }

@ timeout @
identifier smmu, cmdq, cmds, n, sync, ret;
expression E;
@@
 arm_smmu_cmdq_issue_cmdlist(struct arm_smmu_device *smmu, struct arm_smmu_cmdq *cmdq, u64 *cmds, int n, bool sync)
 {
 <...
 ret = arm_smmu_cmdq_poll_until_sync(...);
 if (ret) {
+iommu_dirty_arm_cmdq_timeout(smmu, cmds, n);
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

@ begin @
identifier state, new_domain;
@@
 arm_smmu_attach_prepare(struct arm_smmu_attach_state *state, struct iommu_domain *new_domain)
 {
 ...
 lockdep_assert_held(&arm_smmu_asid_lock);
+iommu_dirty_arm_attach_begin(state->master, new_domain);
 ...
 }

@ end @
identifier state, master;
@@
 arm_smmu_attach_commit(struct arm_smmu_attach_state *state)
 {
 ...
 arm_smmu_remove_master_domain(master, state->old_domain, state->ssid);
+iommu_dirty_arm_attach_end(master, state->old_domain);
 ...
 }

@ pasid @
identifier dev, pasid, domain, master, smmu_domain;
@@
 arm_smmu_remove_dev_pasid(struct device *dev, ioasid_t pasid, struct iommu_domain *domain)
 {
 ...
+iommu_dirty_arm_attach_begin(master, NULL);
 arm_smmu_clear_cd(master, pasid);
 ...
 arm_smmu_remove_master_domain(master, &smmu_domain->domain, pasid);
+iommu_dirty_arm_attach_end(master, &smmu_domain->domain);
 ...
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
