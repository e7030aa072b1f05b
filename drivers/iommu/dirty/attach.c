// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: the hooks of the IOMMU core.
 *
 * It calls the functions here where it used to call the driver. They call the
 * driver under the domain's attach lock, so that no clear runs between a device's
 * translation going live and the device being flushed, and record which (device,
 * PASID) pairs use which domain: detach has no call of its own (it is an attach
 * elsewhere), and the group's idea of its domain is stale in the middle of a
 * group's change.
 *
 * dev->iommu->dirty lists a device's pairs, which group->mutex protects. They are
 * all gone before the device is: nobody asks its driver about it afterwards.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

/* The caller holds group->mutex */
static struct iommu_dirty_attachment *pair_of(struct device *dev, ioasid_t pasid)
{
	struct iommu_dirty_attachment *at;

	hlist_for_each_entry(at, &dev->iommu->dirty, of_dev)
		if (at->pasid == pasid)
			return at;
	return NULL;
}

static void add_attachment(struct iommu_dirty_attachment *at)
{
	struct iommu_dirty_domain *dd = at->dd;

	lockdep_assert_held_write(&dd->attach_lock);
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

/*
 * Ask what the pair can do and whether it may be attached. A pair that is there
 * already is being put back by the core, which cannot be refused.
 */
static int admit(struct iommu_dirty_domain *dd,
		 struct iommu_dirty_attachment *at, bool must_succeed)
{
	lockdep_assert_held_write(&dd->attach_lock);
	iommu_dirty_ask(dd, at);
	if (iommu_dirty_can_record(&at->caps) || must_succeed ||
	    !iommu_dirty_policy_refuses(dd))
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
	    !iommu_dirty_can_record(&at->caps))
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

/**
 * struct move - a pair goes to a domain
 * @domain: where to
 * @dev: device
 * @pasid: PASID, IOMMU_NO_PASID for the device's own requests
 * @old: what the PASID used before, or NULL; of no use without PASID
 * @must_succeed: it cannot be refused, nor fail for want of memory
 */
struct move {
	struct iommu_domain *domain;
	struct device *dev;
	ioasid_t pasid;
	struct iommu_domain *old;
	bool must_succeed;
};

static int call_driver(const struct move *m)
{
	if (m->pasid == IOMMU_NO_PASID)
		return m->domain->ops->attach_dev(m->domain, m->dev);
	return iommu_dirty_call_set_dev_pasid(m->domain, m->dev, m->pasid,
					      m->old);
}

static struct iommu_dirty_attachment *new_attachment(const struct move *m)
{
	gfp_t gfp = m->must_succeed ? GFP_KERNEL | __GFP_NOFAIL : GFP_KERNEL;
	struct iommu_dirty_attachment *at;
	struct iommu_dirty_domain *dd;

	dd = iommu_dirty_get(m->domain, gfp);
	if (IS_ERR(dd))
		return ERR_CAST(dd);
	at = kzalloc(sizeof(*at), gfp | __GFP_ACCOUNT);
	if (!at)
		return ERR_PTR(-ENOMEM);
	at->dd = dd;
	at->domain = m->domain;
	at->dev = m->dev;
	at->pasid = m->pasid;
	return at;
}

/*
 * Move a pair from where it is recorded, @old, to where @new says; both or either
 * may be NULL. One that fails to move stays recorded where it was: the core puts it
 * back there, or somewhere else, next. Consumes @new.
 */
static int move_pair(const struct move *m, struct iommu_dirty_attachment *old,
		     struct iommu_dirty_attachment *new)
{
	struct iommu_dirty_domain *from = old ? old->dd : NULL;
	struct iommu_dirty_domain *to = new ? new->dd : NULL;
	int ret = 0;

	lock_both(to, from);
	if (new)
		ret = admit(to, new, m->must_succeed || to == from);
	if (!ret)
		ret = call_driver(m);
	if (!ret) {
		if (old)
			drop_attachment(old);
		if (new)
			add_attachment(new);
	} else if (new) {
		attach_failed(to, new, ret);
		kfree(new);
	}
	unlock_both(to, from);
	return ret;
}

static int move(const struct move *m, struct iommu_dirty_attachment *old)
{
	struct iommu_dirty_attachment *new = NULL;

	if (iommu_dirty_trackable(m->domain)) {
		new = new_attachment(m);
		if (IS_ERR(new))
			return PTR_ERR(new);
	}
	return move_pair(m, old, new);
}

/**
 * __iommu_dirty_attach_dev() - call the driver's attach_dev and record the pair
 * @domain: where to
 * @dev: device
 * @must_succeed: the core puts the device back, adds it where its group is, or
 *	blocks it: it cannot be refused
 *
 * Context: process; group->mutex is held; takes the attach locks of the domain
 * and of the one that the device leaves.
 * Return:
 * * 0
 * * -EINVAL - the domain is to be tracked and the device cannot record; the errno
 *   on which iommufd tries another domain
 * * -ENOMEM
 * * or the driver's
 */
int __iommu_dirty_attach_dev(struct iommu_domain *domain, struct device *dev,
			     bool must_succeed)
{
	struct move m = {
		.domain = domain,
		.dev = dev,
		.pasid = IOMMU_NO_PASID,
		.must_succeed = must_succeed,
	};

	return move(&m, pair_of(dev, IOMMU_NO_PASID));
}

/**
 * __iommu_dirty_set_dev_pasid() - call the driver's set_dev_pasid and record the pair
 * @domain: where to
 * @dev: device
 * @pasid: PASID
 * @old: what the PASID used before, or NULL
 *
 * Context: process; group->mutex is held; takes the attach locks of the domains.
 * Return: as __iommu_dirty_attach_dev().
 */
int __iommu_dirty_set_dev_pasid(struct iommu_domain *domain,
				struct device *dev, ioasid_t pasid,
				struct iommu_domain *old)
{
	struct move m = {
		.domain = domain,
		.dev = dev,
		.pasid = pasid,
		.old = old,
	};

	return move(&m, old ? pair_of(dev, pasid) : NULL);
}

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
	struct iommu_dirty_attachment *at = pair_of(dev, pasid);
	struct iommu_dirty_domain *dd = domain->dirty;

	guard(rwsem_write)(&dd->attach_lock);
	ops->remove_dev_pasid(dev, pasid, domain);
	if (at)
		drop_attachment(at);
}

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
	at = pair_of(dev, IOMMU_NO_PASID);
	dd = at ? at->dd : NULL;
	lock_both(dd, NULL);
	if (ops->release_device)
		ops->release_device(dev);
	if (at)
		drop_attachment(at);
	unlock_both(dd, NULL);
}

