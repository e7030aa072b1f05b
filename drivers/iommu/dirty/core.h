/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of domains: who serves them, and what all that is attached can do */
#ifndef __IOMMU_DIRTY_CORE_H
#define __IOMMU_DIRTY_CORE_H

#include "priv.h"

extern struct list_head iommu_dirty_domains;
extern struct mutex iommu_dirty_domains_lock;

struct iommu_dirty_domain *iommu_dirty_get(struct iommu_domain *domain,
					   gfp_t gfp);
struct iommu_dirty_domain *iommu_dirty_get_own(struct iommu_domain *domain);
void iommu_dirty_put(struct iommu_dirty_domain *dd);
struct iommu_dirty_attachment *
iommu_dirty_find_attachment(struct iommu_dirty_domain *dd, struct device *dev,
			    ioasid_t pasid);
u32 iommu_dirty_combine_caps(u32 domain, u32 pair);
void iommu_dirty_ask(struct iommu_dirty_domain *dd,
		     struct iommu_dirty_attachment *at);
void iommu_dirty_recompute(struct iommu_dirty_domain *dd);
bool iommu_dirty_policy_refuses(const struct iommu_dirty_domain *dd);
void iommu_dirty_post(struct iommu_dirty_domain *dd,
		      enum iommu_dirty_events events);
void iommu_dirty_set_mode(struct iommu_dirty_domain *dd,
			  enum iommu_dirty_mode mode,
			  enum iommu_dirty_reason reason);
void iommu_dirty_settle(struct iommu_dirty_domain *dd);
void iommu_dirty_change_policy(struct iommu_dirty_domain *dd,
			       enum iommu_dirty_policy policy);
void iommu_dirty_snapshot(struct iommu_dirty_domain *dd,
			  struct iommu_dirty_info *info);

static inline bool iommu_dirty_can_record(const struct iommu_dirty_caps *caps)
{
	return caps->flags & IOMMU_DIRTY_CAP_RECORD;
}

#endif /* __IOMMU_DIRTY_CORE_H */
