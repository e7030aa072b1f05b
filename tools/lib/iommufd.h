/* SPDX-License-Identifier: GPL-2.0-only */
/* iommufd's ioctls as functions. All return 0 or a negative errno. */
#ifndef TOOLS_IOMMUFD_H
#define TOOLS_IOMMUFD_H

#include <linux/iommu-dirty.h>
#include <linux/iommufd.h>
#include <linux/types.h>
#include <stdbool.h>

/* What IOMMU_GET_HW_INFO says; the registers are 0 when it is not VT-d. */
struct hw_info {
	bool vtd;
	__u64 caps;	/* enum iommufd_hw_capabilities */
	__u64 cap_reg;
	__u64 ecap_reg;
};

/* Any command, its structure as it is; -ENOTTY on a kernel that does not have it. */
int iommufd_call(int fd, unsigned long cmd, void *arg);

int iommufd_open(void);		/* a file descriptor */
int iommufd_destroy(int fd, __u32 id);
int iommufd_hw_info(int fd, __u32 dev_id, struct hw_info *info);

int ioas_alloc(int fd, __u32 *id);
int ioas_map(int fd, __u32 ioas, void *va, __u64 len, __u64 iova, bool writable);
int ioas_unmap(int fd, __u32 ioas, __u64 iova, __u64 len);
/*
 * Whether all of the range may be mapped: 1 or 0. Some IOVAs are out of the
 * hardware's reach or reserved, for interrupts for example; which ones depends
 * on the devices that are attached.
 */
int ioas_allows(int fd, __u32 ioas, __u64 iova, __u64 len);
/* Off: everything is mapped with 4 KiB leaves. */
int ioas_set_huge_pages(int fd, __u32 ioas, bool on);

int hwpt_alloc(int fd, __u32 dev_id, __u32 ioas, __u32 flags, __u32 *id);
int hwpt_set_dirty_flags(int fd, __u32 hwpt, __u32 flags);
int hwpt_set_dirty(int fd, __u32 hwpt, bool on);
int hwpt_get_dirty(int fd, __u32 hwpt, __u64 iova, __u64 len, __u64 page_size,
		   void *bitmap, __u32 flags);

/* What this project adds. */
int hwpt_query(int fd, __u32 hwpt, struct iommu_dirty_query *query);
int hwpt_set_policy(int fd, __u32 hwpt, __u32 policy);
int hwpt_can_attach(int fd, __u32 hwpt, __u32 dev_id,
		    struct iommu_dirty_can_attach *forecast);
int hwpt_eventfd(int fd, __u32 hwpt, int eventfd, __u32 flags);

#endif
