// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: iommufd as a consumer. Linked into iommufd, because it
 * reads an io_pagetable's areas.
 *
 * The upstream ioctls come here for every domain that iommufd allocates with a page
 * table of its own (IOMMU_DOMAIN_UNMANAGED).
 */
#include <linux/iommu-dirty.h>
#include <uapi/linux/iommufd.h>

#include "../iommufd/io_pagetable.h"
#include "../iommufd/iommufd_private.h"
#include "iommufd-dirty.h"

/* The areas of an io_pagetable, as ranges */
struct iopt_ranges {
	struct iommu_dirty_ranges ranges;
	struct io_pagetable *iopt;
};

static struct io_pagetable *ranges_iopt(const struct iommu_dirty_ranges *ranges)
{
	return container_of(ranges, struct iopt_ranges, ranges)->iopt;
}

static void iopt_assert_stable(const struct iommu_dirty_ranges *ranges)
{
	lockdep_assert_held_read(&ranges_iopt(ranges)->iova_rwsem);
}

/*
 * An area without pages is being mapped or unmapped, outside iova_rwsem, and is
 * left out.
 */
static bool iopt_next(const struct iommu_dirty_ranges *ranges,
		      unsigned long first, unsigned long last,
		      struct iommu_dirty_range *range)
{
	struct io_pagetable *iopt = ranges_iopt(ranges);
	struct iopt_area *area;

	for (area = iopt_area_iter_first(iopt, first, last); area;
	     area = iopt_area_iter_next(area, first, last)) {
		if (!area->pages)
			continue;
		range->iova = max(first, iopt_area_iova(area));
		range->last = min(last, iopt_area_last_iova(area));
		range->writable = area->iommu_prot & IOMMU_WRITE;
		return true;
	}
	return false;
}

static struct iopt_ranges iopt_ranges(struct io_pagetable *iopt)
{
	return (struct iopt_ranges){
		.ranges.next = iopt_next,
		.ranges.assert_stable = iopt_assert_stable,
		.iopt = iopt,
	};
}

/*
 * IOMMU_HWPT_SET_DIRTY_TRACKING. Asking for what is so already succeeds, as it
 * always has; no bit is lost by it. The owner of an io_pagetable's domains is the
 * io_pagetable.
 */
int iommufd_dirty_set_tracking(struct io_pagetable *iopt,
			       struct iommu_domain *domain, bool enable)
{
	struct iopt_ranges mapped = iopt_ranges(iopt);
	int ret;

	down_read(&iopt->iova_rwsem);
	if (enable)
		ret = iommu_dirty_start(domain, iopt, &mapped.ranges);
	else
		ret = iommu_dirty_stop(domain, iopt);
	up_read(&iopt->iova_rwsem);
	return ret == -EALREADY ? 0 : ret;
}

/* IOMMU_HWPT_GET_DIRTY_BITMAP, once iommufd_check_iova_range() has passed */
int iommufd_dirty_get_bitmap(struct io_pagetable *iopt,
			     struct iommu_domain *domain, unsigned long flags,
			     struct iommu_hwpt_get_dirty_bitmap *bitmap)
{
	struct iopt_ranges mapped = iopt_ranges(iopt);
	struct iommu_dirty_user_sink sink;
	struct iommu_dirty_read rd = {
		.iova = bitmap->iova,
		.last = bitmap->iova + bitmap->length - 1,
		.page_size = bitmap->page_size,
		.mapped = &mapped.ranges,
		.sink = &sink.sink,
	};
	int ret;

