// SPDX-License-Identifier: GPL-2.0-only
// The AMD driver leaves dirty tracking to its backend. The units that a domain is
// attached to may differ: where one cannot record, HAD is reserved.
// Target: drivers/iommu/amd/iommu.c
// Adds: 4
// Removes: 2

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
