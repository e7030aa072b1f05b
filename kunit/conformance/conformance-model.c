// SPDX-License-Identifier: GPL-2.0-only
/*
 * A conformance target: a vendor's page table format in the hardware model; the kind
 * of table is the target's data.
 */
#include "conformance.h"
#include "hw-model.h"

static_assert(CONF_MAX_CACHE <= HWM_TLB_MAX_ENTRIES);

static int setup(struct conf *conf)
{
	conf->priv = hwm_create(conf->test, conf->target->data);
	return 0;
}

static int adapter_setup(struct conf *conf)
{
	conf->priv = hwm_create(conf->test, hwm_upstream_kind());
	return 0;
}

static struct device *device(struct conf *conf, unsigned int n)
{
	return &hwm_device_new(conf->priv)->dev;
}

static struct iommu_domain *domain_alloc(struct conf *conf)
{
	return &hwm_domain_new(conf->priv)->domain;
}

static void domain_free(struct iommu_domain *domain)
{
	hwm_domain_free(to_hwm_domain(domain));
}

static struct iommu_domain *domain_nest(struct iommu_domain *parent)
{
	return &hwm_domain_child(to_hwm_domain(parent))->domain;
}

static int attach(struct iommu_domain *domain, struct device *dev)
{
	return iommu_dirty_attach_dev(domain, dev, false);
}

/* To a domain that is none of the consumer's */
static void detach(struct iommu_domain *domain, struct device *dev)
{
	struct hwm_domain *blocked = hwm_domain_new(to_hwm_domain(domain)->hw);
	struct hwm_context *ctx;

	blocked->domain.type = IOMMU_DOMAIN_BLOCKED;
	WARN_ON(iommu_dirty_attach_dev(&blocked->domain, dev, true));
	ctx = hwm_context(to_hwm_device(dev), IOMMU_NO_PASID);
	hwm_context_detach(ctx);
	hwm_domain_free(blocked);
}

static int attach_pasid(struct iommu_domain *domain, struct device *dev,
			ioasid_t pasid)
{
	return iommu_dirty_set_dev_pasid(domain, dev, pasid, NULL);
}

static void detach_pasid(struct iommu_domain *domain, struct device *dev,
			 ioasid_t pasid)
{
	iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, dev, pasid, domain);
}

static void set_ats(struct device *dev, bool on)
{
	to_hwm_device(dev)->ats = on;
}

static void set_cache(struct device *dev, unsigned int entries)
{
	to_hwm_device(dev)->tlb_entries = entries;
}

static int map(struct iommu_domain *domain, unsigned long iova,
	       unsigned long size, unsigned long leaf_size, bool writable)
{
	struct hwm_domain *hd = to_hwm_domain(domain);

	if (iova + size - 1 > hwm_reach(hd->hw))
		return -ERANGE;
	return hwm_map(hd, iova, size, leaf_size, writable);
}

static void unmap(struct iommu_domain *domain, unsigned long iova,
		  unsigned long size)
{
	hwm_unmap(to_hwm_domain(domain), iova, size);
}

static int dma(struct device *dev, ioasid_t pasid, unsigned long iova,
	       bool write)
{
	return hwm_dma(to_hwm_device(dev), pasid, iova, 1, write);
}

static void settle(struct iommu_domain *domain)
{
	hwm_settle(to_hwm_domain(domain));
}

/* The same behind a driver that has only upstream's operations */
static struct iommu_domain *adapter_domain_alloc(struct conf *conf)
{
	struct hwm_domain *hd = hwm_domain_new(conf->priv);

	hwm_make_upstream(hd, conf->target->data);
	return &hd->domain;
}

const struct conf_ops conf_adapter_ops = {
	.setup = adapter_setup,
	.device = device,
	.domain_alloc = adapter_domain_alloc,
	.domain_free = domain_free,
	.domain_nest = domain_nest,
	.attach = attach,
	.detach = detach,
	.attach_pasid = attach_pasid,
	.detach_pasid = detach_pasid,
	.set_ats = set_ats,
	.set_cache = set_cache,
	.map = map,
	.unmap = unmap,
	.dma = dma,
	.settle = settle,
	.moves = true,
	/* What else the domain may have, the suite has no places for */
	.leaf_sizes = SZ_4K | SZ_64K | SZ_2M | SZ_1G,
	.vague = "upstream's operations do not tell of clean leaves",
};

const struct conf_ops conf_model_ops = {
	.setup = setup,
	.device = device,
	.domain_alloc = domain_alloc,
	.domain_free = domain_free,
	.domain_nest = domain_nest,
	.attach = attach,
	.detach = detach,
	.attach_pasid = attach_pasid,
	.detach_pasid = detach_pasid,
	.set_ats = set_ats,
	.set_cache = set_cache,
	.map = map,
	.unmap = unmap,
	.dma = dma,
	.settle = settle,
	.moves = true,
};
