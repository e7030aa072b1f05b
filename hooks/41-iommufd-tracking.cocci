// SPDX-License-Identifier: GPL-2.0-only
// IOMMU_DOMAIN_UNMANAGED domains are tracked by the dirty-tracking core.
// Target: drivers/iommu/iommufd/io_pagetable.c
// Adds: 7

@ includes @
@@
 #include <linux/iommu.h>
+#include <linux/iommu-dirty.h>
+#include "../dirty/iommufd-dirty.h"

@ set @
identifier iopt, domain, enable, ops;
expression E;
@@
 int iopt_set_dirty_tracking(struct io_pagetable *iopt,
			     struct iommu_domain *domain, bool enable)
 {
 const struct iommu_dirty_ops *ops = E;
 int ret = 0;
+
+if (iommu_dirty_owns(domain))
+	return iommufd_dirty_set_tracking(iopt, domain, enable);
 ...
 }

@ get @
identifier iopt, domain, flags, bitmap, ret;
@@
 int iopt_read_and_clear_dirty_data(struct io_pagetable *iopt,
				    struct iommu_domain *domain,
				    unsigned long flags,
				    struct iommu_hwpt_get_dirty_bitmap *bitmap)
 {
 ...
 ret = iommufd_check_iova_range(iopt, bitmap);
 if (ret)
	return ret;
+if (iommu_dirty_owns(domain))
+	return iommufd_dirty_get_bitmap(iopt, domain, flags, bitmap);
 ...
 }
