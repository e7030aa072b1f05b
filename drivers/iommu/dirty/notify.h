/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is told of an object's changes: see notify.c */
#ifndef __IOMMU_DIRTY_NOTIFY_H
#define __IOMMU_DIRTY_NOTIFY_H

#include <linux/atomic.h>
#include <linux/iommu-dirty.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/workqueue.h>

/**
 * struct iommu_dirty_listeners - who is told of an object's changes
 * @ref: the object's own, and that of @work while it is queued
 * @release: frees the object that this is a part of
 * @snapshot: fills in what @notifiers are told, given what has changed
 * @seq: changes so far
 * @events: changes that @work has not told yet, &enum iommu_dirty_events
 * @lock: protects the next four; innermost
 * @notifiers: called by @work
 * @next: where @work goes on when the notifier that it calls returns
 * @eventfds: signalled by @work
 * @nr_eventfds: length of @eventfds
 * @work: tells @notifiers and @eventfds
 */
struct iommu_dirty_listeners {
	struct kref ref;
	void (*release)(struct iommu_dirty_listeners *ls);
	void (*snapshot)(struct iommu_dirty_listeners *ls,
			 enum iommu_dirty_events events,
			 struct iommu_dirty_info *info);
	atomic64_t seq;
	atomic_t events;
	struct mutex lock;	/* notifiers and eventfds */
	struct raw_notifier_head notifiers;
	struct notifier_block *next;
	struct list_head eventfds;
	unsigned int nr_eventfds;
	struct work_struct work;
};

void iommu_dirty_listeners_init(struct iommu_dirty_listeners *ls);
void iommu_dirty_listeners_put(struct iommu_dirty_listeners *ls);
void iommu_dirty_listeners_post(struct iommu_dirty_listeners *ls,
				enum iommu_dirty_events events);
int iommu_dirty_listeners_add(struct iommu_dirty_listeners *ls,
			      struct notifier_block *nb);
int iommu_dirty_listeners_del(struct iommu_dirty_listeners *ls,
			      struct notifier_block *nb);
int iommu_dirty_listeners_add_eventfd(struct iommu_dirty_listeners *ls,
				      int fd);
int iommu_dirty_listeners_del_eventfd(struct iommu_dirty_listeners *ls,
				      int fd);

#endif /* __IOMMU_DIRTY_NOTIFY_H */
