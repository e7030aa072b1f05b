// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arm: where a walk starts, what descriptors say, leaves that are runs of entries,
 * and what becomes of a clean leaf where nothing records.
 *
 * Every geometry is also walked, once with the model's tables and once with those
 * that Linux's io-pgtable makes.
 */
#include <linux/bitfield.h>
#include <linux/io-pgtable.h>
#include <linux/io.h>

#include "../../fmt-amdv1.h"
#include "../../fmt-lpae.h"
#include "rig.h"

/*
 * The Arm architecture's tables of starting levels: for an input address size and,
 * in stage 2, SL0, which of its levels a walk starts at (3 is the last), and how
 * many entries there are then to choose from. With SL0 more than one table's.
 */
static const struct geometry {
	unsigned int stage;
	unsigned int granule_shift;
	unsigned int ia_bits;
	unsigned int sl0;
	unsigned int start_level;
	unsigned int entries;
} geometries[] = {
	{ 1, 12, 48, 0, 0, 512 },
	{ 1, 12, 44, 0, 0, 32 },
	{ 1, 12, 42, 0, 0, 8 },
	{ 1, 12, 40, 0, 0, 2 },
	{ 1, 12, 39, 0, 1, 512 },
	{ 1, 12, 36, 0, 1, 64 },
	{ 1, 12, 32, 0, 1, 4 },
	{ 1, 12, 31, 0, 1, 2 },
	{ 1, 12, 30, 0, 2, 512 },
	{ 1, 12, 25, 0, 2, 16 },
	{ 1, 14, 48, 0, 0, 2 },
	{ 1, 14, 47, 0, 1, 2048 },
	{ 1, 14, 44, 0, 1, 256 },
	{ 1, 14, 42, 0, 1, 64 },
	{ 1, 14, 40, 0, 1, 16 },
	{ 1, 14, 37, 0, 1, 2 },
	{ 1, 14, 36, 0, 2, 2048 },
	{ 1, 14, 32, 0, 2, 128 },
	{ 1, 14, 25, 0, 3, 2048 },
	{ 1, 16, 52, 0, 1, 1024 },
	{ 1, 16, 48, 0, 1, 64 },
	{ 1, 16, 44, 0, 1, 4 },
	{ 1, 16, 42, 0, 2, 8192 },
	{ 1, 16, 40, 0, 2, 2048 },
	{ 1, 16, 36, 0, 2, 128 },
	{ 1, 16, 32, 0, 2, 8 },
	{ 1, 16, 29, 0, 3, 8192 },
	/* 4 KiB: SL0 is 2 for level 0, 1 for level 1, 0 for level 2 */
	{ 2, 12, 48, 2, 0, 512 },
	{ 2, 12, 44, 2, 0, 32 },
	{ 2, 12, 43, 1, 1, 16 * 512 },
	{ 2, 12, 42, 1, 1, 8 * 512 },
	{ 2, 12, 40, 1, 1, 2 * 512 },
	{ 2, 12, 39, 1, 1, 512 },
	{ 2, 12, 36, 1, 1, 64 },
	{ 2, 12, 32, 1, 1, 4 },
	{ 2, 12, 34, 0, 2, 16 * 512 },
	{ 2, 12, 32, 0, 2, 4 * 512 },
	{ 2, 12, 30, 0, 2, 512 },
	/* 16 and 64 KiB: SL0 is 2 for level 1, 1 for level 2, 0 for level 3 */
	{ 2, 14, 48, 2, 1, 2 * 2048 },
	{ 2, 14, 47, 2, 1, 2048 },
	{ 2, 14, 44, 2, 1, 256 },
	{ 2, 14, 42, 2, 1, 64 },
	{ 2, 14, 40, 2, 1, 16 },
	{ 2, 14, 40, 1, 2, 16 * 2048 },
	{ 2, 14, 36, 1, 2, 2048 },
	{ 2, 14, 32, 1, 2, 128 },
	{ 2, 14, 29, 0, 3, 16 * 2048 },
	{ 2, 16, 52, 2, 1, 1024 },
	{ 2, 16, 48, 2, 1, 64 },
	{ 2, 16, 44, 2, 1, 4 },
	{ 2, 16, 46, 1, 2, 16 * 8192 },
	{ 2, 16, 42, 1, 2, 8192 },
	{ 2, 16, 40, 1, 2, 2048 },
	{ 2, 16, 36, 1, 2, 128 },
	{ 2, 16, 32, 1, 2, 8 },
	{ 2, 16, 33, 0, 3, 16 * 8192 },
};

