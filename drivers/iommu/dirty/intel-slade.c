// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: Intel VT-d, second stage and first stage.
 *
 * Second stage: a unit that reports SLADS sets A and D in second-stage entries
 * when the PASID entry through which it came there has SSADE set. First stage:
 * hardware always sets A and D; the driver maps writable leaves with D set, so
 * that they are born dirty. Both need scalable mode and a coherent walk of the
 * tables (SMPWC): clearing writes entries and does not flush CPU caches.
 *
 * A cached translation remembers that its leaf is dirty, and hardware does not
 * look at the leaf again until it is invalidated.
 */
#define pr_fmt(fmt) "iommu-dirty: intel: " fmt

#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <uapi/linux/iommufd.h>

#include "../intel/iommu.h"
#include "../intel/pasid.h"
#include "../iommu-priv.h"
#include "fmt-vtd-ss.h"
#include "fmt-x86.h"
#include "intel-slade.h"

static bool first_stage;
module_param(first_stage, bool, 0444);
MODULE_PARM_DESC(first_stage,
		 "Give iommufd first-stage domains where the hardware has both stages");

static bool unit_records_second_stage(const struct intel_iommu *iommu)
{
	return ssads_supported(iommu) && ecap_slts(iommu->ecap);
}

static bool unit_records_first_stage(const struct intel_iommu *iommu)
{
	return sm_supported(iommu) && ecap_flts(iommu->ecap) &&
	       ecap_smpwc(iommu->ecap);
}

/* Is it a function whose DMA is another's? It has no PASID entries of its own */
static bool dma_by_another(struct device *dev)
{
	return dev_is_pci(dev) &&
	       pci_real_dma_dev(to_pci_dev(dev)) != to_pci_dev(dev);
}

/* The stage of a domain that iommufd allocates with @flags */
static bool stage_is_first(const struct intel_iommu *iommu, u32 flags)
{
	if (!sm_supported(iommu) || !ecap_flts(iommu->ecap) ||
	    flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return false;
	if (first_stage || !ecap_slts(iommu->ecap))
		return true;
	return flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING &&
	       !unit_records_second_stage(iommu) &&
	       unit_records_first_stage(iommu);
}

/**
 * iommu_dirty_intel_first_stage() - which stage should an iommufd domain use?
 * @dev: device that it is allocated for
 * @flags: of IOMMU_HWPT_ALLOC
 *
 * The stock driver always takes the second stage, and then cannot attach the
 * domain where the unit has none.
 *
 * Return: true for the first stage.
 */
bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags)
{
	const struct device_domain_info *info = dev_iommu_priv_get(dev);

	return stage_is_first(info->iommu, flags);
}

/**
 * iommu_dirty_intel_records() - may SSADE be set in the unit's PASID entries?
 * @iommu: unit
 *
 * A domain may be attached to units of which only some can record.
 *
 * Return: true if the unit records writes through second-stage tables.
 */
bool iommu_dirty_intel_records(const struct intel_iommu *iommu)
{
	return unit_records_second_stage(iommu);
}

static bool intel_claims(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_UNMANAGED &&
	       domain->owner == &intel_iommu_ops;
}

/* Leaves that hardware can read in a table of that stage */
static unsigned long unit_leaf_sizes(const struct intel_iommu *iommu,
				     bool first)
{
	unsigned long sizes = SZ_4K, large = cap_super_page_val(iommu->cap);

	if (first || large & BIT(0))
		sizes |= SZ_2M;
	if (first ? cap_fl1gp_support(iommu->cap) : large & BIT(1))
		sizes |= SZ_1G;
	return sizes;
}

/*
 * Can the unit read the domain's table, and forget what it has read? Without
 * scalable mode there are no stages: any table is taken for one of the second, and
 * invalidations of the first are unknown. Tables of too many levels are cut by the
 * driver, which frees the top one: not while it may be in use.
 */
