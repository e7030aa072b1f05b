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
 * @plain: for speed only, with @clean; a format may leave both out. Is each of a few
 *	entries of level 1 a leaf by itself, as @kind and @run have it? All that it is
 *	told is which bits any of them has (@any), and which all of them have (@all).
 *	True only if that is certain; false costs a look at each.
 * @clean: Is none of those leaves dirty? Likewise.
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
	bool (*plain)(u64 any, u64 all);
	bool (*clean)(u64 any, u64 all);
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

/* What up to 64 entries of level 1 are */
struct iommu_dirty_look {
	unsigned int nr;	/* entries in front of one that is part of a run */
	unsigned int leaves;	/* how many of them are leaves */
	unsigned long dirty;	/* a bit for each that is a dirty leaf */
};

/* Whatever they are: one by one */
static __always_inline struct iommu_dirty_look
iommu_dirty_look_at_each(const struct iommu_dirty_format *fmt, const u64 *entry,
			 unsigned int nr)
{
	struct iommu_dirty_look look = {};

	for (look.nr = 0; look.nr < nr; look.nr++) {
		u64 value = iommu_dirty_load(entry + look.nr);
		bool leaf = fmt->kind(value, 1) == IOMMU_DIRTY_ENTRY_LEAF;

		if (iommu_dirty_run(fmt, value, 1))
			break;
		look.leaves += leaf;
		look.dirty |= (unsigned long)(leaf && fmt->dirty(value))
			      << look.nr;
	}
	return look;
}

/*
 * Mostly all of them are leaves, and clean: the bits that they have in common say so
 * without a branch for each. Otherwise a second look says which are dirty, unless that
 * is @likely: then the first one does. Either finds what was written before it.
 */
static __always_inline struct iommu_dirty_look
iommu_dirty_look(const struct iommu_dirty_format *fmt, const u64 *entry,
		 unsigned int nr, bool likely)
{
	struct iommu_dirty_look look = { .nr = nr, .leaves = nr };
	u64 any = 0, all = ~0ULL;
	unsigned int i = 0;

	if (!fmt->plain)
		return iommu_dirty_look_at_each(fmt, entry, nr);

	/* Four at a time: the next ones need not wait for these */
	for (; i + 4 <= nr; i += 4) {
		u64 a = iommu_dirty_load(entry + i);
		u64 b = iommu_dirty_load(entry + i + 1);
		u64 c = iommu_dirty_load(entry + i + 2);
		u64 d = iommu_dirty_load(entry + i + 3);

		any |= (a | b) | (c | d);
		all &= (a & b) & (c & d);
		if (likely)
			look.dirty |= (fmt->dirty(a) | fmt->dirty(b) << 1 |
				       fmt->dirty(c) << 2 |
				       (unsigned long)fmt->dirty(d) << 3) << i;
	}
	for (; i < nr; i++) {
		u64 value = iommu_dirty_load(entry + i);

		any |= value;
		all &= value;
		look.dirty |= (unsigned long)fmt->dirty(value) << i;
	}
	if (!fmt->plain(any, all))
		return iommu_dirty_look_at_each(fmt, entry, nr);
	if (likely || fmt->clean(any, all))
		return look;
	for (i = 0; i < nr; i++) {
		u64 value = iommu_dirty_load(entry + i);

		look.dirty |= (unsigned long)fmt->dirty(value) << i;
	}
	return look;
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
	unsigned int left, leaves = 0;
	u64 *entry = cur->entry;
	bool likely = false;

	table_last = iova | ((1UL << iommu_dirty_level_shift(fmt, 2)) - 1);
	left = ((min(last, table_last) - iova) >> shift) + 1;

	while (left) {
		unsigned int off = bit % BITS_PER_LONG;
		unsigned int nr = min(left, BITS_PER_LONG - off);
		struct iommu_dirty_look look;

		look = iommu_dirty_look(fmt, entry, nr, likely);
		leaves += look.leaves;
		likely = look.dirty;
		if (look.dirty) {
			chunk->dirty += hweight_long(look.dirty);
			chunk->mask[BIT_WORD(bit)] |= look.dirty << off;
		}
		iova += (unsigned long)look.nr << shift;
		if (look.nr < nr)
			break;
		entry += nr;
		bit += nr;
		left -= nr;
	}
	chunk->leaves += leaves;
	if (leaves)
		chunk->leaf_sizes |= BIT_ULL(shift);
	return iova;
}

