/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading and cleaning the leaves of a page table, whatever its format.
 *
 * A format is a constant struct iommu_dirty_format. Everything here is
 * __always_inline and takes a pointer to one, so that a backend that passes its
 * own gets a walk compiled for it, with no indirect call left inside.
 *
 * A format header includes no driver's types: it compiles on every architecture
 * and is tested there against a software model of the hardware.
 *
 * Entries are read while hardware sets bits in them. Tables stay where they are
 * as long as the consumer keeps its ranges mapped, see struct iommu_dirty_ranges.
 */
#ifndef __IOMMU_DIRTY_WALK_H
#define __IOMMU_DIRTY_WALK_H

#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/io.h>
#include <linux/iommu-dirty.h>
#include <linux/minmax.h>

/* Hardware may change an entry at any time: look at it once. Tests look in behind it. */
#ifndef iommu_dirty_load
#define iommu_dirty_load(entry) READ_ONCE(*(entry))
#endif

/*
 * All the speed hangs on the compiler knowing the format: with another one each entry
 * costs indirect calls. Such a call does not build.
 */
#ifndef iommu_dirty_check_format
#define iommu_dirty_check_format(fmt)                                    \
	BUILD_BUG_ON_MSG(!__builtin_constant_p((fmt)->granule_shift),    \
			 "the format of a walk must be a constant")
#endif

enum iommu_dirty_entry_kind {
	IOMMU_DIRTY_ENTRY_NONE,
	IOMMU_DIRTY_ENTRY_TABLE,
	IOMMU_DIRTY_ENTRY_LEAF,
};

#define IOMMU_DIRTY_MAX_LEVELS 6

/**
 * struct iommu_dirty_format - how to read a page table
 * @granule_shift: log2 of the bytes that an entry of level 1 maps
 * @level_bits: log2 of the entries of a table
 * @kind: what an entry of a level is; level 1 maps the smallest leaves
 * @run: log2 of the number of neighbouring, aligned entries that together are
 *	the leaf; hardware may mark any of them. NULL when a leaf is one entry.
 * @table: physical address of the table that a table entry points to. Hardware may
 *	set bits in table entries too: they are no part of the address.
 * @dirty: was the leaf written? Hardware says so before the write can be seen, or
 *	once the backend's ->sync has returned. It never takes that back. A leaf that
 *	devices cannot write may read as either.
 * @cleaned: the same leaf, not written. Hardware must be able to mark it again, and
 *	no access through it may fault that did not before: what makes a leaf
 *	writable, or one that is recorded, stays.
 *
 * All callbacks are pure: they look at a value, never at memory.
 */
struct iommu_dirty_format {
	unsigned int granule_shift;
	unsigned int level_bits;
	enum iommu_dirty_entry_kind (*kind)(u64 entry, unsigned int level);
	unsigned int (*run)(u64 entry, unsigned int level);
	phys_addr_t (*table)(u64 entry);
	bool (*dirty)(u64 entry);
	u64 (*cleaned)(u64 entry);
};

/**
 * struct iommu_dirty_root - where a walk starts
 * @table: top table
 * @level: its level, at most %IOMMU_DIRTY_MAX_LEVELS
 * @bits: log2 of its entries, which may be fewer or more than another table's
 */
struct iommu_dirty_root {
	u64 *table;
	unsigned int level;
	unsigned int bits;
};

static __always_inline unsigned int
iommu_dirty_level_shift(const struct iommu_dirty_format *fmt,
			unsigned int level)
{
	return fmt->granule_shift + (level - 1) * fmt->level_bits;
}

/* A position in a table, and the tables above it */
struct iommu_dirty_cursor {
	u64 *tables[IOMMU_DIRTY_MAX_LEVELS + 1];
	unsigned int level;
	unsigned int top;
	u64 *entry;		/* the entry that maps the IOVA */
	u64 value;		/* what was read from it */
	enum iommu_dirty_entry_kind kind;
	unsigned int run;	/* log2 of the entries of a leaf */
	unsigned long first;	/* extent of the leaf, or of the entry */
	unsigned long last;
};

static __always_inline void
iommu_dirty_cursor_init(struct iommu_dirty_cursor *cur,
			const struct iommu_dirty_root *root)
{
	cur->top = root->level;
	cur->level = root->level;
	cur->tables[root->level] = root->table;
}

/* log2 of the entries that make up the leaf that @entry belongs to */
static __always_inline unsigned int
iommu_dirty_run(const struct iommu_dirty_format *fmt, u64 entry,
		unsigned int level)
{
	if (!fmt->run || fmt->kind(entry, level) != IOMMU_DIRTY_ENTRY_LEAF)
		return 0;
	return fmt->run(entry, level);
}

/*
 * Go down to the entry of @iova that is a leaf or nothing. @iova must not be below
 * that of the call before.
 */
