// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: what attach and detach do, and the policy that decides it.
 *
 * The IOMMU core calls the functions here where it used to call the driver. They
 * call the driver under the domain's attach lock, so that no clear runs between a
 * device's translation going live and the device being flushed, and record which
 * (device, PASID) pairs use which domain: detach has no call of its own (it is an
 * attach elsewhere), and the group's idea of its domain is stale in the middle of
 * a group's change.
 *
 * dev->iommu->dirty lists a device's pairs, which group->mutex protects. They are
 * all gone before the device is: nobody asks its driver about it afterwards.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "../iommu-priv.h"
#include "priv.h"
#include "trace.h"

/* Abilities are what both have, caveats what either has */
static u32 together(u32 domain, u32 pair)
{
	u32 lacks = IOMMU_DIRTY_CAP_ABILITIES & ~pair;

	return (domain & ~lacks) | (pair & IOMMU_DIRTY_CAP_CAVEATS);
}

/*
 * Ask what a pair can do, until the backend has said it: one may come after the
 * device, and its answer may fail.
 */
static void ask(struct iommu_dirty_domain *dd,
		struct iommu_dirty_attachment *at)
{
	if (at->known)
		return;
	at->caps = (struct iommu_dirty_caps){};
	at->known = !dd->backend->capability(dd->domain, at->dev, at->pasid,
					     &at->caps);
	if (!at->known)
		at->caps.flags = 0;
}

static bool records(const struct iommu_dirty_caps *caps)
{
	return caps->flags & IOMMU_DIRTY_CAP_RECORD;
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
	return records(caps) ? IOMMU_DIRTY_REASON_NONE :
			       IOMMU_DIRTY_REASON_TABLE;
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

	dd->lacking = table_caps(dd, &caps);
	list_for_each_entry(at, &dd->attachments, node) {
		ask(dd, at);
		if (records(&caps) && !records(&at->caps))
			dd->lacking = IOMMU_DIRTY_REASON_DEVICE;
		caps.flags = together(caps.flags, at->caps.flags);
	}

	if (memcmp(&caps, &dd->caps, sizeof(caps))) {
		dd->caps = caps;
		iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_CAPS);
	}

	if (dd->mode == IOMMU_DIRTY_MODE_EXACT && !records(&caps))
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     dd->lacking);
}

static struct iommu_dirty_attachment *
find_attachment(struct iommu_dirty_domain *dd, struct device *dev,
		ioasid_t pasid)
{
	struct iommu_dirty_attachment *at;

	lockdep_assert_held(&dd->attach_lock);
	list_for_each_entry(at, &dd->attachments, node)
		if (at->dev == dev && at->pasid == pasid)
			return at;
	return NULL;
}

/* The pair of the device's own requests; the caller holds group->mutex */
static struct iommu_dirty_attachment *own_attachment(struct device *dev)
{
	struct iommu_dirty_attachment *at;

	hlist_for_each_entry(at, &dev->iommu->dirty, of_dev)
		if (at->pasid == IOMMU_NO_PASID)
			return at;
	return NULL;
}

static void add_attachment(struct iommu_dirty_domain *dd,
			   struct iommu_dirty_attachment *at)
{
	lockdep_assert_held_write(&dd->attach_lock);
	at->dd = dd;
	list_add_tail(&at->node, &dd->attachments);
	hlist_add_head(&at->of_dev, &at->dev->iommu->dirty);
	dd->nr_attachments++;
	iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_ATTACH);
	iommu_dirty_recompute(dd);
	trace_iommu_dirty_attach(dd, at->dev, at->pasid);
}

static void drop_attachment(struct iommu_dirty_attachment *at)
{
	struct iommu_dirty_domain *dd = at->dd;

	lockdep_assert_held_write(&dd->attach_lock);
	trace_iommu_dirty_detach(dd, at->dev, at->pasid);
	list_del(&at->node);
	hlist_del(&at->of_dev);
	dd->nr_attachments--;
	kfree(at);
	iommu_dirty_post(dd, IOMMU_DIRTY_EVENT_DETACH);
	iommu_dirty_recompute(dd);
}

/* Does the policy turn away what cannot record? See the table in design.rst */
static bool refuses(const struct iommu_dirty_domain *dd)
{
	switch (dd->policy) {
	case IOMMU_DIRTY_POLICY_STRICT:
		return true;
	case IOMMU_DIRTY_POLICY_DEGRADE:
		return false;
	default:
		return dd->mode == IOMMU_DIRTY_MODE_EXACT;
	}
}

