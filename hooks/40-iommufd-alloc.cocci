// SPDX-License-Identifier: GPL-2.0-only
// The core learns which domains were allocated to be tracked, and which domains
// reach memory through another one's table.
// Target: drivers/iommu/iommufd/hw_pagetable.c
// Adds: 9

@ includes @
@@
 #include <linux/iommu.h>
+#include <linux/iommu-dirty.h>

@ paging @
identifier hwpt, ops, rc;
statement S1, S2;
@@
 iommufd_hwpt_paging_alloc(...)
 {
 ...
 struct iommufd_hw_pagetable *hwpt;
 int rc;
 ... when any
 if (ops->domain_alloc_user) S1 else S2
+if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) {
+	rc = iommu_dirty_domain_require(hwpt->domain, idev->dev);
+	if (rc)
+		goto out_abort;
+}
 ... when any
 }

@ nested @
identifier hwpt, ops, rc;
expression E;
@@
 iommufd_hwpt_nested_alloc(...)
 {
 ...
 struct iommufd_hw_pagetable *hwpt;
 int rc;
 ... when any
 hwpt->domain->owner = ops;
+rc = iommu_dirty_nest(hwpt->domain, parent->common.domain);
+if (rc)
+	goto out_abort;
 if (WARN_ON_ONCE(E)) {
 ...
 }
 ... when any
 }
