// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: the registry of backends, and the state that hangs off a
 * domain.
 *
 * Calls go one way. A consumer calls control.c and log.c, the IOMMU core calls
 * attach.c; these call core.c and the domain's backend. A backend calls none of them,
 * but iommu_dirty_flush_failed().
 *
 * Locking
 * =======
 *
 *	group->mutex  ->  domains_lock  ->  attach_lock  ->  lock
 *	iova_rwsem    ->  switching  ->  attach_lock
 *	                              (iommufd; type1 has iommu->lock)
 *	attach_lock   ->  backends_lock
 *
 * attach_lock (rwsem, one a domain) is held for write around the driver's
 * attach, detach and PASID calls and while a feature is switched; for read
 * around each walk, and around each clear together with the flush that follows
 * it. The driver makes a device's translation live before the device is on the
 * list that a flush goes through, and takes it off that list before tearing the
 * translation down; a clear in between would flush nothing for that device.
 * A device that moves between two domains takes both locks, in the order of
 * their addresses. Nothing that attach does walks a page table.
 *
 * lock (mutex, one a domain) serialises clears with their flushes. Walks may
 * overlap them.
 *
 * switching (mutex, one a domain) makes start and stop one step each: a second
 * start, or a stop, waits until the first has cleaned what is mapped. The mode is
 * off until then. Each start begins a period with a number of its own; a read
 * that began in another one neither walks nor clears.
 *
 * Reads that share a part of IOVA space take turns, unless none of them clears
 * (log.c). No lock is held while a read publishes to the caller's bitmap, which
 * may fault.
 *
 * Page tables are kept in place by the consumer: it names, through struct
 * iommu_dirty_ranges, what is mapped, and holds the lock that keeps that so for
 * as long as the call lasts. Ranges that are being mapped or unmapped are left
 * out. ->assert_stable() asserts it.
 *
 * backends_lock protects the list of backends and domains' choice of one,
 * domains_lock the list of domains.
 *
 * Who wants to be told of changes is called from a work item, with none of these
 * locks held and none of the IOMMU core's: see notify.c.
 */
#define pr_fmt(fmt) "iommu-dirty: " fmt

#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "adapter.h"
#include "core.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct registered_backend {
	struct list_head node;
	const struct iommu_dirty_backend *backend;
	unsigned int users;
};

static LIST_HEAD(backends);
static DEFINE_MUTEX(backends_lock);

LIST_HEAD(iommu_dirty_domains);
DEFINE_MUTEX(iommu_dirty_domains_lock); /* iommu_dirty_domains */

static struct registered_backend *
find_backend(const struct iommu_dirty_backend *backend)
{
	struct registered_backend *rb;

	lockdep_assert_held(&backends_lock);
	list_for_each_entry(rb, &backends, node)
		if (rb->backend == backend)
			return rb;
	return NULL;
}

/*
 * Find the backend of a domain that has none yet; one that nobody claims may be
 * the adapter's, which is always there.
 */
static void bind_backend(struct iommu_dirty_domain *dd)
{
	struct registered_backend *rb;

	lockdep_assert_held_write(&dd->attach_lock);
	guard(mutex)(&backends_lock);
	list_for_each_entry(rb, &backends, node) {
		if (!rb->backend->claims(dd->domain) ||
		    !try_module_get(rb->backend->owner))
			continue;
		rb->users++;
		dd->backend = rb->backend;
		return;
	}
	if (iommu_dirty_adapter.claims(dd->domain))
		dd->backend = &iommu_dirty_adapter;
}

/* The last user of a domain is gone: nobody can look at its backend any more */
static void unbind_backend(struct iommu_dirty_domain *dd)
{
	const struct iommu_dirty_backend *backend = dd->backend;

	lockdep_assert_held_write(&dd->attach_lock);
	guard(mutex)(&backends_lock);
	dd->backend = NULL;
	if (!backend || backend == &iommu_dirty_adapter)
		return;
	find_backend(backend)->users--;
	module_put(backend->owner);
}