/*
 * Ask what the pair can do and whether it may be attached. A pair that is there
 * already is being put back by the core, which cannot be refused.
 */
static int admit(struct iommu_dirty_domain *dd,
		 struct iommu_dirty_attachment *at, bool must)
{
	lockdep_assert_held_write(&dd->attach_lock);
	if (dd->backend)
		ask(dd, at);
	if (records(&at->caps) || must || !refuses(dd))
		return 0;
	trace_iommu_dirty_refuse(dd, at->dev, at->pasid);
	return -EINVAL;
}

/*
 * A device may be live in the domain when its driver gives up, until the core puts
 * it elsewhere. Only -EINVAL, that the two do not fit, says that it never was. What
 * one that cannot record writes meanwhile is nowhere.
 */
static void attach_failed(struct iommu_dirty_domain *dd,
			  const struct iommu_dirty_attachment *at, int err)
{
	lockdep_assert_held_write(&dd->attach_lock);
	if (err != -EINVAL && dd->mode == IOMMU_DIRTY_MODE_EXACT &&
	    !records(&at->caps))
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     IOMMU_DIRTY_REASON_DEVICE);
}

/* Both or either may be NULL, and they may be the same */
static void lock_both(struct iommu_dirty_domain *a,
		      struct iommu_dirty_domain *b)
{
	if (a > b)
		swap(a, b);
	if (a)
		down_write(&a->attach_lock);
	if (b && b != a)
		down_write_nested(&b->attach_lock, SINGLE_DEPTH_NESTING);
}

static void unlock_both(struct iommu_dirty_domain *a,
			struct iommu_dirty_domain *b)
{
	if (a)
		up_write(&a->attach_lock);
	if (b && b != a)
		up_write(&b->attach_lock);
}

static struct iommu_dirty_attachment *
new_attachment(struct iommu_domain *domain, struct device *dev,
	       ioasid_t pasid, gfp_t gfp)
{
	struct iommu_dirty_attachment *at;

	at = kzalloc(sizeof(*at), gfp | __GFP_ACCOUNT);
	if (at) {
		at->domain = domain;
		at->dev = dev;
		at->pasid = pasid;
	}
	return at;
}

/**
 * __iommu_dirty_attach_dev() - call the driver's attach_dev and record the pair
 * @domain: where to
 * @dev: device
 * @must: the core puts the device back, adds it where its group is, or blocks it:
 *	it cannot be refused
 *
 * A device whose attach fails stays recorded where it was: the core puts it back
 * there, or somewhere else, next.
 *
 * Context: process; group->mutex is held; takes the attach locks of the domain
 * and of the one that the device leaves.
 * Return: 0; -EINVAL when the domain is to be tracked and the device cannot
 * record, the errno on which iommufd tries another domain; -ENOMEM; or the
 * driver's.
 */
int __iommu_dirty_attach_dev(struct iommu_domain *domain, struct device *dev,
			     bool must)
{
	gfp_t gfp = must ? GFP_KERNEL | __GFP_NOFAIL : GFP_KERNEL;
	struct iommu_dirty_attachment *at = NULL, *old_at = own_attachment(dev);
	struct iommu_dirty_domain *old = old_at ? old_at->dd : NULL;
	struct iommu_dirty_domain *dd = NULL;
	int ret = 0;

	if (iommu_dirty_trackable(domain)) {
		dd = iommu_dirty_state(domain, gfp);
		at = new_attachment(domain, dev, IOMMU_NO_PASID, gfp);
		if (!dd || !at) {
			kfree(at);
			return -ENOMEM;
		}
	}

	lock_both(dd, old);
	if (dd)
		ret = admit(dd, at, must || dd == old);
	if (!ret)
		ret = domain->ops->attach_dev(domain, dev);
	if (!ret) {
		if (old_at)
			drop_attachment(old_at);
		if (at)
			add_attachment(dd, at);
	} else if (at) {
		attach_failed(dd, at, ret);
		kfree(at);
	}
	unlock_both(dd, old);
	return ret;
}
EXPORT_SYMBOL_GPL(__iommu_dirty_attach_dev);