static __always_inline void
iommu_dirty_cursor_seek(const struct iommu_dirty_format *fmt,
			struct iommu_dirty_cursor *cur, unsigned long iova)
{
	for (;;) {
		unsigned int shift = iommu_dirty_level_shift(fmt, cur->level);
		unsigned long index = iova >> shift;
		unsigned long span;

		/* The root covers the IOVA: there all bits count */
		if (cur->level != cur->top)
			index &= (1UL << fmt->level_bits) - 1;
		cur->entry = cur->tables[cur->level] + index;
		cur->value = iommu_dirty_load(cur->entry);
		cur->kind = fmt->kind(cur->value, cur->level);
		cur->run = iommu_dirty_run(fmt, cur->value, cur->level);
		span = 1UL << (shift + cur->run);
		cur->first = iova & ~(span - 1);
		cur->last = cur->first + (span - 1);
		if (cur->kind != IOMMU_DIRTY_ENTRY_TABLE)
			return;
		cur->level--;
		cur->tables[cur->level] = phys_to_virt(fmt->table(cur->value));
	}
}

/*
 * Go up to the lowest table that holds @iova, which lies beyond the entry that
 * the cursor is at.
 */
static __always_inline void
iommu_dirty_cursor_climb(const struct iommu_dirty_format *fmt,
			 struct iommu_dirty_cursor *cur, unsigned long iova)
{
	while (cur->level < cur->top) {
		unsigned int shift =
			iommu_dirty_level_shift(fmt, cur->level + 1);

		if (iova >> shift == cur->first >> shift)
			return;
		cur->level++;
	}
}

/* Does the top table cover @iova? */
static __always_inline bool
iommu_dirty_root_covers(const struct iommu_dirty_format *fmt,
			const struct iommu_dirty_root *root, unsigned long iova)
{
	unsigned int shift =
		iommu_dirty_level_shift(fmt, root->level) + root->bits;

	return shift >= BITS_PER_LONG || !(iova >> shift);
}

/*
 * Level 1: entries of one table, 64 at a time into a word of the mask, up to one
 * that is part of a larger leaf. Returns the IOVA that follows the last one.
 */
static __always_inline unsigned long
iommu_dirty_walk_smallest(const struct iommu_dirty_format *fmt,
			  const struct iommu_dirty_cursor *cur,
			  struct iommu_dirty_chunk *chunk, unsigned long last)
{
	unsigned int shift = fmt->granule_shift;
	unsigned long table_last, iova = cur->first;
	unsigned int bit = (iova - chunk->iova) >> shift;
	unsigned int left;
	u64 *entry = cur->entry;

	table_last = iova | ((1UL << iommu_dirty_level_shift(fmt, 2)) - 1);
	left = ((min(last, table_last) - iova) >> shift) + 1;
	iova += (unsigned long)left << shift;

	while (left) {
		unsigned int off = bit % BITS_PER_LONG;
		unsigned int i, nr = min(left, BITS_PER_LONG - off);
		unsigned int leaves = 0;
		unsigned long word = 0;

		for (i = 0; i < nr; i++) {
			u64 value = iommu_dirty_load(entry + i);
			bool leaf = fmt->kind(value, 1) ==
				    IOMMU_DIRTY_ENTRY_LEAF;

			if (iommu_dirty_run(fmt, value, 1)) {
				iova -= (unsigned long)(left - i) << shift;
				nr = i;
				left = nr;
				break;
			}
			leaves += leaf;
			word |= (unsigned long)(leaf && fmt->dirty(value)) << i;
		}
		chunk->leaves += leaves;
		if (leaves)
			chunk->leaf_sizes |= BIT_ULL(shift);
		chunk->dirty += hweight_long(word);
		chunk->mask[BIT_WORD(bit)] |= word << off;
		entry += nr;
		bit += nr;
		left -= nr;
	}
	return iova;
}

/* Was the leaf under the cursor written? Any of its entries may say so */
static __always_inline bool
iommu_dirty_leaf_dirty(const struct iommu_dirty_format *fmt,
		       const struct iommu_dirty_cursor *cur)
{
	unsigned int i, nr = 1U << cur->run;
	u64 *entry = PTR_ALIGN_DOWN(cur->entry, nr * sizeof(*entry));

	if (!cur->run)
		return fmt->dirty(cur->value);
	for (i = 0; i < nr; i++) {
		u64 value = iommu_dirty_load(entry + i);

		if (fmt->kind(value, cur->level) == IOMMU_DIRTY_ENTRY_LEAF &&
		    fmt->dirty(value))
			return true;
	}
	return false;
}

/**
 * iommu_dirty_walk_table() - the body of a backend's ->walk
 * @fmt: format, a compile-time constant
 * @root: top table
 * @chunk: what to fill in
 * @iova: first byte, in @chunk
 * @last: last byte, in @chunk
 *
 * Return: 0; -ERANGE when the table does not reach that far.
 */