static void walks_start_where_the_architecture_says(struct kunit *test)
{
	const struct geometry *g;
	u64 table;

	for (g = geometries; g < geometries + ARRAY_SIZE(geometries); g++) {
		const struct lpae_geometry geo = {
			.stage = g->stage,
			.granule_shift = g->granule_shift,
			.ia_bits = g->ia_bits,
			.sl0 = g->sl0,
		};
		struct iommu_dirty_root root = lpae_root(&geo, &table);

		KUNIT_EXPECT_PTR_EQ(test, root.table, &table);
		if (root.level == 4 - g->start_level &&
		    1U << root.bits == g->entries)
			continue;
		KUNIT_FAIL(test,
			   "stage %u, %uK, %u bits, SL0 %u: level %u, %u entries",
			   g->stage, 1 << (g->granule_shift - 10), g->ia_bits,
			   g->sl0, 4 - root.level, 1 << root.bits);
	}
}

/* The format and the code under test for a stage and a granule */
static const struct hwm_kind *kind_like(unsigned int stage,
					unsigned int granule_shift)
{
	const struct hwm_kind *kind;

	for (kind = hwm_kinds; kind < hwm_kinds + hwm_nr_kinds; kind++)
		if (kind->fmt->holds_back && kind->fmt->stage == stage &&
		    kind->fmt->granule_shift == granule_shift)
			return kind;
	return NULL;
}

static struct hwm_kind geometry_kind;

/* Start anew with tables of a geometry */
static void use_geometry(struct kunit *test, const struct geometry *g)
{
	const struct hwm_kind *like = kind_like(g->stage, g->granule_shift);
	struct rig *rig = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, like);
	geometry_kind = (struct hwm_kind){
		.name = like->name,
		.fmt = like->fmt,
		.walker = like->walker,
		.levels = 4 - g->start_level,
		.root_bits = ilog2(g->entries),
		.ia_bits = g->ia_bits,
		.sl0 = g->sl0,
		.medium = like->medium,
		.large = like->large,
	};
	rig->hw->kind = &geometry_kind;
	rig_lay_out(rig);
	rig->hd = hwm_domain_new(rig->hw);
	rig->dev = rig_device(rig, rig->hd);
}

static void end_geometry(struct rig *rig)
{
	hwm_device_free(rig->dev);
	hwm_domain_free(rig->hd);
}

/* Write the ends of all that is mapped, twice over */
static void write_and_read(struct rig *rig, const struct geometry *g)
{
	struct kunit *test = rig->hw->test;
	unsigned long reach = hwm_reach(rig->hw);
	struct oracle_span *span;
	unsigned int round;
	u64 n = 0;

	KUNIT_EXPECT_EQ(test, reach, BIT(g->ia_bits) - 1);
	list_for_each_entry(span, &rig->hd->oracle.spans, node)
		n += 1 + (span->last - span->iova + 1 > span->leaf_size);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	for (round = 0; round < 2; round++) {
		list_for_each_entry(span, &rig->hd->oracle.spans, node) {
			KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, span->iova),
					0);
			KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, span->last),
					0);
		}
		KUNIT_EXPECT_EQ(test,
				rig_read_as(rig, test, 0, reach,
					    max(rig->page, (reach + 1) >> 16),
					    IOMMU_DIRTY_READ_NO_CLEAR),
				0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty,
				(2 * round + 1) * n);
		KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty,
				(2 * round + 2) * n);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared,
				(round + 1) * n);
	}
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		kunit_err(test, "stage %u, %uK, %u bits, SL0 %u\n", g->stage,
			  1 << (g->granule_shift - 10), g->ia_bits, g->sl0);
}

/* Places in the address space: its ends, its middle, and a bit of everything */
static void each_place(struct rig *rig,
		       void (*map)(struct rig *rig, unsigned long iova,
				   unsigned long leaf, unsigned int nr))
{
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	unsigned long end = hwm_reach(rig->hw) + 1;
	unsigned long block = rig->page << fmt->level_bits;

	map(rig, 0, rig->page, 3);
	map(rig, end / 2 - 2 * rig->page, rig->page, 4);
	map(rig, end - rig->page, rig->page, 1);
	if (rig->hw->kind->levels == 1 || end < 32 * block)
		return;
	map(rig, end / 4, block, 2);
	map(rig, end - 2 * block, block, 1);
	map(rig, end - end / 8, rig->page, 1);
}

