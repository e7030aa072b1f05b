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
#include <linux/cleanup.h>
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

/**
 * iommu_dirty_amd_log_empty() - the unit's event log begins anew
 * @iommu: unit; it logs nothing yet
 */
void iommu_dirty_amd_log_empty(struct amd_iommu *iommu)
{
	iommu->dirty_seen = 0;
}

/**
 * iommu_dirty_amd_log_overflow() - events of the unit were lost
 * @iommu: unit; the driver is about to let it log again
 */
void iommu_dirty_amd_log_overflow(struct amd_iommu *iommu)
{
	WRITE_ONCE(iommu->dirty_overflows, iommu->dirty_overflows + 1);
}

/*
 * The driver makes every DTE, aliases' too, from the domain's state: change that,
 * and let it make them again.
 */
static void set_recording(struct protection_domain *pdom, bool value)
{
	guard(spinlock_irqsave)(&pdom->lock);
	pdom->dirty_tracking = value;
	amd_iommu_update_and_flush_device_table(pdom);
}

/*
 * What was cached while nothing was recorded has to go, entries of the device table
 * and translations, and it has to be known to have gone. What is recorded while
 * recording is off, nobody reads: that always succeeds.
 */
static int amd_set_feature(struct iommu_domain *domain,
			   enum iommu_dirty_feature feature, bool value)
{
	struct protection_domain *pdom = to_pdomain(domain);
	int ret;

	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;
	if (pdom->dirty_tracking == value)
		return 0;

	set_recording(pdom, value);
	if (!value)
		return 0;
	iommu_dirty_amd_forget_lost(pdom);
	ret = iommu_dirty_amd_flush(pdom, 0, ULONG_MAX, true);
	if (ret)
		set_recording(pdom, false);
	return ret;
}

/* A map of something else may be adding a level just now */
static struct iommu_dirty_root amd_root(struct protection_domain *pdom)
{
	struct iommu_dirty_root root = { .bits = 9 };

	guard(spinlock_irqsave)(&pdom->lock);
	root.table = pdom->iop.root;
	root.level = pdom->iop.mode;
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

static int amd_flush(struct iommu_domain *domain, unsigned long iova,
		     unsigned long last)
{
	return iommu_dirty_amd_flush(to_pdomain(domain), iova, last, false);
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