static __always_inline int
iommu_dirty_walk_table(const struct iommu_dirty_format *fmt,
		       const struct iommu_dirty_root *root,
		       struct iommu_dirty_chunk *chunk, unsigned long iova,
		       unsigned long last)
{
	struct iommu_dirty_cursor cur;

	iommu_dirty_check_format(fmt);
	if (!iommu_dirty_root_covers(fmt, root, last))
		return -ERANGE;

	iommu_dirty_cursor_init(&cur, root);
	for (;;) {
		unsigned long next;

		iommu_dirty_cursor_seek(fmt, &cur, iova);
		/* The mask has a bit for each of these, unless it is one leaf's */
		if (cur.level == 1 && !cur.run &&
		    chunk->shift == fmt->granule_shift) {
			next = iommu_dirty_walk_smallest(fmt, &cur, chunk,
							 last);
		} else {
			if (cur.kind == IOMMU_DIRTY_ENTRY_LEAF) {
				chunk->leaves++;
				chunk->leaf_sizes |= cur.last - cur.first + 1;
			}
			if (cur.kind == IOMMU_DIRTY_ENTRY_LEAF &&
			    iommu_dirty_leaf_dirty(fmt, &cur)) {
				unsigned int from, to;

				from = (iova - chunk->iova) >> chunk->shift;
				to = (min(last, cur.last) - chunk->iova) >>
				     chunk->shift;
				bitmap_set(chunk->mask, from, to - from + 1);
				chunk->dirty++;
			}
			next = cur.last + 1;
		}
		if (next - 1 >= last)
			return 0;
		iommu_dirty_cursor_climb(fmt, &cur, next);
		iova = next;
	}
}

/*
 * Make an entry clean unless it is clean already or is no longer the leaf that
 * was read. Hardware may set bits meanwhile: then look again.
 */
static __always_inline bool
iommu_dirty_clean_entry(const struct iommu_dirty_format *fmt, u64 *entry,
			u64 value, unsigned int level)
{
	while (fmt->kind(value, level) == IOMMU_DIRTY_ENTRY_LEAF &&
	       fmt->dirty(value))
		if (try_cmpxchg64(entry, &value, fmt->cleaned(value)))
			return true;
	return false;
}

/* Make every entry of the leaf under the cursor clean: was any of them dirty? */
static __always_inline bool
iommu_dirty_clean_leaf(const struct iommu_dirty_format *fmt,
		       const struct iommu_dirty_cursor *cur)
{
	unsigned int i, nr = 1U << cur->run;
	u64 *entry = PTR_ALIGN_DOWN(cur->entry, nr * sizeof(*entry));
	bool cleaned = false;

	if (!cur->run)
		return iommu_dirty_clean_entry(fmt, cur->entry, cur->value,
					       cur->level);
	for (i = 0; i < nr; i++)
		cleaned |= iommu_dirty_clean_entry(fmt, entry + i,
						   iommu_dirty_load(entry + i),
						   cur->level);
	return cleaned;
}

/**
 * iommu_dirty_clear_table() - the body of a backend's ->clear
 * @fmt: format, a compile-time constant
 * @root: top table
 * @chunk: names the leaves, and is told which were made clean
 *
 * A leaf is made clean when every bit that it covers is set in the mask. One that
 * does not fit in the chunk is left alone, and its size noted.
 *
 * Return: 0; -ERANGE when the mask names what the table does not reach.
 */
static __always_inline int
iommu_dirty_clear_table(const struct iommu_dirty_format *fmt,
			const struct iommu_dirty_root *root,
			struct iommu_dirty_chunk *chunk)
{
	struct iommu_dirty_cursor cur;
	unsigned int bit = find_first_bit(chunk->mask, chunk->nbits);

	iommu_dirty_check_format(fmt);
	iommu_dirty_cursor_init(&cur, root);
	while (bit < chunk->nbits) {
		unsigned long iova =
			chunk->iova + ((unsigned long)bit << chunk->shift);
		unsigned long to;

		if (!iommu_dirty_root_covers(fmt, root, iova))
			return -ERANGE;
		iommu_dirty_cursor_seek(fmt, &cur, iova);
		if (cur.kind == IOMMU_DIRTY_ENTRY_LEAF)
			chunk->leaf_sizes |= cur.last - cur.first + 1;

		/* The mask has to name the whole leaf, and so to start with it */
		to = (cur.last - chunk->iova) >> chunk->shift;
		if (cur.kind == IOMMU_DIRTY_ENTRY_LEAF &&
		    cur.first == iova && to < chunk->nbits &&
		    find_next_zero_bit(chunk->mask, to + 1, bit) > to &&
		    iommu_dirty_clean_leaf(fmt, &cur)) {
			chunk->cleared++;
			chunk->first = min(chunk->first, cur.first);
			chunk->last = max(chunk->last, cur.last);
		}

		if (to >= chunk->nbits - 1)
			return 0;
		bit = find_next_bit(chunk->mask, chunk->nbits, to + 1);
		iommu_dirty_cursor_climb(fmt, &cur, chunk->iova +
					 ((unsigned long)bit << chunk->shift));
	}
	return 0;
}

#endif /* __IOMMU_DIRTY_WALK_H */
