// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: Arm SMMUv3, both stages.
 *
 * An SMMU with HTTU (hardware translation table update) 2 or 3 sets the Access flag
 * and the dirty state of leaves, when the context descriptor (stage 1, HA and HD)
 * or the stream table entry (stage 2, S2HA and S2HD) tells it to. They are set when
 * a device is attached to a domain that may be tracked and stay set for as long as
 * the domain lives: all context descriptors of an ASID must agree, so that
 * switching them one by one would pass through a state that the architecture
 * forbids, and a leaf that was made clean faults where HD is off. While nobody
 * tracks, leaves are mapped without DBM and hardware writes none of them. A domain
 * belongs to one SMMU, so either all of its devices record or none does.
 *
 * A cached translation remembers that its leaf is writable and dirty; hardware does
 * not look at the leaf again until it is invalidated. A dirty state that hardware
 * has recorded can be seen for certain only after a CMD_SYNC that was issued when
 * the write had completed.
 */
#include <linux/io-pgtable.h>
#include <linux/iommu-dirty.h>
#include <linux/module.h>

#include "../arm/arm-smmu-v3/arm-smmu-v3.h"
#include "../io-pgtable-arm.h"
#include "../iommu-priv.h"
#include "arm-failures.h"
#include "arm-smmu-v3.h"
#include "fmt-lpae.h"

/* IDR0.HTTU: hardware updates the Access flag in table descriptors too (HAFT) */
#define IDR0_HTTU_ACCESS_DIRTY_TABLE	3
/* IDR3.BBML: how a live leaf may change size. 2: without a break, no conflict */
#define IDR3_BBML			GENMASK(12, 11)

/* More invalidations than this, one for a page each, and all is invalidated */
#define MAX_PAGE_INVALIDATIONS		512

static const struct iommu_ops *arm_ops;

/*
 * A command that failed, or was too late, is sent once more: on a queue that others
 * share it may have been theirs that did, or one that was stopped for a while.
 */
#define TRIES				2

/* Where failures are noted, of all SMMUs; innermost, and taken by an interrupt */
static DEFINE_RAW_SPINLOCK(failures_lock);

/* The attach that is under way; arm_smmu_asid_lock */
static struct {
	u64 since;
	struct iommu_domain *domain;
} attaching;

static u32 smmu_httu(const struct arm_smmu_device *smmu)
{
	return FIELD_GET(IDR0_HTTU, readl_relaxed(smmu->base + ARM_SMMU_IDR0));
}

/*
 * Firmware may take HTTU back: ACPI's IORT does so by leaving it out, and then the
 * register does not count. It cannot give what the hardware does not have, where
 * HA and HD make the descriptor illegal and stop all DMA.
 */
static bool smmu_records(const struct arm_smmu_device *smmu)
{
	const u32 needs = ARM_SMMU_FEAT_HA | ARM_SMMU_FEAT_HD |
			  ARM_SMMU_FEAT_COHERENCY;

	return (smmu->features & needs) == needs &&
	       smmu_httu(smmu) >= IDR0_HTTU_ACCESS_DIRTY;
}

/**
 * iommu_dirty_arm_httu() - what the driver should make of IDR0.HTTU
 * @httu: the field's value
 *
 * The stock driver knows nothing of the value that adds table descriptors, and
 * takes hardware that has it for hardware that updates nothing.
 *
 * Return: a value that the driver knows.
 */
u32 iommu_dirty_arm_httu(u32 httu)
{
	return httu == IDR0_HTTU_ACCESS_DIRTY_TABLE ? IDR0_HTTU_ACCESS_DIRTY :
						      httu;
}

/**
 * iommu_dirty_arm_records() - shall walks of a domain's table record writes?
 * @smmu_domain: domain that a device is being attached to
 * @smmu: the device's SMMU
 *
 * Return: the same for every device of the domain and as long as it lives.
 */
bool iommu_dirty_arm_records(const struct arm_smmu_domain *smmu_domain,
			     const struct arm_smmu_device *smmu)
{
	return smmu_domain->domain.type == IOMMU_DOMAIN_UNMANAGED &&
	       smmu_records(smmu);
}

static bool arm_claims(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_UNMANAGED &&
	       domain->owner == arm_ops;
}

static unsigned int stage_of(const struct arm_smmu_domain *smmu_domain)
{
	return smmu_domain->stage == ARM_SMMU_DOMAIN_S1 ? 1 : 2;
}

