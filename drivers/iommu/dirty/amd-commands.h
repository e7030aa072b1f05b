/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOMMU dirty tracking, AMD-Vi: invalidations that are known to have completed.
 *
 * A part of the driver's iommu.c, which includes it: what queues commands is private
 * there. The driver drops the result of its own invalidations, gives up on them
 * before the unit does, and in some 6.12.y waits for nothing when another processor
 * has asked already. None of that is relied on here.
 *
 * What the AMD I/O virtualization specification (48882) promises, and what is our
 * reading of it:
 *
 * - COMPLETION_WAIT stores its value when all older commands were executed.
 * - INVALIDATE_IOTLB_PAGES to a device that does not answer is over when the unit's
 *   time-out has passed (InvTimeOut; the driver sets one second), and so is a
 *   COMPLETION_WAIT behind it, whoever posted that. Only an IOTLB_INV_TIMEOUT in
 *   the event log says that it failed, and for which device. So the wait proves
 *   nothing about a device TLB until the log has been read. That the event is in the
 *   log before the value is stored is our reading; one that is late is found by the
 *   next flush, because it is noted for the device.
 * - After ILLEGAL_COMMAND_ERROR or COMMAND_HARDWARE_ERROR the unit executes nothing
 *   more (CmdBufRun is clear), and no wait ends.
 */
#ifndef __IOMMU_DIRTY_AMD_COMMANDS_H
#define __IOMMU_DIRTY_AMD_COMMANDS_H

#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/iommu-dirty.h>
#include <linux/timekeeping.h>

#include "amd-dte.h"

#ifdef CONFIG_IOMMU_DIRTY_AMD

/* Where the unit says that it executes commands, bit 4 of the status register */
#define DIRTY_STATUS_CMD_RUN	BIT(4)
/* Our word in the page that the driver has for what COMPLETION_WAIT stores */
#define DIRTY_FENCE_WORD	1
/*
 * Several times what a device TLB may take: someone else's may be in front. Once
 * more if the value does not come: a single one may have got lost.
 */
#define DIRTY_FENCE_NS		(4 * NSEC_PER_SEC)
#define DIRTY_FENCE_TRIES	2
/* How often the unit is asked, in microseconds: it costs more than to look at memory */
#define DIRTY_STATUS_US		1000
/* The log's tail may be ahead of the last event for a moment (erratum 732) */
#define DIRTY_EVENT_US		100
#define DIRTY_EVENT_SIZE	(4 * sizeof(u32))

/* The driver's */
static int __iommu_queue_command_sync(struct amd_iommu *iommu,
				      struct iommu_cmd *cmd, bool sync);
static int iommu_queue_command(struct amd_iommu *iommu, struct iommu_cmd *cmd);
static void build_completion_wait(struct iommu_cmd *cmd,
				  struct amd_iommu *iommu, u64 data);
static void build_inv_iommu_pages(struct iommu_cmd *cmd, u64 address,
				  size_t size, u16 domid, ioasid_t pasid,
				  bool gn);
static int device_flush_iotlb(struct iommu_dev_data *dev_data, u64 address,
			      size_t size, ioasid_t pasid, bool gn);
static int device_flush_dte(struct iommu_dev_data *dev_data);
static struct iommu_dev_data *search_dev_data(struct amd_iommu *iommu,
					      u16 devid);

/* ---- The event log: which device's TLB did not answer? ---- */

static u32 dirty_log_size(struct amd_iommu *iommu)
{
	u64 base = readq(iommu->mmio_base + MMIO_EVT_BUF_OFFSET);

	return DIRTY_EVENT_SIZE << (base >> 56 & 0xf);
}

/* The unit writes it */
static u32 dirty_event_type(const u32 *event)
{
	return READ_ONCE(event[1]) >> EVENT_TYPE_SHIFT & EVENT_TYPE_MASK;
}

