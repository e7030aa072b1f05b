// SPDX-License-Identifier: GPL-2.0-only
// The units that a domain is attached to may differ: where one cannot record, SSADE
// is reserved, and all of the device's DMA would fault.
// Target: drivers/iommu/intel/pasid.c
// Adds: 3
// Removes: 2

@ includes @
@@
 #include "pasid.h"
+#include "../dirty/intel-slade.h"

@@
expression domain;
@@
-if (domain->dirty_tracking)
+if (domain->dirty_tracking && iommu_dirty_intel_records(iommu))
 	pasid_set_ssade(...);
