/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * IOMMU dirty tracking: additions to the iommufd user API.
 *
 * The ioctls upstream iommufd has for dirty tracking (IOMMU_HWPT_ALLOC with
 * IOMMU_HWPT_ALLOC_DIRTY_TRACKING, IOMMU_HWPT_SET_DIRTY_TRACKING and
 * IOMMU_HWPT_GET_DIRTY_BITMAP) are unchanged. What is here is issued on the same
 * /dev/iommu file descriptor and follows the same rules: the structure starts
 * with its size, unknown flags and reserved fields are refused with
 * -EOPNOTSUPP, and fields that the kernel does not know must be zero (-E2BIG).
 */
#ifndef _UAPI_LINUX_IOMMU_DIRTY_H
#define _UAPI_LINUX_IOMMU_DIRTY_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Numbers start well clear of the ones upstream hands out, which grow from
 * 0x80.
 */
enum {
	IOMMUFD_CMD_DIRTY_QUERY = 0xe0,
};

/**
 * enum iommu_dirty_mode - what the bits that a read returns mean
 * @IOMMU_DIRTY_MODE_OFF: nothing is tracked, reads are refused
 * @IOMMU_DIRTY_MODE_EXACT: a page is reported when a device wrote it, or for
 *	one of the reasons that the capability names (see &enum
 *	iommu_dirty_cap_flags)
 * @IOMMU_DIRTY_MODE_ALL_DIRTY: every writable mapped page is reported by every
 *	read; one-way until tracking is stopped and started again
 */
enum iommu_dirty_mode {
	IOMMU_DIRTY_MODE_OFF = 0,
	IOMMU_DIRTY_MODE_EXACT = 1,
	IOMMU_DIRTY_MODE_ALL_DIRTY = 2,
};

/**
 * enum iommu_dirty_reason - why the mode is what it is
 * @IOMMU_DIRTY_REASON_NONE: the consumer asked for this mode
 * @IOMMU_DIRTY_REASON_DEVICE: a device or PASID that cannot record had to be
 *	attached while tracking was on
 * @IOMMU_DIRTY_REASON_FLUSH: the hardware could not be made to forget
 *	translations that it had cached as dirty
 * @IOMMU_DIRTY_REASON_BACKEND: the backend failed to switch recording
 */
enum iommu_dirty_reason {
	IOMMU_DIRTY_REASON_NONE = 0,
	IOMMU_DIRTY_REASON_DEVICE = 1,
	IOMMU_DIRTY_REASON_FLUSH = 2,
	IOMMU_DIRTY_REASON_BACKEND = 3,
};

/**
 * enum iommu_dirty_cap_flags - what a domain and the devices attached to it can do
 * @IOMMU_DIRTY_CAP_RECORD: hardware records writes in the page table
 * @IOMMU_DIRTY_CAP_SPLIT: hardware allows large leaves to be split while DMA
 *	runs; nothing does so yet
 * @IOMMU_DIRTY_CAP_MERGE: hardware allows split leaves to be merged again while
 *	DMA runs; nothing does so yet
 * @IOMMU_DIRTY_CAP_TABLE_ACCESS: hardware can set an access flag in table
 *	entries; it is not switched on yet
 * @IOMMU_DIRTY_CAP_BORN_DIRTY: a leaf mapped while tracking is on may be
 *	reported once without having been written
 * @IOMMU_DIRTY_CAP_ATS_DIRTY: a device holds a translation cache of its own,
 *	and a page may be reported because write permission for it was granted
 *
 * The first four are abilities: the domain has one when every attached device
 * has it. The last two are caveats: the domain has one when any attached device
 * has it.
 */
enum iommu_dirty_cap_flags {
	IOMMU_DIRTY_CAP_RECORD = 1 << 0,
	IOMMU_DIRTY_CAP_SPLIT = 1 << 1,
	IOMMU_DIRTY_CAP_MERGE = 1 << 2,
	IOMMU_DIRTY_CAP_TABLE_ACCESS = 1 << 3,
	IOMMU_DIRTY_CAP_BORN_DIRTY = 1 << 4,
	IOMMU_DIRTY_CAP_ATS_DIRTY = 1 << 5,
};

#define IOMMU_DIRTY_BACKEND_NAME_LEN 32

/**
 * struct iommu_dirty_query - ioctl(IOMMU_DIRTY_QUERY)
 * @size: sizeof(struct iommu_dirty_query)
 * @flags: must be 0
 * @hwpt_id: ID of a paging HWPT
 * @__reserved: must be 0
 * @out_mode: &enum iommu_dirty_mode
 * @out_reason: &enum iommu_dirty_reason
 * @out_caps: &enum iommu_dirty_cap_flags
 * @out_stage: translation stage whose leaves are read, 1 or 2; 0 if no backend
 *	serves the domain, or the driver does not say
 * @out_attached: number of attached (device, PASID) pairs
 * @__reserved2: returned as 0
 * @out_seq: grows by at least one with every change of mode, reason,
 *	capability or set of attached devices
 * @out_leaf_sizes: leaf sizes that the domain's page table may use, bytes,
 *	one bit each
 * @out_met_sizes: leaf sizes that the last complete read met, bytes, one bit
 *	each; a dirty bit stands for a leaf of one of these sizes
 * @out_reads: reads since tracking started, failed ones included
 * @out_leaves: leaves looked at by those reads
 * @out_dirty: leaves found dirty by those reads
 * @out_cleared: leaves made clean by those reads
 * @out_flushes: flushes issued since tracking started
 * @out_time_ns: time spent in those reads, nanoseconds
 * @out_backend: name of the backend, NUL-terminated, empty if there is none
 *
 * Ask what a HWPT's dirty tracking can do, what state it is in and what it has
 * cost. It changes nothing and is allowed in every mode.
 */
struct iommu_dirty_query {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
	__u32 out_mode;
	__u32 out_reason;
	__u32 out_caps;
	__u32 out_stage;
	__u32 out_attached;
	__u32 __reserved2;
	__aligned_u64 out_seq;
	__aligned_u64 out_leaf_sizes;
	__aligned_u64 out_met_sizes;
	__aligned_u64 out_reads;
	__aligned_u64 out_leaves;
	__aligned_u64 out_dirty;
	__aligned_u64 out_cleared;
	__aligned_u64 out_flushes;
	__aligned_u64 out_time_ns;
	__u8 out_backend[IOMMU_DIRTY_BACKEND_NAME_LEN];
};

#define IOMMU_DIRTY_QUERY _IO(';', IOMMUFD_CMD_DIRTY_QUERY)

#endif /* _UAPI_LINUX_IOMMU_DIRTY_H */
