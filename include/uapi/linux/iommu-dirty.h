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
	IOMMUFD_CMD_DIRTY_SET_POLICY = 0xe1,
	IOMMUFD_CMD_DIRTY_CAN_ATTACH = 0xe2,
	IOMMUFD_CMD_DIRTY_EVENTFD = 0xe3,
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
 * @IOMMU_DIRTY_REASON_DEVICE: an attached device or PASID cannot record
 * @IOMMU_DIRTY_REASON_FLUSH: the hardware could not be made to forget
 *	translations that it had cached as dirty
 * @IOMMU_DIRTY_REASON_BACKEND: the backend failed to switch recording, or to
 *	say what it can do
 * @IOMMU_DIRTY_REASON_TABLE: no backend serves the domain's page table, or
 *	nothing can be recorded in it
 */
enum iommu_dirty_reason {
	IOMMU_DIRTY_REASON_NONE = 0,
	IOMMU_DIRTY_REASON_DEVICE = 1,
	IOMMU_DIRTY_REASON_FLUSH = 2,
	IOMMU_DIRTY_REASON_BACKEND = 3,
	IOMMU_DIRTY_REASON_TABLE = 4,
};

/**
 * enum iommu_dirty_policy - what happens to devices that cannot record
 * @IOMMU_DIRTY_POLICY_PLAIN: they may be attached while tracking is off, and
 *	then it cannot be started; while the mode is exact they are refused
 * @IOMMU_DIRTY_POLICY_STRICT: they are refused (-EINVAL, on which iommufd tries
 *	another HWPT), whether or not tracking is on; what a HWPT has that was
 *	allocated with IOMMU_HWPT_ALLOC_DIRTY_TRACKING
 * @IOMMU_DIRTY_POLICY_DEGRADE: nothing is refused; tracking that cannot be
 *	exact, or can no longer be, reports everything dirty
 *
 * An attach that must not fail, because the kernel puts a device back where it
 * was, is refused by none; if the device cannot record, the mode becomes
 * all-dirty.
 */
enum iommu_dirty_policy {
	IOMMU_DIRTY_POLICY_PLAIN = 0,
	IOMMU_DIRTY_POLICY_STRICT = 1,
	IOMMU_DIRTY_POLICY_DEGRADE = 2,
};

/**
 * enum iommu_dirty_verdict - what attaching a device to a domain would do
 * @IOMMU_DIRTY_VERDICT_ATTACHES: it would be attached
 * @IOMMU_DIRTY_VERDICT_REFUSED: the domain's policy refuses it: it cannot record
 * @IOMMU_DIRTY_VERDICT_FOREIGN: the domain belongs to another IOMMU or driver,
 *	or the device's IOMMU cannot read its table
 * @IOMMU_DIRTY_VERDICT_CPU: the table is a process's (SVA): what devices write
 *	is recorded where what CPUs write is
 * @IOMMU_DIRTY_VERDICT_UNTRACKED: it would be attached, to a domain that is never
 *	tracked: the DMA API's, an identity or a blocked one
 */
enum iommu_dirty_verdict {
	IOMMU_DIRTY_VERDICT_ATTACHES = 0,
	IOMMU_DIRTY_VERDICT_REFUSED = 1,
	IOMMU_DIRTY_VERDICT_FOREIGN = 2,
	IOMMU_DIRTY_VERDICT_CPU = 3,
	IOMMU_DIRTY_VERDICT_UNTRACKED = 4,
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
 * @out_policy: &enum iommu_dirty_policy
 * @out_seq: grows by at least one with every change of mode, reason, policy,
 *	capability or set of attached devices
 * @out_leaf_sizes: leaf sizes that the domain's page table may use, bytes,
 *	one bit each
 * @out_seen_leaf_sizes: leaf sizes that the last complete read met, bytes, one bit
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
	__u32 out_policy;
	__aligned_u64 out_seq;
	__aligned_u64 out_leaf_sizes;
	__aligned_u64 out_seen_leaf_sizes;
	__aligned_u64 out_reads;
	__aligned_u64 out_leaves;
	__aligned_u64 out_dirty;
	__aligned_u64 out_cleared;
	__aligned_u64 out_flushes;
	__aligned_u64 out_time_ns;
	__u8 out_backend[IOMMU_DIRTY_BACKEND_NAME_LEN];
};