static void map_model(struct rig *rig, unsigned long iova, unsigned long leaf,
		      unsigned int nr)
{
	rig_map(rig, iova, nr * leaf, leaf, true);
}

static void the_models_tables_are_read(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		use_geometry(test, &geometries[i]);
		each_place(rig, map_model);
		write_and_read(rig, &geometries[i]);
		end_geometry(rig);
		rig->hw->kind = hwm_kinds;
	}
}

#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
static struct io_pgtable_ops *linux_ops;

static void map_linux(struct rig *rig, unsigned long iova, unsigned long leaf,
		      unsigned int nr)
{
	struct kunit *test = rig->hw->test;
	struct oracle_span *span;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		size_t mapped = 0;

		KUNIT_ASSERT_EQ(test,
				linux_ops->map_pages(linux_ops, iova + i * leaf,
						     iova + i * leaf, leaf, 1,
						     IOMMU_READ | IOMMU_WRITE |
						     IOMMU_CACHE, GFP_KERNEL,
						     &mapped),
				0);
		KUNIT_ASSERT_EQ(test, mapped, leaf);
	}
	span = oracle_span_new(&rig->hd->oracle, iova, iova + nr * leaf - 1,
			       leaf, true);
	KUNIT_ASSERT_NOT_NULL(test, span);
	bitmap_fill(span->may, span->pages);
	oracle_add(&rig->hd->oracle, span);
}

/* TG0 and SL0 as the architecture encodes them */
static const struct geometry *geometry_of(const struct io_pgtable_cfg *cfg,
					  unsigned int stage)
{
	static const unsigned int tg0_shift[] = { 12, 16, 14 };
	unsigned int tg, tsz, sl0 = 0, i;

	if (stage == 1) {
		tg = cfg->arm_lpae_s1_cfg.tcr.tg;
		tsz = cfg->arm_lpae_s1_cfg.tcr.tsz;
	} else {
		tg = cfg->arm_lpae_s2_cfg.vtcr.tg;
		tsz = cfg->arm_lpae_s2_cfg.vtcr.tsz;
		sl0 = cfg->arm_lpae_s2_cfg.vtcr.sl;
	}
	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		const struct geometry *g = &geometries[i];

		if (g->stage == stage && tg < ARRAY_SIZE(tg0_shift) &&
		    g->granule_shift == tg0_shift[tg] &&
		    g->ia_bits == 64 - tsz && g->sl0 == sl0)
			return g;
	}
	return NULL;
}

static void linux_table(struct kunit *test, unsigned int stage,
			unsigned long pgsizes, unsigned int ias, bool hd)
{
	struct rig *rig = test->priv;
	const struct geometry *g;
	struct io_pgtable_cfg cfg = {
		.quirks = hd ? IO_PGTABLE_QUIRK_ARM_HD : 0,
		.pgsize_bitmap = pgsizes,
		.ias = ias,
		.oas = 48,
		.coherent_walk = true,
		.iommu_dev = &rig->dev->dev,
	};

	linux_ops = alloc_io_pgtable_ops(stage == 1 ? ARM_64_LPAE_S1 :
						      ARM_64_LPAE_S2,
					 &cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(test, linux_ops);
	g = geometry_of(&cfg, stage);
	if (!g) {
		free_io_pgtable_ops(linux_ops);
		KUNIT_FAIL(test, "stage %u, pages %#lx, %u bits: unknown", stage,
			   pgsizes, ias);
		return;
	}
	use_geometry(test, g);
	rig->hd->root = phys_to_virt(stage == 1 ? cfg.arm_lpae_s1_cfg.ttbr :
						  cfg.arm_lpae_s2_cfg.vttbr);
	each_place(rig, map_linux);
	write_and_read(rig, g);
	end_geometry(rig);
	rig->hw->kind = hwm_kinds;
	free_io_pgtable_ops(linux_ops);
}

static void linuxs_tables_are_read(struct kunit *test)
{
	static const unsigned long pgsizes[] = {
		SZ_4K | SZ_2M | SZ_1G, SZ_16K | SZ_32M, SZ_64K | SZ_512M,
	};
	static const unsigned int ias[] = { 32, 36, 40, 42, 44, 48 };
	struct rig *rig = test->priv;
	struct hwm_device *iommu = hwm_device_new(rig->hw);
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(pgsizes); i++) {
		for (j = 0; j < ARRAY_SIZE(ias); j++) {
			rig->dev = iommu;
			linux_table(test, 1, pgsizes[i], ias[j], false);
			rig->dev = iommu;
			linux_table(test, 1, pgsizes[i], ias[j], true);
			rig->dev = iommu;
			linux_table(test, 2, pgsizes[i], ias[j], false);
		}
	}
}
#endif

