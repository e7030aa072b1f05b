// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: AMD-Vi, host page tables (v1).
 *
 * A unit that reports HASup and HDSup sets A and D in leaves for devices whose
 * device table entry (DTE) has HAD = 3. Domains for passed-through devices always
 * have v1 tables. Leaves are mapped with D clear.
 *
 * A cached translation remembers that its leaf is dirty, and hardware does not
 * look at the leaf again until it is invalidated.
 */
#include <linux/init.h>

#include "../amd/amd_iommu.h"
#include "../iommu-priv.h"
#include "amd-dte.h"
#include "fmt-amdv1.h"

static bool unit_records(const struct amd_iommu *iommu)
{
	const u64 needs = FEATURE_HASUP | FEATURE_HDSUP;

	return (iommu->features & needs) == needs;
}

/**
 * iommu_dirty_amd_records() - may HAD be set in the unit's device table entries?
 * @iommu: unit
 *
 * A domain may be attached to units of which only some can record.
 *
 * Return: true if the unit records writes.
 */
bool iommu_dirty_amd_records(const struct amd_iommu *iommu)
{
	return unit_records(iommu);
}

static bool amd_claims(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_UNMANAGED &&
	       domain->owner == &amd_iommu_ops &&
	       container_of(domain, struct protection_domain,
			    domain)->pd_mode == PD_MODE_V1;
}

static int amd_capability(struct iommu_domain *domain, struct device *dev,
			  ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	bool records = true;

	if (dev) {
		const struct iommu_dev_data *dev_data;

		if (!dev->iommu || !dev->iommu->iommu_dev ||
		    dev_iommu_ops(dev) != &amd_iommu_ops)
			return -ENODEV;
		dev_data = dev_iommu_priv_get(dev);
		records = unit_records(get_amd_iommu_from_dev(dev));
		if (dev_data->flags & AMD_IOMMU_DEVICE_FLAG_ATS_SUP)
			caps->flags |= IOMMU_DIRTY_CAP_ATS_DIRTY;
	}
	if (domain)
		caps->leaf_sizes = domain->pgsize_bitmap;
	caps->stage = 2;
	if (records)
		caps->flags |= IOMMU_DIRTY_CAP_RECORD;
	return 0;
}

/*
 * The driver makes every DTE, aliases' too, from the domain's state: change that,
 * and let it make them again. A translation that was cached while nothing was
 * recorded has to go.
 */
static int amd_set_feature(struct iommu_domain *domain,
			   enum iommu_dirty_feature feature, bool value)
{
	struct protection_domain *pdom = to_pdomain(domain);
	unsigned long flags;

	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;

	spin_lock_irqsave(&pdom->lock, flags);
	if (pdom->dirty_tracking != value) {
		pdom->dirty_tracking = value;
		amd_iommu_update_and_flush_device_table(pdom);
		amd_iommu_domain_flush_pages(pdom, 0,
					     CMD_INV_IOMMU_ALL_PAGES_ADDRESS);
	}
	spin_unlock_irqrestore(&pdom->lock, flags);
	return 0;
}

/* A map of something else may be adding a level just now */
static struct iommu_dirty_root amd_root(const struct protection_domain *pdom)
{
	struct iommu_dirty_root root = { .bits = 9 };
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&pdom->iop.seqcount);
		root.table = pdom->iop.root;
		root.level = pdom->iop.mode;
	} while (read_seqcount_retry(&pdom->iop.seqcount, seq));
	return root;
}

static int amd_walk(struct iommu_domain *domain,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last)
{
	struct iommu_dirty_root root = amd_root(to_pdomain(domain));

	return iommu_dirty_walk_table(&amdv1_format, &root, chunk, iova, last);
}

static int amd_clear(struct iommu_domain *domain,
		     struct iommu_dirty_chunk *chunk)
{
	struct iommu_dirty_root root = amd_root(to_pdomain(domain));

	return iommu_dirty_clear_table(&amdv1_format, &root, chunk);
}

/*
 * The driver's own invalidation of every unit and device TLB that the domain is
 * in. It drops the result: so wait once more, for what was queued last.
 */
static int amd_flush(struct iommu_domain *domain, unsigned long iova,
		     unsigned long last)
{
	struct protection_domain *pdom = to_pdomain(domain);
	struct pdom_iommu_info *info;
	unsigned long flags, i;
	int err, ret = 0;

	spin_lock_irqsave(&pdom->lock, flags);
	amd_iommu_domain_flush_pages(pdom, iova, last - iova + 1);
	xa_for_each(&pdom->iommu_array, i, info) {
		err = iommu_completion_wait(info->iommu);
		ret = ret ?: err;
	}
	spin_unlock_irqrestore(&pdom->lock, flags);
	return ret;
}

static const struct iommu_dirty_backend amd_backend = {
	.name = "amd-dte",
	.owner = THIS_MODULE,
	.claims = amd_claims,
	.capability = amd_capability,
	.set_feature = amd_set_feature,
	.walk = amd_walk,
	.clear = amd_clear,
	.flush = amd_flush,
};

static int __init amd_dte_init(void)
{
	return iommu_dirty_register(&amd_backend);
}
subsys_initcall(amd_dte_init);
