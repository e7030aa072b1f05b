// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model's view of RISC-V second-stage entries: Sv39x4 to Sv57x4, with Svnapot.
 * From "The RISC-V Instruction Set Manual, Volume II: Privileged Architecture" (its sections
 * are named below) and the "RISC-V IOMMU Architecture Specification". Levels count from 1
 * here, and from 0 there.
 *
 * DC.tc.GADE lets the IOMMU set A and D ("Translation control", where the capability
 * AMO_HWAD is there). Without it a leaf that has A or D clear faults, so that the switch is
 * turned once, before leaves are made clean: the model's devices always record. Software maps
 * with both set.
 */
#include "hw-model.h"

/* "Sv39: Page-Based 39-bit Virtual-Memory System", "Addressing and Memory Protection" */
enum {
	RISCV_PTE_VALID = 1 << 0,
	RISCV_PTE_READ = 1 << 1,
	RISCV_PTE_WRITE = 1 << 2,
	RISCV_PTE_EXECUTE = 1 << 3,
	/* "Guest Physical Address Translation": set in every leaf */
	RISCV_PTE_USER = 1 << 4,
	RISCV_PTE_ACCESSED = 1 << 6,
	RISCV_PTE_DIRTY = 1 << 7,
};

#define RISCV_PTE_PPN	0x003ffffffffffc00ULL	/* bits 53 to 10 */
#define RISCV_PTE_NAPOT	0x8000000000000000ULL	/* "Svnapot": bit 63 */
#define RISCV_PTE_NAPOT_64K	(8 << 10)		/* there: ppn[3:0] is 1000 */

static u64 ppn(phys_addr_t pa)
{
	return (pa >> 12) << 10 & RISCV_PTE_PPN;
}

/* A, D and U are reserved in an entry that points to a table */
static u64 table_entry(phys_addr_t table, unsigned int level)
{
	return ppn(table) | RISCV_PTE_VALID;
}

static u64 leaf_entry(phys_addr_t pa, unsigned int level, bool writable)
{
	return ppn(pa) | RISCV_PTE_VALID | RISCV_PTE_READ | RISCV_PTE_USER |
	       RISCV_PTE_ACCESSED |
	       (writable ? RISCV_PTE_WRITE | RISCV_PTE_DIRTY : 0);
}

static phys_addr_t table_addr(u64 entry)
{
	return (entry & RISCV_PTE_PPN) >> 10 << 12;
}

static bool is_leaf(u64 entry, unsigned int level)
{
	return entry & (RISCV_PTE_READ | RISCV_PTE_EXECUTE);
}

/* Writable but not readable is reserved; there is nothing below the last level */
static bool present(u64 entry, unsigned int level)
{
	if (!(entry & RISCV_PTE_VALID) ||
	    (entry & (RISCV_PTE_READ | RISCV_PTE_WRITE)) == RISCV_PTE_WRITE)
		return false;
	return is_leaf(entry, level) ? entry & RISCV_PTE_USER : level > 1;
}

static bool writable(u64 entry)
{
	return entry & RISCV_PTE_WRITE;
}

static bool dirty(u64 entry)
{
	return entry & RISCV_PTE_DIRTY;
}

static u64 accessed(u64 entry)
{
	return entry | RISCV_PTE_ACCESSED;
}

static u64 written(u64 entry)
{
	return entry | RISCV_PTE_DIRTY;
}

/* 16 entries that are all the same; of the last level only */
static unsigned int run_bits(unsigned int level)
{
	return level == 1 ? 4 : 0;
}

static u64 run_entry(u64 entry, unsigned int level, unsigned int bits)
{
	return entry | RISCV_PTE_NAPOT | RISCV_PTE_NAPOT_64K;
}

static bool is_run(u64 entry)
{
	return entry & RISCV_PTE_NAPOT;
}

#define RISCV_FORMAT(levels) {						\
	.name = "riscv",						\
	.vendor = "riscv",						\
	.stage = 2,							\
	.granule_shift = 12,						\
	.level_bits = 9,						\
	.large_levels = (levels),					\
	.always_records = true,						\
	.born_dirty = true,						\
	.clean_faults = true,						\
	.table_entry = table_entry,					\
	.leaf_entry = leaf_entry,					\
	.table_addr = table_addr,					\
	.present = present,						\
	.is_leaf = is_leaf,						\
	.writable = writable,						\
	.dirty = dirty,							\
	.accessed = accessed,						\
	.written = written,						\
	.run_bits = run_bits,						\
	.run_entry = run_entry,						\
	.run_copies = true,						\
	.is_run = is_run,						\
}

/* "Sv39", "Sv57": a leaf at any level, from 4 KiB up to 1 GiB or 256 TiB */
const struct hwm_format hwm_sv39x4 = RISCV_FORMAT(3);
const struct hwm_format hwm_sv57x4 = RISCV_FORMAT(5);
