// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: what a consumer asks for, but for the bits themselves,
 * which log.c reads.
 */
#include <linux/cleanup.h>
#include <linux/export.h>

#include "../iommu-priv.h"
#include "core.h"
#include "log.h"

static void reset_counters(struct iommu_dirty_counters *count)
{
	atomic64_set(&count->reads, 0);
	atomic64_set(&count->leaves, 0);
	atomic64_set(&count->dirty, 0);
	atomic64_set(&count->cleared, 0);
	atomic64_set(&count->flushes, 0);
	atomic64_set(&count->time_ns, 0);
	atomic64_set(&count->seen_leaf_sizes, 0);
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
	return iommu_dirty_can_record(&dd->caps) ||
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
	if (!ret && iommu_dirty_can_record(&dd->caps))
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
	if (dd->recording && iommu_dirty_can_record(&dd->caps))
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_EXACT,
				     IOMMU_DIRTY_REASON_NONE);
	else
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     dd->no_record_reason ?: IOMMU_DIRTY_REASON_DEVICE);
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
 * iommu_dirty_start() - track what the devices of a domain write
 * @domain: paging domain, not one of the DMA API's
 * @owner: who asks, any address of the caller's; only the owner may read and stop
 * @mapped: what is mapped now
 *
 * Everything that is mapped is made clean, and the counters start from zero. Where
 * tracking cannot be exact, a domain whose policy is
 * %IOMMU_DIRTY_POLICY_DEGRADE, also one that no backend serves, goes to all-dirty
 * instead.
 *
 * Starts and stops of one domain take turns, each as a whole: whoever is told that
 * tracking is on, or on already, can rely on it, and a write from then on is
 * reported. The mode is off until all is clean. After an error tracking is as it
 * was before.
 *
 * Context: process; may sleep; takes the domain's attach lock. The caller holds
 * what keeps @mapped as it is.
 * Return:
 * * 0
 * * -EALREADY - @owner has started it before; nothing is changed or made clean
 * * -EBUSY - somebody else has
 * * -EOPNOTSUPP - the domain is the DMA API's, or has no backend, or an attached
 *   device cannot record, and the policy is another one
 * * -EINVAL - @owner or @mapped is missing
 * * -EINTR - the task is being killed
 * * -ENOMEM
 * * or what the backend says
 */
int iommu_dirty_start(struct iommu_domain *domain, const void *owner,
		      const struct iommu_dirty_ranges *mapped)
{
	struct iommu_dirty_domain *dd;
	int ret;

	might_sleep();
	if (!owner || !mapped)
		return -EINVAL;
	dd = iommu_dirty_get_own(domain);
	if (IS_ERR(dd))
		return PTR_ERR(dd);

	if (mutex_lock_killable(&dd->switching))
		return -EINTR;
	ret = start(dd, owner, mapped);
	mutex_unlock(&dd->switching);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_dirty_start);

/**
 * iommu_dirty_stop() - stop tracking
 * @domain: domain that @owner started tracking on
 * @owner: who started it
 *
 * Context: process; may sleep; takes the domain's attach lock. It waits for a start
 * or a stop of the domain that is under way.
 * Return:
 * * 0
 * * -EALREADY - it is off
 * * -EBUSY - somebody else has started it
 * * -EOPNOTSUPP - the domain is the DMA API's, or it is off and has no backend
 * * -EINVAL - @owner is missing
 * * -EINTR - the task is being killed
 * * -ENOMEM
 * * or what the backend says; tracking is still on
 */
int iommu_dirty_stop(struct iommu_domain *domain, const void *owner)
{
	struct iommu_dirty_domain *dd;
	int ret;

	might_sleep();
	if (!owner)
		return -EINVAL;
	dd = iommu_dirty_get_own(domain);
	if (IS_ERR(dd))
		return PTR_ERR(dd);

	if (mutex_lock_killable(&dd->switching))
		return -EINTR;
	ret = stop(dd, owner);
	mutex_unlock(&dd->switching);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_dirty_stop);

