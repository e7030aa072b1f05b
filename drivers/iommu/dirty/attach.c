// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: what attach and detach do.
 *
 * The IOMMU core calls the functions here where it used to call the driver. They
 * call the driver under the domain's attach lock, so that no clear runs between a
 * device's translation going live and the device being flushed, and record which
 * (device, PASID) pairs use which domain: detach has no call of its own (it is an
 * attach elsewhere), and the group's idea of its domain is stale in the middle of
 * a group's change.
 *
 * The pair of a device without PASID is found through dev->iommu->dirty, which
 * group->mutex protects; a PASID's through the domain it is removed from.
 */
#include <linux/export.h>
#include <linux/slab.h>

#include "priv.h"
#include "trace.h"

/*
 * What the domain's own table and all that is attached to it can do. A table that
 * exists keeps its format, even if the backend fails to say so again. Tracking
 * that can no longer be exact says so.
 */
void iommu_dirty_recompute(struct iommu_dirty_domain *dd)
{
	enum iommu_dirty_reason reason = IOMMU_DIRTY_REASON_DEVICE;
	struct iommu_dirty_attachment *at;
	struct iommu_dirty_caps caps = {};

	lockdep_assert_held_write(&dd->attach_lock);
	if (!dd->backend)
		return;

	if (dd->backend->capability(dd->domain, NULL, IOMMU_NO_PASID, &caps)) {
		caps = dd->caps;
		caps.flags = 0;
		reason = IOMMU_DIRTY_REASON_BACKEND;
	}

	list_for_each_entry(at, &dd->attachments, node) {
		u32 lacks;

		/* The backend may have come after the device */
		if (!at->caps.stage &&
		    dd->backend->capability(dd->domain, at->dev, at->pasid,
					    &at->caps))
			at->caps.flags = 0;

		lacks = IOMMU_DIRTY_CAP_ABILITIES & ~at->caps.flags;
		caps.flags &= ~lacks;
		caps.flags |= at->caps.flags & IOMMU_DIRTY_CAP_CAVEATS;
	}

	if (memcmp(&caps, &dd->caps, sizeof(caps))) {
		dd->caps = caps;
		atomic64_inc(&dd->seq);
	}

	if (dd->mode == IOMMU_DIRTY_MODE_EXACT &&
	    !(caps.flags & IOMMU_DIRTY_CAP_RECORD))
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY, reason);
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

static void add_attachment(struct iommu_dirty_domain *dd,
			   struct iommu_dirty_attachment *at)
{
	lockdep_assert_held_write(&dd->attach_lock);
	at->dd = dd;
	list_add_tail(&at->node, &dd->attachments);
	dd->nr_attachments++;
	if (at->pasid == IOMMU_NO_PASID)
		at->dev->iommu->dirty = at;
	atomic64_inc(&dd->seq);
	iommu_dirty_recompute(dd);
	trace_iommu_dirty_attach(dd, at->dev, at->pasid);
}

static void drop_attachment(struct iommu_dirty_attachment *at)
{
	struct iommu_dirty_domain *dd = at->dd;

	lockdep_assert_held_write(&dd->attach_lock);
	trace_iommu_dirty_detach(dd, at->dev, at->pasid);
	list_del(&at->node);
	dd->nr_attachments--;
	if (at->pasid == IOMMU_NO_PASID)
		at->dev->iommu->dirty = NULL;
	kfree(at);
	atomic64_inc(&dd->seq);
	iommu_dirty_recompute(dd);
}

/*
 * Ask what the pair can do and whether it may be attached. A pair that is there
 * already is being put back by the core, which cannot be refused.
 */
static int admit(struct iommu_dirty_domain *dd,
		 struct iommu_dirty_attachment *at, bool must)
{
	int ret;

	lockdep_assert_held_write(&dd->attach_lock);
	if (!dd->backend)
		return 0;

	ret = dd->backend->capability(dd->domain, at->dev, at->pasid,
				      &at->caps);
	if (ret)
		at->caps.flags = 0;
	if (at->caps.flags & IOMMU_DIRTY_CAP_RECORD || must)
		return 0;
	if (dd->strict || dd->mode == IOMMU_DIRTY_MODE_EXACT)
		return -EINVAL;
	return 0;
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
new_attachment(struct device *dev, ioasid_t pasid, gfp_t gfp)
{
	struct iommu_dirty_attachment *at;

	at = kzalloc(sizeof(*at), gfp);
	if (at) {
		at->dev = dev;
		at->pasid = pasid;
	}
	return at;
}

/**
 * __iommu_dirty_attach_dev() - call the driver's attach_dev and record the pair
 * @domain: where to
 * @dev: device
 * @must: the core puts the device back, or adds it where its group is: it cannot
 *	be refused
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
	struct iommu_dirty_attachment *at = NULL, *old_at = dev->iommu->dirty;
	struct iommu_dirty_domain *old = old_at ? old_at->dd : NULL;
	struct iommu_dirty_domain *dd = NULL;
	int ret = 0;

	if (iommu_dirty_trackable(domain)) {
		dd = iommu_dirty_state(domain, gfp);
		at = new_attachment(dev, IOMMU_NO_PASID, gfp);
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
	} else {
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
		at = new_attachment(dev, pasid, GFP_KERNEL);
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
	} else {
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

/**
 * __iommu_dirty_release_device() - call the driver's release_device and forget the device
 * @ops: the driver's
 * @dev: device that goes away
 *
 * Context: process; group->mutex is held; takes the attach lock of the domain
 * that the device uses.
 */
void __iommu_dirty_release_device(const struct iommu_ops *ops,
				  struct device *dev)
{
	struct iommu_dirty_attachment *at = dev->iommu->dirty;
	struct iommu_dirty_domain *dd = at->dd;

	down_write(&dd->attach_lock);
	ops->release_device(dev);
	drop_attachment(at);
	up_write(&dd->attach_lock);
}
EXPORT_SYMBOL_GPL(__iommu_dirty_release_device);