/* IORT has no value for access flags in tables, so without a device tree: none */
static u32 smmu_abilities(const struct arm_smmu_device *smmu)
{
	u32 idr3 = readl_relaxed(smmu->base + ARM_SMMU_IDR3);
	u32 flags = 0;

	if (!smmu_records(smmu))
		return 0;
	flags |= IOMMU_DIRTY_CAP_RECORD;
	if (smmu->dev->of_node &&
	    smmu_httu(smmu) == IDR0_HTTU_ACCESS_DIRTY_TABLE)
		flags |= IOMMU_DIRTY_CAP_TABLE_ACCESS;
	if (FIELD_GET(IDR3_BBML, idr3) == 2)
		flags |= IOMMU_DIRTY_CAP_SPLIT | IOMMU_DIRTY_CAP_MERGE;
	return flags;
}

/*
 * The table alone can do what its SMMU can. One that the driver has not made yet
 * belongs to none and can do nothing: the core asks again when it is attached.
 */
static int arm_capability(struct iommu_domain *domain, struct device *dev,
			  ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	const struct arm_smmu_device *smmu = NULL;

	if (dev) {
		struct arm_smmu_master *master;

		if (!dev->iommu || !dev->iommu->iommu_dev ||
		    dev_iommu_ops(dev) != arm_ops)
			return -ENODEV;
		master = dev_iommu_priv_get(dev);
		smmu = master->smmu;
		if (arm_smmu_ats_supported(master))
			caps->flags |= IOMMU_DIRTY_CAP_ATS_DIRTY;
		caps->stage = smmu->features & ARM_SMMU_FEAT_TRANS_S1 ? 1 : 2;
	}
	if (domain) {
		const struct arm_smmu_domain *smmu_domain =
			to_smmu_domain(domain);

		caps->stage = stage_of(smmu_domain);
		if (smmu_domain->pgtbl_ops) {
			if (smmu && smmu != smmu_domain->smmu)
				return -EINVAL;
			caps->leaf_sizes = domain->pgsize_bitmap;
			smmu = smmu ?: smmu_domain->smmu;
		}
	}
	if (smmu)
		caps->flags |= smmu_abilities(smmu);
	caps->flags |= IOMMU_DIRTY_CAP_BORN_DIRTY;
	return 0;
}

static u64 failures_so_far(struct arm_smmu_device *smmu)
{
	guard(raw_spinlock_irqsave)(&failures_lock);
	return smmu->dirty.count;
}

static bool has_stream(const struct arm_smmu_master *master, u32 sid)
{
	unsigned int i;

	for (i = 0; i < master->num_streams; i++)
		if (master->streams[i].id == sid)
			return true;
	return false;
}

static bool concerns_domain(const struct iommu_dirty_arm_failure *failure,
			    struct arm_smmu_domain *smmu_domain)
{
	const struct arm_smmu_master_domain *master_domain;

	switch (failure->about) {
	case IOMMU_DIRTY_ARM_ASID:
		return smmu_domain->stage == ARM_SMMU_DOMAIN_S1 &&
		       smmu_domain->cd.asid == failure->id;
	case IOMMU_DIRTY_ARM_VMID:
		return smmu_domain->stage == ARM_SMMU_DOMAIN_S2 &&
		       smmu_domain->s2_cfg.vmid == failure->id;
	case IOMMU_DIRTY_ARM_STREAM:
		break;
	default:
		return true;
	}
	guard(spinlock_irqsave)(&smmu_domain->devices_lock);
	list_for_each_entry(master_domain, &smmu_domain->devices, devices_elm)
		if (has_stream(master_domain->master, failure->id))
			return true;
	return false;
}

static struct iommu_dirty_arm_failure noted(struct arm_smmu_device *smmu, u64 n)
{
	guard(raw_spinlock_irqsave)(&failures_lock);
	return arm_noted(&smmu->dirty, n);
}

/*
 * Has a command failed since then that the domain relies on? Failures are noted before
 * the wait for the command ends, which another CPU may do by looking at memory that the
 * SMMU writes.
 */
static bool failed_since(struct arm_smmu_domain *smmu_domain, u64 since)
{
	struct arm_smmu_device *smmu = smmu_domain->smmu;
	u64 n, end;

	/* Look after the wait: its end may have been seen without ordering */
	dma_rmb();
	end = failures_so_far(smmu);
	for (n = since; n < end; n++) {
		struct iommu_dirty_arm_failure failure = noted(smmu, n);

		if (concerns_domain(&failure, smmu_domain))
			return true;
	}
	return false;
}

/**
 * iommu_dirty_arm_cmdq_error() - a command queue has stopped with an error
 * @smmu: SMMU
 * @cmdq: the queue, one of the SMMU's
 *
 * The error has not been acknowledged yet: the queue goes on afterwards.
 *
 * Context: any.
 */
