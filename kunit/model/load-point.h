/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Include this before walk.h, and a test can do DMA behind each load of an entry: between
 * it and the store that makes the leaf clean, if there is one.
 */
#ifndef __IOMMU_DIRTY_KUNIT_LOAD_POINT_H
#define __IOMMU_DIRTY_KUNIT_LOAD_POINT_H

#include <linux/compiler.h>
#include <linux/types.h>

/* What a test wants done there; NULL for nothing. Tests run one at a time. */
extern void (*load_point)(void);

static __always_inline u64 load_with_point(const u64 *entry)
{
	u64 value = READ_ONCE(*entry);

	if (unlikely(load_point))
		load_point();
	return value;
}

#define iommu_dirty_load(entry) load_with_point(entry)

#endif /* __IOMMU_DIRTY_KUNIT_LOAD_POINT_H */
