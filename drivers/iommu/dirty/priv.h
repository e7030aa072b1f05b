/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of a domain, and of a device's place in one. Locking is described at the
 * top of core.c.
 */
#ifndef __IOMMU_DIRTY_PRIV_H
#define __IOMMU_DIRTY_PRIV_H

#include <linux/atomic.h>
#include <linux/iommu-dirty.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "notify.h"

/**
 * struct iommu_dirty_attachment - a (device, PASID) pair that uses a domain
 * @node: in iommu_dirty_domain.attachments
 * @of_dev: in dev->iommu->dirty, which group->mutex protects
 * @dd: the domain's state; a nested child's attachments are its parent's
 * @domain: the domain itself
 * @dev: device
 * @pasid: PASID, IOMMU_NO_PASID for the device's own requests
 * @caps: what the pair can do
 * @known: the backend has said so
 */
struct iommu_dirty_attachment {
	struct list_head node;
	struct hlist_node of_dev;
	struct iommu_dirty_domain *dd;
	struct iommu_domain *domain;
	struct device *dev;
	ioasid_t pasid;
	struct iommu_dirty_caps caps;
	bool known;
};

/* Counters of one tracking period, see struct iommu_dirty_info */
struct iommu_dirty_counters {
	atomic64_t reads;
	atomic64_t leaves;
	atomic64_t dirty;
	atomic64_t cleared;
	atomic64_t flushes;
	atomic64_t time_ns;
	atomic64_t seen_leaf_sizes;
};

/**
 * struct iommu_dirty_domain - all that dirty tracking knows about a domain
 * @domain: the domain, whose ->dirty points here
 * @node: in iommu_dirty_domains
 * @id: names it in traces and debugfs
 * @backend: who serves it; NULL when nobody claims it; set once
 * @attach_lock: held for write around the driver's attach, detach and PASID
 *	calls and while recording is switched, for read around each walk and around
 *	each clear with its flush
 * @switching: serialises start and stop, each as a whole
 * @lock: serialises clears, each with its flush
 * @attachments: pairs that use the domain; protected by @attach_lock
 * @nr_attachments: length of @attachments
 * @caps: intersection over @attachments; protected by @attach_lock
 * @no_record_reason: why @caps lack IOMMU_DIRTY_CAP_RECORD; protected by @attach_lock
 * @mode: see &enum iommu_dirty_mode; written with @attach_lock held for write,
 *	or held for read together with @lock (only to IOMMU_DIRTY_MODE_ALL_DIRTY)
 * @reason: as @mode
 * @policy: what happens to incapable devices; protected by @attach_lock
 * @recording: the backend was told to record; protected by @attach_lock
 * @unflushed: an invalidation outside of ->flush may not have happened; written by
 *	anybody, taken back with @attach_lock held for write
 * @owner: who started tracking; protected by @attach_lock
 * @period: number of the tracking period, grows with each start; protected by
 *	@attach_lock
 * @readings: reads whose turn it is; protected by @readings_lock
 * @readings_lock: protects @readings
 * @turns: reads that wait for another one to end
 * @listeners: who is told of changes; keeps this struct in place
 * @count: counters
 */
struct iommu_dirty_domain {
	struct iommu_domain *domain;
	struct list_head node;
	unsigned int id;
	const struct iommu_dirty_backend *backend;
	struct rw_semaphore attach_lock;
	struct mutex switching;	/* start and stop */
	struct mutex lock;	/* each clear with its flush */
	struct list_head attachments;
	unsigned int nr_attachments;
	struct iommu_dirty_caps caps;
	enum iommu_dirty_reason no_record_reason;
	enum iommu_dirty_mode mode;
	enum iommu_dirty_reason reason;
	enum iommu_dirty_policy policy;
	bool recording;
	bool unflushed;
	const void *owner;
	u64 period;
	struct list_head readings;
	spinlock_t readings_lock;	/* readings */
	wait_queue_head_t turns;
	struct iommu_dirty_listeners listeners;
	struct iommu_dirty_counters count;
};

#endif /* __IOMMU_DIRTY_PRIV_H */