	if (flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
		rd.flags = IOMMU_DIRTY_READ_NO_CLEAR;
	iommu_dirty_user_sink_init(&sink, u64_to_user_ptr(bitmap->data));

	down_read(&iopt->iova_rwsem);
	ret = iommu_dirty_read(domain, iopt, &rd);
	up_read(&iopt->iova_rwsem);
	return ret;
}

/**
 * iommufd_dirty_query() - IOMMU_DIRTY_QUERY
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP on a flag or a reserved field; -ENOENT or -EINVAL when
 * @hwpt_id is not a paging HWPT; -EFAULT.
 */
int iommufd_dirty_query(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_query *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt;
	struct iommu_dirty_info info;
	int ret;

	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;

	hwpt = iommufd_get_hwpt_paging(ucmd, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	ret = iommu_dirty_query(hwpt->common.domain, &info);
	if (ret)
		goto out_put;

	cmd->out_mode = info.mode;
	cmd->out_reason = info.reason;
	cmd->out_caps = info.caps.flags;
	cmd->out_stage = info.caps.stage;
	cmd->out_attached = info.attached;
	cmd->out_policy = info.policy;
	cmd->out_seq = info.seq;
	cmd->out_leaf_sizes = info.caps.leaf_sizes;
	cmd->out_seen_leaf_sizes = info.seen_leaf_sizes;
	cmd->out_reads = info.reads;
	cmd->out_leaves = info.leaves;
	cmd->out_dirty = info.dirty;
	cmd->out_cleared = info.cleared;
	cmd->out_flushes = info.flushes;
	cmd->out_time_ns = info.time_ns;
	strscpy_pad(cmd->out_backend, info.backend);
	ret = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_put:
	iommufd_put_object(ucmd->ictx, &hwpt->common.obj);
	return ret;
}

/**
 * iommufd_dirty_set_policy() - IOMMU_DIRTY_SET_POLICY
 * @ucmd: the call
 *
 * Return: as iommu_dirty_set_policy(); -EOPNOTSUPP on a flag; -ENOENT or -EINVAL when
 * @hwpt_id is not a paging HWPT.
 */
int iommufd_dirty_set_policy(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_set_policy *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt;
	int ret;

	if (cmd->flags)
		return -EOPNOTSUPP;

	hwpt = iommufd_get_hwpt_paging(ucmd, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	ret = iommu_dirty_set_policy(hwpt->common.domain, &hwpt->ioas->iopt,
				     cmd->policy);
	iommufd_put_object(ucmd->ictx, &hwpt->common.obj);
	return ret;
}

static int can_attach(struct iommufd_ucmd *ucmd, struct iommufd_device *idev,
		      struct iommufd_object *obj)
{
	struct iommu_dirty_can_attach *cmd = ucmd->cmd;
	struct iommu_dirty_forecast forecast;
	int ret;

	if (obj->type != IOMMUFD_OBJ_HWPT_PAGING &&
	    obj->type != IOMMUFD_OBJ_HWPT_NESTED)
		return -EINVAL;
	ret = iommu_dirty_can_attach(container_of(obj,
						  struct iommufd_hw_pagetable,
						  obj)->domain,
				     idev->dev, &forecast);
	if (ret && forecast.verdict == IOMMU_DIRTY_VERDICT_ATTACHES)
		return ret;
	cmd->out_verdict = forecast.verdict;
	cmd->out_mode = forecast.mode;
	cmd->out_reason = forecast.reason;
	cmd->out_caps = forecast.caps.flags;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

/**
 * iommufd_dirty_can_attach() - IOMMU_DIRTY_CAN_ATTACH
 * @ucmd: the call
 *
 * Return: 0 with a verdict; -EOPNOTSUPP on a flag; -ENOENT or -EINVAL when @dev_id is
 * not a device or @hwpt_id not a HWPT; -ENODEV; -ENOMEM; -EFAULT.
 */
int iommufd_dirty_can_attach(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_can_attach *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	struct iommufd_object *obj;
	int ret;

	if (cmd->flags)
		return -EOPNOTSUPP;

	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	obj = iommufd_get_object(ucmd->ictx, cmd->hwpt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj)) {
		ret = PTR_ERR(obj);
	} else {
		ret = can_attach(ucmd, idev, obj);
		iommufd_put_object(ucmd->ictx, obj);
	}
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return ret;
}

/**
 * iommufd_dirty_eventfd() - IOMMU_DIRTY_EVENTFD
 * @ucmd: the call
 *
 * Return: as iommu_dirty_add_eventfd() or iommu_dirty_remove_eventfd(); -EOPNOTSUPP on
 * an unknown flag; -ENOENT or -EINVAL when @hwpt_id is not a paging HWPT.
 */
int iommufd_dirty_eventfd(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_eventfd *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt;
	int ret;

	if (cmd->flags & ~IOMMU_DIRTY_EVENTFD_REMOVE)
		return -EOPNOTSUPP;

	hwpt = iommufd_get_hwpt_paging(ucmd, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	if (cmd->flags & IOMMU_DIRTY_EVENTFD_REMOVE)
		ret = iommu_dirty_remove_eventfd(hwpt->common.domain, cmd->fd);
	else
		ret = iommu_dirty_add_eventfd(hwpt->common.domain, cmd->fd);
	iommufd_put_object(ucmd->ictx, &hwpt->common.obj);
	return ret;
}
