/* SPDX-License-Identifier: GPL-2.0-only */
/* What the SMMUv3 driver and its dirty-tracking backend ask of each other */
#ifndef __IOMMU_DIRTY_ARM_SMMU_V3_H
#define __IOMMU_DIRTY_ARM_SMMU_V3_H

#include <linux/bits.h>
#include <linux/io-pgtable.h>
#include <linux/platform_device.h>
#include <linux/types.h>

#include "arm-failure-log.h"

struct arm_smmu_cmdq;
struct arm_smmu_device;
struct arm_smmu_domain;
struct arm_smmu_master;
struct iommu_domain;
struct iommu_ops;

/*
 * STE, third quadword (SMMUv3 specification, IHI 0070, "Stream Table Entry"):
 * hardware updates the Access flag and dirty state of stage 2.
 */
#define STRTAB_STE_2_S2HD	BIT_ULL(55)
#define STRTAB_STE_2_S2HA	BIT_ULL(56)

#ifdef CONFIG_IOMMU_DIRTY_ARM

/* Functions of the driver that its backend calls too */
#define IOMMU_DIRTY_ARM_VISIBLE
int arm_smmu_cmdq_issue_cmdlist(struct arm_smmu_device *smmu,
				struct arm_smmu_cmdq *cmdq, u64 *cmds, int n,
				bool sync);
bool arm_smmu_ats_supported(struct arm_smmu_master *master);

int iommu_dirty_arm_register(struct platform_driver *drv,
			     const struct iommu_ops *ops);
void iommu_dirty_arm_unregister(void);
void iommu_dirty_arm_cmdq_error(struct arm_smmu_device *smmu,
				struct arm_smmu_cmdq *cmdq);
void iommu_dirty_arm_cmdq_timeout(struct arm_smmu_device *smmu,
				  const u64 *cmds, int n);
void iommu_dirty_arm_attach_begin(struct arm_smmu_master *master,
				  struct iommu_domain *domain);
void iommu_dirty_arm_attach_end(struct arm_smmu_master *master,
				struct iommu_domain *old);
u32 iommu_dirty_arm_httu(u32 httu);
bool iommu_dirty_arm_records(const struct arm_smmu_domain *smmu_domain,
			     const struct arm_smmu_device *smmu);

#define arm_smmu_driver_register(drv) \
	iommu_dirty_arm_register(drv, &arm_smmu_ops)

/* S2HA and S2HD as far as the driver uses them */
#define IOMMU_DIRTY_STE_2_USED (STRTAB_STE_2_S2HA | STRTAB_STE_2_S2HD)

static inline u64
iommu_dirty_arm_ste_2(const struct arm_smmu_domain *smmu_domain,
		      const struct arm_smmu_device *smmu)
{
	return iommu_dirty_arm_records(smmu_domain, smmu) ?
	       IOMMU_DIRTY_STE_2_USED : 0;
}

#else /* !CONFIG_IOMMU_DIRTY_ARM */

#define IOMMU_DIRTY_ARM_VISIBLE static
#define arm_smmu_driver_register(drv) platform_driver_register(drv)
#define IOMMU_DIRTY_STE_2_USED 0

static inline u64
iommu_dirty_arm_ste_2(const struct arm_smmu_domain *smmu_domain,
		      const struct arm_smmu_device *smmu)
{
	return 0;
}

static inline bool
iommu_dirty_arm_records(const struct arm_smmu_domain *smmu_domain,
			const struct arm_smmu_device *smmu)
{
	return false;
}

static inline u32 iommu_dirty_arm_httu(u32 httu)
{
	return httu;
}

static inline void iommu_dirty_arm_unregister(void)
{
}

static inline void iommu_dirty_arm_cmdq_error(struct arm_smmu_device *smmu,
					      struct arm_smmu_cmdq *cmdq)
{
}

static inline void iommu_dirty_arm_cmdq_timeout(struct arm_smmu_device *smmu,
						const u64 *cmds, int n)
{
}

static inline void iommu_dirty_arm_attach_begin(struct arm_smmu_master *master,
						struct iommu_domain *domain)
{
}

static inline void iommu_dirty_arm_attach_end(struct arm_smmu_master *master,
					      struct iommu_domain *old)
{
}

#endif /* CONFIG_IOMMU_DIRTY_ARM */

/* Shall a context descriptor for this table have HA and HD? */
static inline bool
iommu_dirty_arm_cd_hd(const struct io_pgtable_cfg *cfg,
		      const struct arm_smmu_domain *smmu_domain,
		      const struct arm_smmu_device *smmu)
{
	return cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD ||
	       iommu_dirty_arm_records(smmu_domain, smmu);
}

#endif /* __IOMMU_DIRTY_ARM_SMMU_V3_H */
