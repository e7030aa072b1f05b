// SPDX-License-Identifier: GPL-2.0-only
// What came of a domain's batch of invalidations is not forgotten.
// Target: drivers/iommu/intel/cache.c
// Adds: 6
// Removes: 2

@ includes @
@@
 #include "iommu.h"
+#include "../dirty/intel-slade.h"

@ alloc @
identifier domain;
@@
 domain_qi_batch_alloc(struct dmar_domain *domain)
 {
 ...
 domain->qi_batch = kzalloc(...);
+iommu_dirty_intel_batch_of(domain);
 ...
 }

@@
identifier iommu, batch;
@@
 qi_batch_flush_descs(struct intel_iommu *iommu, struct qi_batch *batch)
 {
+int ret;
+
 if (!iommu || !batch->index)
 	return;
-qi_submit_sync(iommu, batch->descs, batch->index, 0);
+ret = qi_submit_sync(iommu, batch->descs, batch->index, 0);
-memset(batch, 0, sizeof(*batch));
+iommu_dirty_intel_batch_over(batch, ret);
 }