/* The next event that nobody has looked at yet */
static void dirty_note_event(struct amd_iommu *iommu, const u32 *event)
{
	struct iommu_dev_data *dev_data;

	lockdep_assert_held(&iommu->lock);
	iommu->dirty_seen = (iommu->dirty_seen + DIRTY_EVENT_SIZE) %
			    dirty_log_size(iommu);
	if (dirty_event_type(event) != EVENT_TYPE_IOTLB_INV_TO)
		return;
	/* The command's, which is the device's own and no alias's */
	dev_data = search_dev_data(iommu, READ_ONCE(event[0]) &
						  EVENT_DEVID_MASK);
	if (dev_data)
		WRITE_ONCE(dev_data->dirty_lost, true);
}

/*
 * The driver handles an event; it takes it out of the log afterwards. One that was
 * looked at before by dirty_read_log() is behind iommu->dirty_seen.
 */
static void iommu_dirty_amd_event(struct amd_iommu *iommu, void *event)
{
	guard(raw_spinlock_irqsave)(&iommu->lock);
	if ((u8 *)event - iommu->evt_buf == iommu->dirty_seen)
		dirty_note_event(iommu, event);
}

/*
 * Note what is in the log now, and leave it there for the driver.
 * Return: 0; -EIO when there may have been more than it could take.
 */
static int dirty_read_log(struct amd_iommu *iommu)
{
	u32 status, tail;

	guard(raw_spinlock_irqsave)(&iommu->lock);
	status = readl(iommu->mmio_base + MMIO_STATUS_OFFSET);
	tail = readl(iommu->mmio_base + MMIO_EVT_TAIL_OFFSET);
	while (iommu->dirty_seen != tail) {
		const u32 *event = (u32 *)(iommu->evt_buf + iommu->dirty_seen);
		int us;

		for (us = 0; !dirty_event_type(event); us++) {
			if (us == DIRTY_EVENT_US)
				return -EIO;
			udelay(1);
		}
		dirty_note_event(iommu, event);
	}
	return status & MMIO_STATUS_EVT_RUN_MASK &&
	       !(status & MMIO_STATUS_EVT_OVERFLOW_MASK) ? 0 : -EIO;
}

/* ---- Waiting ---- */

/* A COMPLETION_WAIT of our own, with a number that nobody else waits for */
static int dirty_post_fence(struct amd_iommu *iommu, u64 *number)
{
	struct iommu_cmd cmd;
	int ret;

	guard(raw_spinlock_irqsave)(&iommu->lock);
	*number = iommu->dirty_fence + 1;
	build_completion_wait(&cmd, iommu, *number);
	cmd.data[0] += DIRTY_FENCE_WORD * sizeof(u64);
	/* It is none that the driver may take for its own */
	ret = __iommu_queue_command_sync(iommu, &cmd, true);
	if (!ret)
		iommu->dirty_fence = *number;
	return ret;
}

static int dirty_await_fence(struct amd_iommu *iommu, u64 number, u64 until)
{
	const u64 *done = (const u64 *)iommu->cmd_sem + DIRTY_FENCE_WORD;
	unsigned int us;

	for (us = 1; (s64)(READ_ONCE(*done) - number) < 0; us++) {
		if (us % DIRTY_STATUS_US == 0) {
			u32 status = readl(iommu->mmio_base + MMIO_STATUS_OFFSET);

			if (!(status & DIRTY_STATUS_CMD_RUN))
				return -EIO;
			if (ktime_get_ns() > until)
				return -ETIMEDOUT;
		}
		udelay(1);
	}
	return 0;
}

/*
 * Wait until all that was queued so far has been executed.
 * Return: 0; -EIO when that is not known to have happened.
 */
