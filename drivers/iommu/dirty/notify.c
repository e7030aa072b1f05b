// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: telling those who want to know what has changed.
 *
 * Changes happen deep in the IOMMU core, under group->mutex and the attach lock, in
 * paths that a listener may have entered with a lock of its own. So they are only
 * noted there, and a work item calls the listeners, with none of these locks held.
 *
 * One work item a domain, queued at most once: its listeners are called one after
 * the other, and changes that come meanwhile are told together. The listeners' lock,
 * one a domain and innermost, protects the lists. Eventfds are signalled under it: that
 * does not sleep, and there are at most IOMMU_DIRTY_EVENTFD_MAX. It is not held
 * while a notifier is called; whoever unregisters the one that would be next moves
 * on where the work item goes on.
 *
 * Nothing waits for a call that is under way, but iommu_dirty_notifier_sync(), and
 * that for one notifier.
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "notify.h"

/* An eventfd as a listener */
struct eventfd_listener {
	struct list_head node;
	struct eventfd_ctx *ctx;
};

/* A notifier's call that is under way */
struct notifier_call {
	struct list_head node;
	const struct notifier_block *nb;
	const struct task_struct *task;
};

static LIST_HEAD(calls);
static DEFINE_SPINLOCK(calls_lock); /* calls */
static DECLARE_WAIT_QUEUE_HEAD(call_ended);

static void drop_eventfd(struct iommu_dirty_listeners *ls,
			 struct eventfd_listener *listener)
{
	lockdep_assert_held(&ls->lock);
	list_del(&listener->node);
	ls->nr_eventfds--;
	eventfd_ctx_put(listener->ctx);
	kfree(listener);
}

static void signal_eventfds(struct iommu_dirty_listeners *ls, unsigned int events)
{
	struct eventfd_listener *listener, *next;

	guard(mutex)(&ls->lock);
	list_for_each_entry_safe(listener, next, &ls->eventfds, node) {
		eventfd_signal(listener->ctx);
		if (events & IOMMU_DIRTY_EVENT_GONE)
			drop_eventfd(ls, listener);
	}
}

static struct notifier_block *after(const struct iommu_dirty_listeners *ls,
				    const struct notifier_block *nb)
{
	return rcu_dereference_protected(nb ? nb->next : ls->notifiers.head,
					 lockdep_is_held(&ls->lock));
}

/* @nb is not touched once it was called: it may be gone */
static void call_notifier(struct notifier_block *nb, unsigned int events,
			  struct iommu_dirty_info *info,
			  struct notifier_call *call)
{
	nb->notifier_call(nb, events, info);

	scoped_guard(spinlock, &calls_lock)
		list_del(&call->node);
	wake_up_all(&call_ended);
}

static void call_notifiers(struct iommu_dirty_listeners *ls, unsigned int events,
			   struct iommu_dirty_info *info)
{
	struct notifier_call call = { .task = current };
	struct notifier_block *nb;

	mutex_lock(&ls->lock);
	for (nb = after(ls, NULL); nb; nb = ls->next) {
		ls->next = after(ls, nb);
		call.nb = nb;
		scoped_guard(spinlock, &calls_lock)
			list_add(&call.node, &calls);
		mutex_unlock(&ls->lock);
		call_notifier(nb, events, info, &call);
		mutex_lock(&ls->lock);
	}
	mutex_unlock(&ls->lock);
}

static void tell(struct iommu_dirty_listeners *ls, unsigned int events)
{
	struct iommu_dirty_info info;

	ls->snapshot(ls, events, &info);
	signal_eventfds(ls, events);
	call_notifiers(ls, events, &info);
}

static void notify_work(struct work_struct *work)
{
	struct iommu_dirty_listeners *ls =
		container_of(work, struct iommu_dirty_listeners, work);
	unsigned int events = atomic_xchg(&ls->events, 0);

	if (events)
		tell(ls, events);
	iommu_dirty_listeners_put(ls);
}

/* The caller has set @release and @snapshot, and all else is zero */
void iommu_dirty_listeners_init(struct iommu_dirty_listeners *ls)
{
	kref_init(&ls->ref);
	mutex_init(&ls->lock);
	RAW_INIT_NOTIFIER_HEAD(&ls->notifiers);
	INIT_LIST_HEAD(&ls->eventfds);
	INIT_WORK(&ls->work, notify_work);
}

static void release(struct kref *ref)
{
	struct iommu_dirty_listeners *ls =
		container_of(ref, struct iommu_dirty_listeners, ref);

	mutex_destroy(&ls->lock);
	ls->release(ls);
}

