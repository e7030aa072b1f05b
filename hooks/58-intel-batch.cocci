// SPDX-License-Identifier: GPL-2.0-only
// What came of a domain's batch of invalidations is not forgotten.
// Target: drivers/iommu/intel/cache.c
// Adds: 4
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

@ submit @
identifier iommu, batch;
@@
 qi_batch_flush_descs(struct intel_iommu *iommu, struct qi_batch *batch)
 {
 ...
-qi_submit_sync(iommu, batch->descs, batch->index, 0);
+iommu_dirty_intel_submit_batch(iommu, batch);
 ...
 }

// By itself: with the line before, one version of spatch takes the comment between
// them away, and another does not.
@ empty @
identifier iommu, batch;
@@
 qi_batch_flush_descs(struct intel_iommu *iommu, struct qi_batch *batch)
 {
 ...
-memset(batch, 0, sizeof(*batch));
+iommu_dirty_intel_empty_batch(batch);
 }
