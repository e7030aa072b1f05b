// SPDX-License-Identifier: GPL-2.0-only
// The AMD driver leaves dirty tracking to its backend. The units that a domain is
// attached to may differ: where one cannot record, HAD is reserved. While a domain is
// tracked, what an unmap or an attach has to invalidate is known to have gone.
// Target: drivers/iommu/amd/iommu.c
// Adds: 10
// Removes: 3

@ includes @
@@
 #include "amd_iommu.h"
+#include <linux/iommu-dirty.h>
+#include "../dirty/amd-dte.h"

@@
identifier flags, dirty_tracking;
@@
 do_iommu_domain_alloc(..., u32 flags)
 {
 ...
-bool dirty_tracking = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
+bool dirty_tracking = iommu_dirty_left_to_driver(flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
 ...
 }

@@
expression domain;
@@
 set_dte_entry(...)
 {
 <...
-if (domain->dirty_tracking)
+if (domain->dirty_tracking && iommu_dirty_amd_records(iommu))
 pte_root |= DTE_FLAG_HAD;
 ...>
 }

@@
identifier iommu, evt, type;
@@
 iommu_print_event(struct amd_iommu *iommu, void *evt)
 {
 ...
+iommu_dirty_amd_event(iommu, evt);
 if (type == EVENT_TYPE_IO_FAULT) { ... }
 ...
 }

@@
identifier gather, dom, flags;
@@
 amd_iommu_iotlb_sync(..., struct iommu_iotlb_gather *gather)
 {
 ...
+if (iommu_dirty_amd_unmapped(dom, gather->start, gather->end))
+	return;
 spin_lock_irqsave(&dom->lock, flags);
 ...
 }

@@
identifier dom, flags;
@@
 amd_iommu_flush_iotlb_all(...)
 {
 ...
+if (iommu_dirty_amd_unmapped(dom, 0, ULONG_MAX))
+	return;
 spin_lock_irqsave(&dom->lock, flags);
 ...
 }

@@
identifier dev_data, domain, ret;
@@
 amd_iommu_attach_device(...)
 {
 ...
 struct iommu_dev_data *dev_data = ...;
 struct protection_domain *domain = ...;
 ...
-return ret;
+return iommu_dirty_amd_attached(domain, dev_data, ret);
 }
