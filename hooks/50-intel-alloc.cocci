// SPDX-License-Identifier: GPL-2.0-only
// The Intel driver leaves dirty tracking to its backend, which also chooses the
// stage of an iommufd domain, and says which units can read it.
// Target: drivers/iommu/intel/iommu.c
// Adds: 9
// Removes: 2

@ includes @
@@
 #include "iommu.h"
+#include "../dirty/intel-slade.h"
+#include <linux/iommu-dirty.h>

@@
identifier dev, flags, dirty_tracking, dmar_domain;
@@
 intel_iommu_domain_alloc_user(struct device *dev, u32 flags, ...)
 {
 ...
-bool dirty_tracking = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
+bool dirty_tracking = iommu_dirty_left_to_driver(flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
 ...
-dmar_domain = paging_domain_alloc(dev, false);
+dmar_domain = paging_domain_alloc(dev, iommu_dirty_intel_first_stage(dev, flags));
 ...
 }

@ attach @
identifier domain, dev, ret;
@@
 intel_iommu_attach_device(struct iommu_domain *domain, struct device *dev)
 {
 ...
 int ret;
+if (!iommu_dirty_intel_can_use(domain, dev))
+	return -EINVAL;
 ...
 }

@ prepare @
identifier domain, dev, addr_width;
@@
 prepare_domain_attach_device(struct iommu_domain *domain, struct device *dev)
 {
 ...
 int addr_width;
+if (!iommu_dirty_intel_can_use(domain, dev))
+	return -EINVAL;
 ...
 }
