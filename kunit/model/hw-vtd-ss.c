// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model's view of Intel VT-d second-stage entries, from the tables
 * of the specification, not from the driver or the code under test.
 */
#include "hw-model.h"

enum {
	ENTRY_READ = 1 << 0,
	ENTRY_WRITE = 1 << 1,
	ENTRY_LARGE = 1 << 7,
	ENTRY_ACCESSED = 1 << 8,
	ENTRY_DIRTY = 1 << 9,
};

#define ENTRY_ADDRESS 0x000ffffffffff000ULL

static u64 table_entry(phys_addr_t table, unsigned int level)
{
	return table | ENTRY_READ | ENTRY_WRITE;
}

static u64 leaf_entry(phys_addr_t pa, unsigned int level, bool writable)
{
	return (pa & ENTRY_ADDRESS) | ENTRY_READ | (writable ? ENTRY_WRITE : 0) |
	       (level > 1 ? ENTRY_LARGE : 0);
}

static u64 write_only(u64 entry)
{
	return entry & ~(u64)ENTRY_READ;
}

static phys_addr_t table_addr(u64 entry)
{
	return entry & ENTRY_ADDRESS;
}

static bool present(u64 entry, unsigned int level)
{
	return entry & (ENTRY_READ | ENTRY_WRITE);
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

const struct hwm_format hwm_vtd_ss = {
	.name = "vtd-ss",
	.vendor = "intel",
	.stage = 2,
	.granule_shift = 12,
	.level_bits = 9,
	.large_levels = 3,
	.table_access = true,
	.table_entry = table_entry,
	.leaf_entry = leaf_entry,
	.write_only = write_only,
	.table_addr = table_addr,
	.present = present,
	.is_leaf = is_leaf,
	.writable = writable,
	.dirty = dirty,
	.accessed = accessed,
	.written = written,
};
