/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD-Vi host page tables (AMD I/O Virtualization Technology specification,
 * publication 48882, "Host Page Tables"; "v1" in the driver). An entry says which
 * level it points to: 0 or 7 for memory. With 7 the leaf is larger than the
 * level's own size, and 2 to 256 entries in a row hold copies of it; the size is
 * coded in the address. Hardware may set D in any of the copies.
 */
#ifndef __IOMMU_DIRTY_FMT_AMDV1_H
#define __IOMMU_DIRTY_FMT_AMDV1_H

#include <linux/bitfield.h>
#include <linux/mem_encrypt.h>

#include "walk.h"

#define AMDV1_PR	BIT_ULL(0)
#define AMDV1_D		BIT_ULL(6)	/* leaves only */
#define AMDV1_NEXT	GENMASK_ULL(11, 9)
#define AMDV1_ADDR	GENMASK_ULL(51, 12)

#define AMDV1_NEXT_SIZED FIELD_PREP(AMDV1_NEXT, 7)

static __always_inline enum iommu_dirty_entry_kind
amdv1_kind(u64 entry, unsigned int level)
{
	u64 next = entry & AMDV1_NEXT;

	if (!(entry & AMDV1_PR))
		return IOMMU_DIRTY_ENTRY_NONE;
	return next && next != AMDV1_NEXT_SIZED ? IOMMU_DIRTY_ENTRY_TABLE :
						  IOMMU_DIRTY_ENTRY_LEAF;
}

/*
 * The lowest address bit that is clear says the size: bit 12 for 8 KiB, bit 13 for
 * 16 KiB, and so on. One that does not fit the level maps as a single entry.
 */
static __always_inline unsigned int amdv1_run(u64 entry, unsigned int level)
{
	unsigned int size_shift, shift = 12 + (level - 1) * 9;

	if ((entry & AMDV1_NEXT) != AMDV1_NEXT_SIZED)
		return 0;
	size_shift = ffz(entry | (BIT_ULL(12) - 1)) + 1;
	return size_shift > shift && size_shift < shift + 9 ?
	       size_shift - shift : 0;
}

/* With memory encryption, addresses in entries carry its bit */
static __always_inline phys_addr_t amdv1_table(u64 entry)
{
	return __sme_clr(entry & AMDV1_ADDR);
}

static __always_inline bool amdv1_dirty(u64 entry)
{
	return entry & AMDV1_D;
}

static __always_inline u64 amdv1_cleaned(u64 entry)
{
	return entry & ~AMDV1_D;
}

static __always_inline bool amdv1_plain(u64 any, u64 all)
{
	return all & AMDV1_PR && !(any & AMDV1_NEXT);
}

static __always_inline bool amdv1_clean(u64 any, u64 all)
{
	return !(any & AMDV1_D);
}

static const struct iommu_dirty_format amdv1_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = amdv1_kind,
	.run = amdv1_run,
	.table = amdv1_table,
	.dirty = amdv1_dirty,
	.cleaned = amdv1_cleaned,
	.plain = amdv1_plain,
	.clean = amdv1_clean,
};

#endif /* __IOMMU_DIRTY_FMT_AMDV1_H */