void iommu_dirty_listeners_put(struct iommu_dirty_listeners *ls)
{
	kref_put(&ls->ref, release);
}

/*
 * Count a change and have it told. The caller has made it, and holds the lock that
 * protects it, or the last reference that can make any.
 */
void iommu_dirty_listeners_post(struct iommu_dirty_listeners *ls,
				enum iommu_dirty_events events)
{
	atomic64_inc(&ls->seq);
	if (!rcu_access_pointer(ls->notifiers.head) &&
	    list_empty(&ls->eventfds))
		return;

	atomic_or(events, &ls->events);
	kref_get(&ls->ref);
	if (!queue_work(system_unbound_wq, &ls->work))
		iommu_dirty_listeners_put(ls);
}

static bool is_registered(const struct iommu_dirty_listeners *ls,
			  const struct notifier_block *nb)
{
	const struct notifier_block *p;

	for (p = after(ls, NULL); p; p = after(ls, p))
		if (p == nb)
			return true;
	return false;
}

static struct eventfd_listener *find_eventfd(struct iommu_dirty_listeners *ls,
					     const struct eventfd_ctx *ctx)
{
	struct eventfd_listener *listener;

	lockdep_assert_held(&ls->lock);
	list_for_each_entry(listener, &ls->eventfds, node)
		if (listener->ctx == ctx)
			return listener;
	return NULL;
}

/* -EEXIST when it is registered */
int iommu_dirty_listeners_add(struct iommu_dirty_listeners *ls,
			      struct notifier_block *nb)
{
	guard(mutex)(&ls->lock);
	if (is_registered(ls, nb))
		return -EEXIST;
	return raw_notifier_chain_register(&ls->notifiers, nb);
}

/* -ENOENT when it is not registered */
int iommu_dirty_listeners_del(struct iommu_dirty_listeners *ls,
			      struct notifier_block *nb)
{
	guard(mutex)(&ls->lock);
	if (ls->next == nb)
		ls->next = after(ls, nb);
	return raw_notifier_chain_unregister(&ls->notifiers, nb);
}

static bool is_called(const struct notifier_block *nb)
{
	const struct notifier_call *call;
	bool called = false;

	spin_lock(&calls_lock);
	list_for_each_entry(call, &calls, node)
		if (call->nb == nb && !WARN(call->task == current,
					    "a callback waits for itself\n"))
			called = true;
	spin_unlock(&calls_lock);
	return called;
}

/**
 * iommu_dirty_notifier_sync() - wait for the calls of a notifier that are under way
 * @nb: unregistered earlier; its domain may be gone
 *
 * When it returns, @nb is called no more and can be freed. It waits for no other
 * notifier.
 *
 * Context: process; sleeps. Not from @nb's callback, and with no lock held that this
 * one takes.
 */
void iommu_dirty_notifier_sync(const struct notifier_block *nb)
{
	might_sleep();
	wait_event(call_ended, !is_called(nb));
}
EXPORT_SYMBOL_GPL(iommu_dirty_notifier_sync);

/* Takes over the caller's reference to @ctx, if all is well */
static int add_eventfd(struct iommu_dirty_listeners *ls, struct eventfd_ctx *ctx)
{
	struct eventfd_listener *listener __free(kfree) = NULL;

	listener = kzalloc(sizeof(*listener), GFP_KERNEL_ACCOUNT);
	if (!listener)
		return -ENOMEM;
	listener->ctx = ctx;

	guard(mutex)(&ls->lock);
	if (find_eventfd(ls, ctx))
		return -EEXIST;
	if (ls->nr_eventfds == IOMMU_DIRTY_EVENTFD_MAX)
		return -ENOSPC;
	list_add_tail(&no_free_ptr(listener)->node, &ls->eventfds);
	ls->nr_eventfds++;
	return 0;
}

static int del_eventfd(struct iommu_dirty_listeners *ls,
		       const struct eventfd_ctx *ctx)
{
	struct eventfd_listener *listener;

	guard(mutex)(&ls->lock);
	listener = find_eventfd(ls, ctx);
	if (!listener)
		return -ENOENT;
	drop_eventfd(ls, listener);
	return 0;
}

int iommu_dirty_listeners_add_eventfd(struct iommu_dirty_listeners *ls, int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);
	int ret;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	ret = add_eventfd(ls, ctx);
	if (ret)
		eventfd_ctx_put(ctx);
	return ret;
}

int iommu_dirty_listeners_del_eventfd(struct iommu_dirty_listeners *ls, int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);
	int ret;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	ret = del_eventfd(ls, ctx);
	eventfd_ctx_put(ctx);
	return ret;
}