static void table_entries_point_to_tables(struct kunit *test)
{
	static const phys_addr_t low[] = {
		0x10000, 0x7fff0000, 0xffffffff0000, 0x800000000000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(low); i++) {
		u64 entry, pa, upper = 0xf0f0000000000f00ULL;

		pa = low[i] + 0x3000;
		KUNIT_EXPECT_EQ(test, lpae_table(pa | 3), pa);
		/* PXNTable and what software keeps in a descriptor are no address */
		KUNIT_EXPECT_EQ(test, lpae_table(pa | upper | 3), pa);
		pa = low[i];
		KUNIT_EXPECT_EQ(test, lpae_table_64k(pa | 3), pa);
		KUNIT_EXPECT_EQ(test, lpae_table_64k(pa | upper | 3), pa);
		/* Bits 15 to 12 are the address's bits 51 to 48 */
		KUNIT_EXPECT_EQ(test, lpae_table_64k(pa | 0xf003),
				pa | 0xf000000000000ULL);
		KUNIT_EXPECT_EQ(test, lpae_table_64k(pa | 0x9003 | upper),
				pa | 0x9000000000000ULL);
		/* And so the model sees it */
		pa |= 0x6000000000000ULL;
		entry = hwm_lpae_s1_64k.table_entry(pa, 2);
		KUNIT_EXPECT_EQ(test, lpae_table_64k(entry), pa);
		KUNIT_EXPECT_EQ(test, hwm_lpae_s2_64k.table_addr(entry), pa);
	}
}

/* Bits 1:0 of a descriptor, at each level */
static void a_descriptor_is_what_its_type_says(struct kunit *test)
{
	const int none = IOMMU_DIRTY_ENTRY_NONE, leaf = IOMMU_DIRTY_ENTRY_LEAF;
	const int table = IOMMU_DIRTY_ENTRY_TABLE;
	/* Of type 0 to 3: at the last level 1 is reserved */
	const int last[] = { none, none, none, leaf };
	const int others[] = { none, leaf, none, table };
	unsigned int level, type;

	for (level = 1; level <= 4; level++) {
		for (type = 0; type < 4; type++) {
			u64 entry = 0x0008123456780740ULL | type;
			int kind = (level == 1 ? last : others)[type];

			KUNIT_EXPECT_EQ(test, (int)lpae_kind(entry, level), kind);
			/* What else there is has no say */
			KUNIT_EXPECT_EQ(test,
					(int)lpae_kind(entry ^ ~3ULL, level),
					kind);
		}
	}
}

static void a_run_has_as_many_entries_as_its_granule_says(struct kunit *test)
{
	const u64 leaf = 0x0008000000010743ULL, run = leaf | BIT_ULL(52);
	unsigned int level;

	for (level = 1; level <= 2; level++) {
		KUNIT_EXPECT_EQ(test, 1 << lpae_run_4k(run, level), 16);
		KUNIT_EXPECT_EQ(test, 1 << lpae_run_16k(run, level),
				level == 1 ? 128 : 32);
		KUNIT_EXPECT_EQ(test, 1 << lpae_run_64k(run, level), 32);
		KUNIT_EXPECT_EQ(test, lpae_run_4k(leaf, level), 0);
		KUNIT_EXPECT_EQ(test, lpae_run_16k(leaf, level), 0);
		KUNIT_EXPECT_EQ(test, lpae_run_64k(leaf, level), 0);
	}
}

