// SPDX-License-Identifier: GPL-2.0-only
/* Everything a test runs on: iommufd, and the DMA engines bound to it. */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "layout.h"
#include "need.h"
#include "rig.h"

/* VT-d's capability register: second-stage and first-stage 1 GiB leaves. */
#define CAP_SLLPS_2M	BIT_ULL(34)
#define CAP_SLLPS_1G	BIT_ULL(35)
#define CAP_FL1GP	BIT_ULL(56)

/* AMD v1: every power of two of address bits 51:12 but 512 GiB, which some get wrong. */
#define AMD_LEAF_SIZES	((BIT_ULL(52) - SZ_4K) & ~BIT_ULL(39))

/* Both stages of SMMUv3: its driver takes the granule that is the kernel's page. */
static __u64 smmu_leaf_sizes(void)
{
	switch (getpagesize()) {
	case SZ_64K:
		return SZ_64K | SZ_512M;
	case SZ_16K:
		return SZ_16K | SZ_32M;
	}
	return SZ_4K | SZ_2M | SZ_1G;
}

static __u64 leaf_sizes(const char *device, const struct hw_info *hw, int stage)
{
	struct pci_name iommu;
	__u64 sizes = SZ_4K;

	if (!pci_iommu(device, &iommu))
		errx(EXIT_SETUP, "%s is not behind an IOMMU", device);
	if (!strncmp(iommu.name, "smmu3.", 6))
		return smmu_leaf_sizes();
	if (!strncmp(iommu.name, "ivhd", 4))
		return AMD_LEAF_SIZES;
	if (!hw->vtd)
		errx(EXIT_SETUP, "%s is behind %s: its leaf sizes are not known", device,
		     iommu.name);
	if (stage == 1 || hw->cap_reg & CAP_SLLPS_2M)
		sizes |= SZ_2M;
	if (hw->cap_reg & (stage == 1 ? CAP_FL1GP : CAP_SLLPS_1G))
		sizes |= SZ_1G;
	return sizes;
}

void rig_open_any_pages(struct rig *rig, int min, int stage)
{
	struct pci_name names[RIG_DEVICES];
	struct iommu_dirty_query query;
	const char *step;

	rig->stage = stage;
	rig->devices = pci_find(EDU_VENDOR, EDU_DEVICE, names, RIG_DEVICES);
	if (rig->devices < min)
		errx(EXIT_SETUP, "%d edu devices found, %d needed (QEMU: -device edu)",
		     rig->devices, min);
	rig->iommufd = iommufd_open();
	need(rig->iommufd, "/dev/iommu");
	for (int i = 0; i < rig->devices; i++) {
		need(vfio_open(&rig->dev[i], names[i].name, rig->iommufd, &step),
		     "%s: cannot %s", names[i].name, step);
		edu_init(&rig->edu[i], rig->dev[i].bar0);
	}
	need(iommufd_hw_info(rig->iommufd, rig->dev[0].dev_id, &rig->hw),
	     "IOMMU_GET_HW_INFO");
	rig->leaf_sizes = leaf_sizes(names[0].name, &rig->hw, stage);
	/* There is no HWPT 0xffffffff: any other answer shows the command exists. */
	rig->has_query = hwpt_query(rig->iommufd, ~0U, &query) != -ENOTTY;
}

void rig_open(struct rig *rig, int min, int stage)
{
	if (getpagesize() != SZ_4K)
		errx(EXIT_SETUP, "this kernel has pages of %d bytes, not of 4096",
		     getpagesize());
	rig_open_any_pages(rig, min, stage);
}

int rig_untrackable(const struct rig *rig)
{
	for (int i = 1; i < rig->devices; i++) {
		struct hw_info hw;

		if (!iommufd_hw_info(rig->iommufd, rig->dev[i].dev_id, &hw) &&
		    rig->hw.caps & ~hw.caps & IOMMU_HW_CAP_DIRTY_TRACKING)
			return i;
	}
	return -1;
}

void rig_close(struct rig *rig)
{
	for (int i = 0; i < rig->devices; i++)
		vfio_close(&rig->dev[i]);
	close(rig->iommufd);
}
