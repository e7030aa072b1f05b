// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: telling those who want to know what has changed.
 *
 * Changes happen deep in the IOMMU core, under group->mutex and the attach lock, in
 * paths that a listener may have entered with a lock of its own. So they are only
 * noted there, and a work item calls the listeners, with none of these locks held.
 *
 * One work item a domain, queued at most once: its listeners are called one after
 * the other, and changes that come meanwhile are told together. listeners_lock, one
 * a domain and innermost, protects the lists. Eventfds are signalled under it: that
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

#include "priv.h"
#include "trace.h"

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

static void drop_eventfd(struct iommu_dirty_domain *dd,
			 struct eventfd_listener *listener)
{
	lockdep_assert_held(&dd->listeners_lock);
	list_del(&listener->node);
	dd->nr_eventfds--;
	eventfd_ctx_put(listener->ctx);
	kfree(listener);
}

static void signal_eventfds(struct iommu_dirty_domain *dd, unsigned int events)
{
	struct eventfd_listener *listener, *next;

	guard(mutex)(&dd->listeners_lock);
	list_for_each_entry_safe(listener, next, &dd->eventfds, node) {
		eventfd_signal(listener->ctx);
		if (events & IOMMU_DIRTY_EVENT_GONE)
			drop_eventfd(dd, listener);
	}
}