static void dirty_is_what_can_be_written_without_hardware_noting_it(struct kunit *test)
{
	/* DBM, bit 7: dirty in stage 1 and in stage 2 */
	static const struct {
		u64 entry;
		bool s1, s2;
	} cases[] = {
		{ 0x0000000000010743ULL, true, false },
		{ 0x00000000000107c3ULL, false, true },
		{ 0x0008000000010743ULL, true, false },
		{ 0x00080000000107c3ULL, false, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 entry = cases[i].entry;

		KUNIT_EXPECT_EQ(test, lpae_s1_dirty(entry), cases[i].s1);
		KUNIT_EXPECT_EQ(test, lpae_s2_dirty(entry), cases[i].s2);
		if (cases[i].s1)
			KUNIT_EXPECT_EQ(test, lpae_s1_cleaned(entry),
					0x00080000000107c3ULL);
		if (cases[i].s2)
			KUNIT_EXPECT_EQ(test, lpae_s2_cleaned(entry),
					0x0008000000010743ULL);
	}
}

static void init_small(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
}

/* A block descriptor at the last level maps nothing */
static void what_is_reserved_is_not_reported(struct kunit *test)
{
	struct rig *rig;
	unsigned int level;
	u64 *entry;

	init_small(test);
	rig = test->priv;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	entry = hwm_find_leaf(rig->hd, rig_page(rig, 70), &level);
	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig_page(rig, 71)), 0);
	*entry = rig->hw->kind->fmt->leaf_entry(rig_page(rig, 70), 2, true);
	rig->hw->may_refuse = true;
	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig_page(rig, 70)), -EFAULT);
	KUNIT_EXPECT_EQ(test, rig_read(rig, rig->at.small, rig->at.medium - 1,
				       0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
	KUNIT_EXPECT_EQ(test, *entry,
			rig->hw->kind->fmt->leaf_entry(rig_page(rig, 70), 2,
						       true));
}

/* A run of each length that the format has, with tracking on and all clean */
struct run {
	unsigned long iova;
	unsigned long size;
	unsigned long page;	/* of reports: not too many to a run */
	unsigned int nr;
	unsigned int level;
	u64 *entry;
	unsigned int flushed;	/* times, as a whole */
};

static void map_run(struct rig *rig, struct run *run, unsigned int level)
{
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	unsigned int shift = hwm_level_shift(fmt, level);

	run->flushed = 0;
	run->nr = 1 << fmt->run_bits(level);
	run->size = (unsigned long)run->nr << shift;
	run->page = max(rig->page, run->size >> 18);
	/* With a leaf on both sides that is none of it */
	run->iova = round_up(rig->chunk + 1, 2 * run->size) + run->size;
	rig_map(rig, run->iova - BIT(shift), BIT(shift), BIT(shift), true);
	rig_map(rig, run->iova, run->size, run->size, true);
	rig_map(rig, run->iova + run->size, BIT(shift), BIT(shift), true);
	KUNIT_ASSERT_EQ(rig->hw->test, rig_start(rig->hd, rig->hw->test), 0);
	run->entry = hwm_find_leaf(rig->hd, run->iova, &run->level);
	KUNIT_ASSERT_NOT_NULL(rig->hw->test, run->entry);
	KUNIT_ASSERT_EQ(rig->hw->test, run->level, level);
}

static int read_run(struct rig *rig, const struct run *run)
{
	return rig_read_as(rig, rig->hw->test, run->iova - run->size,
			   run->iova + 2 * run->size - 1, run->page, 0);
}

/* Is every member as a clean leaf is? */
static void expect_clean(struct rig *rig, const struct run *run)
{
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	unsigned int i;

	for (i = 0; i < run->nr; i++) {
		u64 value = READ_ONCE(run->entry[i]);

		if (!fmt->dirty(value) && fmt->writable(value) &&
		    fmt->is_run(value))
			continue;
		KUNIT_FAIL(rig->hw->test, "entry %u of %u is %#llx", i, run->nr,
			   value);
		return;
	}
}

static void run_of_level(struct kunit *test, unsigned int level,
			 void (*fn)(struct rig *rig, struct run *run))
{
	struct rig *rig;
	struct run run;

	rig_init(test);
	rig = test->priv;
	map_run(rig, &run, level);
	expect_clean(rig, &run);
	fn(rig, &run);
}

/* Hardware chose entry @i to say that the run was written */
static void any_member(struct rig *rig, struct run *run)
{
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	struct kunit *test = rig->hw->test;
	unsigned int i;

	for (i = 0; i < run->nr; i++) {
		u64 dirty = rig_query(rig->hd).dirty;

		WRITE_ONCE(run->entry[i], fmt->written(run->entry[i]));
		spin_lock(&rig->hw->lock);
		oracle_write(&rig->hd->oracle,
			     run->iova + (run->nr - 1 - i) * rig->page);
		spin_unlock(&rig->hw->lock);
		KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, dirty + 1);
		expect_clean(rig, run);
	}
	KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
}

