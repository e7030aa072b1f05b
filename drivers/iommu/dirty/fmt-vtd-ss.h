/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel VT-d second-stage paging entries (VT-d specification, chapter 9,
 * "Second-Stage Paging Entries"). An entry is present when it can be read or
 * written. Hardware sets A and D when the PASID entry has SSADE set.
 */
#ifndef __IOMMU_DIRTY_FMT_VTD_SS_H
#define __IOMMU_DIRTY_FMT_VTD_SS_H

#include "walk.h"

#define VTD_SS_R	BIT_ULL(0)
#define VTD_SS_W	BIT_ULL(1)
#define VTD_SS_PS	BIT_ULL(7)	/* large leaf, levels 2 and 3 */
#define VTD_SS_A	BIT_ULL(8)
#define VTD_SS_D	BIT_ULL(9)	/* leaves only */
#define VTD_SS_ADDR	GENMASK_ULL(51, 12)

static __always_inline enum iommu_dirty_entry_kind
vtd_ss_kind(u64 entry, unsigned int level)
{
	if (!(entry & (VTD_SS_R | VTD_SS_W)))
		return IOMMU_DIRTY_ENTRY_NONE;
	if (level == 1 || entry & VTD_SS_PS)
		return IOMMU_DIRTY_ENTRY_LEAF;
	return IOMMU_DIRTY_ENTRY_TABLE;
}

static __always_inline phys_addr_t vtd_ss_table(u64 entry)
{
	return entry & VTD_SS_ADDR;
}

static __always_inline bool vtd_ss_dirty(u64 entry)
{
	return entry & VTD_SS_D;
}

static __always_inline u64 vtd_ss_cleaned(u64 entry)
{
	return entry & ~VTD_SS_D;
}

/* They may all be readable, or all writable */
static __always_inline bool vtd_ss_plain(u64 any, u64 all)
{
	return all & (VTD_SS_R | VTD_SS_W);
}

static __always_inline bool vtd_ss_clean(u64 any, u64 all)
{
	return !(any & VTD_SS_D);
}

static const struct iommu_dirty_format vtd_ss_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = vtd_ss_kind,
	.table = vtd_ss_table,
	.dirty = vtd_ss_dirty,
	.cleaned = vtd_ss_cleaned,
	.plain = vtd_ss_plain,
	.clean = vtd_ss_clean,
};

#endif /* __IOMMU_DIRTY_FMT_VTD_SS_H */
