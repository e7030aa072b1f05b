/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Some 6.12.y carry iommufd selftests that are newer than their iommufd: they use
 * names that their own headers lack. With these the unchanged tests compile. Devices
 * with PASIDs become ordinary ones, which is all that most cases need; those that ask
 * for newer hardware information fail, on the stock kernel too.
 */
#define IOMMU_HW_INFO_TYPE_DEFAULT	0
#define IOMMU_HW_INFO_FLAG_INPUT_TYPE	(1 << 0)
#define MOCK_FLAGS_DEVICE_PASID		0
#define MOCK_PASID_WIDTH		0
/* In a union there: */
#define in_data_type			out_data_type
