// SPDX-License-Identifier: GPL-2.0-only
// The IOMMU core's calls of a driver's attach, detach, PASID and release go
// through the dirty-tracking core, which makes them under the domain's attach lock.
// Target: drivers/iommu/iommu.c
// Adds: 14
// Removes: 10
// Early: 12 9

@ includes @
@@
 #include <linux/iommu.h>
+#include <linux/iommu-dirty.h>

@ attach @
identifier domain, dev, ret;
@@
 __iommu_attach_device(struct iommu_domain *domain, struct device *dev)
 {
+struct iommu_group *group = dev->iommu_group;
 ...
-ret = domain->ops->attach_dev(domain, dev);
+ret = iommu_dirty_attach_dev(domain, dev,
+			     group->domain == domain || group->blocking_domain == domain);
 ...
 }

@ set_pasid @
expression domain, dev, pasid, old;
@@
-domain->ops->set_dev_pasid(domain, dev, pasid, old)
+iommu_dirty_set_dev_pasid(domain, dev, pasid, old)

// Up to 6.12.38 or later a PASID that has a domain gets no other one.
@ set_pasid_early @
expression domain, dev, pasid;
@@
-domain->ops->set_dev_pasid(domain, dev, pasid)
+iommu_dirty_set_dev_pasid(domain, dev, pasid, NULL)

@ remove_pasid @
expression E, dev, pasid, domain;
@@
-E->remove_dev_pasid(dev, pasid, domain)
+iommu_dirty_remove_dev_pasid(E, dev, pasid, domain)

@ release_domain @
expression E, dev;
@@
-E->release_domain->ops->attach_dev(E->release_domain, dev)
+iommu_dirty_attach_dev(E->release_domain, dev, true)

@ release @
expression E, dev;
@@
-if (E->release_device)
-	E->release_device(dev);
+iommu_dirty_release_device(E, dev);

@ free @
identifier domain;
@@
 void iommu_domain_free(struct iommu_domain *domain)
 {
+iommu_dirty_domain_free(domain);
 ...
 }
