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
};

static u64 *new_table(struct hwm_domain *hd)
{
	struct table_page *page = kzalloc(sizeof(*page), GFP_KERNEL);

	if (!page)
		return NULL;
	page->entries = (u64 *)get_zeroed_page(GFP_KERNEL);
	if (!page->entries) {
		kfree(page);
		return NULL;
	}
	list_add_tail(&page->node, &hd->tables);
	return page->entries;
}

int hwm_table_init(struct hwm_domain *hd)
{
	INIT_LIST_HEAD(&hd->tables);
	hd->root = new_table(hd);
	return hd->root ? 0 : -ENOMEM;
}

void hwm_table_free(struct hwm_domain *hd)
{
	struct table_page *page, *next;

	list_for_each_entry_safe(page, next, &hd->tables, node) {
		free_page((unsigned long)page->entries);
		kfree(page);
	}
	INIT_LIST_HEAD(&hd->tables);
}

/* The last IOVA that a table reaches */
unsigned long hwm_reach(const struct hwm_model *hw)
{
	unsigned int bits =
		hwm_level_shift(hw->kind->fmt, hw->kind->levels + 1);

	return bits >= BITS_PER_LONG ? ULONG_MAX : BIT(bits) - 1;
}

/* The entry of @level that maps @iova; tables above it are made as needed */
static u64 *make_entry(struct hwm_domain *hd, unsigned long iova,
		       unsigned int level)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	unsigned int at = hd->hw->kind->levels;
	u64 *table = hd->root;

	for (;; at--) {
		unsigned int shift = hwm_level_shift(fmt, at);
		u64 *entry = table + ((iova >> shift) &
				      (BIT(fmt->level_bits) - 1));

		if (at == level)
			return entry;
		if (!fmt->present(*entry)) {
			table = new_table(hd);
			if (!table)
				return NULL;
			*entry = fmt->table_entry(virt_to_phys(table));
		}
		table = phys_to_virt(fmt->table_addr(*entry));
	}
}

/* The leaf that maps @iova, and its level; NULL when there is none */
u64 *hwm_find_leaf(struct hwm_domain *hd, unsigned long iova,
		   unsigned int *level)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	u64 *table = hd->root;

	for (*level = hd->hw->kind->levels;; --*level) {
		unsigned int shift = hwm_level_shift(fmt, *level);
		u64 *entry = table + ((iova >> shift) &
				      (BIT(fmt->level_bits) - 1));
		u64 value = READ_ONCE(*entry);

		if (!fmt->present(value))
			return NULL;
		if (fmt->is_leaf(value, *level))
			return entry;
		table = phys_to_virt(fmt->table_addr(value));
	}
}

/* Map with leaves of one size. The memory behind them does not exist. */
int hwm_map(struct hwm_domain *hd, unsigned long iova, unsigned long size,
	    unsigned long leaf_size, bool writable)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	unsigned int level = 1 + (ilog2(leaf_size) - fmt->granule_shift) /
				 fmt->level_bits;
	struct oracle_span *span;
	unsigned long done;

	guard(mutex)(&hd->map_lock);
	for (done = 0; done < size; done += leaf_size) {
		u64 *entry = make_entry(hd, iova + done, level);

		if (!entry)
			return -ENOMEM;
		WRITE_ONCE(*entry, fmt->leaf_entry(iova + done, level,
						   writable));
	}
	span = oracle_span_new(iova, iova + size - 1, leaf_size, writable);
	if (!span)
		return -ENOMEM;
	/* It may be reported once although nobody wrote it */
	if (fmt->born_dirty && writable)
		bitmap_fill(span->may, span->pages);
	spin_lock(&hd->hw->lock);
	oracle_add(&hd->oracle, span);
	spin_unlock(&hd->hw->lock);
	return 0;
}

/* Unmap what one hwm_map() mapped. Tables stay until the domain goes. */
void hwm_unmap(struct hwm_domain *hd, unsigned long iova, unsigned long size)
{
	struct oracle_span *span;
	unsigned long done = 0;

	guard(mutex)(&hd->map_lock);
	while (done < size) {
		unsigned int level;
		u64 *entry = hwm_find_leaf(hd, iova + done, &level);

		if (!entry)
			break;
		WRITE_ONCE(*entry, 0);
		done += BIT(hwm_level_shift(hd->hw->kind->fmt, level));
	}
	hwm_invalidate(hd, iova, iova + size - 1, false);

	spin_lock(&hd->hw->lock);
	span = oracle_remove(&hd->oracle, iova);
	spin_unlock(&hd->hw->lock);
	oracle_span_free(span);
}

/* A hash of all entries, to see whether any has changed */
u32 hwm_table_hash(struct hwm_domain *hd)
{
	struct table_page *page;
	u32 hash = 0;

	list_for_each_entry(page, &hd->tables, node)
		hash = jhash2((const u32 *)page->entries,
			      PAGE_SIZE / sizeof(u32), hash);
	return hash;
}
