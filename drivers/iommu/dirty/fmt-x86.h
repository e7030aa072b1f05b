/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86-64 paging entries, as Intel VT-d reads them in the first stage (VT-d
 * specification, chapter 9, "First-Stage Paging Entries") and AMD-Vi in its v2
 * tables. Hardware sets A and D whenever it walks such a table.
 */
#ifndef __IOMMU_DIRTY_FMT_X86_H
#define __IOMMU_DIRTY_FMT_X86_H

#include "walk.h"

#define X86_P		BIT_ULL(0)
#define X86_RW		BIT_ULL(1)
#define X86_A		BIT_ULL(5)
#define X86_D		BIT_ULL(6)	/* leaves only */
#define X86_PS		BIT_ULL(7)	/* large leaf, levels 2 and 3 */
#define X86_ADDR	GENMASK_ULL(51, 12)

static __always_inline enum iommu_dirty_entry_kind
x86_kind(u64 entry, unsigned int level)
{
	if (!(entry & X86_P))
		return IOMMU_DIRTY_ENTRY_NONE;
	if (level == 1 || entry & X86_PS)
		return IOMMU_DIRTY_ENTRY_LEAF;
	return IOMMU_DIRTY_ENTRY_TABLE;
}

static __always_inline phys_addr_t x86_table(u64 entry)
{
	return entry & X86_ADDR;
}

static __always_inline bool x86_dirty(u64 entry)
{
	return entry & X86_D;
}

static __always_inline u64 x86_cleaned(u64 entry)
{
	return entry & ~X86_D;
}

static __always_inline bool x86_plain(u64 any, u64 all)
{
	return all & X86_P;
}

static __always_inline bool x86_clean(u64 any, u64 all)
{
	return !(any & X86_D);
}

static const struct iommu_dirty_format x86_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = x86_kind,
	.table = x86_table,
	.dirty = x86_dirty,
	.cleaned = x86_cleaned,
	.plain = x86_plain,
	.clean = x86_clean,
};

#endif /* __IOMMU_DIRTY_FMT_X86_H */
