// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of the x86 formats, bit by bit as the specifications have them: what no table
 * of a test machine holds, addresses beyond its memory for instance. Arm's are in
 * test-lpae.c.
 */
#include "../../fmt-amdv1.h"
#include "../../fmt-vtd-ss.h"
#include "../../fmt-x86.h"
#include "rig.h"

#define NONE IOMMU_DIRTY_ENTRY_NONE
#define TABLE IOMMU_DIRTY_ENTRY_TABLE
#define LEAF IOMMU_DIRTY_ENTRY_LEAF

/* Address bits 51 to 12 */
#define ADDRESS 0x000ffffffffff000ULL

static void a_table_may_be_anywhere(struct kunit *test)
{
	unsigned int bit;

	for (bit = 12; bit < 52; bit++) {
		u64 address = BIT_ULL(bit);

		KUNIT_EXPECT_EQ(test, vtd_ss_format.table(address | ~ADDRESS), address);
		KUNIT_EXPECT_EQ(test, x86_format.table(address | ~ADDRESS), address);
		KUNIT_EXPECT_EQ(test, amdv1_format.table(address | ~ADDRESS), address);
	}
}

static void an_entry_that_is_not_present_is_nothing(struct kunit *test)
{
	unsigned int level;

	for (level = 1; level <= 5; level++) {
		/* R and W; P; PR */
		KUNIT_EXPECT_EQ(test, (int)vtd_ss_format.kind(~3ULL, level), NONE);
		KUNIT_EXPECT_EQ(test, (int)x86_format.kind(~1ULL, level), NONE);
		KUNIT_EXPECT_EQ(test, (int)amdv1_format.kind(~1ULL, level), NONE);
	}
}

static void a_leaf_is_what_its_bits_say(struct kunit *test)
{
	const u64 vtd = ADDRESS | 0x1, x86 = ADDRESS | 0x1, amd = ADDRESS | 0x1;
	unsigned int level;

	KUNIT_EXPECT_EQ(test, (int)vtd_ss_format.kind(vtd, 1), LEAF);
	KUNIT_EXPECT_EQ(test, (int)x86_format.kind(x86, 1), LEAF);
	for (level = 2; level <= 3; level++) {
		KUNIT_EXPECT_EQ(test, (int)vtd_ss_format.kind(vtd, level), TABLE);
		KUNIT_EXPECT_EQ(test, (int)vtd_ss_format.kind(vtd | BIT(7), level), LEAF);
		KUNIT_EXPECT_EQ(test, (int)x86_format.kind(x86, level), TABLE);
		KUNIT_EXPECT_EQ(test, (int)x86_format.kind(x86 | BIT(7), level), LEAF);
	}
	/* Next Level, bits 11 to 9: 0 and 7 are leaves of any level */
	for (level = 1; level <= 6; level++) {
		KUNIT_EXPECT_EQ(test, (int)amdv1_format.kind(amd, level), LEAF);
		KUNIT_EXPECT_EQ(test, (int)amdv1_format.kind(amd | 7 << 9, level), LEAF);
		KUNIT_EXPECT_EQ(test, (int)amdv1_format.kind(amd | level << 9, 6), TABLE);
	}
}

static void only_the_dirty_bit_is_dirty(struct kunit *test)
{
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		KUNIT_EXPECT_EQ(test, vtd_ss_format.dirty(BIT_ULL(bit)), bit == 9);
		KUNIT_EXPECT_EQ(test, x86_format.dirty(BIT_ULL(bit)), bit == 6);
		KUNIT_EXPECT_EQ(test, amdv1_format.dirty(BIT_ULL(bit)), bit == 6);
	}
	KUNIT_EXPECT_EQ(test, vtd_ss_format.cleaned(~0ULL), ~BIT_ULL(9));
	KUNIT_EXPECT_EQ(test, x86_format.cleaned(~0ULL), ~BIT_ULL(6));
	KUNIT_EXPECT_EQ(test, amdv1_format.cleaned(~0ULL), ~BIT_ULL(6));
}

/* The lowest clear bit from 12 on says the size, if it is one of the level's */
static void an_amd_leaf_says_its_size(struct kunit *test)
{
	unsigned int level, size;

	for (level = 1; level <= 3; level++) {
		unsigned int smallest = 12 + (level - 1) * 9;

		for (size = 13; size < 51; size++) {
			u64 entry = 1 | 7 << 9 | (BIT_ULL(size - 1) - BIT_ULL(12));
			unsigned int want = size > smallest && size < smallest + 9 ?
						    size - smallest : 0;

			KUNIT_EXPECT_EQ_MSG(test, amdv1_format.run(entry, level), want,
					    "level %u, size %u", level, size);
		}
		KUNIT_EXPECT_EQ(test, amdv1_format.run(1 | BIT_ULL(20), level), 0);
	}
}

/* Small leaves, one that is a run of entries, and small ones again, of one table */
static void a_run_lies_between_small_leaves(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long page = rig->page, run = rig->medium;
	unsigned long at = 0, end, table = rig->at.table;

	if (run >= table || !rig->hw->kind->fmt->run_bits)
		kunit_skip(test, "no runs of the smallest leaves");
	/* In one range, so that a walk meets both */
	rig->hd->joined = true;
	/* From the second place on, so that small leaves are before it */
	for (end = 0; end + 2 * run <= table; end += 2 * run) {
		rig_map(rig, end, run, page, true);
		rig_map(rig, end + run, run, run, true);
	}
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	for (at = 0; at < end; at += run) {
		hwm_write(rig->dev, at);
		hwm_write(rig->dev, at + run - page);
	}
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, end - 1, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).leaves,
			end / (2 * run) * (run / page + 1));
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, end / (2 * run) * 3);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared, end / (2 * run) * 3);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, end - 1, 0), 0);
}

static struct kunit_case formats_cases[] = {
	KUNIT_CASE(a_table_may_be_anywhere),
	KUNIT_CASE(an_entry_that_is_not_present_is_nothing),
	KUNIT_CASE(a_leaf_is_what_its_bits_say),
	KUNIT_CASE(only_the_dirty_bit_is_dirty),
	KUNIT_CASE(an_amd_leaf_says_its_size),
	KUNIT_CASE_PARAM(a_run_lies_between_small_leaves, rig_kinds),
	{}
};

static struct kunit_suite formats_suite = {
	.name = "iommu-dirty-formats",
	.init = rig_init,
	.test_cases = formats_cases,
};

kunit_test_suite(formats_suite);