static void any_member_may_say_that_pages_are_dirty(struct kunit *test)
{
	run_of_level(test, 1, any_member);
}

static void any_member_may_say_that_blocks_are_dirty(struct kunit *test)
{
	run_of_level(test, 2, any_member);
}

/* Two devices, and more than one member that says so */
static void several_members(struct rig *rig, struct run *run)
{
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	struct kunit *test = rig->hw->test;
	struct hwm_device *other = rig_device(rig, rig->hd);
	unsigned int i, round;

	for (round = 0; round < 4; round++) {
		for (i = round; i < run->nr; i += round + 1)
			WRITE_ONCE(run->entry[i], fmt->written(run->entry[i]));
		KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, run->iova), 0);
		KUNIT_EXPECT_EQ(test,
				hwm_write(other, run->iova + run->size - 1), 0);
		/* A cut run is reported in part and left alone */
		KUNIT_EXPECT_EQ(test,
				rig_read_as(rig, test, run->iova + run->page,
					    run->iova + run->size - 1,
					    run->page, 0),
				0);
		KUNIT_EXPECT_TRUE(test, hwm_leaf_dirty(fmt, run->entry,
						       run->level));
		KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, round + 1);
		expect_clean(rig, run);
	}
	KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
}

static void pages_of_a_run_are_cleaned_together(struct kunit *test)
{
	run_of_level(test, 1, several_members);
}

static void blocks_of_a_run_are_cleaned_together(struct kunit *test)
{
	run_of_level(test, 2, several_members);
}

/* With the 4 KiB granule: 16 times 1 GiB, and a chunk is as large as one of them */
static const void *kinds_4k(const void *prev, char *desc)
{
	const struct hwm_kind *kind = prev;

	do {
		kind = rig_arm_kinds(kind, desc);
	} while (kind && kind->fmt->large_levels < 3);
	return kind;
}

static void any_member_may_say_that_large_blocks_are_dirty(struct kunit *test)
{
	run_of_level(test, 3, any_member);
}

static void large_blocks_of_a_run_are_cleaned_together(struct kunit *test)
{
	run_of_level(test, 3, several_members);
}

/* Wherever a read starts and ends in a leaf of many chunks, and next to it */
static void cut_anywhere(struct rig *rig, struct run *run)
{
	unsigned long chunk = rig->chunk, end = run->iova + run->size;
	const unsigned long at[] = {
		run->iova - chunk, run->iova - run->page, run->iova,
		run->iova + run->page, run->iova + chunk,
		run->iova + 2 * chunk + run->page, end - chunk,
		end - run->page, end, end + run->page, end + chunk,
	};
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	struct kunit *test = rig->hw->test;
	unsigned int stride = rig_sampled(rig) ? 4 : 1;
	unsigned int i, j, n = rig->hw->kind - hwm_kinds;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (j = i + 1; j < ARRAY_SIZE(at); j++) {
			bool whole = at[i] <= run->iova && at[j] >= end;
			bool none = at[i] >= end || at[j] <= run->iova;

			if (n++ % stride)
				continue;
			hwm_write(rig->dev, run->iova + i * chunk + j);
			hwm_write(rig->dev, run->iova - 1);
			hwm_write(rig->dev, end);
			KUNIT_EXPECT_EQ(test,
					rig_read_as(rig, test, at[i], at[j] - 1,
						    run->page,
						    IOMMU_DIRTY_READ_NO_CLEAR),
					0);
			KUNIT_EXPECT_EQ(test,
					rig_read_as(rig, test, at[i], at[j] - 1,
						    run->page, 0),
					0);
			KUNIT_EXPECT_EQ(test,
					hwm_leaf_dirty(fmt, run->entry,
						       run->level),
					!whole);
			if (!none)
				KUNIT_EXPECT_TRUE(test,
						  rig_query(rig->hd).seen_leaf_sizes &
						  run->size);
		}
	}
	KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
	expect_clean(rig, run);

	/* A start makes it clean too */
	hwm_write(rig->dev, run->iova + run->size / 2);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_clean(rig, run);
	hwm_write(rig->dev, run->iova + run->size / 2);
	KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
}

