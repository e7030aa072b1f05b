/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm VMSAv8-64 descriptors, as an SMMUv3 reads them (Arm Architecture Reference
 * Manual, "VMSAv8-64 translation table format descriptors"), for both stages and
 * three granules.
 *
 * A writable leaf whose DBM is clear says nothing about writes: it counts as
 * dirty. Cleaning takes write permission away and sets DBM in one step; hardware
 * that updates dirty state (HD) gives the permission back with the first write.
 * Without HD that write would fault, so a table that has been cleaned must never
 * be walked with HD off.
 *
 * Levels count from the smallest leaves: 1 is the architecture's level 3.
 *
 * Entries of a contiguous run are cleaned one after the other, and for a moment
 * differ. io-pgtable never makes such runs; who does has to know that hardware
 * which minds (a TLB conflict) can report it.
 */
#ifndef __IOMMU_DIRTY_FMT_LPAE_H
#define __IOMMU_DIRTY_FMT_LPAE_H

#include "walk.h"

#define LPAE_VALID	BIT_ULL(0)
#define LPAE_TABLE	BIT_ULL(1)	/* a page, at level 1 */
#define LPAE_AP_RDONLY	BIT_ULL(7)	/* stage 1, AP[2] */
#define LPAE_S2AP_WRITE	BIT_ULL(7)	/* stage 2, S2AP[1] */
#define LPAE_DBM	BIT_ULL(51)	/* dirty bit modifier */
#define LPAE_CONT	BIT_ULL(52)	/* contiguous, leaves only */
#define LPAE_ADDR	GENMASK_ULL(47, 12)
#define LPAE_ADDR_64K	GENMASK_ULL(47, 16)
#define LPAE_HIGH_64K	GENMASK_ULL(15, 12)	/* address bits 51:48 */

static __always_inline enum iommu_dirty_entry_kind
lpae_kind(u64 entry, unsigned int level)
{
	if (!(entry & LPAE_VALID))
		return IOMMU_DIRTY_ENTRY_NONE;
	if (level == 1)
		return entry & LPAE_TABLE ? IOMMU_DIRTY_ENTRY_LEAF :
					    IOMMU_DIRTY_ENTRY_NONE;
	return entry & LPAE_TABLE ? IOMMU_DIRTY_ENTRY_TABLE :
				    IOMMU_DIRTY_ENTRY_LEAF;
}

static __always_inline unsigned int lpae_run_4k(u64 entry, unsigned int level)
{
	return entry & LPAE_CONT ? 4 : 0;
}

static __always_inline unsigned int lpae_run_16k(u64 entry, unsigned int level)
{
	if (!(entry & LPAE_CONT))
		return 0;
	return level == 1 ? 7 : 5;
}

static __always_inline unsigned int lpae_run_64k(u64 entry, unsigned int level)
{
	return entry & LPAE_CONT ? 5 : 0;
}

static __always_inline phys_addr_t lpae_table(u64 entry)
{
	return entry & LPAE_ADDR;
}

static __always_inline phys_addr_t lpae_table_64k(u64 entry)
{
	return (entry & LPAE_ADDR_64K) | (entry & LPAE_HIGH_64K) << 36;
}

static __always_inline bool lpae_s1_dirty(u64 entry)
{
	return !(entry & LPAE_AP_RDONLY);
}

static __always_inline u64 lpae_s1_cleaned(u64 entry)
{
	return entry | LPAE_DBM | LPAE_AP_RDONLY;
}

static __always_inline bool lpae_s2_dirty(u64 entry)
{
	return entry & LPAE_S2AP_WRITE;
}

static __always_inline u64 lpae_s2_cleaned(u64 entry)
{
	return (entry | LPAE_DBM) & ~LPAE_S2AP_WRITE;
}

static __always_inline bool lpae_plain(u64 any, u64 all)
{
	return all & LPAE_VALID && all & LPAE_TABLE && !(any & LPAE_CONT);
}

static __always_inline bool lpae_s1_clean(u64 any, u64 all)
{
	return all & LPAE_AP_RDONLY;
}

static __always_inline bool lpae_s2_clean(u64 any, u64 all)
{
	return !(any & LPAE_S2AP_WRITE);
}

static const struct iommu_dirty_format lpae_s1_4k_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = lpae_kind,
	.run = lpae_run_4k,
	.table = lpae_table,
	.dirty = lpae_s1_dirty,
	.cleaned = lpae_s1_cleaned,
	.plain = lpae_plain,
	.clean = lpae_s1_clean,
};

static const struct iommu_dirty_format lpae_s1_16k_format = {
	.granule_shift = 14,
	.level_bits = 11,
	.kind = lpae_kind,
	.run = lpae_run_16k,
	.table = lpae_table,
	.dirty = lpae_s1_dirty,
	.cleaned = lpae_s1_cleaned,
	.plain = lpae_plain,
	.clean = lpae_s1_clean,
};

static const struct iommu_dirty_format lpae_s1_64k_format = {
	.granule_shift = 16,
	.level_bits = 13,
	.kind = lpae_kind,
	.run = lpae_run_64k,
	.table = lpae_table_64k,
	.dirty = lpae_s1_dirty,
	.cleaned = lpae_s1_cleaned,
	.plain = lpae_plain,
	.clean = lpae_s1_clean,
};

