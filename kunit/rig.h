/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites share: a model with a domain and a device, and reads that are
 * compared with the oracle.
 */
#ifndef __IOMMU_DIRTY_KUNIT_RIG_H
#define __IOMMU_DIRTY_KUNIT_RIG_H

#include <linux/prandom.h>

#include "hw-model.h"

/**
 * struct rig - what a test starts with
 * @hw: model
 * @hd: domain, with nothing mapped
 * @dev: device, attached to @hd
 * @skew: bytes by which bitmaps are misaligned
 */
struct rig {
	struct hwm_model *hw;
	struct hwm_domain *hd;
	struct hwm_device *dev;
	unsigned int skew;
};

int rig_init(struct kunit *test);
int rig_init_bare(struct kunit *test);
const void *rig_kinds(const void *prev, char *desc);

/* What the consumer has mapped in a domain, for the core */
struct rig_ranges {
	struct iommu_dirty_ranges ranges;
	struct hwm_domain *hd;
};

struct rig_ranges rig_ranges(struct hwm_domain *hd);

/**
 * struct rig_bitmap - a bitmap to report to
 * @sink: passes on to @target, as a step that a test watches
 * @target: the sink under test, &kernel.sink or another
 * @fetch: copy the bitmap from @target to @data, for one that is elsewhere
 * @kernel: sets the bits in @data
 * @hw: whose step
 * @nbits: bits
 * @bytes: bytes
 * @guarded: @data with more on both sides that must not be written
 * @data: the bitmap
 * @bits: a copy of it, aligned
 * @must: what it must have, at least
 * @may: what it may have, at most
 */
struct rig_bitmap {
	struct iommu_dirty_sink sink;
	struct iommu_dirty_sink *target;
	void (*fetch)(struct rig_bitmap *bm);
	struct iommu_dirty_kernel_sink kernel;
	struct hwm_model *hw;
	unsigned long nbits;
	size_t bytes;
	u8 *guarded;
	u8 *data;
	unsigned long *bits;
	unsigned long *must;
	unsigned long *may;
};

int rig_bitmap_init(struct rig_bitmap *bm, struct hwm_model *hw,
		    unsigned long nbits, unsigned int skew);
void rig_bitmap_free(struct rig_bitmap *bm);
bool rig_bitmap_intact(struct rig_bitmap *bm);

void rig_map(struct rig *rig, unsigned long iova, unsigned long size,
	     unsigned long leaf_size, bool writable);
void rig_map_layout(struct rig *rig);
int rig_start(struct hwm_domain *hd, const void *owner);
int rig_stop(struct hwm_domain *hd, const void *owner);
int rig_read_to(struct rig *rig, const void *owner, struct rig_bitmap *bm,
		unsigned long iova, unsigned long last, unsigned long page_size,
		u32 flags);
int rig_read_as(struct rig *rig, const void *owner, unsigned long iova,
		unsigned long last, unsigned long page_size, u32 flags);
int rig_read(struct rig *rig, unsigned long iova, unsigned long last,
	     u32 flags);
int rig_read_mapped(struct rig *rig, u32 flags);
struct iommu_dirty_info rig_query(struct hwm_domain *hd);
void rig_expect_mode(struct rig *rig, enum iommu_dirty_mode mode,
		     enum iommu_dirty_reason reason);

int rig_attach(struct hwm_domain *hd, struct hwm_device *dev);
int rig_attach_must(struct hwm_domain *hd, struct hwm_device *dev);
struct hwm_device *rig_device(struct rig *rig, struct hwm_domain *hd);

/* Loops run @fast times natively, @slow times on an emulated CPU */
static inline unsigned int rig_rounds(unsigned int fast, unsigned int slow)
{
	return IS_ENABLED(CONFIG_UML) ? fast : slow;
}

/*
 * The layout: leaves of all sizes next to each other, read-only ones, holes, and
 * the ends of the address space.
 */
#define RIG_SMALL	SZ_64K			/* 4 KiB leaves ... */
#define RIG_SMALL_SIZE	(SZ_2M * 2 - SZ_64K)	/* ... through two tables */
#define RIG_MEDIUM	(SZ_2M * 2)		/* 2 MiB leaves that follow */
#define RIG_MEDIUM_SIZE	(SZ_2M * 3)
#define RIG_RO		(SZ_2M * 5)		/* read-only, 4 KiB */
#define RIG_RO_SIZE	SZ_64K
#define RIG_EDGE	(SZ_1G - SZ_2M)		/* 4 KiB leaves up to a chunk's end */
#define RIG_EDGE_SIZE	SZ_2M
#define RIG_LARGE	(1UL * SZ_1G)		/* 1 GiB leaves */
#define RIG_LARGE_SIZE	(2UL * SZ_1G)
#define RIG_AFTER	(3UL * SZ_1G)		/* 2 MiB, then 4 KiB leaves */
#define RIG_AFTER_SIZE	(1UL * SZ_2M)
#define RIG_TAIL	(3UL * SZ_1G + SZ_2M)
#define RIG_TAIL_SIZE	(1UL * SZ_128K)
#define RIG_LAST	(RIG_TAIL + RIG_TAIL_SIZE - 1)

#endif /* __IOMMU_DIRTY_KUNIT_RIG_H */
