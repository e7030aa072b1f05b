// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: telling those who want to know what has changed.
 *
 * Changes happen deep in the IOMMU core, under group->mutex and the attach lock, in
 * paths that a listener may have entered with a lock of its own. So they are only
 * noted there, and a work item calls the listeners, with no lock held but the SRCU
 * read side that keeps the list in place. The list is changed under a mutex that
 * is not held during a call. Nothing waits for a call that is under way, but
 * iommu_dirty_notifier_sync().
 *
 * One work item a domain: its listeners are called one after the other, and
 * changes that come meanwhile are told together.
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "priv.h"
#include "trace.h"

DEFINE_STATIC_SRCU(calls);
static DEFINE_MUTEX(listeners_lock);

/* An eventfd as a listener */
struct eventfd_listener {
	struct notifier_block nb;
	struct eventfd_ctx *ctx;
	struct rcu_head rcu;
};

static struct eventfd_listener *to_eventfd(const struct notifier_block *nb)
{
	return container_of(nb, struct eventfd_listener, nb);
}

static void eventfd_listener_free(struct eventfd_listener *listener)
{
	eventfd_ctx_put(listener->ctx);
	kfree(listener);
}

static void eventfd_listener_free_rcu(struct rcu_head *rcu)
{
	eventfd_listener_free(container_of(rcu, struct eventfd_listener, rcu));
}

static int signal_eventfd(struct notifier_block *nb, unsigned long events,
			  void *info)
{
	struct eventfd_listener *listener = to_eventfd(nb);

	eventfd_signal(listener->ctx);
	if (events & IOMMU_DIRTY_EVENT_GONE)
		eventfd_listener_free(listener);
	return NOTIFY_OK;
}

static bool is_eventfd(const struct notifier_block *nb,
		       const struct eventfd_ctx *ctx)
{
	return nb->notifier_call == signal_eventfd && to_eventfd(nb)->ctx == ctx;
}

static void tell(struct iommu_dirty_domain *dd, unsigned int events)
{
	struct iommu_dirty_info info;
	int idx;

	iommu_dirty_snapshot(dd, &info);
	trace_iommu_dirty_notify(dd, events, info.seq);
	idx = srcu_read_lock(&calls);
	raw_notifier_call_chain(&dd->listeners, events, &info);
	srcu_read_unlock(&calls, idx);
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
	if (!rcu_access_pointer(dd->listeners.head))
		return;

	atomic_or(events, &dd->events);
	kref_get(&dd->ref);
	if (!queue_work(system_unbound_wq, &dd->notify))
		iommu_dirty_state_put(dd);
}

/* The one that is @nb, or @ctx's */
static struct notifier_block *find_listener(struct iommu_dirty_domain *dd,
					    const struct notifier_block *nb,
					    const struct eventfd_ctx *ctx)
{
	struct notifier_block *p;

	lockdep_assert_held(&listeners_lock);
	for (p = rcu_dereference_protected(dd->listeners.head, true); p;
	     p = rcu_dereference_protected(p->next, true))
		if (p == nb || (ctx && is_eventfd(p, ctx)))
			return p;
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
	guard(mutex)(&listeners_lock);
	if (find_listener(dd, nb, NULL))
		return -EEXIST;
	return raw_notifier_chain_register(&dd->listeners, nb);
}
EXPORT_SYMBOL_GPL(iommu_dirty_register_notifier);

/**
 * iommu_dirty_unregister_notifier() - no longer be told
 * @domain: domain that @nb was registered for
 * @nb: registered earlier
 *
 * A call that is under way may go on after this has returned: see
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
	guard(mutex)(&listeners_lock);
	return raw_notifier_chain_unregister(&dd->listeners, nb);
}
EXPORT_SYMBOL_GPL(iommu_dirty_unregister_notifier);

/**
 * iommu_dirty_notifier_sync() - wait for the calls that are under way
 *
 * When it returns, what was unregistered before is called no more and can be freed.
 *
 * Context: process; sleeps. Not from a callback, and with no lock held that one
 * takes, of any domain.
 */
void iommu_dirty_notifier_sync(void)
{
	synchronize_srcu(&calls);
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
	listener->nb.notifier_call = signal_eventfd;
	listener->ctx = ctx;

	guard(mutex)(&listeners_lock);
	if (find_listener(dd, NULL, ctx))
		return -EEXIST;
	return raw_notifier_chain_register(&dd->listeners,
					   &no_free_ptr(listener)->nb);
}

static int remove_eventfd(struct iommu_domain *domain,
			  const struct eventfd_ctx *ctx)
{
	struct iommu_dirty_domain *dd = iommu_dirty_own_state(domain);
	struct notifier_block *nb;

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	guard(mutex)(&listeners_lock);
	nb = find_listener(dd, NULL, ctx);
	if (!nb)
		return -ENOENT;
	raw_notifier_chain_unregister(&dd->listeners, nb);
	call_srcu(&calls, &to_eventfd(nb)->rcu, eventfd_listener_free_rcu);
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
 * -EOPNOTSUPP when the domain is none that can be tracked; -ENOMEM.
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
