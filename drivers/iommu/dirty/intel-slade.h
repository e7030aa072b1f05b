/* SPDX-License-Identifier: GPL-2.0-only */
/* What the Intel driver asks its dirty-tracking backend */
#ifndef __IOMMU_DIRTY_INTEL_SLADE_H
#define __IOMMU_DIRTY_INTEL_SLADE_H

#include <linux/iommu-dirty.h>
#include <linux/types.h>

#include "../intel/iommu.h"

/* Called only with CONFIG_IOMMU_DIRTY_INTEL: intel-queue.c */
int iommu_dirty_intel_queue_poll(struct intel_iommu *iommu, int wait_index);
int iommu_dirty_intel_queue_result(struct intel_iommu *iommu, int index,
				   int wait_index);

#ifdef CONFIG_IOMMU_DIRTY_INTEL
extern const struct iommu_dirty_backend iommu_dirty_intel_backend;
bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags);
bool iommu_dirty_intel_records(const struct intel_iommu *iommu);
bool iommu_dirty_intel_fits(const struct iommu_domain *domain,
			    struct device *dev);

/**
 * iommu_dirty_intel_can_use() - may a device be attached to a domain?
 * @domain: domain
 * @dev: device
 *
 * Return: false if its unit cannot read the domain's table. Domains of the DMA API
 * are the driver's own business.
 */
static inline bool iommu_dirty_intel_can_use(const struct iommu_domain *domain,
					     struct device *dev)
{
	return !iommu_dirty_owns(domain) || iommu_dirty_intel_fits(domain, dev);
}

void iommu_dirty_intel_torn_down(struct dmar_domain *dmar, struct device *dev,
				 ioasid_t pasid);

static inline void iommu_dirty_intel_batch_of(struct dmar_domain *dmar)
{
	if (dmar->qi_batch)
		dmar->qi_batch->domain = &dmar->domain;
}

/**
 * iommu_dirty_intel_submit_batch() - submit a batch, and note what came of it
 * @iommu: unit
 * @batch: a domain's
 *
 * Context: the domain's cache_lock is held.
 */
static inline void
iommu_dirty_intel_submit_batch(struct intel_iommu *iommu,
			       struct qi_batch *batch)
{
	if (!qi_submit_sync(iommu, batch->descs, batch->index, 0))
		return;
	WRITE_ONCE(batch->failures, batch->failures + 1);
	if (iommu_dirty_owns(batch->domain))
		iommu_dirty_flush_failed(batch->domain);
}

static inline void iommu_dirty_intel_empty_batch(struct qi_batch *batch)
{
	memset(batch, 0, offsetof(struct qi_batch, domain));
}
#else
static inline void iommu_dirty_intel_torn_down(struct dmar_domain *dmar,
					       struct device *dev,
					       ioasid_t pasid)
{
}

static inline void iommu_dirty_intel_batch_of(struct dmar_domain *dmar)
{
}

static inline void
iommu_dirty_intel_submit_batch(struct intel_iommu *iommu,
			       struct qi_batch *batch)
{
	qi_submit_sync(iommu, batch->descs, batch->index, 0);
}

static inline void iommu_dirty_intel_empty_batch(struct qi_batch *batch)
{
	memset(batch, 0, sizeof(*batch));
}

static inline bool iommu_dirty_intel_first_stage(struct device *dev, u32 flags)
{
	return false;
}

static inline bool iommu_dirty_intel_records(const struct intel_iommu *iommu)
{
	return true;
}

static inline bool iommu_dirty_intel_can_use(const struct iommu_domain *domain,
					     struct device *dev)
{
	return true;
}
#endif

#endif /* __IOMMU_DIRTY_INTEL_SLADE_H */