void iommu_dirty_post(struct iommu_dirty_domain *dd,
		      enum iommu_dirty_events events)
{
	iommu_dirty_listeners_post(&dd->listeners, events);
}

/* The one place where the mode changes. Return: does it? */
static bool change_mode(struct iommu_dirty_domain *dd,
			enum iommu_dirty_mode mode,
			enum iommu_dirty_reason reason)
{
	lockdep_assert_held(&dd->attach_lock);

	if (dd->mode == mode)
		return false;
	trace_iommu_dirty_mode(dd, mode, reason);
	WRITE_ONCE(dd->reason, reason);
	WRITE_ONCE(dd->mode, mode);
	return true;
}

void iommu_dirty_set_mode(struct iommu_dirty_domain *dd,
			  enum iommu_dirty_mode mode,
			  enum iommu_dirty_reason reason)
{
	if (change_mode(dd, mode, reason))
		iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_MODE);
}

/* The one place where the policy changes */
void iommu_dirty_change_policy(struct iommu_dirty_domain *dd,
			       enum iommu_dirty_policy policy)
{
	lockdep_assert_held_write(&dd->attach_lock);

	if (dd->policy == policy)
		return;
	trace_iommu_dirty_policy(dd, policy);
	dd->policy = policy;
	iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_POLICY);
}

/* Abilities are what both have, caveats what either has */
u32 iommu_dirty_combine_caps(u32 domain, u32 pair)
{
	u32 lacks = IOMMU_DIRTY_CAP_ABILITIES & ~pair;

	return (domain & ~lacks) | (pair & IOMMU_DIRTY_CAP_CAVEATS);
}

/*
 * What the domain's own table can do. One that exists keeps its format, even if
 * the backend fails to say so again.
 */
static enum iommu_dirty_reason table_caps(struct iommu_dirty_domain *dd,
					  struct iommu_dirty_caps *caps)
{
	if (dd->backend->capability(dd->domain, NULL, IOMMU_NO_PASID, caps)) {
		*caps = dd->caps;
		caps->flags = 0;
		return IOMMU_DIRTY_REASON_BACKEND;
	}
	if (!caps->leaf_sizes)
		caps->flags &= ~IOMMU_DIRTY_CAP_RECORD;
	return iommu_dirty_can_record(caps) ? IOMMU_DIRTY_REASON_NONE :
					      IOMMU_DIRTY_REASON_TABLE;
}

/*
 * Ask what a pair can do, until the backend has said it: one may come after the
 * device, and its answer may fail.
 */
void iommu_dirty_ask(struct iommu_dirty_domain *dd,
		     struct iommu_dirty_attachment *at)
{
	lockdep_assert_held_write(&dd->attach_lock);
	if (at->known || !dd->backend)
		return;
	at->caps = (struct iommu_dirty_caps){};
	at->known = !dd->backend->capability(dd->domain, at->dev, at->pasid,
					     &at->caps);
	if (!at->known)
		at->caps.flags = 0;
}

/*
 * What the table and all that is attached to it can do together. Tracking that can
 * no longer be exact says so.
 */
void iommu_dirty_recompute(struct iommu_dirty_domain *dd)
{
	struct iommu_dirty_attachment *at;
	struct iommu_dirty_caps caps = {};

	lockdep_assert_held_write(&dd->attach_lock);
	if (!dd->backend)
		return;

	dd->no_record_reason = table_caps(dd, &caps);
	list_for_each_entry(at, &dd->attachments, node) {
		iommu_dirty_ask(dd, at);
		if (iommu_dirty_can_record(&caps) &&
		    !iommu_dirty_can_record(&at->caps))
			dd->no_record_reason = IOMMU_DIRTY_REASON_DEVICE;
		caps.flags = iommu_dirty_combine_caps(caps.flags,
						      at->caps.flags);
	}

	if (memcmp(&caps, &dd->caps, sizeof(caps))) {
		dd->caps = caps;
		iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_CAPS);
	}

	if (dd->mode == IOMMU_DIRTY_MODE_EXACT && !iommu_dirty_can_record(&caps))
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     dd->no_record_reason);
}

