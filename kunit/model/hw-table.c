// SPDX-License-Identifier: GPL-2.0-only
/* The hardware model's page tables: real ones, in memory, as a driver makes them */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "hw-model.h"

struct table_page {
	struct list_head node;
	u64 *entries;
	size_t size;
};

/* A table of @size bytes, which is what it is aligned to as well */
static u64 *new_table(struct hwm_domain *hd, size_t size)
{
	struct table_page *page = kzalloc(sizeof(*page), GFP_KERNEL);

	if (!page)
		return NULL;
	page->size = size;
	page->entries = (u64 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
						get_order(size));
	if (!page->entries) {
		kfree(page);
		return NULL;
	}
	list_add_tail(&page->node, &hd->tables);
	return page->entries;
}

int hwm_table_init(struct hwm_domain *hd)
{
	const struct hwm_kind *kind = hd->hw->kind;
	size_t size = sizeof(u64) << (kind->root_bits ?: kind->fmt->level_bits);

	INIT_LIST_HEAD(&hd->tables);
	hd->nr_held = 0;
	hd->root = new_table(hd, size);
	if (!hd->root)
		return -ENOMEM;
	/* What follows a small root in its page is nobody's business */
	if (size < PAGE_SIZE)
		memset((u8 *)hd->root + size, 0xa5, PAGE_SIZE - size);
	return 0;
}

void hwm_table_free(struct hwm_domain *hd)
{
	struct table_page *page, *next;

	list_for_each_entry_safe(page, next, &hd->tables, node) {
		free_pages((unsigned long)page->entries, get_order(page->size));
		kfree(page);
	}
	INIT_LIST_HEAD(&hd->tables);
}

/* The last IOVA that a table reaches */
unsigned long hwm_reach(const struct hwm_model *hw)
{
	const struct hwm_kind *kind = hw->kind;
	unsigned int bits = hwm_level_shift(kind->fmt, kind->levels) +
			    (kind->root_bits ?: kind->fmt->level_bits);

	return bits >= BITS_PER_LONG ? ULONG_MAX : BIT(bits) - 1;
}

/* Which entry of a table of @level maps @iova? */
unsigned int hwm_index(const struct hwm_kind *kind, unsigned int level,
		       unsigned long iova)
{
	unsigned int bits = kind->fmt->level_bits;

	if (level == kind->levels && kind->root_bits)
		bits = kind->root_bits;
	return (iova >> hwm_level_shift(kind->fmt, level)) & (BIT(bits) - 1);
}

/* log2 of the entries that are one leaf with this one */
unsigned int hwm_run(const struct hwm_format *fmt, u64 value,
		     unsigned int level)
{
	if (!fmt->run_bits || !fmt->present(value, level) ||
	    !fmt->is_leaf(value, level) || !fmt->is_run(value))
		return 0;
	return fmt->run_of ? fmt->run_of(value, level) : fmt->run_bits(level);
}

/* Does any entry of the leaf that @entry is, or is one of, have D set? */
bool hwm_leaf_dirty(const struct hwm_format *fmt, u64 *entry,
		    unsigned int level)
{
	unsigned int i, nr = 1 << hwm_run(fmt, READ_ONCE(*entry), level);

	entry = PTR_ALIGN_DOWN(entry, nr * sizeof(*entry));
	for (i = 0; i < nr; i++)
		if (fmt->dirty(READ_ONCE(entry[i])))
			return true;
	return false;
}

/* The usual leaf sizes of a format, one bit each */
u64 hwm_leaf_sizes(const struct hwm_format *fmt)
{
	unsigned int level;
	u64 sizes = 0;

	for (level = 1; level <= fmt->large_levels; level++) {
		unsigned int shift = hwm_level_shift(fmt, level);

		sizes |= BIT_ULL(shift);
		if (fmt->run_bits)
			sizes |= BIT_ULL(shift + fmt->run_bits(level));
	}
	return sizes;
}

/* The entry of @level that maps @iova; tables above it are made as needed */
static u64 *make_entry(struct hwm_domain *hd, unsigned long iova,
		       unsigned int level)
{
	const struct hwm_kind *kind = hd->hw->kind;
	const struct hwm_format *fmt = kind->fmt;
	unsigned int at = kind->levels;
	u64 *table = hd->root;

	for (;; at--) {
		u64 *entry = table + hwm_index(kind, at, iova);

		if (at == level)
			return entry;
		if (!fmt->present(*entry, at)) {
			table = new_table(hd, sizeof(u64) << fmt->level_bits);
			if (!table)
				return NULL;
			*entry = fmt->table_entry(virt_to_phys(table),
						  at);
		}
		table = phys_to_virt(fmt->table_addr(*entry));
	}
}