/* Nothing should use it any more */
static void abandon(struct iommu_dirty_domain *dd,
		    const struct iommu_domain *domain)
{
	struct iommu_dirty_attachment *at, *next;

	guard(rwsem_write)(&dd->attach_lock);
	list_for_each_entry_safe(at, next, &dd->attachments, node) {
		if (at->domain != domain && dd->domain != domain)
			continue;
		WARN(1, "a domain is freed while devices are attached\n");
		drop_attachment(at);
	}
}

void __iommu_dirty_domain_free(struct iommu_domain *domain)
{
	struct iommu_dirty_domain *dd = domain->dirty;

	abandon(dd, domain);
	domain->dirty = NULL;
	/* A nested child borrowed its parent's */
	if (dd->domain == domain)
		iommu_dirty_put(dd);
}

/**
 * iommu_dirty_domain_require() - note that a domain was allocated to be tracked
 * @domain: a domain that nothing is attached to yet
 * @dev: the device that it was allocated for
 *
 * Its policy is %IOMMU_DIRTY_POLICY_STRICT from now on.
 *
 * Context: process; may sleep; takes the domain's attach lock.
 * Return:
 * * 0
 * * -EOPNOTSUPP - @dev cannot record in this domain, or no backend serves it
 * * -ENOMEM
 * * or what the backend says
 */
int iommu_dirty_domain_require(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_dirty_domain *dd = iommu_dirty_get(domain, GFP_KERNEL);
	struct iommu_dirty_caps caps = {};
	int ret;

	if (IS_ERR(dd))
		return PTR_ERR(dd);

	guard(rwsem_write)(&dd->attach_lock);
	if (!dd->backend)
		return -EOPNOTSUPP;
	ret = dd->backend->capability(domain, dev, IOMMU_NO_PASID, &caps);
	if (ret)
		return ret;
	if (!iommu_dirty_can_record(&caps))
		return -EOPNOTSUPP;
	iommu_dirty_change_policy(dd, IOMMU_DIRTY_POLICY_STRICT);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_domain_require);

/**
 * iommu_dirty_nest() - a domain's devices will reach memory through another's table
 * @child: nested domain, not yet attached to anything
 * @parent: the domain whose leaves hold the dirty state
 *
 * Devices attached to @child count as attached to @parent, which must outlive it.
 *
 * Context: process; may sleep.
 * Return:
 * * 0 - also when @parent cannot be tracked
 * * -ENOMEM
 */
int iommu_dirty_nest(struct iommu_domain *child, struct iommu_domain *parent)
{
	struct iommu_dirty_domain *dd;

	if (!iommu_dirty_trackable(parent))
		return 0;
	dd = iommu_dirty_get(parent, GFP_KERNEL);
	if (IS_ERR(dd))
		return PTR_ERR(dd);
	child->dirty = dd;
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_dirty_nest);