#define IOMMU_DIRTY_QUERY _IO(';', IOMMUFD_CMD_DIRTY_QUERY)

/**
 * struct iommu_dirty_set_policy - ioctl(IOMMU_DIRTY_SET_POLICY)
 * @size: sizeof(struct iommu_dirty_set_policy)
 * @flags: must be 0
 * @hwpt_id: ID of a paging HWPT
 * @policy: &enum iommu_dirty_policy
 *
 * Choose what happens to devices that cannot record. It changes no mode. Strict
 * is refused with -EOPNOTSUPP while such a device is attached or the HWPT's table
 * cannot be tracked, and so is a policy that the kernel does not know.
 */
struct iommu_dirty_set_policy {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 policy;
};

#define IOMMU_DIRTY_SET_POLICY _IO(';', IOMMUFD_CMD_DIRTY_SET_POLICY)

/**
 * struct iommu_dirty_can_attach - ioctl(IOMMU_DIRTY_CAN_ATTACH)
 * @size: sizeof(struct iommu_dirty_can_attach)
 * @flags: must be 0
 * @dev_id: ID of a device that is bound to this iommufd
 * @hwpt_id: ID of a HWPT, paging or nested
 * @out_verdict: &enum iommu_dirty_verdict
 * @out_mode: &enum iommu_dirty_mode that the HWPT would be in
 * @out_reason: &enum iommu_dirty_reason for that
 * @out_caps: &enum iommu_dirty_cap_flags that it would have
 *
 * Ask whether a device would be attached and what that would change, and change
 * nothing. It is about dirty tracking: an attach may fail for other reasons.
 */
struct iommu_dirty_can_attach {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 hwpt_id;
	__u32 out_verdict;
	__u32 out_mode;
	__u32 out_reason;
	__u32 out_caps;
};

#define IOMMU_DIRTY_CAN_ATTACH _IO(';', IOMMUFD_CMD_DIRTY_CAN_ATTACH)

/* So many eventfds may be added to a HWPT */
#define IOMMU_DIRTY_EVENTFD_MAX 16

/**
 * enum iommu_dirty_eventfd_flags - flags of IOMMU_DIRTY_EVENTFD
 * @IOMMU_DIRTY_EVENTFD_REMOVE: forget the eventfd instead
 */
enum iommu_dirty_eventfd_flags {
	IOMMU_DIRTY_EVENTFD_REMOVE = 1 << 0,
};

/**
 * struct iommu_dirty_eventfd - ioctl(IOMMU_DIRTY_EVENTFD)
 * @size: sizeof(struct iommu_dirty_eventfd)
 * @flags: &enum iommu_dirty_eventfd_flags
 * @hwpt_id: ID of a paging HWPT
 * @fd: an eventfd
 *
 * Signal the eventfd soon after every change that IOMMU_DIRTY_QUERY's out_seq
 * counts; changes in quick succession may be signalled once. The query then
 * tells what is so now. The same eventfd is added once to a HWPT (-EEXIST) and
 * can be added to several; a HWPT takes %IOMMU_DIRTY_EVENTFD_MAX of them (-ENOSPC).
 * Removing one that is not there is -ENOENT. It is forgotten, after one more signal,
 * when the HWPT is destroyed.
 */
struct iommu_dirty_eventfd {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__s32 fd;
};

#define IOMMU_DIRTY_EVENTFD _IO(';', IOMMUFD_CMD_DIRTY_EVENTFD)

#endif /* _UAPI_LINUX_IOMMU_DIRTY_H */