/*
 * Set the bits from @iova to @last, which are of one leaf. They are whole words mostly,
 * and too few for the call that bitmap_set() is.
 */
static __always_inline void iommu_dirty_mark(struct iommu_dirty_chunk *chunk,
					     unsigned long iova,
					     unsigned long last)
{
	unsigned int bit = (iova - chunk->iova) >> chunk->shift;
	unsigned int end = ((last - chunk->iova) >> chunk->shift) + 1;

	if ((bit | end) % BITS_PER_LONG) {
		bitmap_set(chunk->mask, bit, end - bit);
		return;
	}
	for (; bit < end; bit += BITS_PER_LONG)
		WRITE_ONCE(chunk->mask[BIT_WORD(bit)], ~0UL);
}

/*
 * Entries of one table that are leaves by themselves or nothing, from @iova on, which
 * is the cursor's. Returns the IOVA that follows the last one.
 */
static __always_inline unsigned long
iommu_dirty_walk_larger(const struct iommu_dirty_format *fmt,
			const struct iommu_dirty_cursor *cur,
			struct iommu_dirty_chunk *chunk, unsigned long iova,
			unsigned long last)
{
	unsigned long size = cur->last - cur->first + 1;
	unsigned long entry_last = cur->last, table_last = last;
	enum iommu_dirty_entry_kind kind = cur->kind;
	u64 value = cur->value, *entry = cur->entry;
	unsigned int leaves = 0;

	/* The root covers what is asked for */
	if (cur->level != cur->top) {
		unsigned int shift = iommu_dirty_level_shift(fmt, cur->level + 1);

		table_last = min(last, cur->first | ((1UL << shift) - 1));
	}

	for (;;) {
		if (kind == IOMMU_DIRTY_ENTRY_LEAF) {
			leaves++;
			if (fmt->dirty(value)) {
				iommu_dirty_mark(chunk, iova,
						 min(entry_last, last));
				chunk->dirty++;
			}
		}
		if (entry_last >= table_last)
			break;
		value = iommu_dirty_load(++entry);
		kind = fmt->kind(value, cur->level);
		if (kind == IOMMU_DIRTY_ENTRY_TABLE ||
		    iommu_dirty_run(fmt, value, cur->level))
			break;
		iova = entry_last + 1;
		entry_last += size;
	}
	chunk->leaves += leaves;
	if (leaves)
		chunk->leaf_sizes |= size;
	return entry_last + 1;
}

