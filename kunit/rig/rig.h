/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites share: a model with a domain and a device, and reads that are
 * compared with the oracle.
 */
#ifndef __IOMMU_DIRTY_KUNIT_RIG_H
#define __IOMMU_DIRTY_KUNIT_RIG_H

#include <linux/math.h>
#include <linux/prandom.h>

#include "hw-model.h"

/**
 * struct rig_layout - where leaves of all sizes lie next to each other
 * @base: 16 pages before @small
 * @small: smallest leaves, through the end of a table
 * @table: that end
 * @small_size: bytes
 * @medium: leaves of the medium size that follow
 * @medium_size: bytes
 * @ro: read-only, smallest leaves, after them
 * @ro_size: bytes
 * @hole: nothing; 4096 pages
 * @hole_size: bytes
 * @edge: smallest leaves up to the first chunk's end
 * @edge_size: bytes
 * @large: two of the largest leaves, one up to the second chunk's end
 * @large_size: bytes
 * @after: a medium leaf at the start of the fourth chunk
 * @after_size: bytes
 * @tail: smallest leaves that follow
 * @tail_size: bytes
 * @tail_last: their last byte
 * @extra: nothing; the last 1024 pages of the fourth chunk
 * @extra_size: bytes
 * @last: the last byte of the fourth chunk
 *
 * There is more where the address space ends, and in its middle.
 */
struct rig_layout {
	unsigned long base;
	unsigned long small;
	unsigned long table;
	unsigned long small_size;
	unsigned long medium;
	unsigned long medium_size;
	unsigned long ro;
	unsigned long ro_size;
	unsigned long hole;
	unsigned long hole_size;
	unsigned long edge;
	unsigned long edge_size;
	unsigned long large;
	unsigned long large_size;
	unsigned long after;
	unsigned long after_size;
	unsigned long tail;
	unsigned long tail_size;
	unsigned long tail_last;
	unsigned long extra;
	unsigned long extra_size;
	unsigned long last;
};

/**
 * struct rig - what a test starts with
 * @hw: model
 * @hd: domain, with nothing mapped
 * @dev: device, attached to @hd
 * @skew: bytes by which bitmaps are misaligned
 * @page: the kind's smallest leaf, bytes
 * @medium: a larger one
 * @large: the largest one
 * @chunk: what the core reads at a time, bytes
 * @at: layout
 */
struct rig {
	struct hwm_model *hw;
	struct hwm_domain *hd;
	struct hwm_device *dev;
	unsigned int skew;
	unsigned long page;
	unsigned long medium;
	unsigned long large;
	unsigned long chunk;
	struct rig_layout at;
};

int rig_init(struct kunit *test);
int rig_init_bare(struct kunit *test);
int rig_init_kind(struct kunit *test, const struct hwm_kind *kind);
void rig_lay_out(struct rig *rig);
const void *rig_kinds(const void *prev, char *desc);
const void *rig_arm_kinds(const void *prev, char *desc);
const void *rig_write_only_kinds(const void *prev, char *desc);

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

/* Is a sample of a long test enough? On an emulated CPU it is for all of Arm's */
static inline bool rig_sampled(const struct rig *rig)
{
	const struct hwm_kind *kind = rig->hw->kind;

	return kind->sampled || (!IS_ENABLED(CONFIG_UML) && kind->fmt->run_bits);
}

/* The same for a test that runs with every kind, fewer of them with most */
static inline unsigned int rig_kind_rounds(const struct rig *rig,
					   unsigned int fast, unsigned int slow)
{
	unsigned int rounds = rig_rounds(fast, slow);

	return rig_sampled(rig) ? DIV_ROUND_UP(rounds, 4) : rounds;
}

/* Page @n of the smallest leaves; there are 1008 */
static inline unsigned long rig_page(const struct rig *rig, unsigned int n)
{
	return rig->at.small + n * rig->page;
}

#endif /* __IOMMU_DIRTY_KUNIT_RIG_H */
