// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model's view of Arm VMSAv8-64 descriptors, both stages and three
 * granules, from the tables of the architecture manual. A write to a clean leaf
 * whose DBM is set makes it writable; one that is writable without DBM is written
 * and not touched. In memory AP[2] = 0 and S2AP[1] = 1 both say "writable", and
 * that is all there is of a dirty bit.
 *
 * Software maps with AF set, writable, and with or without DBM: about every
 * other leaf has it.
 */
#include <linux/bitops.h>

#include "hw-model.h"

enum {
	DESC_VALID = 1 << 0,
	DESC_NOT_BLOCK = 1 << 1,	/* a table; at the last level a page */
	DESC_S1_USER = 1 << 6,		/* AP[1] */
	DESC_S1_READ_ONLY = 1 << 7,	/* AP[2] */
	DESC_S2_READ = 1 << 6,		/* S2AP[0] */
	DESC_S2_WRITE = 1 << 7,		/* S2AP[1] */
	DESC_INNER_SHAREABLE = 3 << 8,
	DESC_ACCESSED = 1 << 10,
};

#define DESC_DBM	0x0008000000000000ULL
#define DESC_CONTIGUOUS	0x0010000000000000ULL

/* Output addresses: bits 47 to 12; the 64 KiB granule has bits 51 to 48 in 15 to 12 */
static u64 address_bits(phys_addr_t pa)
{
	return pa & 0x0000fffffffff000ULL;
}

static u64 address_bits_64k(phys_addr_t pa)
{
	return (pa & 0x0000ffffffff0000ULL) | ((pa >> 48) & 0xf) << 12;
}

static u64 table_entry(phys_addr_t table, unsigned int level)
{
	return address_bits(table) | DESC_VALID | DESC_NOT_BLOCK;
}

static u64 table_entry_64k(phys_addr_t table, unsigned int level)
{
	return address_bits_64k(table) | DESC_VALID | DESC_NOT_BLOCK;
}

static phys_addr_t table_addr(u64 entry)
{
	return entry & 0x0000fffffffff000ULL;
}

static phys_addr_t table_addr_64k(u64 entry)
{
	return (entry & 0x0000ffffffff0000ULL) | ((entry >> 12) & 0xf) << 48;
}

/* Bits of a leaf but for its address, which decides whether it has DBM */
static u64 leaf_bits(phys_addr_t pa, unsigned int level, bool writable)
{
	return DESC_VALID | DESC_INNER_SHAREABLE | DESC_ACCESSED |
	       (level == 1 ? DESC_NOT_BLOCK : 0) |
	       (writable && hweight64(pa) % 2 ? DESC_DBM : 0);
}

static u64 s1_bits(phys_addr_t pa, unsigned int level, bool writable)
{
	return leaf_bits(pa, level, writable) | DESC_S1_USER |
	       (writable ? 0 : DESC_S1_READ_ONLY);
}

static u64 s2_bits(phys_addr_t pa, unsigned int level, bool writable)
{
	return leaf_bits(pa, level, writable) | DESC_S2_READ |
	       (writable ? DESC_S2_WRITE : 0);
}

static u64 s1_leaf(phys_addr_t pa, unsigned int level, bool writable)
{
	return address_bits(pa) | s1_bits(pa, level, writable);
}

static u64 s1_leaf_64k(phys_addr_t pa, unsigned int level, bool writable)
{
	return address_bits_64k(pa) | s1_bits(pa, level, writable);
}

static u64 s2_write_only(u64 entry)
{
	return entry & ~(u64)DESC_S2_READ;
}

static u64 s2_leaf(phys_addr_t pa, unsigned int level, bool writable)
{
	return address_bits(pa) | s2_bits(pa, level, writable);
}

static u64 s2_leaf_64k(phys_addr_t pa, unsigned int level, bool writable)
{
	return address_bits_64k(pa) | s2_bits(pa, level, writable);
}

/* A block at the last level is reserved, and faults as what is not valid does */
static bool present(u64 entry, unsigned int level)
{
	return entry & DESC_VALID && (level > 1 || entry & DESC_NOT_BLOCK);
}

static bool is_leaf(u64 entry, unsigned int level)
{
	return level == 1 || !(entry & DESC_NOT_BLOCK);
}

static bool s1_dirty(u64 entry)
{
	return !(entry & DESC_S1_READ_ONLY);
}

static bool s2_dirty(u64 entry)
{
	return entry & DESC_S2_WRITE;
}

static bool s1_writable(u64 entry)
{
	return s1_dirty(entry) || entry & DESC_DBM;
}

static bool s2_writable(u64 entry)
{
	return s2_dirty(entry) || entry & DESC_DBM;
}

static u64 accessed(u64 entry)
{
	return entry | DESC_ACCESSED;
}

static u64 s1_written(u64 entry)
{
	return entry & DESC_DBM ? entry & ~(u64)DESC_S1_READ_ONLY : entry;
}

static u64 s2_written(u64 entry)
{
	return entry & DESC_DBM ? entry | DESC_S2_WRITE : entry;
}

