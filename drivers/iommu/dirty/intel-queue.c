// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: whose invalidation was it that failed? Intel VT-d.
 *
 * All domains of a unit share its invalidation queue, and so the errors that stop it:
 * whoever polls first finds them. Each submission ends with a wait descriptor and is
 * polled by its owner, who must learn of what became of its own descriptors, and of
 * nobody else's. So whoever finds an error only notes it, in the status of each
 * descriptor that it concerns, and lets the queue go on. The owner looks when its wait
 * is over:
 *
 *	rejected	(IQE) the hardware took offence at the descriptor: an error
 *	aborted		(ITE) fetched when a device TLB did not answer in time. Whether it
 *			was carried out is not known: submit it all again. If one is for a
 *			device that is gone: an error, it will never answer
 *
 * VT-d specification: 6.5.2.10 (what stops the queue), 11.4.9.9 (the error record),
 * 11.4.8.1 (the fault status).
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/pci.h>

#include "intel-slade.h"

/* A status beside QI_FREE, QI_IN_USE, QI_DONE and QI_ABORT */
#define QI_REJECTED	(QI_ABORT + 1)

static struct qi_desc *queue_desc(const struct intel_iommu *iommu, int slot)
{
	return iommu->qi->desc + (slot << qi_shift(iommu));
}

static int queue_slot(const struct intel_iommu *iommu, int reg)
{
	return (readl(iommu->reg + reg) >> qi_shift(iommu)) % QI_LENGTH;
}

/*
 * No descriptor is fetched until IQE is cleared, and then the one at the head. A wait
 * that notes the error takes the place of what was rejected.
 */
static void queue_error(struct intel_iommu *iommu)
{
	int slot = queue_slot(iommu, DMAR_IQH_REG);
	struct qi_desc wait = {
		.qw0 = QI_IWD_STATUS_DATA(QI_REJECTED) | QI_IWD_STATUS_WRITE |
		       QI_IWD_TYPE,
		.qw1 = virt_to_phys(&iommu->qi->desc_status[slot]),
	};

	pr_err_ratelimited("%s: invalidation descriptor %#llx rejected\n",
			   iommu->name, queue_desc(iommu, slot)->qw0);
	memcpy(queue_desc(iommu, slot), &wait, 1 << qi_shift(iommu));
	writel(DMA_FSTS_IQE, iommu->reg + DMAR_FSTS_REG);
}

/*
 * Waits that have been fetched are aborted, and nothing behind the invalidation that
 * timed out is sure to have been carried out. What has not been fetched lies between
 * head and tail, and will be.
 */
static void queue_timeout(struct intel_iommu *iommu)
{
	int *status = iommu->qi->desc_status;
	int tail = queue_slot(iommu, DMAR_IQT_REG);
	int slot;

	pr_err_ratelimited("%s: device TLB of %#llx does not answer\n",
			   iommu->name,
			   DMAR_IQER_REG_ITESID(dmar_readq(iommu->reg +
							   DMAR_IQER_REG)));
	slot = queue_slot(iommu, DMAR_IQH_REG);
	do {
		slot = (slot + QI_LENGTH - 1) % QI_LENGTH;
		if (status[slot] == QI_IN_USE)
			status[slot] = QI_ABORT;
	} while (slot != tail);
	writel(DMA_FSTS_ITE, iommu->reg + DMAR_FSTS_REG);
}

/**
 * iommu_dirty_intel_queue_poll() - what has become of a submission to the queue?
 * @iommu: unit
 * @wait_index: its wait descriptor, which is not done yet
 *
 * Notes errors that have stopped the queue, whoever's they are, and lets it go on.
 *
 * Context: any; the queue's lock is held.
 * Return: 0 if it has to be waited for further, -EAGAIN if its wait is over.
 */
int iommu_dirty_intel_queue_poll(struct intel_iommu *iommu, int wait_index)
{
	int status = READ_ONCE(iommu->qi->desc_status[wait_index]);
	u32 fault;

	if (status == QI_ABORT || status == QI_REJECTED)
		return -EAGAIN;

	fault = readl(iommu->reg + DMAR_FSTS_REG);
	if (fault & DMA_FSTS_IQE)
		queue_error(iommu);
	if (fault & DMA_FSTS_ITE)
		queue_timeout(iommu);
	/* An answer that nobody waits for: nothing stops */
	if (fault & DMA_FSTS_ICE)
		writel(DMA_FSTS_ICE, iommu->reg + DMAR_FSTS_REG);
	return 0;
}

/* Is it an invalidation of the device TLB of a device that is no longer there? */
static bool for_a_gone_device(struct intel_iommu *iommu,
			      const struct qi_desc *desc)
{
	struct device *dev;
	u16 sid;

	switch (desc->qw0 & GENMASK_ULL(3, 0)) {
	case QI_DIOTLB_TYPE:
		sid = desc->qw0 >> 32;
		break;
	case QI_DEIOTLB_TYPE:
		sid = desc->qw0 >> 16;
		break;
	default:
		return false;
	}
	dev = device_rbtree_find(iommu, sid);
	return !dev || !dev_is_pci(dev) ||
	       !pci_device_is_present(to_pci_dev(dev));
}

/**
 * iommu_dirty_intel_queue_result() - was all of a submission carried out?
 * @iommu: unit
 * @index: its first descriptor
 * @wait_index: its wait descriptor, which is done or aborted
 *
 * Context: any; the queue's lock is held.
 * Return: 0; -EAGAIN if it has to be submitted again; -EINVAL if the hardware rejected
 * one of its descriptors; -ETIMEDOUT if one is for a device that is gone.
 */
int iommu_dirty_intel_queue_result(struct intel_iommu *iommu, int index,
				   int wait_index)
{
	bool aborted = false, rejected = false, gone = false;
	int slot;

	for (slot = index;; slot = (slot + 1) % QI_LENGTH) {
		int status = READ_ONCE(iommu->qi->desc_status[slot]);

		rejected |= status == QI_REJECTED;
		if (status == QI_ABORT)
			aborted = true;
		if (slot == wait_index)
			break;
	}
	if (rejected)
		return -EINVAL;
	if (!aborted)
		return 0;
	for (slot = index; slot != wait_index; slot = (slot + 1) % QI_LENGTH)
		gone |= for_a_gone_device(iommu, queue_desc(iommu, slot));
	return gone ? -ETIMEDOUT : -EAGAIN;
}