/**
 * __iommu_dirty_set_dev_pasid() - call the driver's set_dev_pasid and record the pair
 * @domain: where to
 * @dev: device
 * @pasid: PASID
 * @old: what the PASID used before, or NULL
 *
 * Context: process; group->mutex is held; takes the attach lock of the domain.
 * Return: as __iommu_dirty_attach_dev().
 */
int __iommu_dirty_set_dev_pasid(struct iommu_domain *domain,
				struct device *dev, ioasid_t pasid,
				struct iommu_domain *old)
{
	struct iommu_dirty_domain *dd = NULL, *old_dd = old ? old->dirty : NULL;
	struct iommu_dirty_attachment *at = NULL, *old_at;
	int ret = 0;

	if (iommu_dirty_trackable(domain)) {
		dd = iommu_dirty_state(domain, GFP_KERNEL);
		at = new_attachment(domain, dev, pasid, GFP_KERNEL);
		if (!dd || !at) {
			kfree(at);
			return -ENOMEM;
		}
	}

	lock_both(dd, old_dd);
	if (dd)
		ret = admit(dd, at, false);
	if (!ret)
		ret = domain->ops->set_dev_pasid(domain, dev, pasid, old);
	if (!ret) {
		old_at = old_dd ? find_attachment(old_dd, dev, pasid) : NULL;
		if (old_at)
			drop_attachment(old_at);
		if (at)
			add_attachment(dd, at);
	} else if (at) {
		attach_failed(dd, at, ret);
		kfree(at);
	}
	unlock_both(dd, old_dd);
	return ret;
}
EXPORT_SYMBOL_GPL(__iommu_dirty_set_dev_pasid);

/**
 * __iommu_dirty_remove_dev_pasid() - call the driver's remove_dev_pasid and forget the pair
 * @ops: the driver's
 * @dev: device
 * @pasid: PASID
 * @domain: what the PASID uses
 *
 * Context: process; group->mutex is held; takes the attach lock of the domain.
 */
void __iommu_dirty_remove_dev_pasid(const struct iommu_ops *ops,
				    struct device *dev, ioasid_t pasid,
				    struct iommu_domain *domain)
{
	struct iommu_dirty_domain *dd = domain->dirty;
	struct iommu_dirty_attachment *at;

	down_write(&dd->attach_lock);
	ops->remove_dev_pasid(dev, pasid, domain);
	at = find_attachment(dd, dev, pasid);
	if (at)
		drop_attachment(at);
	up_write(&dd->attach_lock);
}
EXPORT_SYMBOL_GPL(__iommu_dirty_remove_dev_pasid);

/* Its users should have removed them; the driver's own lists may keep them else */
static void remove_pasids(const struct iommu_ops *ops, struct device *dev)
{
	struct iommu_dirty_attachment *at;
	struct hlist_node *next;

	hlist_for_each_entry_safe(at, next, &dev->iommu->dirty, of_dev)
		if (at->pasid != IOMMU_NO_PASID)
			__iommu_dirty_remove_dev_pasid(ops, dev, at->pasid,
						       at->domain);
}

/**
 * iommu_dirty_release_device() - call the driver's release_device and forget the device
 * @ops: the driver's
 * @dev: device that goes away
 *
 * PASIDs that nobody removed are removed first.
 *
 * Context: process; group->mutex is held, once the device has a group; takes the
 * attach lock of each domain that the device uses, one after the other, around the
 * driver's call.
 */
void iommu_dirty_release_device(const struct iommu_ops *ops,
				struct device *dev)
{
	struct iommu_dirty_attachment *at;
	struct iommu_dirty_domain *dd;

	remove_pasids(ops, dev);
	at = own_attachment(dev);
	dd = at ? at->dd : NULL;
	lock_both(dd, NULL);
	if (ops->release_device)
		ops->release_device(dev);
	if (at)
		drop_attachment(at);
	unlock_both(dd, NULL);
}
EXPORT_SYMBOL_GPL(iommu_dirty_release_device);

