// SPDX-License-Identifier: GPL-2.0-only
// The AMD driver's backend looks at events before the driver does: it has to know when
// the log begins anew, and when it ran over.
// Target: drivers/iommu/amd/init.c
// Adds: 3
// Removes: 0

@ includes @
@@
 #include "amd_iommu.h"
+#include "../dirty/amd-dte.h"

@@
expression iommu;
@@
 iommu_enable_event_buffer(...)
 {
 <...
 writel(0x00, iommu->mmio_base + MMIO_EVT_TAIL_OFFSET);
+iommu_dirty_amd_log_empty(iommu);
 ...>
 }

@@
identifier iommu;
@@
 amd_iommu_restart_event_logging(struct amd_iommu *iommu)
 {
+iommu_dirty_amd_log_overflow(iommu);
 ...
 }