static int dirty_fence(struct amd_iommu *iommu)
{
	int tries, ret = -EIO;

	for (tries = 0; tries < DIRTY_FENCE_TRIES; tries++) {
		u64 until = ktime_get_ns() + DIRTY_FENCE_NS;
		u64 number;

		/* The buffer may be full behind someone else's device */
		do {
			ret = dirty_post_fence(iommu, &number);
		} while (ret && ktime_get_ns() < until);
		if (!ret)
			ret = dirty_await_fence(iommu, number, until);
		if (ret != -ETIMEDOUT)
			return ret;
	}
	return -EIO;
}

/* ---- All that a domain needs ---- */

/* Is the device the first of its unit's in the domain? */
static bool dirty_first_of_unit(struct protection_domain *pdom,
				struct iommu_dev_data *dev_data)
{
	struct amd_iommu *iommu = get_amd_iommu_from_dev_data(dev_data);
	struct iommu_dev_data *other;

	lockdep_assert_held(&pdom->lock);
	list_for_each_entry(other, &pdom->dev_list, list)
		if (get_amd_iommu_from_dev_data(other) == iommu)
			return other == dev_data;
	return false;
}

/* What a unit does for a domain */
enum dirty_service {
	DIRTY_SERVES_NOTHING,
	DIRTY_SERVES,
	DIRTY_SERVES_ATS,	/* a device TLB, too */
};

static enum dirty_service dirty_service(struct protection_domain *pdom,
					struct amd_iommu *iommu)
{
	enum dirty_service service = DIRTY_SERVES_NOTHING;
	struct iommu_dev_data *dev_data;

	guard(spinlock_irqsave)(&pdom->lock);
	list_for_each_entry(dev_data, &pdom->dev_list, list) {
		if (get_amd_iommu_from_dev_data(dev_data) != iommu)
			continue;
		if (dev_data->ats_enabled)
			return DIRTY_SERVES_ATS;
		service = DIRTY_SERVES;
	}
	return service;
}

/* How often did the logs run over that speak of the domain's device TLBs? */
static u32 dirty_overflows(struct protection_domain *pdom)
{
	struct amd_iommu *iommu;
	u32 sum = 0;

	for_each_iommu(iommu)
		if (dirty_service(pdom, iommu) == DIRTY_SERVES_ATS)
			sum += READ_ONCE(iommu->dirty_overflows);
	return sum;
}

static bool dirty_lost(struct protection_domain *pdom)
{
	struct iommu_dev_data *dev_data;

	guard(spinlock_irqsave)(&pdom->lock);
	list_for_each_entry(dev_data, &pdom->dev_list, list)
		if (READ_ONCE(dev_data->dirty_lost))
			return true;
	return false;
}

static void dirty_set_lost(struct protection_domain *pdom, bool lost)
{
	struct iommu_dev_data *dev_data;

	guard(spinlock_irqsave)(&pdom->lock);
	list_for_each_entry(dev_data, &pdom->dev_list, list)
		WRITE_ONCE(dev_data->dirty_lost, lost);
}

/*
 * A device asks the unit again for what it was told to forget: so the unit's own
 * translations go first, and before them the entries that choose the table.
 */
static int dirty_queue(struct protection_domain *pdom, u64 address, size_t size,
		       bool entries)
{
	struct iommu_dev_data *dev_data;
	struct iommu_cmd cmd;
	int ret = 0;

	build_inv_iommu_pages(&cmd, address, size, pdom->id, IOMMU_NO_PASID,
			      false);
	guard(spinlock_irqsave)(&pdom->lock);
	list_for_each_entry(dev_data, &pdom->dev_list, list)
		if (!ret && entries)
			ret = device_flush_dte(dev_data);
	list_for_each_entry(dev_data, &pdom->dev_list, list)
		if (!ret && dirty_first_of_unit(pdom, dev_data))
			ret = iommu_queue_command(get_amd_iommu_from_dev_data(dev_data),
						  &cmd);
	list_for_each_entry(dev_data, &pdom->dev_list, list)
		if (!ret && dev_data->ats_enabled)
			ret = device_flush_iotlb(dev_data, address, size,
						 IOMMU_NO_PASID, false);
	return ret;
}

