// SPDX-License-Identifier: GPL-2.0-only
// Whether a device's writes can be tracked is for its backend to say.
// Target: drivers/iommu/iommu.c
// Adds: 6

@@
identifier dev, cap, ops;
@@
 device_iommu_capable(struct device *dev, enum iommu_cap cap)
 {
 const struct iommu_ops *ops;
 ... when any
 ops = dev_iommu_ops(dev);
+if (cap == IOMMU_CAP_DIRTY_TRACKING) {
+	int ret = iommu_dirty_device_capable(dev);
+
+	if (ret >= 0)
+		return ret;
+}
 ...
 }