static const struct iommu_dirty_format lpae_s2_4k_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = lpae_kind,
	.run = lpae_run_4k,
	.table = lpae_table,
	.dirty = lpae_s2_dirty,
	.cleaned = lpae_s2_cleaned,
	.plain = lpae_plain,
	.clean = lpae_s2_clean,
};

static const struct iommu_dirty_format lpae_s2_16k_format = {
	.granule_shift = 14,
	.level_bits = 11,
	.kind = lpae_kind,
	.run = lpae_run_16k,
	.table = lpae_table,
	.dirty = lpae_s2_dirty,
	.cleaned = lpae_s2_cleaned,
	.plain = lpae_plain,
	.clean = lpae_s2_clean,
};

static const struct iommu_dirty_format lpae_s2_64k_format = {
	.granule_shift = 16,
	.level_bits = 13,
	.kind = lpae_kind,
	.run = lpae_run_64k,
	.table = lpae_table_64k,
	.dirty = lpae_s2_dirty,
	.cleaned = lpae_s2_cleaned,
	.plain = lpae_plain,
	.clean = lpae_s2_clean,
};

/**
 * struct lpae_geometry - what a translation control register says
 * @stage: 1 or 2
 * @granule_shift: log2 of the granule's bytes: 12, 14 or 16 (TG0)
 * @ia_bits: input address bits, 64 - TxSZ
 * @sl0: stage 2: SL0, the level that the walk starts at
 */
struct lpae_geometry {
	unsigned int stage;
	unsigned int granule_shift;
	unsigned int ia_bits;
	unsigned int sl0;
};

/**
 * lpae_root() - where does the walk of a table start?
 * @geo: geometry
 * @table: first table; several in a row when stage 2 concatenates them
 *
 * Stage 1 starts at the level that the input address bits need. Stage 2 is told by
 * SL0, whose encoding for the 4 KiB granule is one level off from the others'; a
 * root may then hold up to 16 tables.
 *
 * Return: the table, its level and its size.
 */
static inline struct iommu_dirty_root
lpae_root(const struct lpae_geometry *geo, u64 *table)
{
	unsigned int level_bits = geo->granule_shift - 3;
	unsigned int index_bits = geo->ia_bits - geo->granule_shift;
	unsigned int level;

	if (geo->stage == 1)
		level = DIV_ROUND_UP(index_bits, level_bits);
	else if (geo->granule_shift == 12)
		level = geo->sl0 + 2;
	else
		level = geo->sl0 + 1;

	return (struct iommu_dirty_root){
		.table = table,
		.level = level,
		.bits = index_bits - (level - 1) * level_bits,
	};
}

enum lpae_variant {
	LPAE_S1_4K,
	LPAE_S1_16K,
	LPAE_S1_64K,
	LPAE_S2_4K,
	LPAE_S2_16K,
	LPAE_S2_64K,
};

static inline enum lpae_variant lpae_variant(const struct lpae_geometry *geo)
{
	enum lpae_variant first = geo->stage == 1 ? LPAE_S1_4K : LPAE_S2_4K;

	return first + (geo->granule_shift - 12) / 2;
}

/*
 * The bodies of ->walk and ->clear for a table of geometry @geo: one copy for each
 * format, and none of them calls through pointers.
 */
static inline int lpae_walk(const struct lpae_geometry *geo,
			    const struct iommu_dirty_root *root,
			    struct iommu_dirty_chunk *chunk, unsigned long iova,
			    unsigned long last)
{
	switch (lpae_variant(geo)) {
	case LPAE_S1_4K:
		return iommu_dirty_walk_table(&lpae_s1_4k_format, root, chunk,
					      iova, last);
	case LPAE_S1_16K:
		return iommu_dirty_walk_table(&lpae_s1_16k_format, root, chunk,
					      iova, last);
	case LPAE_S1_64K:
		return iommu_dirty_walk_table(&lpae_s1_64k_format, root, chunk,
					      iova, last);
	case LPAE_S2_4K:
		return iommu_dirty_walk_table(&lpae_s2_4k_format, root, chunk,
					      iova, last);
	case LPAE_S2_16K:
		return iommu_dirty_walk_table(&lpae_s2_16k_format, root, chunk,
					      iova, last);
	case LPAE_S2_64K:
		return iommu_dirty_walk_table(&lpae_s2_64k_format, root, chunk,
					      iova, last);
	}
	return -EINVAL;
}

static inline int lpae_clear(const struct lpae_geometry *geo,
			     const struct iommu_dirty_root *root,
			     struct iommu_dirty_chunk *chunk)
{
	switch (lpae_variant(geo)) {
	case LPAE_S1_4K:
		return iommu_dirty_clear_table(&lpae_s1_4k_format, root, chunk);
	case LPAE_S1_16K:
		return iommu_dirty_clear_table(&lpae_s1_16k_format, root, chunk);
	case LPAE_S1_64K:
		return iommu_dirty_clear_table(&lpae_s1_64k_format, root, chunk);
	case LPAE_S2_4K:
		return iommu_dirty_clear_table(&lpae_s2_4k_format, root, chunk);
	case LPAE_S2_16K:
		return iommu_dirty_clear_table(&lpae_s2_16k_format, root, chunk);
	case LPAE_S2_64K:
		return iommu_dirty_clear_table(&lpae_s2_64k_format, root, chunk);
	}
	return -EINVAL;
}

#endif /* __IOMMU_DIRTY_FMT_LPAE_H */