static bool unit_can_use(const struct intel_iommu *iommu,
			 const struct dmar_domain *dmar)
{
	int width = min_t(int, agaw_to_width(iommu->agaw),
			  cap_mgaw(iommu->cap));
	bool first = dmar->use_first_level;

	if (dmar->force_snooping && !ecap_sc_support(iommu->ecap))
		return false;
	if (sm_supported(iommu) ?
	    !(first ? ecap_flts(iommu->ecap) : ecap_slts(iommu->ecap)) : first)
		return false;
	if (dmar->domain.pgsize_bitmap & ~unit_leaf_sizes(iommu, first))
		return false;
	if (dmar->agaw > iommu->agaw &&
	    (dmar->has_mappings || !xa_empty(&dmar->iommu_array)))
		return false;
	return dmar->max_addr <= 1ULL << width;
}

/**
 * iommu_dirty_intel_fits() - can a device's unit read a domain's table?
 * @domain: domain that may be tracked, to which the device is about to be attached
 * @dev: device
 *
 * The stock driver gives passed-through devices tables that nearly every unit can
 * read. Ours may be those of the first stage.
 *
 * Context: group->mutex and the domain's attach lock are held.
 * Return: true if so.
 */
bool iommu_dirty_intel_fits(const struct iommu_domain *domain,
			    struct device *dev)
{
	const struct device_domain_info *info = dev_iommu_priv_get(dev);

	return unit_can_use(info->iommu,
			    container_of_const(domain, struct dmar_domain,
					       domain));
}

/*
 * Has the device PASID entries, and in them a switch? Behind a unit that cannot record
 * SSADE is reserved, and without scalable mode there are no such entries, as there
 * are none for a function whose DMA is another's.
 */
static bool device_records_second_stage(const struct device_domain_info *info)
{
	return unit_records_second_stage(info->iommu) &&
	       !dma_by_another(info->dev);
}