/* Was the run under the cursor written? Any of its entries may say so */
static __always_inline bool
iommu_dirty_run_dirty(const struct iommu_dirty_format *fmt,
		      const struct iommu_dirty_cursor *cur)
{
	unsigned int i, nr = 1U << cur->run;
	u64 *entry = PTR_ALIGN_DOWN(cur->entry, nr * sizeof(*entry));

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
		if (cur.run) {
			chunk->leaves++;
			chunk->leaf_sizes |= cur.last - cur.first + 1;
			if (iommu_dirty_run_dirty(fmt, &cur)) {
				iommu_dirty_mark(chunk, iova,
						 min(last, cur.last));
				chunk->dirty++;
			}
			next = cur.last + 1;
		} else if (cur.level == 1 && chunk->shift == fmt->granule_shift) {
			/* The mask has a bit for each of these */
			next = iommu_dirty_walk_smallest(fmt, &cur, chunk,
							 last);
		} else {
			next = iommu_dirty_walk_larger(fmt, &cur, chunk, iova,
						       last);
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

/*
 * Level 1: entries of one table that the mask names, up to one that is part of a
 * larger leaf. Returns the bit that follows the last one.
 */
static __always_inline unsigned int
iommu_dirty_clear_smallest(const struct iommu_dirty_format *fmt,
			   const struct iommu_dirty_cursor *cur,
			   struct iommu_dirty_chunk *chunk)
{
	unsigned int shift = fmt->granule_shift;
	unsigned int from = (cur->first - chunk->iova) >> shift;
	unsigned int entries = 1U << fmt->level_bits;
	unsigned int end = from + entries -
			   ((cur->first >> shift) & (entries - 1));
	unsigned int first = from, last = from, cleaned = 0, bit = from;

	end = min(end, chunk->nbits);
	while (bit < end) {
		unsigned long word = chunk->mask[BIT_WORD(bit)] >>
				     bit % BITS_PER_LONG;
		u64 value, *entry;

		if (!word) {
			bit = round_down(bit, BITS_PER_LONG) + BITS_PER_LONG;
			continue;
		}
		bit += __ffs(word);
		if (bit >= end)
			break;
		entry = cur->entry + (bit - from);
		value = iommu_dirty_load(entry);
		if (iommu_dirty_run(fmt, value, 1)) {
			end = bit;
			break;
		}
		if (fmt->kind(value, 1) == IOMMU_DIRTY_ENTRY_LEAF)
			chunk->leaf_sizes |= BIT_ULL(shift);
		if (iommu_dirty_clean_entry(fmt, entry, value, 1)) {
			if (!cleaned++)
				first = bit;
			last = bit;
		}
		bit++;
	}
	if (cleaned) {
		chunk->cleared += cleaned;
		chunk->first = min(chunk->first, chunk->iova +
				   ((unsigned long)first << shift));
		chunk->last = max(chunk->last, chunk->iova +
				  ((unsigned long)(last + 1) << shift) - 1);
	}
	return end;
}

/* Does the mask name all bits from @bit to @last? */
static __always_inline bool
iommu_dirty_named(const struct iommu_dirty_chunk *chunk, unsigned int bit,
		  unsigned int last)
{
	if ((bit | (last + 1)) % BITS_PER_LONG)
		return find_next_zero_bit(chunk->mask, last + 1, bit) > last;
	for (; bit <= last; bit += BITS_PER_LONG)
		if (~chunk->mask[BIT_WORD(bit)])
			return false;
	return true;
}

/*
 * Make the leaf under the cursor clean, if the mask names all of it, from its first
 * bit on. Returns the bit that follows it, or what the cursor found in its place.
 */
static __always_inline unsigned int
iommu_dirty_clear_larger(const struct iommu_dirty_format *fmt,
			 const struct iommu_dirty_cursor *cur,
			 struct iommu_dirty_chunk *chunk, unsigned long iova,
			 unsigned int bit)
{
	unsigned long to = (cur->last - chunk->iova) >> chunk->shift;

	if (cur->kind == IOMMU_DIRTY_ENTRY_LEAF) {
		chunk->leaf_sizes |= cur->last - cur->first + 1;
		if (cur->first == iova && to < chunk->nbits &&
		    iommu_dirty_named(chunk, bit, to) &&
		    iommu_dirty_clean_leaf(fmt, cur)) {
			chunk->cleared++;
			chunk->first = min(chunk->first, cur->first);
			chunk->last = max(chunk->last, cur->last);
		}
	}
	return min(to, chunk->nbits - 1UL) + 1;
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

		if (!iommu_dirty_root_covers(fmt, root, iova))
			return -ERANGE;
		iommu_dirty_cursor_seek(fmt, &cur, iova);
		/* Of a table that is the root there may be less than the mask names */
		if (cur.level == 1 && cur.level != cur.top && !cur.run &&
		    chunk->shift == fmt->granule_shift)
			bit = iommu_dirty_clear_smallest(fmt, &cur, chunk);
		else
			bit = iommu_dirty_clear_larger(fmt, &cur, chunk, iova,
						       bit);

		if (bit >= chunk->nbits)
			return 0;
		bit = find_next_bit(chunk->mask, chunk->nbits, bit);
		iommu_dirty_cursor_climb(fmt, &cur, chunk->iova +
					 ((unsigned long)bit << chunk->shift));
	}
	return 0;
}

#endif /* __IOMMU_DIRTY_WALK_H */
