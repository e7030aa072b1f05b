// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second sample: what it costs to try a format before there is a driver. The second stage
 * of the RISC-V IOMMU is unlike the others here: its root has four times the entries of
 * another table, every level has leaves, 16 entries of the last level can be one, and leaves
 * are born dirty. The format is first, and what the suite needs to run it in the hardware
 * model is behind it. No driver uses it; hw-riscv.c has the same bits, written down again.
 *
 * Sections are those of "The RISC-V Instruction Set Manual, Volume II: Privileged
 * Architecture". In the RISC-V IOMMU Architecture Specification the stage is called
 * G-stage or second stage, and iohgatp.MODE chooses between Sv39x4, Sv48x4 and Sv57x4.
 */
#include "load-point.h"

#include "../../walk.h"
#include "conformance.h"
#include "hw-model.h"

/* doc: riscv format */
/* "Sv39: Page-Based 39-bit Virtual-Memory System"; "Sv57" has the same bits */
#define RISCV_V		BIT_ULL(0)
#define RISCV_R		BIT_ULL(1)
#define RISCV_W		BIT_ULL(2)
#define RISCV_X		BIT_ULL(3)
#define RISCV_U		BIT_ULL(4)	/* "Guest Physical Address Translation": must be set */
#define RISCV_D		BIT_ULL(7)	/* A is bit 6 */
#define RISCV_PPN	GENMASK_ULL(53, 10)
#define RISCV_N		BIT_ULL(63)	/* "Svnapot", level 1 only */
#define RISCV_N_SIZE	GENMASK_ULL(13, 10)	/* there: ppn[3:0] */
#define RISCV_N_64K	BIT_ULL(13)

/* What hardware faults on is nothing: the reserved encodings, and leaves without U */
static __always_inline enum iommu_dirty_entry_kind
riscv_kind(u64 entry, unsigned int level)
{
	if (!(entry & RISCV_V))
		return IOMMU_DIRTY_ENTRY_NONE;
	if (!(entry & (RISCV_R | RISCV_W | RISCV_X)))
		return level > 1 ? IOMMU_DIRTY_ENTRY_TABLE : IOMMU_DIRTY_ENTRY_NONE;
	if (!(entry & RISCV_U) || (entry & (RISCV_R | RISCV_W)) == RISCV_W)
		return IOMMU_DIRTY_ENTRY_NONE;
	if (entry & RISCV_N && (level > 1 || (entry & RISCV_N_SIZE) != RISCV_N_64K))
		return IOMMU_DIRTY_ENTRY_NONE;
	return IOMMU_DIRTY_ENTRY_LEAF;
}

static __always_inline unsigned int riscv_run(u64 entry, unsigned int level)
{
	return entry & RISCV_N ? 4 : 0;
}

static __always_inline phys_addr_t riscv_table(u64 entry)
{
	return (entry & RISCV_PPN) << 2;
}

static __always_inline bool riscv_dirty(u64 entry)
{
	return (entry & (RISCV_W | RISCV_D)) == (RISCV_W | RISCV_D);
}

static __always_inline u64 riscv_cleaned(u64 entry)
{
	return entry & ~RISCV_D;
}

static const struct iommu_dirty_format riscv_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = riscv_kind,
	.run = riscv_run,
	.table = riscv_table,
	.dirty = riscv_dirty,
	.cleaned = riscv_cleaned,
};

/* "Guest Physical Address Translation": two more bits at the root, a table of 16 KiB */
static struct iommu_dirty_root riscv_root(const struct hwm_domain *hd)
{
	return (struct iommu_dirty_root){
		.table = hd->root,
		.level = hd->hw->kind->levels,
		.bits = 9 + 2,
	};
}

/* doc: end riscv format */

/* doc: riscv conformance */
HWM_WALKER(riscv, riscv_root);

static const struct hwm_kind sv57x4 = {
	.name = "Sv57x4",
	.fmt = &hwm_sv57x4, .walker = &riscv_walker,
	.levels = 5, .root_bits = 11,
	.medium = SZ_64K, .large = SZ_1G,
};

static const struct hwm_kind sv39x4 = {
	.name = "Sv39x4",
	.fmt = &hwm_sv39x4, .walker = &riscv_walker,
	.levels = 3, .root_bits = 11,
	.medium = SZ_64K, .large = SZ_1G,
};

static struct conf_target riscv_targets[] = {
	{ .name = "Sv57x4", .ops = &conf_model_ops, .data = &sv57x4 },
	{ .name = "Sv39x4", .ops = &conf_model_ops, .data = &sv39x4 },
	{}
};

CONFORMANCE_SUITE(riscv_2, "riscv-2", riscv_targets);

/* doc: end riscv conformance */
