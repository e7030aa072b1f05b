// SPDX-License-Identifier: GPL-2.0-only
// A device that leaves a domain is known to have left it, or the domain hears of it.
// Target: drivers/iommu/intel/iommu.c
// Adds: 2

@@
symbol dev, info;
@@
 device_block_translation(struct device *dev)
 {
 <...
+iommu_dirty_intel_torn_down(info->domain, dev, IOMMU_NO_PASID);
 domain_detach_iommu(info->domain, ...);
 ...>
 }

@@
symbol dmar_domain, iommu, dev, pasid;
@@
 intel_iommu_remove_dev_pasid(...)
 {
 ...
 dmar_domain = to_dmar_domain(domain);
 ...
 intel_pasid_tear_down_entry(iommu, dev, pasid, false);
+iommu_dirty_intel_torn_down(dmar_domain, dev, pasid);
 ...
 }