/* Does the policy turn away what cannot record? See the table in design.rst */
bool iommu_dirty_policy_refuses(const struct iommu_dirty_domain *dd)
{
	lockdep_assert_held(&dd->attach_lock);
	switch (dd->policy) {
	case IOMMU_DIRTY_POLICY_STRICT:
		return true;
	case IOMMU_DIRTY_POLICY_DEGRADE:
		return false;
	default:
		return dd->mode == IOMMU_DIRTY_MODE_EXACT;
	}
}

struct iommu_dirty_attachment *
iommu_dirty_find_attachment(struct iommu_dirty_domain *dd, struct device *dev,
			    ioasid_t pasid)
{
	struct iommu_dirty_attachment *at;

	lockdep_assert_held(&dd->attach_lock);
	list_for_each_entry(at, &dd->attachments, node)
		if (at->dev == dev && at->pasid == pasid)
			return at;
	return NULL;
}

/* If nobody serves the domain, perhaps someone does now */
static void serve(struct iommu_dirty_domain *dd)
{
	guard(rwsem_write)(&dd->attach_lock);
	if (dd->backend)
		return;
	bind_backend(dd);
	iommu_dirty_recompute(dd);
}

static int add_backend(const struct iommu_dirty_backend *backend)
{
	struct registered_backend *rb, *new;

	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	new->backend = backend;

	guard(mutex)(&backends_lock);
	list_for_each_entry(rb, &backends, node) {
		if (rb->backend == backend ||
		    !strcmp(rb->backend->name, backend->name)) {
			kfree(new);
			return -EEXIST;
		}
	}
	list_add_tail(&new->node, &backends);
	return 0;
}

/**
 * iommu_dirty_register() - make a backend known
 * @backend: must stay in place until it is unregistered
 *
 * Domains that are in use already and that nobody serves are offered to it. A domain
 * that several claim gets the first.
 *
 * Context: process; takes the registry's lock, and then the attach locks of domains
 * that nobody serves, one after the other.
 * Return: 0; -EINVAL when a callback or the name is missing, or the name is too
 * long; -EEXIST when it, or another of that name, is registered; -ENOMEM.
 */
int iommu_dirty_register(const struct iommu_dirty_backend *backend)
{
	struct iommu_dirty_domain *dd;
	int ret;

	if (!backend || !backend->name || !backend->name[0] ||
	    strlen(backend->name) >= IOMMU_DIRTY_BACKEND_NAME_LEN)
		return -EINVAL;
	if (!backend->claims || !backend->capability || !backend->set_feature ||
	    !backend->walk || !backend->clear || !backend->flush)
		return -EINVAL;

	ret = add_backend(backend);
	if (ret)
		return ret;
	guard(mutex)(&iommu_dirty_domains_lock);
	list_for_each_entry(dd, &iommu_dirty_domains, node)
		serve(dd);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_register);

/**
 * iommu_dirty_unregister() - take a backend back
 * @backend: registered earlier
 *
 * A backend that serves a domain stays: its module is pinned until the last such
 * domain is freed, so that a module's exit function never sees -EBUSY.
 *
 * Context: process; takes the registry's lock.
 * Return: 0; -ENOENT when it is not registered; -EBUSY while it serves a domain.
 */
int iommu_dirty_unregister(const struct iommu_dirty_backend *backend)
{
	struct registered_backend *rb;

	guard(mutex)(&backends_lock);
	rb = find_backend(backend);
	if (!rb)
		return -ENOENT;
	if (rb->users)
		return -EBUSY;
	list_del(&rb->node);
	kfree(rb);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_unregister);