void iommu_dirty_arm_cmdq_error(struct arm_smmu_device *smmu,
				struct arm_smmu_cmdq *cmdq)
{
	guard(raw_spinlock_irqsave)(&failures_lock);
	arm_note_error(&smmu->dirty, &cmdq->q,
		       readl_relaxed(cmdq->q.cons_reg));
}

/**
 * iommu_dirty_arm_cmdq_timeout() - commands were not seen to complete
 * @smmu: SMMU
 * @cmds: the commands
 * @n: how many
 *
 * Context: any.
 */
void iommu_dirty_arm_cmdq_timeout(struct arm_smmu_device *smmu,
				  const u64 *cmds, int n)
{
	guard(raw_spinlock_irqsave)(&failures_lock);
	arm_note_commands(&smmu->dirty, cmds, n);
}

/**
 * iommu_dirty_arm_attach_begin() - configuration and device TLB are about to change
 * @master: device
 * @domain: what it is being attached to; NULL for nothing
 *
 * Context: process; arm_smmu_asid_lock held.
 */
void iommu_dirty_arm_attach_begin(struct arm_smmu_master *master,
				  struct iommu_domain *domain)
{
	lockdep_assert_held(&arm_smmu_asid_lock);
	attaching.since = failures_so_far(master->smmu);
	attaching.domain = domain;
}

/**
 * iommu_dirty_arm_attach_end() - they have changed
 * @master: device
 * @old: what it was attached to; NULL for nothing
 *
 * The SMMU may still have the old configuration, and the device translations of the
 * old table, if a command failed: what is written is then not where it is looked for.
 *
 * Context: process; arm_smmu_asid_lock held.
 */
void iommu_dirty_arm_attach_end(struct arm_smmu_master *master,
				struct iommu_domain *old)
{
	bool failed = false;
	u64 n, end;

	lockdep_assert_held(&arm_smmu_asid_lock);
	dma_rmb();
	end = failures_so_far(master->smmu);
	for (n = attaching.since; n < end; n++) {
		struct iommu_dirty_arm_failure f = noted(master->smmu, n);

		failed |= f.about == IOMMU_DIRTY_ARM_ALL ||
			  (f.about == IOMMU_DIRTY_ARM_STREAM &&
			   has_stream(master, f.id));
	}
	if (!failed)
		return;
	if (attaching.domain && arm_claims(attaching.domain))
		iommu_dirty_flush_failed(attaching.domain);
	if (old && arm_claims(old)) {
		WRITE_ONCE(to_smmu_domain(old)->haunted, true);
		iommu_dirty_flush_failed(old);
	}
}

/* What is recorded is visible when a CMD_SYNC has completed, on any queue */
static int arm_sync(struct iommu_domain *domain)
{
	struct arm_smmu_device *smmu = to_smmu_domain(domain)->smmu;
	int i, ret = -EIO;

	for (i = 0; i < TRIES && ret; i++)
		ret = arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq, NULL, 0,
						  true);
	return ret;
}

/*
 * Have the SMMU look at each device's stream table entry again, and at the context
 * descriptors that it found through it: whatever came of the driver's own commands
 * when the device was attached.
 */
static int renew_configuration(struct arm_smmu_domain *smmu_domain)
{
	struct arm_smmu_device *smmu = smmu_domain->smmu;
	struct arm_smmu_master_domain *master_domain;
	u64 since = failures_so_far(smmu);

	scoped_guard(spinlock_irqsave, &smmu_domain->devices_lock) {
		list_for_each_entry(master_domain, &smmu_domain->devices,
				    devices_elm) {
			struct arm_smmu_master *master = master_domain->master;
			unsigned int i;

			for (i = 0; i < master->num_streams; i++) {
				u64 cmd[CMDQ_ENT_DWORDS] = {
					FIELD_PREP(CMDQ_0_OP,
						   CMDQ_OP_CFGI_STE) |
					FIELD_PREP(CMDQ_CFGI_0_SID,
						   master->streams[i].id),
					CMDQ_CFGI_1_LEAF,
				};

				arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq,
							    cmd, 1, true);
			}
		}
	}
	return failed_since(smmu_domain, since) ? -EIO : 0;
}

/*
 * Recording goes on with the first attach, see above: nothing is left to switch, only
 * to make certain. What was written before the start must not turn up after it. A device
 * that may have left with translations of the table goes on writing, and no invalidation
 * of the domain's reaches it: such a domain is haunted, and is not tracked any more.
 */
static int arm_set_feature(struct iommu_domain *domain,
			   enum iommu_dirty_feature feature, bool value)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	int i, ret = -EIO;

	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;
	if (!value)
		return 0;
	if (READ_ONCE(smmu_domain->haunted))
		return -EIO;
	for (i = 0; i < TRIES && ret; i++)
		ret = renew_configuration(smmu_domain);
	return ret ?: arm_sync(domain);
}

