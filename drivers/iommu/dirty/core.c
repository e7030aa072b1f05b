// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: the registry of backends, the state that hangs off a
 * domain, and the features that a consumer switches.
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

#include "priv.h"

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

/**
 * iommu_dirty_register() - make a backend known
 * @backend: must stay in place until it is unregistered
 *
 * Domains that are in use already are offered to the backend when their consumer
 * next asks for something. A domain that several claim gets the first.
 *
 * Context: process; takes the registry's lock.
 * Return: 0; -EINVAL when a callback or the name is missing, or the name is too
 * long; -EEXIST when it, or another of that name, is registered; -ENOMEM.
 */
int iommu_dirty_register(const struct iommu_dirty_backend *backend)
{
	struct registered_backend *rb, *new;

	if (!backend || !backend->name || !backend->name[0] ||
	    strlen(backend->name) >= IOMMU_DIRTY_BACKEND_NAME_LEN)
		return -EINVAL;
	if (!backend->claims || !backend->capability || !backend->set_feature ||
	    !backend->walk || !backend->clear || !backend->flush)
		return -EINVAL;

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

/*
 * Find the backend of a domain that has none yet; one that nobody claims may be
 * the adapter's, which is always there.
 */
static void bind_backend(struct iommu_dirty_domain *dd)
{
	const struct iommu_dirty_backend *adapter = &iommu_dirty_adapter;
	struct registered_backend *rb;

	guard(mutex)(&backends_lock);
	if (dd->backend)
		return;
	list_for_each_entry(rb, &backends, node) {
		if (!rb->backend->claims(dd->domain) ||
		    !try_module_get(rb->backend->owner))
			continue;
		rb->users++;
		/* Pairs with the acquire in iommu_dirty_state() */
		smp_store_release(&dd->backend, rb->backend);
		return;
	}
	if (adapter->claims(dd->domain)) {
		/* Pairs with the acquire in iommu_dirty_state() */
		smp_store_release(&dd->backend, adapter);
	}
}

/* The last user of a domain is gone: nobody can look at its backend any more */
static void unbind_backend(struct iommu_dirty_domain *dd)
{
	const struct iommu_dirty_backend *backend = dd->backend;

	guard(mutex)(&backends_lock);
	dd->backend = NULL;
	if (!backend || backend == &iommu_dirty_adapter)
		return;
	find_backend(backend)->users--;
	module_put(backend->owner);
}

static void state_free(struct kref *ref)
{
	struct iommu_dirty_domain *dd =
		container_of(ref, struct iommu_dirty_domain, ref);

	mutex_destroy(&dd->listeners_lock);
	mutex_destroy(&dd->lock);
	mutex_destroy(&dd->switching);
	kfree(dd);
}

void iommu_dirty_state_put(struct iommu_dirty_domain *dd)
{
	kref_put(&dd->ref, state_free);
}

static struct iommu_dirty_domain *state_new(struct iommu_domain *domain,
					    gfp_t gfp)
{
	struct iommu_dirty_domain *dd;

	dd = kzalloc(sizeof(*dd), gfp | __GFP_ACCOUNT);
	if (!dd)
		return NULL;
	dd->domain = domain;
	kref_init(&dd->ref);
	init_rwsem(&dd->attach_lock);
	mutex_init(&dd->switching);
	mutex_init(&dd->lock);
	spin_lock_init(&dd->readings_lock);
	INIT_LIST_HEAD(&dd->readings);
	init_waitqueue_head(&dd->turns);
	INIT_LIST_HEAD(&dd->attachments);
	INIT_WORK(&dd->notify, iommu_dirty_notify_work);
	mutex_init(&dd->listeners_lock);
	RAW_INIT_NOTIFIER_HEAD(&dd->notifiers);
	INIT_LIST_HEAD(&dd->eventfds);
	dd->lacking = IOMMU_DIRTY_REASON_TABLE;
	return dd;
}

static void state_publish(struct iommu_dirty_domain *dd)
{
	static unsigned int ids;

	guard(mutex)(&iommu_dirty_domains_lock);
	dd->id = ++ids;
	list_add_tail(&dd->node, &iommu_dirty_domains);
}

/*
 * The state of a domain that may be tracked, created when there is none. NULL
 * when memory is short, or the domain is none that can be tracked.
 */
struct iommu_dirty_domain *iommu_dirty_state(struct iommu_domain *domain,
					     gfp_t gfp)
{
	struct iommu_dirty_domain *dd, *old;

	if (!iommu_dirty_trackable(domain))
		return NULL;

	/* Pairs with the cmpxchg() below: whoever sees it sees it initialised */
	dd = smp_load_acquire(&domain->dirty);
	if (!dd) {
		dd = state_new(domain, gfp);
		if (!dd)
			return NULL;

		old = cmpxchg(&domain->dirty, NULL, dd);
		if (old) {
			iommu_dirty_state_put(dd);
			dd = old;
		} else {
			state_publish(dd);
		}
	}

	/* Pairs with the release in bind_backend() */
	if (!smp_load_acquire(&dd->backend)) {
		down_write(&dd->attach_lock);
		bind_backend(dd);
		iommu_dirty_recompute(dd);
		up_write(&dd->attach_lock);
	}
	return dd;
}

/*
 * For what a consumer asks of a domain, which may sleep: -EOPNOTSUPP for one that is
 * never tracked, or a nested child, whose parent has to be asked; -ENOMEM.
 */
struct iommu_dirty_domain *iommu_dirty_own_state(struct iommu_domain *domain)
{
	struct iommu_dirty_domain *dd;

	if (!iommu_dirty_trackable(domain))
		return ERR_PTR(-EOPNOTSUPP);
	dd = iommu_dirty_state(domain, GFP_KERNEL);
	if (!dd)
		return ERR_PTR(-ENOMEM);
	return dd->domain == domain ? dd : ERR_PTR(-EOPNOTSUPP);
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

void __iommu_dirty_domain_free(struct iommu_domain *domain)
{
	enum iommu_dirty_events events = IOMMU_DIRTY_EVENT_GONE;
	struct iommu_dirty_domain *dd = domain->dirty;

	down_write(&dd->attach_lock);
	iommu_dirty_abandon(dd, domain);
	up_write(&dd->attach_lock);

	domain->dirty = NULL;
	/* A nested child borrowed its parent's */
	if (dd->domain != domain)
		return;

	mutex_lock(&iommu_dirty_domains_lock);
	list_del(&dd->node);
	mutex_unlock(&iommu_dirty_domains_lock);

	down_write(&dd->attach_lock);
	/* One change, told in one call, which is the last */
	if (change_mode(dd, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE))
		events |= IOMMU_DIRTY_EVENT_MODE;
	unbind_backend(dd);
	up_write(&dd->attach_lock);

	iommu_dirty_post(dd, events);
	iommu_dirty_state_put(dd);
}
EXPORT_SYMBOL_GPL(__iommu_dirty_domain_free);

/**
 * iommu_dirty_domain_want() - note that a domain was allocated to be tracked
 * @domain: a domain that nothing is attached to yet
 * @dev: the device that it was allocated for
 *
 * Its policy is %IOMMU_DIRTY_POLICY_STRICT from now on.
 *
 * Context: process; may sleep.
 * Return: 0; -EOPNOTSUPP when @dev cannot record in this domain, or no backend
 * serves it; -ENOMEM; or what the backend says.
 */
int iommu_dirty_domain_want(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_dirty_domain *dd = iommu_dirty_state(domain, GFP_KERNEL);
	struct iommu_dirty_caps caps = {};
	int ret;

	if (!dd)
		return iommu_dirty_trackable(domain) ? -ENOMEM : -EOPNOTSUPP;
	if (!dd->backend)
		return -EOPNOTSUPP;

	guard(rwsem_write)(&dd->attach_lock);
	ret = dd->backend->capability(domain, dev, IOMMU_NO_PASID, &caps);
	if (ret)
		return ret;
	if (!(caps.flags & IOMMU_DIRTY_CAP_RECORD))
		return -EOPNOTSUPP;
	iommu_dirty_change_policy(dd, IOMMU_DIRTY_POLICY_STRICT);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_domain_want);

/**
 * iommu_dirty_nest() - a domain's devices will reach memory through another's table
 * @child: nested domain, not yet attached to anything
 * @parent: the domain whose leaves hold the dirty state
 *
 * Devices attached to @child count as attached to @parent, which must outlive it.
 *
 * Context: process; may sleep.
 * Return: 0 or -ENOMEM.
 */
int iommu_dirty_nest(struct iommu_domain *child, struct iommu_domain *parent)
{
	struct iommu_dirty_domain *dd = iommu_dirty_state(parent, GFP_KERNEL);

	if (!dd)
		return iommu_dirty_trackable(parent) ? -ENOMEM : 0;
	child->dirty = dd;
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_nest);

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

static void reset_counters(struct iommu_dirty_counters *count)
{
	atomic64_set(&count->reads, 0);
	atomic64_set(&count->leaves, 0);
	atomic64_set(&count->dirty, 0);
	atomic64_set(&count->cleared, 0);
	atomic64_set(&count->flushes, 0);
	atomic64_set(&count->time_ns, 0);
	atomic64_set(&count->met_sizes, 0);
}

/* Have the hardware record, or no longer */
static int set_recording(struct iommu_dirty_domain *dd, bool value)
{
	int ret;

	lockdep_assert_held_write(&dd->attach_lock);
	if (dd->recording == value)
		return 0;
	ret = dd->backend->set_feature(dd->domain, IOMMU_DIRTY_FEATURE_RECORD,
				       value);
	if (!ret)
		dd->recording = value;
	return ret;
}

static int stop(struct iommu_dirty_domain *dd, const void *owner)
{
	int ret;

	guard(rwsem_write)(&dd->attach_lock);
	if (dd->mode == IOMMU_DIRTY_MODE_OFF)
		return dd->backend || dd->policy == IOMMU_DIRTY_POLICY_DEGRADE ?
			       -EALREADY :
			       -EOPNOTSUPP;
	if (dd->owner != owner)
		return -EBUSY;
	ret = set_recording(dd, false);
	if (ret)
		return ret;
	dd->owner = NULL;
	iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	return 0;
}

/* Can tracking be on? If it cannot be exact, a policy may want it all the same */
static int may_track(struct iommu_dirty_domain *dd)
{
	lockdep_assert_held(&dd->attach_lock);
	return dd->caps.flags & IOMMU_DIRTY_CAP_RECORD ||
	       dd->policy == IOMMU_DIRTY_POLICY_DEGRADE ? 0 : -EOPNOTSUPP;
}

static int start_recording(struct iommu_dirty_domain *dd, const void *owner)
{
	int ret;

	guard(rwsem_write)(&dd->attach_lock);
	if (dd->mode != IOMMU_DIRTY_MODE_OFF)
		return dd->owner == owner ? -EALREADY : -EBUSY;
	ret = may_track(dd);
	/* All is cleaned and flushed now: what failed before no longer counts */
	WRITE_ONCE(dd->unflushed, false);
	if (!ret && dd->caps.flags & IOMMU_DIRTY_CAP_RECORD)
		ret = set_recording(dd, true);
	if (!ret)
		reset_counters(&dd->count);
	return ret;
}

/*
 * All is clean: from here on the caller can rely on it. What is attached may have
 * changed since recording was switched on.
 */
static int start_period(struct iommu_dirty_domain *dd, const void *owner)
{
	int ret;

	guard(rwsem_write)(&dd->attach_lock);
	ret = may_track(dd);
	if (ret)
		return ret;
	dd->owner = owner;
	dd->period++;
	if (dd->recording && dd->caps.flags & IOMMU_DIRTY_CAP_RECORD)
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_EXACT,
				     IOMMU_DIRTY_REASON_NONE);
	else
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     dd->lacking ?: IOMMU_DIRTY_REASON_DEVICE);
	return 0;
}