static void a_leaf_larger_than_a_chunk_may_be_cut_anywhere(struct kunit *test)
{
	run_of_level(test, 3, cut_anywhere);
}

/* Was every byte of the run in one flush? */
static void note_flush(struct hwm_model *hw, enum hwm_step step, bool after)
{
	struct run *run = hw->data;

	if (step == HWM_FLUSH && after && hw->flush_first <= run->iova &&
	    hw->flush_last >= run->iova + run->size - 1)
		run->flushed++;
}

/*
 * A start comes to the leaf a chunk at a time, finds it larger, and does it again
 * as a whole: the second clear or flush can fail like any other.
 */
static void started_whole(struct rig *rig, struct run *run)
{
	static const enum hwm_step steps[] = { HWM_CLEAR, HWM_FLUSH };
	struct kunit *test = rig->hw->test;
	struct hwm_model *hw = rig->hw;
	unsigned int i, nth, calls[2];

	hw->data = run;
	hw->watch = note_flush;
	hw->calls[HWM_CLEAR] = 0;
	hw->calls[HWM_FLUSH] = 0;
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, run->flushed, 1);
	calls[0] = hw->calls[HWM_CLEAR];
	calls[1] = hw->calls[HWM_FLUSH];

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (nth = 2; nth <= 2 * calls[i]; nth++) {
			hwm_write(rig->dev, run->iova + run->size / 2);
			KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
			hwm_fail(hw, BIT(steps[i]), nth / 2, nth % 2, -EIO);
			KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EIO);
			rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF,
					IOMMU_DIRTY_REASON_NONE);
			KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
			expect_clean(rig, run);
			KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
			KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 0);
		}
	}
	hw->watch = NULL;
}

static void a_leaf_larger_than_a_chunk_is_started_whole(struct kunit *test)
{
	run_of_level(test, 3, started_whole);
}

/* Hardware sets AF in the first member that lacks it */
static void touch_member(struct hwm_model *hw, enum hwm_step step, bool after)
{
	const struct hwm_format *fmt = hw->kind->fmt;
	struct run *run = hw->data;
	unsigned int i;

	if (step != HWM_CLEAN_LEAF)
		return;
	for (i = 0; i < run->nr; i++) {
		u64 value = READ_ONCE(run->entry[i]);

		if (fmt->accessed(value) == value)
			continue;
		WRITE_ONCE(run->entry[i], fmt->accessed(value));
		return;
	}
}

/* All members are dirty and lack AF; it is set just before each is replaced */
static void touched_members(struct rig *rig, struct run *run)
{
	const struct hwm_format *fmt = rig->hw->kind->fmt;
	struct kunit *test = rig->hw->test;
	u64 accessed = fmt->accessed(0);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, run->iova), 0);
	for (i = 0; i < run->nr; i++)
		WRITE_ONCE(run->entry[i],
			   fmt->written(run->entry[i]) & ~accessed);
	rig->hw->data = run;
	rig->hw->watch = touch_member;
	rig->hw->watch_leaves = true;
	KUNIT_EXPECT_EQ(test, read_run(rig, run), 0);
	rig->hw->watch_leaves = false;
	rig->hw->watch = NULL;
	expect_clean(rig, run);
	for (i = 0; i < run->nr; i++)
		KUNIT_EXPECT_TRUE(test, READ_ONCE(run->entry[i]) & accessed);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, 1);
}

static void a_run_that_is_accessed_while_made_clean_is_clean(struct kunit *test)
{
	run_of_level(test, 1, touched_members);
}

/* A device behind an IOMMU that was set up wrongly */
static void clean_leaf_faults(struct kunit *test, bool ha, bool hd)
{
	struct rig *rig;
	struct hwm_device *dev;

	init_small(test);
	rig = test->priv;
	rig->hw->ha = ha;
	rig->hw->hd = hd;
	dev = rig_device(rig, rig->hd);
	rig->hw->may_refuse = true;

	/* Never cleaned: it can be written, and nothing notes it */
	KUNIT_EXPECT_EQ(test, hwm_write(dev, rig_page(rig, 0)), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig->hw->refused, 0);
	KUNIT_EXPECT_EQ(test, hwm_write(dev, rig_page(rig, 0)), -EFAULT);
	KUNIT_EXPECT_EQ(test, hwm_write(dev, rig_page(rig, 1)), -EFAULT);
	KUNIT_EXPECT_EQ(test, hwm_read(dev, rig_page(rig, 1)), 0);
	KUNIT_EXPECT_EQ(test, hwm_write(dev, rig_page(rig, 1)), -EFAULT);
	KUNIT_EXPECT_EQ(test, rig->hw->refused, 3);
	/* What was set up before records */
	KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, rig_page(rig, 1)), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, rig->at.small, rig->at.medium - 1,
				       0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 1);
}