/**
 * iommu_dirty_amd_flush() - drop a domain's translations everywhere, and know it
 * @pdom: domain
 * @iova: first byte
 * @last: last byte
 * @entries: the device table entries as well, aliases' too
 *
 * Every unit and device TLB that the domain is in. One that waits behind another
 * domain's dead device is not charged with it, but has to wait for it.
 *
 * Context: any, but may take seconds when hardware fails; the locks of the domain
 * and of its units are taken.
 * Return: 0; -EIO when it is not known to have happened, and from then on until
 * iommu_dirty_amd_forget_lost().
 */
int iommu_dirty_amd_flush(struct protection_domain *pdom, unsigned long iova,
			  unsigned long last, bool entries)
{
	u64 until = ktime_get_ns() + DIRTY_FENCE_NS;
	u32 overflows = dirty_overflows(pdom);
	size_t size = last - iova + 1;
	struct amd_iommu *iommu;
	u64 address = iova;
	int ret;

	if (!size || size >= BIT_ULL(52)) {
		address = 0;
		size = CMD_INV_IOMMU_ALL_PAGES_ADDRESS;
	}
	/* The buffer may be full behind someone else's device */
	do {
		ret = dirty_queue(pdom, address, size, entries);
	} while (ret && ktime_get_ns() < until);

	for_each_iommu(iommu) {
		enum dirty_service service = dirty_service(pdom, iommu);

		if (!ret && service != DIRTY_SERVES_NOTHING)
			ret = dirty_fence(iommu);
		if (!ret && service == DIRTY_SERVES_ATS)
			ret = dirty_read_log(iommu);
	}
	if (!ret && overflows != dirty_overflows(pdom))
		ret = -EIO;
	/* The domain is not exact any more: let nobody wait for that again */
	if (ret)
		dirty_set_lost(pdom, true);
	return dirty_lost(pdom) ? -EIO : 0;
}

/**
 * iommu_dirty_amd_forget_lost() - begin anew
 * @pdom: domain; what its devices failed to do before no longer counts
 */
void iommu_dirty_amd_forget_lost(struct protection_domain *pdom)
{
	dirty_set_lost(pdom, false);
}

/*
 * After an unmap: whoever writes through what was not dropped, does so unseen.
 * False when the driver's own invalidation will do.
 */
static bool iommu_dirty_amd_unmapped(struct protection_domain *pdom,
				     unsigned long iova, unsigned long last)
{
	if (!READ_ONCE(pdom->dirty_tracking) || dirty_lost(pdom))
		return false;
	if (iommu_dirty_amd_flush(pdom, iova, last, false))
		iommu_dirty_flush_failed(&pdom->domain);
	return true;
}

/* A device that uses another domain's table still, or does not record, is not seen */
static int iommu_dirty_amd_attached(struct protection_domain *pdom,
				    struct iommu_dev_data *dev_data, int ret)
{
	if (ret || !READ_ONCE(pdom->dirty_tracking))
		return ret;
	WRITE_ONCE(dev_data->dirty_lost, false);
	if (iommu_dirty_amd_flush(pdom, 0, ULONG_MAX, true))
		iommu_dirty_flush_failed(&pdom->domain);
	return 0;
}

#else /* !CONFIG_IOMMU_DIRTY_AMD */

static inline void iommu_dirty_amd_event(struct amd_iommu *iommu, void *event)
{
}

static inline bool iommu_dirty_amd_unmapped(struct protection_domain *pdom,
					    unsigned long iova,
					    unsigned long last)
{
	return false;
}

static inline int iommu_dirty_amd_attached(struct protection_domain *pdom,
					   struct iommu_dev_data *dev_data,
					   int ret)
{
	return ret;
}

#endif /* CONFIG_IOMMU_DIRTY_AMD */

#endif /* __IOMMU_DIRTY_AMD_COMMANDS_H */
