// SPDX-License-Identifier: GPL-2.0-only
/* A PCI device in the hands of user space: vfio-pci's character device. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio.h"

#define PCI_SYSFS "/sys/bus/pci"

int sysfs_write(const char *path, const char *string)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, string, strlen(string)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static unsigned int read_hex(const char *name, const char *attribute)
{
	char path[512];
	unsigned int value = 0;
	FILE *file;

	snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/%s", name, attribute);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%x", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int pci_find(unsigned int vendor, unsigned int device,
	     struct pci_name *names, int max)
{
	struct dirent **list;
	int found = 0;
	int n = scandir(PCI_SYSFS "/devices", &list, NULL, by_name);

	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (found < max && strlen(name) < PCI_NAME_LEN &&
		    read_hex(name, "vendor") == vendor &&
		    read_hex(name, "device") == device)
			snprintf(names[found++].name, PCI_NAME_LEN, "%s", name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return found;
}

bool pci_iommu(const char *name, struct pci_name *iommu)
{
	char path[256], target[256];
	const char *last;
	ssize_t len;

	snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/iommu", name);
	len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = 0;
	last = strrchr(target, '/');
	snprintf(iommu->name, sizeof(iommu->name), "%.31s", last ? last + 1 : target);
	return true;
}

static int give_to_vfio(const char *name)
{
	char path[256], driver[256];
	ssize_t len;
	int rc;

	snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/driver", name);
	len = readlink(path, driver, sizeof(driver) - 1);
	if (len > 0) {
		driver[len] = 0;
		if (!strcmp(strrchr(driver, '/') + 1, "vfio-pci"))
			return 0;
		snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/driver/unbind", name);
		rc = sysfs_write(path, name);
		if (rc)
			return rc;
	}
	snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/driver_override", name);
	rc = sysfs_write(path, "vfio-pci");
	if (rc)
		return rc;
	return sysfs_write(PCI_SYSFS "/drivers_probe", name);
}

/* The device node is named for the vfio-dev directory below the device. */
static int open_cdev(const char *name)
{
	char path[256];
	struct dirent *entry;
	int fd = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/vfio-dev", name);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%.64s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		break;
	}
	closedir(dir);
	return fd;
}

static int bind_iommufd(struct vfio_device *dev, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};

	if (ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -errno;
	dev->dev_id = bind.out_devid;
	return 0;
}

static int region_info(struct vfio_device *dev, unsigned int index,
		       struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0;
}

static int map_bar0(struct vfio_device *dev)
{
	struct vfio_region_info info;
	int rc = region_info(dev, VFIO_PCI_BAR0_REGION_INDEX, &info);

	if (rc)
		return rc;
	dev->bar0 = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 dev->fd, info.offset);
	if (dev->bar0 == MAP_FAILED) {
		dev->bar0 = NULL;
		return -errno;
	}
	dev->bar0_len = info.size;
	return 0;
}

static int enable_bus_master(struct vfio_device *dev)
{
	struct vfio_region_info info;
	__u16 command;
	int rc = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);

	if (rc)
		return rc;
	if (pread(dev->fd, &command, sizeof(command), info.offset + PCI_COMMAND) !=
	    sizeof(command))
		return -EIO;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(dev->fd, &command, sizeof(command), info.offset + PCI_COMMAND) !=
	    sizeof(command))
		return -EIO;
	return 0;
}

static int make_usable(struct vfio_device *dev, const char **step)
{
	int rc;

	*step = "map BAR 0";
	rc = map_bar0(dev);
	if (rc)
		return rc;
	*step = "make it a bus master";
	return enable_bus_master(dev);
}

int vfio_open(struct vfio_device *dev, const char *name, int iommufd,
	      const char **step)
{
	int rc;

	memset(dev, 0, sizeof(*dev));
	dev->fd = -1;
	snprintf(dev->name, sizeof(dev->name), "%s", name);

	*step = "give it to vfio-pci";
	rc = give_to_vfio(name);
	if (rc)
		return rc;
	*step = "open its vfio device node";
	rc = open_cdev(name);
	if (rc < 0)
		return rc;
	dev->fd = rc;
	*step = "bind it to iommufd";
	rc = bind_iommufd(dev, iommufd);
	if (!rc)
		rc = make_usable(dev, step);
	if (rc)
		vfio_close(dev);
	return rc;
}

void vfio_close(struct vfio_device *dev)
{
	if (dev->bar0)
		munmap(dev->bar0, dev->bar0_len);
	if (dev->fd >= 0)
		close(dev->fd);
	dev->bar0 = NULL;
	dev->fd = -1;
}

int vfio_attach(struct vfio_device *dev, __u32 pt_id)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = pt_id,
	};

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

int vfio_detach(struct vfio_device *dev)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) ? -errno : 0;
}

int vfio_group_open(const char *name)
{
	char path[256], target[256];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), PCI_SYSFS "/devices/%s/iommu_group", name);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%.16s", strrchr(target, '/') + 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vfio_group_set_container(int group, int container)
{
	return ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ? -errno : 0;
}

int vfio_group_unset_container(int group)
{
	return ioctl(group, VFIO_GROUP_UNSET_CONTAINER) ? -errno : 0;
}

int vfio_container_open(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vfio_container_set_type1(int container)
{
	return ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ? -errno : 0;
}

int vfio_container_map(int container, void *va, __u64 len, __u64 iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int vfio_group_device(struct vfio_device *dev, int group, const char *name,
		      const char **step)
{
	int rc;

	memset(dev, 0, sizeof(*dev));
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	*step = "open it";
	dev->fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (dev->fd < 0)
		return -errno;
	rc = make_usable(dev, step);
	if (rc)
		vfio_close(dev);
	return rc;
}