/**
 * iommu_dirty_flush_failed() - an invalidation outside of ->flush is not known to be done
 * @domain: domain of the backend that says so
 *
 * Of an unmap, or of an attach while recording is on: what was written through a
 * translation that is still there may have gone unseen. A domain that is exact is
 * all-dirty from the next read or query on, with %IOMMU_DIRTY_REASON_FLUSH, until
 * tracking is started again.
 *
 * Context: any, with or without the attach lock; the domain is in use.
 */
void iommu_dirty_flush_failed(struct iommu_domain *domain)
{
	/* Pairs with the cmpxchg() in iommu_dirty_get() */
	struct iommu_dirty_domain *dd = smp_load_acquire(&domain->dirty);

	if (!dd)
		return;
	WRITE_ONCE(dd->unflushed, true);
	/* Whoever is told looks at the mode, and that makes it so */
	iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_MODE);
}
EXPORT_SYMBOL_GPL(iommu_dirty_flush_failed);

/* Does a flush count that failed when the mode could not be changed? */
void iommu_dirty_settle(struct iommu_dirty_domain *dd)
{
	lockdep_assert_held(&dd->lock);
	if (READ_ONCE(dd->unflushed) && dd->mode == IOMMU_DIRTY_MODE_EXACT)
		change_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
			    IOMMU_DIRTY_REASON_FLUSH);
}

/* What is so at one moment */
void iommu_dirty_snapshot(struct iommu_dirty_domain *dd,
			  struct iommu_dirty_info *info)
{
	guard(rwsem_read)(&dd->attach_lock);
	guard(mutex)(&dd->lock);
	iommu_dirty_settle(dd);
	*info = (struct iommu_dirty_info) {
		.mode = dd->mode,
		.reason = dd->reason,
		.policy = dd->policy,
		.caps = dd->caps,
		.attached = dd->nr_attachments,
		.seq = atomic64_read(&dd->listeners.seq),
		.seen_leaf_sizes = atomic64_read(&dd->count.seen_leaf_sizes),
		.reads = atomic64_read(&dd->count.reads),
		.leaves = atomic64_read(&dd->count.leaves),
		.dirty = atomic64_read(&dd->count.dirty),
		.cleared = atomic64_read(&dd->count.cleared),
		.flushes = atomic64_read(&dd->count.flushes),
		.time_ns = atomic64_read(&dd->count.time_ns),
	};
	if (dd->backend)
		strscpy(info->backend, dd->backend->name);
}

static struct iommu_dirty_domain *
listened_to(struct iommu_dirty_listeners *listeners)
{
	return container_of(listeners, struct iommu_dirty_domain, listeners);
}

static void tell_snapshot(struct iommu_dirty_listeners *listeners,
			  enum iommu_dirty_events events,
			  struct iommu_dirty_info *info)
{
	struct iommu_dirty_domain *dd = listened_to(listeners);

	iommu_dirty_snapshot(dd, info);
	trace_iommu_dirty_notify(dd, events, info->seq);
}

static void state_release(struct iommu_dirty_listeners *listeners)
{
	struct iommu_dirty_domain *dd = listened_to(listeners);

	mutex_destroy(&dd->lock);
	mutex_destroy(&dd->switching);
	kfree(dd);
}

/* Whoever finds it, finds what its table can do. That is no change to be counted. */
static struct iommu_dirty_domain *state_new(struct iommu_domain *domain,
					    gfp_t gfp)
{
	struct iommu_dirty_domain *dd;

	dd = kzalloc(sizeof(*dd), gfp | __GFP_ACCOUNT);
	if (!dd)
		return NULL;
	dd->domain = domain;
	init_rwsem(&dd->attach_lock);
	mutex_init(&dd->switching);
	mutex_init(&dd->lock);
	spin_lock_init(&dd->readings_lock);
	INIT_LIST_HEAD(&dd->readings);
	init_waitqueue_head(&dd->turns);
	INIT_LIST_HEAD(&dd->attachments);
	dd->no_record_reason = IOMMU_DIRTY_REASON_TABLE;
	dd->listeners.snapshot = tell_snapshot;
	dd->listeners.release = state_release;
	iommu_dirty_listeners_init(&dd->listeners);
	serve(dd);
	atomic64_set(&dd->listeners.seq, 0);
	return dd;
}

