// SPDX-License-Identifier: GPL-2.0-only
// The AMD driver leaves dirty tracking to its backend.
// Target: drivers/iommu/amd/iommu.c
// Adds: 3
// Removes: 1

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