/* If this fails too, fall back to all-dirty, which over-reports */
static void undo_start(struct iommu_dirty_domain *dd, const void *owner)
{
	guard(rwsem_write)(&dd->attach_lock);
	if (!set_recording(dd, false))
		return;
	dd->owner = owner;
	dd->period++;
	iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
			     IOMMU_DIRTY_REASON_BACKEND);
}

/*
 * Recording goes on before what is mapped is made clean: a write in between is
 * made clean as well, and that is right, because the caller has not been told
 * yet that tracking is on.
 */
static int start(struct iommu_dirty_domain *dd, const void *owner,
		 const struct iommu_dirty_ranges *mapped)
{
	int ret;

	mapped->assert_stable(mapped);
	ret = start_recording(dd, owner);
	if (ret)
		return ret;
	/* Only start and stop change it, and they take turns */
	if (dd->recording)
		ret = iommu_dirty_clean(dd, mapped);
	ret = ret ?: start_period(dd, owner);
	if (ret)
		undo_start(dd, owner);
	return ret;
}

/**
 * iommu_dirty_set_feature() - switch a feature of a domain
 * @domain: paging domain
 * @owner: who asks, any address of the caller's; one owner at a time
 * @feature: what to switch
 * @value: on or off
 * @mapped: what is mapped now, for %IOMMU_DIRTY_FEATURE_RECORD and @value true
 *
 * Switching recording on makes everything that is mapped clean and starts the
 * counters from zero. Where it cannot be exact, a domain whose policy is
 * %IOMMU_DIRTY_POLICY_DEGRADE, also one that no backend serves, goes to all-dirty
 * instead.
 *
 * Calls for one domain take turns, each as a whole: whoever is told that tracking
 * is on, or on already, can rely on it, and a write from then on is reported. The
 * mode is off until all is clean.
 *
 * Context: process; may sleep; takes the domain's attach lock. The caller holds
 * what keeps @mapped as it is.
 * Return: 0; -EALREADY when it is so already, and nothing is changed or made
 * clean; -EBUSY when it has another owner; -EOPNOTSUPP when the feature is
 * unknown, the domain is the DMA API's, or the policy is another one and the
 * domain has no backend or an attached device cannot do it; -EINVAL when @owner
 * or @mapped is missing; -EINTR when the task is being killed; -ENOMEM; or what
 * the backend says. After an error the feature is as it was before.
 */