static unsigned int granule_shift(unsigned int tg)
{
	switch (tg) {
	case ARM_LPAE_TCR_TG0_64K:
		return 16;
	case ARM_LPAE_TCR_TG0_16K:
		return 14;
	default:
		return 12;
	}
}

static struct iommu_dirty_root arm_root(struct arm_smmu_domain *smmu_domain,
					struct lpae_geometry *geo)
{
	const struct io_pgtable_cfg *cfg =
		&io_pgtable_ops_to_pgtable(smmu_domain->pgtbl_ops)->cfg;

	if (smmu_domain->stage == ARM_SMMU_DOMAIN_S1) {
		*geo = (struct lpae_geometry) {
			.stage = 1,
			.granule_shift =
				granule_shift(cfg->arm_lpae_s1_cfg.tcr.tg),
			.ia_bits = 64 - cfg->arm_lpae_s1_cfg.tcr.tsz,
		};
		return lpae_root(geo, phys_to_virt(cfg->arm_lpae_s1_cfg.ttbr));
	}
	*geo = (struct lpae_geometry) {
		.stage = 2,
		.granule_shift = granule_shift(cfg->arm_lpae_s2_cfg.vtcr.tg),
		.ia_bits = 64 - cfg->arm_lpae_s2_cfg.vtcr.tsz,
		.sl0 = cfg->arm_lpae_s2_cfg.vtcr.sl,
	};
	return lpae_root(geo, phys_to_virt(cfg->arm_lpae_s2_cfg.vttbr));
}

static int arm_walk(struct iommu_domain *domain,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last)
{
	struct lpae_geometry geo;
	struct iommu_dirty_root root = arm_root(to_smmu_domain(domain), &geo);

	return lpae_walk(&geo, &root, chunk, iova, last);
}

static int arm_clear(struct iommu_domain *domain,
		     struct iommu_dirty_chunk *chunk)
{
	struct lpae_geometry geo;
	struct iommu_dirty_root root = arm_root(to_smmu_domain(domain), &geo);

	return lpae_clear(&geo, &root, chunk);
}

/*
 * The driver's own invalidations, by ASID or VMID, with the device TLBs after them.
 * The range holds leaves of any size: the invalidation must not name a level (TTL),
 * as it does when it is for leaves of one size.
 */
static void invalidate(struct iommu_domain *domain, unsigned long iova,
		       unsigned long last)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	struct io_pgtable *iop =
		io_pgtable_ops_to_pgtable(smmu_domain->pgtbl_ops);
	unsigned long granule = BIT(__ffs(domain->pgsize_bitmap));
	unsigned long size = last - iova + 1;

	if (!(smmu_domain->smmu->features & ARM_SMMU_FEAT_RANGE_INV) &&
	    size / granule > MAX_PAGE_INVALIDATIONS)
		io_pgtable_tlb_flush_all(iop);
	else
		io_pgtable_tlb_flush_walk(iop, iova, size, granule);
}

/*
 * The driver waits for the commands and drops what came of them: a command that was
 * skipped, and a device TLB that did not answer, look like success.
 */
static int arm_flush(struct iommu_domain *domain, unsigned long iova,
		     unsigned long last)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	int i;

	for (i = 0; i < TRIES; i++) {
		u64 since = failures_so_far(smmu_domain->smmu);

		invalidate(domain, iova, last);
		if (!failed_since(smmu_domain, since))
			return 0;
	}
	return -EIO;
}

static const struct iommu_dirty_backend arm_backend = {
	.name = "arm-smmu-v3",
	.owner = THIS_MODULE,
	.claims = arm_claims,
	.capability = arm_capability,
	.set_feature = arm_set_feature,
	.sync = arm_sync,
	.walk = arm_walk,
	.clear = arm_clear,
	.flush = arm_flush,
};

/**
 * iommu_dirty_arm_register() - register the SMMUv3 driver and its backend
 * @drv: the driver
 * @ops: its operations, by which its domains are known
 *
 * Return: 0; or what iommu_dirty_register() or platform_driver_register() says.
 */
int iommu_dirty_arm_register(struct platform_driver *drv,
			     const struct iommu_ops *ops)
{
	int ret;

	arm_ops = ops;
	ret = iommu_dirty_register(&arm_backend);
	if (ret)
		return ret;
	ret = platform_driver_register(drv);
	if (ret)
		iommu_dirty_arm_unregister();
	return ret;
}

/**
 * iommu_dirty_arm_unregister() - the driver is going away
 *
 * No domain is left then: each pins the driver's module.
 */
void iommu_dirty_arm_unregister(void)
{
	iommu_dirty_unregister(&arm_backend);
}
