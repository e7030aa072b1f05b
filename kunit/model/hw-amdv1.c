// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model's view of AMD-Vi host page tables, from the tables of the
 * specification ("Host Page Tables"). An entry holds the number of the level that
 * it points to; 0 and 7 mean memory. With 7, copies of the leaf stand in a row, and
 * the address says how large it is: ones from bit 12 up to the bit two below the
 * size's, then a zero. Hardware sets D in the copy that it happened to read.
 */
#include "hw-model.h"

enum {
	ENTRY_PRESENT = 1 << 0,
	ENTRY_ACCESSED = 1 << 5,
	ENTRY_DIRTY = 1 << 6,
	ENTRY_LEVEL_SHIFT = 9,		/* three bits */
	ENTRY_SIZED = 7,
};

#define ENTRY_READ	0x2000000000000000ULL
#define ENTRY_WRITE	0x4000000000000000ULL
#define ENTRY_ADDRESS	0x000ffffffffff000ULL

static unsigned int next_level(u64 entry)
{
	return (entry >> ENTRY_LEVEL_SHIFT) & 7;
}

/* The driver gives tables every permission; they say where they lead */
static u64 table_entry(phys_addr_t table, unsigned int level)
{
	return (table & ENTRY_ADDRESS) | ENTRY_READ | ENTRY_WRITE |
	       ENTRY_PRESENT | (u64)(level - 1) << ENTRY_LEVEL_SHIFT;
}

static u64 leaf_entry(phys_addr_t pa, unsigned int level, bool writable)
{
	return (pa & ENTRY_ADDRESS) | ENTRY_READ | ENTRY_PRESENT |
	       (writable ? ENTRY_WRITE : 0);
}

static u64 write_only(u64 entry)
{
	return entry & ~ENTRY_READ;
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
	return !next_level(entry) || next_level(entry) == ENTRY_SIZED;
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
	return is_leaf(entry, 1) ? entry | ENTRY_ACCESSED : entry;
}

static u64 written(u64 entry)
{
	return entry | ENTRY_DIRTY;
}

/* Usual ones: 16 copies of 4 KiB, 128 of 2 MiB, 4 of 1 GiB */
static unsigned int run_bits(unsigned int level)
{
	switch (level) {
	case 1:
		return 4;
	case 2:
		return 7;
	default:
		return 2;
	}
}

static u64 run_entry(u64 entry, unsigned int level, unsigned int bits)
{
	unsigned int size_shift = 12 + 9 * (level - 1) + bits;
	u64 size = 1ULL << size_shift;
	u64 address = entry & ENTRY_ADDRESS & ~(size - 1);

	/* Bits 12 to size_shift - 2 are set, bit size_shift - 1 is clear */
	address |= ((size >> 1) - 1) & ENTRY_ADDRESS;
	return (entry & ~ENTRY_ADDRESS) | address |
	       (u64)ENTRY_SIZED << ENTRY_LEVEL_SHIFT;
}

static bool is_run(u64 entry)
{
	return next_level(entry) == ENTRY_SIZED;
}

/* The size's own words: the lowest address bit that is clear, and one more */
static unsigned int run_of(u64 entry, unsigned int level)
{
	unsigned int bit = 12;

	while (entry & (1ULL << bit))
		bit++;
	return bit + 1 - (12 + 9 * (level - 1));
}

const struct hwm_format hwm_amdv1 = {
	.name = "amdv1",
	.vendor = "amd",
	.stage = 2,
	.granule_shift = 12,
	.level_bits = 9,
	.large_levels = 3,
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
	.run_bits = run_bits,
	.run_entry = run_entry,
	.run_copies = true,
	.is_run = is_run,
	.run_of = run_of,
};
