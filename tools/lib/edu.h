/* SPDX-License-Identifier: GPL-2.0-only */
/* The DMA engine: QEMU's "edu" PCI device. */
#ifndef TOOLS_EDU_H
#define TOOLS_EDU_H

#include <linux/types.h>
#include <stdbool.h>

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_BUFFER 4096		/* bytes in one transfer at most */

/* How the IOMMU's invalidations that concern the device fail. */
enum edu_fail {
	EDU_FAIL_NONE,
	EDU_FAIL_REJECT,	/* the queue takes offence at them */
	EDU_FAIL_REJECT_DEVICE,	/* at those for its translation cache */
	EDU_FAIL_SILENT,	/* its translation cache does not answer */
	EDU_FAIL_SILENT_AHEAD,	/* ... and the queue has gone on meanwhile */
};

#define EDU_FAIL_ALL 0xffffff

struct edu {
	void *bar;
	__u8 buffer[EDU_BUFFER];	/* what the device's own buffer holds */
	__u64 transfers;
};

void edu_init(struct edu *edu, void *bar);

/*
 * One transfer; returns when the device says that it is over. 0, -EIO if the
 * device says that it failed, -ETIMEDOUT if it does not answer. @offset is
 * where in the device's buffer it starts.
 *
 * edu_read: the device reads memory; @mem is the CPU's view of the same bytes,
 * remembered as the new content of the buffer.
 * edu_write: the device writes memory.
 */
int edu_read(struct edu *edu, __u64 iova, unsigned int len, unsigned int offset,
	     const void *mem);
int edu_write(struct edu *edu, __u64 iova, unsigned int len, unsigned int offset);

/* What goes wrong from now on: with the device, or once with the IOMMU in front of it. */
#define EDU_MUTE		0x001	/* no answer when told to drop translations */
#define EDU_IOMMU_LOSES_WAIT	0x100
#define EDU_IOMMU_STOPS		0x200
void edu_misbehave(struct edu *edu, __u64 how);

/* The next @count of them fail; @gone: there is no such device in configuration space. */
void edu_fail(struct edu *edu, enum edu_fail how, unsigned int count, bool gone);

#endif
