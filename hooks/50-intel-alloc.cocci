// SPDX-License-Identifier: GPL-2.0-only
// The Intel driver leaves dirty tracking to its backend, which also chooses the
// stage of an iommufd domain.
// Target: drivers/iommu/intel/iommu.c
// Adds: 5
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
