// SPDX-License-Identifier: GPL-2.0-only
// An error that stops the invalidation queue may be anybody's: each submission learns of
// its own descriptors, see drivers/iommu/dirty/intel-queue.c.
// Target: drivers/iommu/intel/dmar.c
// Adds: 7
// Removes: 1

@ includes @
@@
 #include "iommu.h"
+#include "../dirty/intel-slade.h"

@ poll @
symbol rc, iommu, index, wait_index, qi;
@@
 qi_submit_sync(...)
 {
 <...
-rc = qi_check_fault(iommu, index, wait_index);
+if (IS_ENABLED(CONFIG_IOMMU_DIRTY_INTEL))
+	rc = iommu_dirty_intel_queue_poll(iommu, wait_index);
+else
+	rc = qi_check_fault(iommu, index, wait_index);
 ...>
 }

@ result @
symbol rc, iommu, index, wait_index, qi;
statement S;
@@
+if (IS_ENABLED(CONFIG_IOMMU_DIRTY_INTEL))
+	rc = iommu_dirty_intel_queue_result(iommu, index, wait_index);
 for (...; ...; ...) S
 reclaim_free_desc(qi);