static int intel_capability(struct iommu_domain *domain, struct device *dev,
			    ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	bool first = false, records = true;

	if (domain) {
		const struct dmar_domain *dmar = to_dmar_domain(domain);

		first = dmar->use_first_level;
		caps->leaf_sizes = domain->pgsize_bitmap;
	}
	if (dev) {
		const struct device_domain_info *info;

		if (!dev->iommu || !dev->iommu->iommu_dev ||
		    dev_iommu_ops(dev) != &intel_iommu_ops)
			return -ENODEV;
		info = dev_iommu_priv_get(dev);
		if (!domain)
			first = stage_is_first(info->iommu,
					       IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
		else if (!unit_can_use(info->iommu, to_dmar_domain(domain)))
			return -EINVAL;

		records = first ? unit_records_first_stage(info->iommu) &&
				  !dma_by_another(dev) :
				  device_records_second_stage(info);
		if (info->ats_supported)
			caps->flags |= IOMMU_DIRTY_CAP_ATS_DIRTY;
	}

	caps->stage = first ? 1 : 2;
	if (records)
		caps->flags |= IOMMU_DIRTY_CAP_RECORD;
	if (first)
		caps->flags |= IOMMU_DIRTY_CAP_BORN_DIRTY;
	return 0;
}

static int submit(const struct device_domain_info *info,
		  const struct qi_desc *desc)
{
	struct qi_desc copy = *desc;

	return qi_submit_sync(info->iommu, &copy, 1, 0);
}

static int invalidate_device_tlb(const struct device_domain_info *info,
				 ioasid_t pasid)
{
	u16 sid = PCI_DEVID(info->bus, info->devfn);
	struct qi_desc desc = {};
	int ret;

	if (!info->ats_enabled)
		return 0;
	/* It will not answer, and what it has written may not have landed */
	if (!pci_device_is_present(to_pci_dev(info->dev)))
		return -ENODEV;
	if (pasid == IOMMU_NO_PASID)
		qi_desc_dev_iotlb(sid, info->pfsid, info->ats_qdep, 0,
				  MAX_AGAW_PFN_WIDTH, &desc);
	else
		qi_desc_dev_iotlb_pasid(sid, info->pfsid, pasid, info->ats_qdep,
					0, 64 - VTD_PAGE_SHIFT, &desc);
	ret = submit(info, &desc);
	if (!ret && info->dtlb_extra_inval)
		ret = submit(info, &desc);
	return ret;
}

/*
 * All that hardware may have cached of a PASID entry and of what it led to, as the
 * driver does, which drops the results: table 25 of the specification. The driver's
 * own ones may have failed, these are known to have been carried out.
 */
static int invalidate_entry(const struct device_domain_info *info,
			    ioasid_t pasid, u16 did, bool first)
{
	struct qi_desc entry = {
		.qw0 = QI_PC_DID(did) | QI_PC_GRAN(QI_PC_PASID_SEL) |
		       QI_PC_PASID((u64)pasid) | QI_PC_TYPE,
	};
	struct qi_desc leaves = {};

	if (first)
		qi_desc_piotlb(did, pasid, 0, -1, false, &leaves);
	else
		qi_desc_iotlb(info->iommu, did, 0, 0, DMA_TLB_DSI_FLUSH,
			      &leaves);
	return submit(info, &entry) ?: submit(info, &leaves) ?:
	       invalidate_device_tlb(info, pasid);
}

/* The same without knowing the domain's ID */
static int invalidate_all_entries(const struct device_domain_info *info,
				  ioasid_t pasid)
{
	struct qi_desc entries = {
		.qw0 = QI_PC_GRAN(QI_PC_GLOBAL) | QI_PC_TYPE,
	};
	struct qi_desc leaves = {};

	qi_desc_iotlb(info->iommu, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH, &leaves);
	return submit(info, &entries) ?: submit(info, &leaves) ?:
	       invalidate_device_tlb(info, pasid);
}

/*
 * SSADE of one entry, where there is one. Once it is off nobody relies on it: hardware
 * that goes on recording does no harm.
 */
static int set_ssade_entry(struct dmar_domain *dmar,
			   const struct device_domain_info *info,
			   ioasid_t pasid, bool value)
{
	int ret;

	if (!device_records_second_stage(info))
		return 0;
	ret = intel_pasid_setup_dirty_tracking(info->iommu, info->dev, pasid,
					       value);
	if (ret || !value)
		return ret;
	return invalidate_entry(info, pasid, domain_id_iommu(dmar, info->iommu),
				false);
}

/*
 * SSADE of every device and PASID that @dmar is attached to. The core holds the
 * attach lock for write, under which alone these lists change; the driver's own
 * lock for them nests inside the unit's, which is taken here.
 */
static int set_ssade_attached(struct dmar_domain *dmar, bool value)
{
	struct device_domain_info *info;
	struct dev_pasid_info *dev_pasid;
	int ret;

	list_for_each_entry(info, &dmar->devices, link) {
		ret = set_ssade_entry(dmar, info, IOMMU_NO_PASID, value);
		if (ret)
			return ret;
	}
	list_for_each_entry(dev_pasid, &dmar->dev_pasids, link_domain) {
		info = dev_iommu_priv_get(dev_pasid->dev);
		ret = set_ssade_entry(dmar, info, dev_pasid->pasid, value);
		if (ret)
			return ret;
	}
	return 0;
}

static int set_ssade_nested(struct dmar_domain *dmar, bool value)
{
	struct dmar_domain *child;
	int ret = 0;

	spin_lock(&dmar->s1_lock);
	list_for_each_entry(child, &dmar->s1_domains, s2_link) {
		ret = set_ssade_attached(child, value);
		if (ret)
			break;
	}
	spin_unlock(&dmar->s1_lock);
	return ret;
}

static int set_ssade(struct dmar_domain *dmar, bool value)
{
	int ret;

	ret = set_ssade_attached(dmar, value);
	if (!ret && dmar->nested_parent)
		ret = set_ssade_nested(dmar, value);
	return ret;
}

/* Batches of invalidations of the domain that failed; a batch comes with an attach */
static unsigned int failures(const struct dmar_domain *dmar)
{
	const struct qi_batch *batch = READ_ONCE(dmar->qi_batch);

	return batch ? READ_ONCE(batch->failures) : 0;
}

/**
 * iommu_dirty_intel_torn_down() - a PASID entry, if there was one, is gone
 * @dmar: domain that it led to, NULL if none that translates
 * @dev: device
 * @pasid: PASID, or IOMMU_NO_PASID while the domain still has an ID for the unit
 *
 * The driver does not look at what came of the invalidations, and flushes of the domain
 * do not reach the device any more: where the domain may be tracked, make sure that it no
 * longer writes through its table.
 *
 * Context: process; group->mutex and the domain's attach lock are held.
 */
void iommu_dirty_intel_torn_down(struct dmar_domain *dmar, struct device *dev,
				 ioasid_t pasid)
{
	const struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *tracked = dmar;
	int ret;

	if (dmar && dmar->domain.type == IOMMU_DOMAIN_NESTED)
		tracked = dmar->s2_domain;
	if (!tracked || !iommu_dirty_owns(&tracked->domain) ||
	    !tracked->dirty_tracking)
		return;
	/* Such a device does not record: the domain reports everything anyway */
	if (!sm_supported(info->iommu) || dma_by_another(dev))
		return;
	if (pasid == IOMMU_NO_PASID)
		ret = invalidate_entry(info, pasid,
				       domain_id_iommu(dmar, info->iommu),
				       tracked->use_first_level);
	else
		ret = invalidate_all_entries(info, pasid);
	if (ret)
		iommu_dirty_flush_failed(&tracked->domain);
}

static int intel_set_feature(struct iommu_domain *domain,
			     enum iommu_dirty_feature feature, bool value)
{
	struct dmar_domain *dmar = to_dmar_domain(domain);
	int ret;

	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;
	/* The first stage has no switch. A detach wants to know */
	if (dmar->use_first_level) {
		dmar->dirty_tracking = value;
		return 0;
	}

	ret = set_ssade(dmar, value);
	if (!ret) {
		/* From here on the driver sets it in each entry it makes */
		dmar->dirty_tracking = value;
	} else if (set_ssade(dmar, dmar->dirty_tracking)) {
		pr_warn("cannot put SSADE back\n");
	}
	return ret;
}

static struct iommu_dirty_root intel_root(const struct dmar_domain *dmar)
{
	return (struct iommu_dirty_root){
		.table = &dmar->pgd->val,
		.level = agaw_to_level(dmar->agaw),
		.bits = 9,
	};
}

static int intel_walk(struct iommu_domain *domain,
		      struct iommu_dirty_chunk *chunk, unsigned long iova,
		      unsigned long last)
{
	const struct dmar_domain *dmar = to_dmar_domain(domain);
	struct iommu_dirty_root root = intel_root(dmar);

	if (dmar->use_first_level)
		return iommu_dirty_walk_table(&x86_format, &root, chunk, iova,
					      last);
	return iommu_dirty_walk_table(&vtd_ss_format, &root, chunk, iova, last);
}

static int intel_clear(struct iommu_domain *domain,
		       struct iommu_dirty_chunk *chunk)
{
	const struct dmar_domain *dmar = to_dmar_domain(domain);
	struct iommu_dirty_root root = intel_root(dmar);

	if (dmar->use_first_level)
		return iommu_dirty_clear_table(&x86_format, &root, chunk);
	return iommu_dirty_clear_table(&vtd_ss_format, &root, chunk);
}

/*
 * The cache tags list every unit, device TLB and PASID that the domain, or a
 * nested child of it, is attached to. Only leaves have changed: the invalidation
 * hint spares the paging-structure caches. The driver waits for completion and
 * drops the result, which is counted where it does. If another invalidation of
 * this domain fails meanwhile, that comes to the same.
 */
static int intel_flush(struct iommu_domain *domain, unsigned long iova,
		       unsigned long last)
{
	struct dmar_domain *dmar = to_dmar_domain(domain);
	unsigned int before = failures(dmar);

	cache_tag_flush_range(dmar, iova, last, 1);
	return failures(dmar) == before ? 0 : -EIO;
}

const struct iommu_dirty_backend iommu_dirty_intel_backend = {
	.name = "intel-slade",
	.owner = THIS_MODULE,
	.claims = intel_claims,
	.capability = intel_capability,
	.set_feature = intel_set_feature,
	.walk = intel_walk,
	.clear = intel_clear,
	.flush = intel_flush,
};

static int __init intel_slade_init(void)
{
	return iommu_dirty_register(&iommu_dirty_intel_backend);
}
subsys_initcall(intel_slade_init);
