// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model's view of x86-64 entries, as VT-d's first stage reads them,
 * from the tables of the specification. Software maps writable leaves with A and
 * D set, and tables with A set.
 */
#include "hw-model.h"

enum {
	ENTRY_PRESENT = 1 << 0,
	ENTRY_WRITE = 1 << 1,
	ENTRY_USER = 1 << 2,
	ENTRY_ACCESSED = 1 << 5,
	ENTRY_DIRTY = 1 << 6,
	ENTRY_LARGE = 1 << 7,
};

#define ENTRY_ADDRESS 0x000ffffffffff000ULL

static u64 table_entry(phys_addr_t table, unsigned int level)
{
	return table | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER | ENTRY_ACCESSED;
}

static u64 leaf_entry(phys_addr_t pa, unsigned int level, bool writable)
{
	return (pa & ENTRY_ADDRESS) | ENTRY_PRESENT | ENTRY_USER |
	       (writable ? ENTRY_WRITE | ENTRY_ACCESSED | ENTRY_DIRTY : 0) |
	       (level > 1 ? ENTRY_LARGE : 0);
}

static phys_addr_t table_addr(u64 entry)
{
	return entry & ENTRY_ADDRESS;
}

static bool present(u64 entry, unsigned int level)
{
	return entry & ENTRY_PRESENT;
}

static bool is_leaf(u64 entry, unsigned int level)
{
	return level == 1 || entry & ENTRY_LARGE;
}

static bool writable(u64 entry)
{
	return entry & ENTRY_WRITE;
}

static bool dirty(u64 entry)
{
	return entry & ENTRY_DIRTY;
}

static u64 accessed(u64 entry)
{
	return entry | ENTRY_ACCESSED;
}

static u64 written(u64 entry)
{
	return entry | ENTRY_DIRTY;
}

const struct hwm_format hwm_x86 = {
	.name = "x86",
	.vendor = "intel",
	.stage = 1,
	.granule_shift = 12,
	.level_bits = 9,
	.large_levels = 3,
	.table_access = true,
	.always_records = true,
	.born_dirty = true,
	.table_entry = table_entry,
	.leaf_entry = leaf_entry,
	.table_addr = table_addr,
	.present = present,
	.is_leaf = is_leaf,
	.writable = writable,
	.dirty = dirty,
	.accessed = accessed,
	.written = written,
};