/**
 * iommu_dirty_query() - what is the state of a domain's dirty tracking?
 * @domain: paging domain
 * @info: filled in; a nested child's is its parent's
 *
 * Nothing changes.
 *
 * Context: process; may sleep; takes the domain's attach lock for read.
 * Return:
 * * 0
 * * -EOPNOTSUPP - @domain cannot be tracked
 * * -ENOMEM
 */
int iommu_dirty_query(struct iommu_domain *domain,
		      struct iommu_dirty_info *info)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get(domain, GFP_KERNEL);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	iommu_dirty_snapshot(dd, info);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_query);

/**
 * iommu_dirty_set_policy() - choose what happens to devices that cannot record
 * @domain: paging domain
 * @owner: who asks, any address of the caller's; the one who started tracking if
 *	it is on
 * @policy: see &enum iommu_dirty_policy
 *
 * The mode stays what it is.
 *
 * Context: process; may sleep; takes the domain's attach lock.
 * Return:
 * * 0
 * * -EBUSY - another owner tracks
 * * -EOPNOTSUPP - the policy is unknown, the domain cannot be tracked, or the policy
 *   is strict and the domain or an attached device cannot record
 * * -EINVAL - @owner is missing
 * * -ENOMEM
 */
int iommu_dirty_set_policy(struct iommu_domain *domain, const void *owner,
			   enum iommu_dirty_policy policy)
{
	struct iommu_dirty_domain *dd;

	might_sleep();
	if (!owner)
		return -EINVAL;
	if ((unsigned int)policy > IOMMU_DIRTY_POLICY_DEGRADE)
		return -EOPNOTSUPP;
	dd = iommu_dirty_get_own(domain);
	if (IS_ERR(dd))
		return PTR_ERR(dd);

	guard(rwsem_write)(&dd->attach_lock);
	if (dd->mode != IOMMU_DIRTY_MODE_OFF && dd->owner != owner)
		return -EBUSY;
	if (policy == IOMMU_DIRTY_POLICY_STRICT && !iommu_dirty_can_record(&dd->caps))
		return -EOPNOTSUPP;
	iommu_dirty_change_policy(dd, policy);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_set_policy);

static int make_forecast(struct iommu_dirty_domain *dd, struct device *dev,
			 struct iommu_dirty_forecast *forecast)
{
	struct iommu_dirty_attachment at = { .dev = dev };
	int ret = 0;

	lockdep_assert_held_write(&dd->attach_lock);
	forecast->mode = dd->mode;
	forecast->reason = dd->reason;
	forecast->caps = dd->caps;
	if (iommu_dirty_find_attachment(dd, dev, IOMMU_NO_PASID))
		return 0;

	if (dd->backend)
		ret = dd->backend->capability(dd->domain, dev, IOMMU_NO_PASID,
					      &at.caps);
	if (ret == -EINVAL || ret == -ENODEV) {
		forecast->verdict = IOMMU_DIRTY_VERDICT_FOREIGN;
		return -EINVAL;
	}
	if (ret)
		at.caps.flags = 0;
	if (!iommu_dirty_can_record(&at.caps) && iommu_dirty_policy_refuses(dd)) {
		forecast->verdict = IOMMU_DIRTY_VERDICT_REFUSED;
		return -EINVAL;
	}

	forecast->caps.flags = iommu_dirty_combine_caps(dd->caps.flags, at.caps.flags);
	if (dd->mode == IOMMU_DIRTY_MODE_EXACT && !iommu_dirty_can_record(&forecast->caps)) {
		forecast->mode = IOMMU_DIRTY_MODE_ALL_DIRTY;
		forecast->reason = IOMMU_DIRTY_REASON_DEVICE;
	}
	return 0;
}