static unsigned int run_bits_4k(unsigned int level)
{
	return 4;			/* 16 */
}

static unsigned int run_bits_16k(unsigned int level)
{
	return level == 1 ? 7 : 5;	/* 128 pages, 32 blocks */
}

static unsigned int run_bits_64k(unsigned int level)
{
	return 5;			/* 32 */
}

static u64 run_entry(u64 entry, unsigned int level, unsigned int bits)
{
	return entry | DESC_CONTIGUOUS;
}

static bool is_run(u64 entry)
{
	return entry & DESC_CONTIGUOUS;
}

const struct hwm_format hwm_lpae_s1_4k = {
	.name = "lpae-s1-4k",
	.vendor = "arm",
	.stage = 1,
	.granule_shift = 12,
	.level_bits = 9,
	.large_levels = 3,
	.always_records = true,
	.born_dirty = true,
	.clean_faults = true,
	.holds_back = true,
	.table_entry = table_entry,
	.leaf_entry = s1_leaf,
	.table_addr = table_addr,
	.present = present,
	.is_leaf = is_leaf,
	.accessed = accessed,
	.writable = s1_writable,
	.dirty = s1_dirty,
	.written = s1_written,
	.run_bits = run_bits_4k,
	.run_entry = run_entry,
	.is_run = is_run,
};

const struct hwm_format hwm_lpae_s1_16k = {
	.name = "lpae-s1-16k",
	.vendor = "arm",
	.stage = 1,
	.granule_shift = 14,
	.level_bits = 11,
	.large_levels = 2,
	.always_records = true,
	.born_dirty = true,
	.clean_faults = true,
	.holds_back = true,
	.table_entry = table_entry,
	.leaf_entry = s1_leaf,
	.table_addr = table_addr,
	.present = present,
	.is_leaf = is_leaf,
	.accessed = accessed,
	.writable = s1_writable,
	.dirty = s1_dirty,
	.written = s1_written,
	.run_bits = run_bits_16k,
	.run_entry = run_entry,
	.is_run = is_run,
};

const struct hwm_format hwm_lpae_s1_64k = {
	.name = "lpae-s1-64k",
	.vendor = "arm",
	.stage = 1,
	.granule_shift = 16,
	.level_bits = 13,
	.large_levels = 2,
	.always_records = true,
	.born_dirty = true,
	.clean_faults = true,
	.holds_back = true,
	.table_entry = table_entry_64k,
	.leaf_entry = s1_leaf_64k,
	.table_addr = table_addr_64k,
	.present = present,
	.is_leaf = is_leaf,
	.accessed = accessed,
	.writable = s1_writable,
	.dirty = s1_dirty,
	.written = s1_written,
	.run_bits = run_bits_64k,
	.run_entry = run_entry,
	.is_run = is_run,
};

const struct hwm_format hwm_lpae_s2_4k = {
	.name = "lpae-s2-4k",
	.vendor = "arm",
	.stage = 2,
	.granule_shift = 12,
	.level_bits = 9,
	.large_levels = 3,
	.always_records = true,
	.born_dirty = true,
	.clean_faults = true,
	.holds_back = true,
	.table_entry = table_entry,
	.leaf_entry = s2_leaf,
	.write_only = s2_write_only,
	.table_addr = table_addr,
	.present = present,
	.is_leaf = is_leaf,
	.accessed = accessed,
	.writable = s2_writable,
	.dirty = s2_dirty,
	.written = s2_written,
	.run_bits = run_bits_4k,
	.run_entry = run_entry,
	.is_run = is_run,
};

const struct hwm_format hwm_lpae_s2_16k = {
	.name = "lpae-s2-16k",
	.vendor = "arm",
	.stage = 2,
	.granule_shift = 14,
	.level_bits = 11,
	.large_levels = 2,
	.always_records = true,
	.born_dirty = true,
	.clean_faults = true,
	.holds_back = true,
	.table_entry = table_entry,
	.leaf_entry = s2_leaf,
	.write_only = s2_write_only,
	.table_addr = table_addr,
	.present = present,
	.is_leaf = is_leaf,
	.accessed = accessed,
	.writable = s2_writable,
	.dirty = s2_dirty,
	.written = s2_written,
	.run_bits = run_bits_16k,
	.run_entry = run_entry,
	.is_run = is_run,
};

const struct hwm_format hwm_lpae_s2_64k = {
	.name = "lpae-s2-64k",
	.vendor = "arm",
	.stage = 2,
	.granule_shift = 16,
	.level_bits = 13,
	.large_levels = 2,
	.always_records = true,
	.born_dirty = true,
	.clean_faults = true,
	.holds_back = true,
	.table_entry = table_entry_64k,
	.leaf_entry = s2_leaf_64k,
	.write_only = s2_write_only,
	.table_addr = table_addr_64k,
	.present = present,
	.is_leaf = is_leaf,
	.accessed = accessed,
	.writable = s2_writable,
	.dirty = s2_dirty,
	.written = s2_written,
	.run_bits = run_bits_64k,
	.run_entry = run_entry,
	.is_run = is_run,
};