static void a_clean_leaf_faults_without_hd(struct kunit *test)
{
	clean_leaf_faults(test, true, false);
}

static void hd_without_ha_is_off(struct kunit *test)
{
	clean_leaf_faults(test, false, true);
}

static struct kunit_case lpae_cases[] = {
	KUNIT_CASE(walks_start_where_the_architecture_says),
	KUNIT_CASE(table_entries_point_to_tables),
	KUNIT_CASE(a_descriptor_is_what_its_type_says),
	KUNIT_CASE(a_run_has_as_many_entries_as_its_granule_says),
	KUNIT_CASE(dirty_is_what_can_be_written_without_hardware_noting_it),
	KUNIT_CASE_PARAM(what_is_reserved_is_not_reported, rig_arm_kinds),
	KUNIT_CASE_PARAM(any_member_may_say_that_pages_are_dirty,
			 rig_arm_kinds),
	KUNIT_CASE_PARAM(any_member_may_say_that_blocks_are_dirty,
			 rig_arm_kinds),
	KUNIT_CASE_PARAM(pages_of_a_run_are_cleaned_together, rig_arm_kinds),
	KUNIT_CASE_PARAM(blocks_of_a_run_are_cleaned_together, rig_arm_kinds),
	KUNIT_CASE_PARAM(any_member_may_say_that_large_blocks_are_dirty,
			 kinds_4k),
	KUNIT_CASE_PARAM(large_blocks_of_a_run_are_cleaned_together, kinds_4k),
	KUNIT_CASE_PARAM(a_leaf_larger_than_a_chunk_may_be_cut_anywhere,
			 kinds_4k),
	KUNIT_CASE_PARAM(a_leaf_larger_than_a_chunk_is_started_whole, kinds_4k),
	KUNIT_CASE_PARAM(a_run_that_is_accessed_while_made_clean_is_clean,
			 rig_arm_kinds),
	KUNIT_CASE_PARAM(a_clean_leaf_faults_without_hd, rig_arm_kinds),
	KUNIT_CASE_PARAM(hd_without_ha_is_off, rig_arm_kinds),
	{}
};

static struct kunit_suite lpae_suite = {
	.name = "iommu-dirty-lpae",
	.test_cases = lpae_cases,
};

/* A root reaches as far as its entries do, and with six levels there is no end */
static void a_root_reaches_as_far_as_its_entries(struct kunit *test)
{
	struct iommu_dirty_root root = { .bits = 9 };

	for (root.level = 1; root.level <= 5; root.level++) {
		unsigned long reach = BIT(12 + 9 * root.level);

		KUNIT_EXPECT_TRUE(test, iommu_dirty_root_covers(&amdv1_format,
								&root, 0));
		KUNIT_EXPECT_TRUE(test,
				  iommu_dirty_root_covers(&amdv1_format, &root,
							  reach - 1));
		KUNIT_EXPECT_FALSE(test,
				   iommu_dirty_root_covers(&amdv1_format, &root,
							   reach));
	}
	KUNIT_EXPECT_TRUE(test, iommu_dirty_root_covers(&amdv1_format, &root,
							ULONG_MAX));
}

static struct kunit_case geometry_cases[] = {
	KUNIT_CASE(a_root_reaches_as_far_as_its_entries),
	KUNIT_CASE(the_models_tables_are_read),
#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
	KUNIT_CASE(linuxs_tables_are_read),
#endif
	{}
};

static int init_geometry(struct kunit *test)
{
	struct rig *rig;

	rig_init_bare(test);
	rig = test->priv;
	/* As a backend it is one of Arm */
	rig->hw->backend.sync = hwm_backend.sync;
	return 0;
}

static struct kunit_suite geometry_suite = {
	.name = "iommu-dirty-geometry",
	.init = init_geometry,
	.test_cases = geometry_cases,
};

kunit_test_suites(&lpae_suite, &geometry_suite);