/* From here on whoever registers a backend sees it, and debugfs */
static void state_publish(struct iommu_dirty_domain *dd)
{
	static unsigned int ids;

	guard(mutex)(&iommu_dirty_domains_lock);
	dd->id = ++ids;
	list_add_tail(&dd->node, &iommu_dirty_domains);
	serve(dd);
}

static void state_drop(struct iommu_dirty_domain *dd)
{
	scoped_guard(rwsem_write, &dd->attach_lock)
		unbind_backend(dd);
	iommu_dirty_listeners_put(&dd->listeners);
}

/*
 * The state of a domain that may be tracked, created when there is none. A nested
 * child's is its parent's. -EOPNOTSUPP when the domain cannot be tracked; -ENOMEM.
 */
struct iommu_dirty_domain *iommu_dirty_get(struct iommu_domain *domain,
					   gfp_t gfp)
{
	struct iommu_dirty_domain *dd, *old;

	if (!iommu_dirty_trackable(domain))
		return ERR_PTR(-EOPNOTSUPP);

	/* Pairs with the cmpxchg() below: whoever sees it sees it initialised */
	dd = smp_load_acquire(&domain->dirty);
	if (dd)
		return dd;
	dd = state_new(domain, gfp);
	if (!dd)
		return ERR_PTR(-ENOMEM);
	old = cmpxchg(&domain->dirty, NULL, dd);
	if (old) {
		state_drop(dd);
		return old;
	}
	state_publish(dd);
	return dd;
}

/* For a consumer: -EOPNOTSUPP for a nested child as well, whose parent has to be asked */
struct iommu_dirty_domain *iommu_dirty_get_own(struct iommu_domain *domain)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get(domain, GFP_KERNEL);

	return IS_ERR(dd) || dd->domain == domain ? dd : ERR_PTR(-EOPNOTSUPP);
}

/* The domain goes, and nothing uses it. One change, told in one call, the last one. */
void iommu_dirty_put(struct iommu_dirty_domain *dd)
{
	enum iommu_dirty_events events = IOMMU_DIRTY_EVENT_GONE;

	scoped_guard(mutex, &iommu_dirty_domains_lock)
		list_del(&dd->node);
	scoped_guard(rwsem_write, &dd->attach_lock) {
		if (change_mode(dd, IOMMU_DIRTY_MODE_OFF,
				IOMMU_DIRTY_REASON_NONE))
			events |= IOMMU_DIRTY_EVENT_MODE;
		unbind_backend(dd);
	}
	iommu_dirty_post(dd, events);
	iommu_dirty_listeners_put(&dd->listeners);
}

/**
 * iommu_dirty_device_capable() - can what a device writes be tracked?
 * @dev: a device behind an IOMMU
 *
 * Context: process; may sleep.
 * Return: 1 or 0; -ENODEV when no backend knows the device.
 */
int iommu_dirty_device_capable(struct device *dev)
{
	struct registered_backend *rb;

	guard(mutex)(&backends_lock);
	list_for_each_entry(rb, &backends, node) {
		struct iommu_dirty_caps caps = {};
		int ret;

		ret = rb->backend->capability(NULL, dev, IOMMU_NO_PASID, &caps);
		if (ret == -ENODEV)
			continue;
		return !ret && (caps.flags & IOMMU_DIRTY_CAP_RECORD);
	}
	return -ENODEV;
}
EXPORT_SYMBOL_GPL(iommu_dirty_device_capable);