/* A domain goes: nothing should use it any more */
void iommu_dirty_abandon(struct iommu_dirty_domain *dd,
			 const struct iommu_domain *domain)
{
	struct iommu_dirty_attachment *at, *next;

	lockdep_assert_held_write(&dd->attach_lock);
	list_for_each_entry_safe(at, next, &dd->attachments, node) {
		if (at->domain != domain && dd->domain != domain)
			continue;
		WARN(1, "a domain is freed while devices are attached\n");
		drop_attachment(at);
	}
}

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
 * Return: 0; -EBUSY when another owner tracks; -EOPNOTSUPP when the policy is
 * unknown, the domain is none that can be tracked, or the policy is strict and the
 * domain or an attached device cannot record; -EINVAL when @owner is missing;
 * -ENOMEM.
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
	dd = iommu_dirty_own_state(domain);
	if (IS_ERR(dd))
		return PTR_ERR(dd);

	guard(rwsem_write)(&dd->attach_lock);
	if (dd->mode != IOMMU_DIRTY_MODE_OFF && dd->owner != owner)
		return -EBUSY;
	if (policy == IOMMU_DIRTY_POLICY_STRICT && !records(&dd->caps))
		return -EOPNOTSUPP;
	iommu_dirty_change_policy(dd, policy);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_set_policy);

static int foresee(struct iommu_dirty_domain *dd, struct device *dev,
		   struct iommu_dirty_prospect *would)
{
	struct iommu_dirty_attachment at = { .dev = dev };
	int ret = 0;

	lockdep_assert_held_write(&dd->attach_lock);
	would->mode = dd->mode;
	would->reason = dd->reason;
	would->caps = dd->caps;
	if (find_attachment(dd, dev, IOMMU_NO_PASID))
		return 0;

	if (dd->backend)
		ret = dd->backend->capability(dd->domain, dev, IOMMU_NO_PASID,
					      &at.caps);
	if (ret == -EINVAL || ret == -ENODEV) {
		would->verdict = IOMMU_DIRTY_VERDICT_FOREIGN;
		return -EINVAL;
	}
	if (ret)
		at.caps.flags = 0;
	if (!records(&at.caps) && refuses(dd)) {
		would->verdict = IOMMU_DIRTY_VERDICT_REFUSED;
		return -EINVAL;
	}

	would->caps.flags = together(dd->caps.flags, at.caps.flags);
	if (dd->mode == IOMMU_DIRTY_MODE_EXACT && !records(&would->caps)) {
		would->mode = IOMMU_DIRTY_MODE_ALL_DIRTY;
		would->reason = IOMMU_DIRTY_REASON_DEVICE;
	}
	return 0;
}

/**
 * iommu_dirty_can_attach() - would a device be attached, and what would it change?
 * @domain: any domain
 * @dev: device, which its driver or the caller holds on to
 * @would: filled in
 *
 * It is about dirty tracking, and about the device's own requests, not a PASID's.
 * Nothing is changed, and nothing is promised: a driver may have other reasons to
 * refuse, and policy and mode can change until the device is attached.
 *
 * Context: process; may sleep; takes the domain's attach lock.
 * Return: 0 when it would; -EINVAL, the errno that the attach would end with, when
 * the policy refuses it, the domain belongs to another IOMMU, or the device's IOMMU
 * cannot read its table; -EOPNOTSUPP when the domain's table is a process's (SVA),
 * where the CPU's page tables record what devices write; -ENODEV when @dev is behind
 * no IOMMU; -ENOMEM.
 */
int iommu_dirty_can_attach(struct iommu_domain *domain, struct device *dev,
			   struct iommu_dirty_prospect *would)
{
	struct iommu_dirty_domain *dd;

	might_sleep();
	*would = (struct iommu_dirty_prospect){};
	if (!dev->iommu || !dev->iommu->iommu_dev)
		return -ENODEV;
	if (domain->type == IOMMU_DOMAIN_SVA) {
		would->verdict = IOMMU_DIRTY_VERDICT_CPU;
		return -EOPNOTSUPP;
	}
	if (domain->owner && domain->owner != dev_iommu_ops(dev)) {
		would->verdict = IOMMU_DIRTY_VERDICT_FOREIGN;
		return -EINVAL;
	}
	if (!iommu_dirty_trackable(domain)) {
		would->verdict = IOMMU_DIRTY_VERDICT_UNTRACKED;
		return 0;
	}
	dd = iommu_dirty_state(domain, GFP_KERNEL);
	if (!dd)
		return -ENOMEM;

	guard(rwsem_write)(&dd->attach_lock);
	return foresee(dd, dev, would);
}
EXPORT_SYMBOL_GPL(iommu_dirty_can_attach);
