/* SPDX-License-Identifier: GPL-2.0-only */
/* A PCI device in the hands of user space: vfio-pci's character device. */
#ifndef TOOLS_VFIO_H
#define TOOLS_VFIO_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PCI_NAME_LEN 32

struct pci_name {
	char name[PCI_NAME_LEN];	/* 0000:00:03.0 */
};

struct vfio_device {
	char name[PCI_NAME_LEN];
	int fd;
	__u32 dev_id;			/* what iommufd calls it */
	void *bar0;
	size_t bar0_len;
};

/* 0 or a negative errno. */
int sysfs_write(const char *path, const char *string);

/* Names of the PCI devices with this vendor and device ID; returns how many. */
int pci_find(unsigned int vendor, unsigned int device,
	     struct pci_name *names, int max);

/*
 * The IOMMU that the device is behind, by its name in /sys/class/iommu: "dmar0",
 * "ivhd0", "smmu3.0x...". False if there is none.
 */
bool pci_iommu(const char *name, struct pci_name *iommu);

/*
 * Give the device to vfio-pci, bind it to the iommufd, map BAR 0 and let it be
 * a bus master. Attaches nothing. 0 or a negative errno, and then *@step says
 * what failed.
 */
int vfio_open(struct vfio_device *dev, const char *name, int iommufd,
	      const char **step);
void vfio_close(struct vfio_device *dev);

/* @pt_id is a HWPT or an IOAS; a device that is attached elsewhere is moved. */
int vfio_attach(struct vfio_device *dev, __u32 pt_id);
int vfio_detach(struct vfio_device *dev);

/*
 * The older interface, with the device at vfio-pci but not open: its group, a file
 * descriptor. Given to a container its devices are the DMA API's no more, and have
 * no domain that translates until the container gets one.
 */
int vfio_group_open(const char *name);
int vfio_group_set_container(int group, int container);
int vfio_group_unset_container(int group);

/* A container, a file descriptor; with its first group in it, it can get its tables. */
int vfio_container_open(void);
int vfio_container_set_type1(int container);
int vfio_container_map(int container, void *va, __u64 len, __u64 iova);
/* A device of a group in such a container, as vfio_open() leaves one. */
int vfio_group_device(struct vfio_device *dev, int group, const char *name,
		      const char **step);

#endif