int iommu_dirty_set_feature(struct iommu_domain *domain, const void *owner,
			    enum iommu_dirty_feature feature, bool value,
			    const struct iommu_dirty_ranges *mapped)
{
	struct iommu_dirty_domain *dd;
	int ret;

	might_sleep();
	if (!owner)
		return -EINVAL;
	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;
	if (value && !mapped)
		return -EINVAL;
	dd = iommu_dirty_own_state(domain);
	if (IS_ERR(dd))
		return PTR_ERR(dd);

	if (mutex_lock_killable(&dd->switching))
		return -EINTR;
	ret = value ? start(dd, owner, mapped) : stop(dd, owner);
	mutex_unlock(&dd->switching);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_dirty_set_feature);

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
	/* Pairs with the cmpxchg() in iommu_dirty_state() */
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
		.seq = atomic64_read(&dd->seq),
		.met_sizes = atomic64_read(&dd->count.met_sizes),
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

/**
 * iommu_dirty_query() - what is the state of a domain's dirty tracking?
 * @domain: paging domain
 * @info: filled in
 *
 * Context: process; may sleep; takes the domain's attach lock for read.
 * Return: 0; -EOPNOTSUPP when @domain is none that can be tracked; -ENOMEM.
 */
int iommu_dirty_query(struct iommu_domain *domain,
		      struct iommu_dirty_info *info)
{
	struct iommu_dirty_domain *dd;

	if (!iommu_dirty_trackable(domain))
		return -EOPNOTSUPP;
	dd = iommu_dirty_state(domain, GFP_KERNEL);
	if (!dd)
		return -ENOMEM;

	iommu_dirty_snapshot(dd, info);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_query);