static struct notifier_block *after(const struct iommu_dirty_domain *dd,
				    const struct notifier_block *nb)
{
	return rcu_dereference_protected(nb ? nb->next : dd->notifiers.head,
					 lockdep_is_held(&dd->listeners_lock));
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

static void call_notifiers(struct iommu_dirty_domain *dd, unsigned int events,
			   struct iommu_dirty_info *info)
{
	struct notifier_call call = { .task = current };
	struct notifier_block *nb;

	mutex_lock(&dd->listeners_lock);
	for (nb = after(dd, NULL); nb; nb = dd->next_notifier) {
		dd->next_notifier = after(dd, nb);
		call.nb = nb;
		scoped_guard(spinlock, &calls_lock)
			list_add(&call.node, &calls);
		mutex_unlock(&dd->listeners_lock);
		call_notifier(nb, events, info, &call);
		mutex_lock(&dd->listeners_lock);
	}
	mutex_unlock(&dd->listeners_lock);
}

static void tell(struct iommu_dirty_domain *dd, unsigned int events)
{
	struct iommu_dirty_info info;

	iommu_dirty_snapshot(dd, &info);
	trace_iommu_dirty_notify(dd, events, info.seq);
	signal_eventfds(dd, events);
	call_notifiers(dd, events, &info);
}

void iommu_dirty_notify_work(struct work_struct *work)
{
	struct iommu_dirty_domain *dd =
		container_of(work, struct iommu_dirty_domain, notify);
	unsigned int events = atomic_xchg(&dd->events, 0);

	if (events)
		tell(dd, events);
	iommu_dirty_state_put(dd);
}

/*
 * Count a change and have it told. The caller has made it, and holds the attach
 * lock, or the last reference that can make any.
 */
void iommu_dirty_post(struct iommu_dirty_domain *dd,
		      enum iommu_dirty_events events)
{
	atomic64_inc(&dd->seq);
	if (!rcu_access_pointer(dd->notifiers.head) &&
	    list_empty(&dd->eventfds))
		return;

	atomic_or(events, &dd->events);
	kref_get(&dd->ref);
	if (!queue_work(system_unbound_wq, &dd->notify))
		iommu_dirty_state_put(dd);
}

static bool is_registered(const struct iommu_dirty_domain *dd,
			  const struct notifier_block *nb)
{
	const struct notifier_block *p;

	for (p = after(dd, NULL); p; p = after(dd, p))
		if (p == nb)
			return true;
	return false;
}

static struct eventfd_listener *find_eventfd(struct iommu_dirty_domain *dd,
					     const struct eventfd_ctx *ctx)
{
	struct eventfd_listener *listener;

	lockdep_assert_held(&dd->listeners_lock);
	list_for_each_entry(listener, &dd->eventfds, node)
		if (listener->ctx == ctx)
			return listener;
	return NULL;
}

/**
 * iommu_dirty_register_notifier() - be told of a domain's changes
 * @domain: paging domain
 * @nb: called with &enum iommu_dirty_events and a &struct iommu_dirty_info, the
 *	state at the time of the call; returns NOTIFY_OK
 *
 * The call comes soon after the change, from a work item, so that the callback may
 * sleep, take any lock, and call this layer, also to register or unregister. Changes
 * that are close together come in one call; &iommu_dirty_info.seq says how many
 * there were. A change from before the registration may be told. The last call has
 * %IOMMU_DIRTY_EVENT_GONE: the domain must not be touched any more, and @nb is
 * unregistered.
 *
 * Context: process; may sleep.
 * Return: 0; -EEXIST when it is registered; -EOPNOTSUPP when the domain is none that
 * can be tracked; -ENOMEM.
 */
int iommu_dirty_register_notifier(struct iommu_domain *domain,
				  struct notifier_block *nb)
{
	struct iommu_dirty_domain *dd = iommu_dirty_own_state(domain);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	guard(mutex)(&dd->listeners_lock);
	if (is_registered(dd, nb))
		return -EEXIST;
	return raw_notifier_chain_register(&dd->notifiers, nb);
}
EXPORT_SYMBOL_GPL(iommu_dirty_register_notifier);

/**
 * iommu_dirty_unregister_notifier() - no longer be told
 * @domain: domain that @nb was registered for
 * @nb: registered earlier
 *
 * No call begins after this has returned. One that is under way may go on: see
 * iommu_dirty_notifier_sync(). It does not wait, so the caller may be the callback
 * itself, or hold a lock that the callback takes.
 *
 * Context: process; may sleep.
 * Return: 0; -ENOENT when it is not registered; else as for registering.
 */
int iommu_dirty_unregister_notifier(struct iommu_domain *domain,
				    struct notifier_block *nb)
{
	struct iommu_dirty_domain *dd = iommu_dirty_own_state(domain);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	guard(mutex)(&dd->listeners_lock);
	if (dd->next_notifier == nb)
		dd->next_notifier = after(dd, nb);
	return raw_notifier_chain_unregister(&dd->notifiers, nb);
}
EXPORT_SYMBOL_GPL(iommu_dirty_unregister_notifier);

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
static int add_eventfd(struct iommu_domain *domain, struct eventfd_ctx *ctx)
{
	struct iommu_dirty_domain *dd = iommu_dirty_own_state(domain);
	struct eventfd_listener *listener __free(kfree) = NULL;

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	listener = kzalloc(sizeof(*listener), GFP_KERNEL_ACCOUNT);
	if (!listener)
		return -ENOMEM;
	listener->ctx = ctx;

	guard(mutex)(&dd->listeners_lock);
	if (find_eventfd(dd, ctx))
		return -EEXIST;
	if (dd->nr_eventfds == IOMMU_DIRTY_EVENTFD_MAX)
		return -ENOSPC;
	list_add_tail(&no_free_ptr(listener)->node, &dd->eventfds);
	dd->nr_eventfds++;
	return 0;
}

static int remove_eventfd(struct iommu_domain *domain,
			  const struct eventfd_ctx *ctx)
{
	struct iommu_dirty_domain *dd = iommu_dirty_own_state(domain);
	struct eventfd_listener *listener;

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	guard(mutex)(&dd->listeners_lock);
	listener = find_eventfd(dd, ctx);
	if (!listener)
		return -ENOENT;
	drop_eventfd(dd, listener);
	return 0;
}

/**
 * iommu_dirty_add_eventfd() - signal an eventfd when a domain changes
 * @domain: paging domain
 * @fd: an eventfd of the current process
 *
 * It is signalled where a notifier would be called, and forgotten after the last
 * call.
 *
 * Context: process; may sleep.
 * Return: 0; -EBADF or -EINVAL when @fd is no eventfd; -EEXIST when it is there;
 * -ENOSPC when %IOMMU_DIRTY_EVENTFD_MAX others are; -EOPNOTSUPP when the domain is none
 * that can be tracked; -ENOMEM.
 */
int iommu_dirty_add_eventfd(struct iommu_domain *domain, int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);
	int ret;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	ret = add_eventfd(domain, ctx);
	if (ret)
		eventfd_ctx_put(ctx);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_dirty_add_eventfd);

/**
 * iommu_dirty_remove_eventfd() - no longer signal an eventfd
 * @domain: domain that it was added to
 * @fd: file descriptor of the same eventfd
 *
 * Context: process; may sleep.
 * Return: 0; -ENOENT when it is not there; else as for adding it.
 */
int iommu_dirty_remove_eventfd(struct iommu_domain *domain, int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);
	int ret;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	ret = remove_eventfd(domain, ctx);
	eventfd_ctx_put(ctx);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_dirty_remove_eventfd);