/**
 * iommu_dirty_can_attach() - would a device be attached, and what would it change?
 * @domain: any domain
 * @dev: device, which its driver or the caller holds on to
 * @forecast: filled in
 *
 * It is about dirty tracking, and about the device's own requests, not a PASID's.
 * Nothing is changed, and nothing is promised: a driver may have other reasons to
 * refuse, and policy and mode can change until the device is attached.
 *
 * Context: process; may sleep; takes the domain's attach lock.
 * Return:
 * * 0 - it would be attached
 * * -EINVAL - the attach would end with this errno: the policy refuses it, the domain
 *   belongs to another IOMMU, or the device's IOMMU cannot read its table
 * * -EOPNOTSUPP - the domain's table is a process's (SVA), where the CPU's page tables
 *   record what devices write
 * * -ENODEV - @dev is behind no IOMMU
 * * -ENOMEM
 */
int iommu_dirty_can_attach(struct iommu_domain *domain, struct device *dev,
			   struct iommu_dirty_forecast *forecast)
{
	struct iommu_dirty_domain *dd;

	might_sleep();
	*forecast = (struct iommu_dirty_forecast){};
	if (!dev->iommu || !dev->iommu->iommu_dev)
		return -ENODEV;
	if (domain->type == IOMMU_DOMAIN_SVA) {
		forecast->verdict = IOMMU_DIRTY_VERDICT_CPU;
		return -EOPNOTSUPP;
	}
	if (domain->owner && domain->owner != dev_iommu_ops(dev)) {
		forecast->verdict = IOMMU_DIRTY_VERDICT_FOREIGN;
		return -EINVAL;
	}
	if (!iommu_dirty_trackable(domain)) {
		forecast->verdict = IOMMU_DIRTY_VERDICT_UNTRACKED;
		return 0;
	}
	dd = iommu_dirty_get(domain, GFP_KERNEL);
	if (IS_ERR(dd))
		return PTR_ERR(dd);

	guard(rwsem_write)(&dd->attach_lock);
	return make_forecast(dd, dev, forecast);
}
EXPORT_SYMBOL_GPL(iommu_dirty_can_attach);

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
 * Return:
 * * 0
 * * -EEXIST - it is registered
 * * -EOPNOTSUPP - the domain cannot be tracked
 * * -ENOMEM
 */
int iommu_dirty_register_notifier(struct iommu_domain *domain,
				  struct notifier_block *nb)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get_own(domain);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	return iommu_dirty_listeners_add(&dd->listeners, nb);
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
 * Return:
 * * 0
 * * -ENOENT - it is not registered
 * * else as for registering
 */
int iommu_dirty_unregister_notifier(struct iommu_domain *domain,
				    struct notifier_block *nb)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get_own(domain);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	return iommu_dirty_listeners_del(&dd->listeners, nb);
}
EXPORT_SYMBOL_GPL(iommu_dirty_unregister_notifier);

/**
 * iommu_dirty_add_eventfd() - signal an eventfd when a domain changes
 * @domain: paging domain
 * @fd: an eventfd of the current process
 *
 * It is signalled where a notifier would be called, and forgotten after the last
 * call.
 *
 * Context: process; may sleep.
 * Return:
 * * 0
 * * -EBADF or -EINVAL - @fd is no eventfd
 * * -EEXIST - it is there
 * * -ENOSPC - %IOMMU_DIRTY_EVENTFD_MAX others are
 * * -EOPNOTSUPP - the domain cannot be tracked
 * * -ENOMEM
 */
int iommu_dirty_add_eventfd(struct iommu_domain *domain, int fd)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get_own(domain);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	return iommu_dirty_listeners_add_eventfd(&dd->listeners, fd);
}
EXPORT_SYMBOL_GPL(iommu_dirty_add_eventfd);

/**
 * iommu_dirty_remove_eventfd() - no longer signal an eventfd
 * @domain: domain that it was added to
 * @fd: file descriptor of the same eventfd
 *
 * Context: process; may sleep.
 * Return:
 * * 0
 * * -ENOENT - it is not there
 * * else as for adding it
 */
int iommu_dirty_remove_eventfd(struct iommu_domain *domain, int fd)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get_own(domain);

	if (IS_ERR(dd))
		return PTR_ERR(dd);
	return iommu_dirty_listeners_del_eventfd(&dd->listeners, fd);
}
EXPORT_SYMBOL_GPL(iommu_dirty_remove_eventfd);
