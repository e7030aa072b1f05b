// SPDX-License-Identifier: GPL-2.0-only
/* iommufd's ioctls as functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "compiler.h"
#include "iommufd.h"

/* What a stock kernel's iommufd returns for a command it does not have. */
#define ENOIOCTLCMD 515

int iommufd_call(int fd, unsigned long cmd, void *arg)
{
	if (!ioctl(fd, cmd, arg))
		return 0;
	return errno == ENOIOCTLCMD ? -ENOTTY : -errno;
}

int iommufd_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int iommufd_destroy(int fd, __u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return iommufd_call(fd, IOMMU_DESTROY, &cmd);
}

int iommufd_hw_info(int fd, __u32 dev_id, struct hw_info *info)
{
	struct iommu_hw_info_vtd vtd = {};
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.data_len = sizeof(vtd),
		.data_uptr = (uintptr_t)&vtd,
	};
	int rc = iommufd_call(fd, IOMMU_GET_HW_INFO, &cmd);

	memset(info, 0, sizeof(*info));
	if (rc)
		return rc;
	info->caps = cmd.out_capabilities;
	info->vtd = cmd.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD;
	if (info->vtd) {
		info->cap_reg = vtd.cap_reg;
		info->ecap_reg = vtd.ecap_reg;
	}
	return 0;
}

int ioas_alloc(int fd, __u32 *id)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = iommufd_call(fd, IOMMU_IOAS_ALLOC, &cmd);

	*id = cmd.out_ioas_id;
	return rc;
}

int ioas_map(int fd, __u32 ioas, void *va, __u64 len, __u64 iova, bool writable)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 (writable ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};

	return iommufd_call(fd, IOMMU_IOAS_MAP, &cmd);
}

int ioas_unmap(int fd, __u32 ioas, __u64 iova, __u64 len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = len,
	};

	return iommufd_call(fd, IOMMU_IOAS_UNMAP, &cmd);
}

int ioas_allows(int fd, __u32 ioas, __u64 iova, __u64 len)
{
	struct iommu_iova_range range[64] = {};
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = ARRAY_SIZE(range),
		.allowed_iovas = (uintptr_t)range,
	};
	int rc = iommufd_call(fd, IOMMU_IOAS_IOVA_RANGES, &cmd);

	if (rc)
		return rc;
	for (__u32 i = 0; i < cmd.num_iovas; i++)
		if (iova >= range[i].start && iova + len - 1 <= range[i].last)
			return 1;
	return 0;
}

int ioas_set_huge_pages(int fd, __u32 ioas, bool on)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
		.val64 = on,
	};

	return iommufd_call(fd, IOMMU_OPTION, &cmd);
}

int hwpt_alloc(int fd, __u32 dev_id, __u32 ioas, __u32 flags, __u32 *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev_id,
		.pt_id = ioas,
	};
	int rc = iommufd_call(fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

int hwpt_set_dirty_flags(int fd, __u32 hwpt, __u32 flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.hwpt_id = hwpt,
	};

	return iommufd_call(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int hwpt_set_dirty(int fd, __u32 hwpt, bool on)
{
	return hwpt_set_dirty_flags(fd, hwpt,
				    on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0);
}

int hwpt_get_dirty(int fd, __u32 hwpt, __u64 iova, __u64 len, __u64 page_size,
		   void *bitmap, __u32 flags)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = len,
		.page_size = page_size,
		.data = (uintptr_t)bitmap,
	};

	return iommufd_call(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

int hwpt_query(int fd, __u32 hwpt, struct iommu_dirty_query *query)
{
	memset(query, 0, sizeof(*query));
	query->size = sizeof(*query);
	query->hwpt_id = hwpt;
	return iommufd_call(fd, IOMMU_DIRTY_QUERY, query);
}

int hwpt_set_policy(int fd, __u32 hwpt, __u32 policy)
{
	struct iommu_dirty_set_policy cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.policy = policy,
	};

	return iommufd_call(fd, IOMMU_DIRTY_SET_POLICY, &cmd);
}

int hwpt_can_attach(int fd, __u32 hwpt, __u32 dev_id,
		    struct iommu_dirty_can_attach *forecast)
{
	memset(forecast, 0, sizeof(*forecast));
	forecast->size = sizeof(*forecast);
	forecast->dev_id = dev_id;
	forecast->hwpt_id = hwpt;
	return iommufd_call(fd, IOMMU_DIRTY_CAN_ATTACH, forecast);
}

int hwpt_eventfd(int fd, __u32 hwpt, int eventfd, __u32 flags)
{
	struct iommu_dirty_eventfd cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.hwpt_id = hwpt,
		.fd = eventfd,
	};

	return iommufd_call(fd, IOMMU_DIRTY_EVENTFD, &cmd);
}