/* The entry that maps @iova, and its level; NULL when there is none */
u64 *hwm_find_leaf(struct hwm_domain *hd, unsigned long iova,
		   unsigned int *level)
{
	const struct hwm_kind *kind = hd->hw->kind;
	const struct hwm_format *fmt = kind->fmt;
	u64 *table = hd->root;

	for (*level = kind->levels;; --*level) {
		u64 *entry = table + hwm_index(kind, *level, iova);
		u64 value = READ_ONCE(*entry);

		if (!fmt->present(value, *level))
			return NULL;
		if (fmt->is_leaf(value, *level))
			return entry;
		table = phys_to_virt(fmt->table_addr(value));
	}
}

/* One leaf: an entry, or a run of them. A device may look at any time. */
static int map_leaf(struct hwm_domain *hd, unsigned long iova,
		    unsigned long size, bool writable)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	unsigned int order = ilog2(size) - fmt->granule_shift;
	unsigned int level = 1 + order / fmt->level_bits;
	unsigned int shift = hwm_level_shift(fmt, level);
	unsigned long i, nr = size >> shift;
	u64 *entry, value;
	bool table = false;

	if (WARN_ON(nr > 1 && (!fmt->run_bits ||
			       (!fmt->run_of &&
				nr != BIT(fmt->run_bits(level))))))
		return -EINVAL;
	entry = make_entry(hd, iova, level);
	if (!entry)
		return -ENOMEM;
	value = fmt->leaf_entry(iova, level, writable);
	if (hd->write_only && writable)
		value = fmt->write_only(value);
	if (nr > 1)
		value = fmt->run_entry(value, level, ilog2(nr));
	spin_lock(&hd->hw->lock);
	for (i = 0; i < nr; i++) {
		table |= entry[i];
		WRITE_ONCE(entry[i],
			   fmt->run_copies ? value : value + (i << shift));
	}
	spin_unlock(&hd->hw->lock);
	/* A table that was left empty may be cached */
	if (table)
		hwm_invalidate(hd, iova, iova + size - 1, false);
	return 0;
}

/* Map with leaves of one size. The memory behind them does not exist. */
int hwm_map_locked(struct hwm_domain *hd, unsigned long iova,
		   unsigned long size, unsigned long leaf_size, bool writable)
{
	struct oracle_span *span;
	unsigned long done;
	int ret;

	lockdep_assert_held_write(&hd->map_lock);
	span = oracle_span_new(&hd->oracle, iova, iova + size - 1, leaf_size,
			       writable);
	if (!span)
		return -ENOMEM;
	/* It may be reported once although nobody wrote it */
	if (hd->hw->kind->fmt->born_dirty && writable)
		bitmap_fill(span->may, span->pages);
	spin_lock(&hd->hw->lock);
	oracle_add(&hd->oracle, span);
	spin_unlock(&hd->hw->lock);

	for (done = 0; done < size; done += leaf_size) {
		ret = map_leaf(hd, iova + done, leaf_size, writable);
		if (ret)
			return ret;
	}
	return 0;
}

int hwm_map(struct hwm_domain *hd, unsigned long iova, unsigned long size,
	    unsigned long leaf_size, bool writable)
{
	guard(rwsem_write)(&hd->map_lock);
	return hwm_map_locked(hd, iova, size, leaf_size, writable);
}

/* Unmap what one hwm_map() mapped. Tables stay until the domain goes. */
void hwm_unmap_locked(struct hwm_domain *hd, unsigned long iova,
		      unsigned long size)
{
	struct oracle_span *span;
	unsigned long done = 0;

	lockdep_assert_held_write(&hd->map_lock);
	spin_lock(&hd->hw->lock);
	while (done < size) {
		unsigned int level;
		u64 *entry = hwm_find_leaf(hd, iova + done, &level);

		if (!entry)
			break;
		WRITE_ONCE(*entry, 0);
		done += BIT(hwm_level_shift(hd->hw->kind->fmt, level));
	}
	spin_unlock(&hd->hw->lock);
	hwm_invalidate(hd, iova, iova + size - 1, false);

	spin_lock(&hd->hw->lock);
	span = oracle_remove(&hd->oracle, iova);
	spin_unlock(&hd->hw->lock);
	oracle_span_free(span);
}

void hwm_unmap(struct hwm_domain *hd, unsigned long iova, unsigned long size)
{
	guard(rwsem_write)(&hd->map_lock);
	hwm_unmap_locked(hd, iova, size);
}

/* A hash of all entries, to see whether software has changed any */
u32 hwm_table_hash(struct hwm_domain *hd)
{
	struct table_page *page;
	u32 hash = 0;

	hwm_settle(hd);
	list_for_each_entry(page, &hd->tables, node)
		hash = jhash2((const u32 *)page->entries,
			      page->size / sizeof(u32), hash);
	return hash;
}
