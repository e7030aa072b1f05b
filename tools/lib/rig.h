/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything a test runs on: iommufd, and the DMA engines bound to it. */
#ifndef TOOLS_RIG_H
#define TOOLS_RIG_H

#include <stdbool.h>

#include "edu.h"
#include "iommufd.h"
#include "vfio.h"

#define RIG_DEVICES 5

struct rig {
	int iommufd;
	int devices;
	struct vfio_device dev[RIG_DEVICES];
	struct edu edu[RIG_DEVICES];
	struct hw_info hw;
	int stage;		/* that was asked for */
	__u64 leaf_sizes;
	bool has_query;		/* the kernel has IOMMU_DIRTY_QUERY */
};

/*
 * Take the DMA engines, at least @min of them; exits with one line if that
 * cannot be done. @stage, 1 or 2, is the translation stage that the caller
 * expects: the leaf sizes that the hardware has depend on it.
 */
void rig_open(struct rig *rig, int min, int stage);
/* The same where the kernel's pages need not be of 4 KiB, and so the leaves. */
void rig_open_any_pages(struct rig *rig, int min, int stage);
void rig_close(struct rig *rig);

/* A device whose IOMMU does not record, where the first one's does; -1 if none. */
int rig_untrackable(const struct rig *rig);

#endif
