// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk looks at up to 64 entries at once. Here are random tables that it must read
 * and clean as if it had looked at each, and what a format says of entries together
 * against what it says of each of them. What entries mean is the hardware model's word.
 */
#include "../../fmt-amdv1.h"
#include "../../fmt-lpae.h"
#include "../../fmt-vtd-ss.h"
#include "../../fmt-x86.h"
#include "hw-model.h"

/* As many as the chunks of a read have */
#define CHUNK_BITS BIT(18)

struct words_format {
	const struct hwm_format *hw;
	const struct iommu_dirty_format *fmt;
	int (*walk)(const struct iommu_dirty_root *root,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last);
	int (*clear)(const struct iommu_dirty_root *root,
		     struct iommu_dirty_chunk *chunk);
};

#define WORDS_STEPS(name)                                                      \
	static int name##_walk(const struct iommu_dirty_root *root,            \
			       struct iommu_dirty_chunk *chunk,                \
			       unsigned long iova, unsigned long last)         \
	{                                                                      \
		return iommu_dirty_walk_table(&name##_format, root, chunk,     \
					      iova, last);                     \
	}                                                                      \
	static int name##_clear(const struct iommu_dirty_root *root,           \
				struct iommu_dirty_chunk *chunk)               \
	{                                                                      \
		return iommu_dirty_clear_table(&name##_format, root, chunk);   \
	}

WORDS_STEPS(vtd_ss);
WORDS_STEPS(x86);
WORDS_STEPS(amdv1);
WORDS_STEPS(lpae_s1_4k);
WORDS_STEPS(lpae_s1_16k);
WORDS_STEPS(lpae_s1_64k);
WORDS_STEPS(lpae_s2_4k);
WORDS_STEPS(lpae_s2_16k);
WORDS_STEPS(lpae_s2_64k);

static const struct words_format words_formats[] = {
	{ &hwm_vtd_ss, &vtd_ss_format, vtd_ss_walk, vtd_ss_clear },
	{ &hwm_x86, &x86_format, x86_walk, x86_clear },
	{ &hwm_amdv1, &amdv1_format, amdv1_walk, amdv1_clear },
	{ &hwm_lpae_s1_4k, &lpae_s1_4k_format, lpae_s1_4k_walk, lpae_s1_4k_clear },
	{ &hwm_lpae_s1_16k, &lpae_s1_16k_format, lpae_s1_16k_walk, lpae_s1_16k_clear },
	{ &hwm_lpae_s1_64k, &lpae_s1_64k_format, lpae_s1_64k_walk, lpae_s1_64k_clear },
	{ &hwm_lpae_s2_4k, &lpae_s2_4k_format, lpae_s2_4k_walk, lpae_s2_4k_clear },
	{ &hwm_lpae_s2_16k, &lpae_s2_16k_format, lpae_s2_16k_walk, lpae_s2_16k_clear },
	{ &hwm_lpae_s2_64k, &lpae_s2_64k_format, lpae_s2_64k_walk, lpae_s2_64k_clear },
};

static void words_desc(const struct words_format *format, char *desc)
{
	strscpy(desc, format->hw->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(words, words_formats, words_desc);

static u64 clean_leaf(const struct hwm_format *hw, phys_addr_t pa,
		      unsigned int level)
{
	return hw->accessed(hw->leaf_entry(pa, level, false));
}

static u64 dirty_leaf(const struct hwm_format *hw, phys_addr_t pa,
		      unsigned int level)
{
	u64 leaf = hw->leaf_entry(pa, level, true);

	return hw->accessed(hw->born_dirty ? leaf : hw->written(leaf));
}

static phys_addr_t any_page(const struct hwm_format *hw, struct rnd_state *rnd)
{
	return (phys_addr_t)(prandom_u32_state(rnd) >> 8) << hw->granule_shift;
}

/* What the format says of entries together, unless it is true of each, is an error */
static void check_together(struct kunit *test, const struct words_format *format,
			   const u64 *entries, unsigned int nr)
{
	const struct iommu_dirty_format *fmt = format->fmt;
	u64 any = 0, all = ~0ULL;
	unsigned int i;
	bool clean;

	for (i = 0; i < nr; i++) {
		any |= entries[i];
		all &= entries[i];
	}
	if (!fmt->plain(any, all))
		return;
	clean = fmt->clean(any, all);
	for (i = 0; i < nr; i++) {
		if (fmt->kind(entries[i], 1) != IOMMU_DIRTY_ENTRY_LEAF ||
		    (fmt->run && fmt->run(entries[i], 1)) ||
		    (clean && fmt->dirty(entries[i])))
			KUNIT_FAIL(test, "%#llx is one of %u that are plain%s",
				   entries[i], nr, clean ? " and clean" : "");
	}
}

static void what_is_said_of_all_is_true_of_each(struct kunit *test)
{
	const struct words_format *format = test->param_value;
	const struct hwm_format *hw = format->hw;
	u64 leaves[2] = { clean_leaf(hw, 0, 1), dirty_leaf(hw, 0, 1) };
	unsigned int leaf, a, b, i, nr, round;
	struct rnd_state rnd;
	u64 entries[64];

	/* Each one and pair of bits, by themselves, in a leaf, and beside one */
	for (leaf = 0; leaf < 2; leaf++)
		for (a = 0; a < 64; a++)
			for (b = a; b < 64; b++) {
				u64 bits = BIT_ULL(a) | BIT_ULL(b);

				entries[0] = leaves[leaf] ^ bits;
				entries[1] = leaves[0];
				check_together(test, format, entries, 1);
				check_together(test, format, entries, 2);
				entries[1] = leaves[leaf] ^ BIT_ULL(b);
				check_together(test, format, entries, 2);
				entries[0] = bits;
				check_together(test, format, entries, 2);
			}

	prandom_seed_state(&rnd, 15);
	for (round = 0; round < 20000; round++) {
		nr = prandom_u32_state(&rnd) % 64 + 1;
		for (i = 0; i < nr; i++) {
			phys_addr_t pa = any_page(hw, &rnd);

			entries[i] = round % 2 ? clean_leaf(hw, pa, 1) :
						 dirty_leaf(hw, pa, 1);
			/* In some rounds all have it */
			if (prandom_u32_state(&rnd) % nr == 0 || round % 7 == 0)
				entries[i] ^= BIT_ULL(round / 14 % 64);
		}
		check_together(test, format, entries, nr);
	}
}

/* Or the walk would be right and slow */
static void typical_leaves_are_seen_at_once(struct kunit *test)
{
	const struct words_format *format = test->param_value;
	const struct iommu_dirty_format *fmt = format->fmt;
	const struct hwm_format *hw = format->hw;
	unsigned int i, dirty, accessed;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 15);
	for (dirty = 0; dirty < 2; dirty++)
		for (accessed = 0; accessed < 2; accessed++) {
			u64 any = 0, all = ~0ULL;

			for (i = 0; i < 64; i++) {
				phys_addr_t pa = any_page(hw, &rnd);
				u64 leaf = hw->leaf_entry(pa, 1, true);

				if (dirty)
					leaf = dirty_leaf(hw, pa, 1);
				else if (i % 3)
					leaf = fmt->cleaned(leaf);
				else
					leaf = hw->leaf_entry(pa, 1, false);
				if (accessed && i % 2)
					leaf = hw->accessed(leaf);
				any |= leaf;
				all &= leaf;
			}
			KUNIT_EXPECT_TRUE(test, fmt->plain(any, all));
			KUNIT_EXPECT_EQ(test, fmt->clean(any, all), !dirty);
		}
}

/* Two levels of tables, for one chunk; and what is to be seen in them */
struct words_tables {
	const struct words_format *format;
	struct iommu_dirty_root root;
	struct iommu_dirty_chunk chunk;
	struct rnd_state rnd;
	u64 *tables[4];			/* of level 1 */
	unsigned int nr_tables;
	unsigned int large;		/* entries of the root in the chunk */
	unsigned int per;		/* bits for each */
};

static void *alloc_table(struct kunit *test, unsigned int entries)
{
	size_t size = entries * sizeof(u64);
	void *table = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_TRUE(test, IS_ALIGNED(virt_to_phys(table), size));
	return table;
}

static struct words_tables *alloc_tables(struct kunit *test)
{
	const struct words_format *format = test->param_value;
	struct words_tables *t;
	unsigned int i;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->format = format;
	t->per = 1U << format->hw->level_bits;
	t->large = CHUNK_BITS / t->per;
	t->root.table = alloc_table(test, t->per);
	t->root.level = 2;
	t->root.bits = format->hw->level_bits;
	for (i = 0; i < ARRAY_SIZE(t->tables); i++)
		t->tables[i] = alloc_table(test, t->per);
	t->chunk.shift = format->hw->granule_shift;
	t->chunk.nbits = CHUNK_BITS;
	t->chunk.mask = kunit_kzalloc(test, CHUNK_BITS / BITS_PER_BYTE,
				      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->chunk.mask);
	return t;
}

/* A leaf, dirty in one of @dirty cases, or nothing, in one of @hole */
static u64 any_entry(struct words_tables *t, unsigned int level,
		     unsigned int dirty, unsigned int hole)
{
	const struct hwm_format *hw = t->format->hw;
	phys_addr_t pa = 0;

	if (level == 1)
		pa = any_page(hw, &t->rnd);
	/* What is left of a leaf may still say that it was written */
	if (prandom_u32_state(&t->rnd) % hole == 0)
		return dirty_leaf(hw, pa, level) & ~3ULL;
	if (prandom_u32_state(&t->rnd) % dirty == 0)
		return dirty_leaf(hw, pa, level);
	return clean_leaf(hw, pa, level);
}

static void fill_tables(struct words_tables *t, unsigned int round)
{
	static const unsigned int odds[] = { 1, 2, 10, 1000 };
	const struct hwm_format *hw = t->format->hw;
	unsigned int i, j, dirty = odds[round % 4];
	unsigned int hole = odds[1 + round / 4 % 3];

	t->nr_tables = 0;
	for (i = 0; i < t->large; i++) {
		u64 *table;

		/* Some, and the last one */
		if (t->nr_tables == ARRAY_SIZE(t->tables) ||
		    (prandom_u32_state(&t->rnd) % 8 && i + 1 < t->large)) {
			t->root.table[i] = any_entry(t, 2, dirty, hole);
			continue;
		}
		table = t->tables[t->nr_tables++];
		for (j = 0; j < t->per; j++)
			table[j] = any_entry(t, 1, dirty, hole);
		t->root.table[i] = hw->table_entry(virt_to_phys(table), 2);
	}
}

static void reset_chunk(struct words_tables *t)
{
	t->chunk.leaf_sizes = 0;
	t->chunk.leaves = 0;
	t->chunk.dirty = 0;
	t->chunk.cleared = 0;
	t->chunk.first = ULONG_MAX;
	t->chunk.last = 0;
}

/* Each leaf that has one of the bits from @from to @to, in turn */
struct words_leaf {
	u64 *entry;
	unsigned int first;
	unsigned int last;
	bool dirty;
};

static bool next_leaf(const struct words_tables *t, unsigned int from,
		      unsigned int to, struct words_leaf *leaf)
{
	const struct hwm_format *hw = t->format->hw;

	while (from <= to) {
		u64 *entry = t->root.table + from / t->per;
		unsigned int level = 2;

		leaf->first = round_down(from, t->per);
		leaf->last = leaf->first + t->per - 1;
		if (hw->present(*entry, 2) && !hw->is_leaf(*entry, 2)) {
			u64 *table = phys_to_virt(hw->table_addr(*entry));

			entry = table + from % t->per;
			leaf->first = from;
			leaf->last = from;
			level = 1;
		}
		if (hw->present(*entry, level)) {
			leaf->entry = entry;
			leaf->dirty = hw->dirty(*entry);
			return true;
		}
		from = leaf->last + 1;
	}
	return false;
}

static void check_walk(struct kunit *test, struct words_tables *t,
		       unsigned int from, unsigned int to)
{
	struct iommu_dirty_chunk *chunk = &t->chunk;
	u64 leaves = 0, dirty = 0, sizes = 0;
	unsigned long *want;
	struct words_leaf leaf;
	unsigned int at;

	want = kunit_kzalloc(test, CHUNK_BITS / BITS_PER_BYTE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, want);
	for (at = from; next_leaf(t, at, to, &leaf); at = leaf.last + 1) {
		leaves++;
		sizes |= (u64)(leaf.last - leaf.first + 1) << chunk->shift;
		if (!leaf.dirty)
			continue;
		dirty++;
		bitmap_set(want, max(leaf.first, from),
			   min(leaf.last, to) - max(leaf.first, from) + 1);
	}

	bitmap_zero(chunk->mask, CHUNK_BITS);
	reset_chunk(t);
	KUNIT_EXPECT_EQ(test, 0,
			t->format->walk(&t->root, chunk,
					(unsigned long)from << chunk->shift,
					((to + 1UL) << chunk->shift) - 1));
	KUNIT_EXPECT_TRUE(test, bitmap_equal(chunk->mask, want, CHUNK_BITS));
	KUNIT_EXPECT_EQ(test, chunk->leaves, leaves);
	KUNIT_EXPECT_EQ(test, chunk->dirty, dirty);
	KUNIT_EXPECT_EQ(test, chunk->leaf_sizes, sizes);
	kunit_kfree(test, want);
}

/* Two bits of a chunk in order, often at the edge of a word */
static void any_interval(struct words_tables *t, unsigned int *from,
			 unsigned int *to)
{
	unsigned int a = prandom_u32_state(&t->rnd) % CHUNK_BITS;
	unsigned int b = prandom_u32_state(&t->rnd) % CHUNK_BITS;

	*from = min(a, b);
	*to = max(a, b);
	if (a % 3 == 0)
		*from = round_down(*from, 64);
	if (b % 3 == 0)
		*to |= 63;
}

static void a_table_is_read_as_its_entries_are(struct kunit *test)
{
	struct words_tables *t = alloc_tables(test);
	unsigned int round, from, to;

	prandom_seed_state(&t->rnd, 15);
	for (round = 0; round < 24; round++) {
		fill_tables(t, round);
		check_walk(test, t, 0, CHUNK_BITS - 1);
		any_interval(t, &from, &to);
		check_walk(test, t, from, to);
	}
}

static void check_clear(struct kunit *test, struct words_tables *t)
{
	struct iommu_dirty_chunk *chunk = &t->chunk;
	const struct hwm_format *hw = t->format->hw;
	unsigned long first = ULONG_MAX, last = 0;
	u64 *before, cleared = 0;
	unsigned int at, nr = 0;
	struct words_leaf leaf;

	before = kunit_kcalloc(test, CHUNK_BITS / t->per +
			       ARRAY_SIZE(t->tables) * t->per,
			       sizeof(u64), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, before);
	for (at = 0; next_leaf(t, at, CHUNK_BITS - 1, &leaf); at = leaf.last + 1)
		before[nr++] = *leaf.entry;

	reset_chunk(t);
	KUNIT_EXPECT_EQ(test, 0, t->format->clear(&t->root, chunk));
	nr = 0;
	for (at = 0; next_leaf(t, at, CHUNK_BITS - 1, &leaf); at = leaf.last + 1) {
		u64 was = before[nr++];

		if (hw->dirty(was) &&
		    find_next_zero_bit(chunk->mask, leaf.last + 1, leaf.first) >
			    leaf.last) {
			cleared++;
			first = min_t(unsigned long, first, leaf.first);
			last = leaf.last;
			was = t->format->fmt->cleaned(was);
		}
		if (*leaf.entry != was)
			KUNIT_FAIL(test, "bit %u: %#llx, should be %#llx",
				   leaf.first, *leaf.entry, was);
	}
	KUNIT_EXPECT_EQ(test, chunk->cleared, cleared);
	if (cleared) {
		KUNIT_EXPECT_EQ(test, chunk->first, first << chunk->shift);
		KUNIT_EXPECT_EQ(test, chunk->last,
				((last + 1) << chunk->shift) - 1);
	} else {
		KUNIT_EXPECT_GT(test, chunk->first, chunk->last);
	}
	kunit_kfree(test, before);
}

static void a_table_is_cleaned_as_its_entries_are(struct kunit *test)
{
	struct words_tables *t = alloc_tables(test);
	unsigned int round, from, to, i;

	prandom_seed_state(&t->rnd, 15);
	for (round = 0; round < 24; round++) {
		fill_tables(t, round);
		any_interval(t, &from, &to);
		if (round % 3 == 0)
			to = CHUNK_BITS - 1;
		/* What was read, or all, but for some bits */
		if (round % 2)
			check_walk(test, t, from, to);
		else
			bitmap_set(t->chunk.mask, from, to - from + 1);
		for (i = 0; i < round * 4; i++)
			__clear_bit(prandom_u32_state(&t->rnd) % CHUNK_BITS,
				    t->chunk.mask);
		check_clear(test, t);
	}
}

static struct kunit_case words_cases[] = {
	KUNIT_CASE_PARAM(what_is_said_of_all_is_true_of_each, words_gen_params),
	KUNIT_CASE_PARAM(typical_leaves_are_seen_at_once, words_gen_params),
	KUNIT_CASE_PARAM(a_table_is_read_as_its_entries_are, words_gen_params),
	KUNIT_CASE_PARAM(a_table_is_cleaned_as_its_entries_are, words_gen_params),
	{}
};

static struct kunit_suite words_suite = {
	.name = "iommu-dirty-words",
	.test_cases = words_cases,
};

kunit_test_suite(words_suite);
