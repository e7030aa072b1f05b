// SPDX-License-Identifier: GPL-2.0-only
/* What was written, in plain bitmaps, and what a read has to say of it */
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "oracle.h"

/* Pages are of 1 << @shift bytes, the smallest leaf's size */
void oracle_init(struct oracle *o, unsigned int shift)
{
	o->shift = shift;
	INIT_LIST_HEAD(&o->spans);
}

void oracle_span_free(struct oracle_span *span)
{
	kvfree(span->must);
	kvfree(span->may);
	kvfree(span->recent);
	kvfree(span->owed);
	kvfree(span->stale);
	kfree(span);
}

void oracle_free(struct oracle *o)
{
	struct oracle_span *span, *next;

	list_for_each_entry_safe(span, next, &o->spans, node) {
		list_del(&span->node);
		oracle_span_free(span);
	}
}

/* A leaf has at most so many pages: of larger ones with a larger leaf */
#define LEAF_PAGES_SHIFT 18

static unsigned long *new_bits(unsigned long nbits)
{
	return kvcalloc(BITS_TO_LONGS(nbits), sizeof(long), GFP_KERNEL);
}

struct oracle_span *oracle_span_new(const struct oracle *o, unsigned long iova,
				    unsigned long last, unsigned long leaf_size,
				    bool writable)
{
	struct oracle_span *span;

	span = kzalloc(sizeof(*span), GFP_KERNEL);
	if (!span)
		return NULL;
	span->iova = iova;
	span->last = last;
	span->leaf_size = leaf_size;
	span->shift = max_t(int, o->shift,
			    ilog2(leaf_size) - LEAF_PAGES_SHIFT);
	span->writable = writable;
	span->pages = ((last - iova) >> span->shift) + 1;
	span->must = new_bits(span->pages);
	span->may = new_bits(span->pages);
	span->recent = new_bits(span->pages);
	span->owed = new_bits(span->pages);
	span->stale = new_bits(span->pages);
	if (!span->must || !span->may || !span->recent || !span->owed ||
	    !span->stale) {
		oracle_span_free(span);
		return NULL;
	}
	return span;
}

void oracle_add(struct oracle *o, struct oracle_span *span)
{
	struct oracle_span *at;

	list_for_each_entry(at, &o->spans, node)
		if (at->iova > span->iova)
			break;
	list_add_tail(&span->node, &at->node);
}

/* The first span that has a byte in [@first, @last] */
struct oracle_span *oracle_find(struct oracle *o, unsigned long first,
				unsigned long last)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node)
		if (span->iova <= last && span->last >= first)
			return span;
	return NULL;
}

/* Take out the span that starts at @iova; the caller frees it */
struct oracle_span *oracle_remove(struct oracle *o, unsigned long iova)
{
	struct oracle_span *span = oracle_find(o, iova, iova);

	list_del(&span->node);
	return span;
}

static unsigned long page_of(const struct oracle_span *span, unsigned long iova)
{
	return (iova - span->iova) >> span->shift;
}

bool oracle_writable(struct oracle *o, unsigned long iova)
{
	struct oracle_span *span = oracle_find(o, iova, iova);

	return span && span->writable;
}

/* A device wrote the page of @iova */
void oracle_write(struct oracle *o, unsigned long iova)
{
	struct oracle_span *span = oracle_find(o, iova, iova);

	if (WARN_ON(!span))
		return;
	__set_bit(page_of(span, iova), span->recent);
	__set_bit(page_of(span, iova), span->stale);
}

/* A read begins: what was written until now must be in its report */
void oracle_begin(struct oracle *o)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node) {
		bitmap_or(span->must, span->must, span->recent, span->pages);
		bitmap_or(span->may, span->may, span->recent, span->pages);
		bitmap_zero(span->recent, span->pages);
	}
}

/* All that is mapped was made clean since oracle_begin() */
void oracle_cleaned(struct oracle *o)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node) {
		bitmap_zero(span->must, span->pages);
		bitmap_copy(span->may, span->recent, span->pages);
		bitmap_zero(span->recent, span->pages);
	}
}

/* Set the report's bits of [@first, @last], cut to the report */
static void set_bits(const struct oracle_report *r, unsigned long *bits,
		     unsigned long first, unsigned long last)
{
	unsigned int shift = ilog2(r->page_size);

	first = max(first, r->iova);
	last = min(last, r->last);
	if (first > last)
		return;
	first = (first - r->iova) >> shift;
	last = (last - r->iova) >> shift;
	bitmap_set(bits, first, last - first + 1);
}

/* The leaves that have a page in @pages, in the report's page size */
static void set_leaves(const struct oracle_report *r,
		       const struct oracle_span *span,
		       const unsigned long *pages, unsigned long *bits)
{
	unsigned long start, end;

	for_each_set_bitrange(start, end, pages, span->pages) {
		unsigned long first, last;

		first = span->iova + (start << span->shift);
		last = span->iova + (end << span->shift) - 1;
		set_bits(r, bits, first & ~(span->leaf_size - 1),
			 last | (span->leaf_size - 1));
	}
}

/* What the report must have, and what it may have */
void oracle_bounds(struct oracle *o, const struct oracle_report *r,
		   unsigned long *must, unsigned long *may)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node) {
		if (span->last < r->iova || span->iova > r->last)
			continue;
		set_leaves(r, span, span->must, must);
		set_leaves(r, span, span->may, may);
		set_leaves(r, span, span->recent, may);
	}
}

/* What a report has that says everything is dirty */
void oracle_all(struct oracle *o, const struct oracle_report *r,
		unsigned long *bits)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node)
		if (span->writable)
			set_bits(r, bits, span->iova, span->last);
}

static bool leaf_reported(const struct oracle_report *r, unsigned long first,
			  unsigned long last)
{
	unsigned int shift = ilog2(r->page_size);

	first = (first - r->iova) >> shift;
	last = (last - r->iova) >> shift;
	return find_next_zero_bit(r->bits, last + 1, first) > last;
}

static void settle_leaf(struct oracle_span *span, const struct oracle_report *r,
			enum oracle_outcome outcome, unsigned long first,
			unsigned long last)
{
	unsigned long page, end = page_of(span, last);
	unsigned long nr = min(end - page_of(span, first) + 1,
			       (unsigned long)BITS_PER_LONG);
	bool whole, reported;

	whole = first >= r->iova && last <= r->last;
	reported = whole && leaf_reported(r, first, last);

	/* A word at a time: a leaf is smaller than one, or made of whole ones */
	for (page = page_of(span, first); page <= end; page += nr) {
		unsigned long word = BIT_WORD(page), off = page % BITS_PER_LONG;
		unsigned long mask = GENMASK(off + nr - 1, off);
		unsigned long recent = span->recent[word] & mask;

		/* The consumer copies after the call: it has what is reported */
		if (reported && outcome != ORACLE_KEPT)
			span->must[word] &= ~mask;
		else
			span->must[word] |= recent;
		if (whole && outcome == ORACLE_CLEARED)
			span->may[word] &= ~mask;
		span->may[word] |= recent;
		span->recent[word] &= ~mask;
	}
}

/* A read is over: what does the next one have to say? */
void oracle_settle(struct oracle *o, const struct oracle_report *r,
		   enum oracle_outcome outcome)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node) {
		unsigned long page = 0;

		if (span->last < r->iova || span->iova > r->last)
			continue;
		for (;;) {
			unsigned long first, last;

			page = min(find_next_bit(span->may, span->pages, page),
				   find_next_bit(span->recent, span->pages,
						 page));
			if (page >= span->pages)
				break;
			first = (span->iova + (page << span->shift)) &
				~(span->leaf_size - 1);
			last = first + span->leaf_size - 1;
			if (last >= r->iova && first <= r->last)
				settle_leaf(span, r, outcome, first, last);
			page = page_of(span, last) + 1;
		}
	}
}

/* The leaf at @iova was made clean: a flush is owed */
void oracle_owe(struct oracle *o, unsigned long iova)
{
	struct oracle_span *span = oracle_find(o, iova, iova);
	unsigned long first = iova & ~(span->leaf_size - 1);

	bitmap_set(span->owed, page_of(span, first),
		   span->leaf_size >> span->shift);
}

/* [@first, @last] was flushed */
void oracle_paid(struct oracle *o, unsigned long first, unsigned long last)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node) {
		unsigned long from = max(first, span->iova);
		unsigned long to = min(last, span->last);

		if (from <= to)
			bitmap_clear(span->owed, page_of(span, from),
				     page_of(span, to) - page_of(span, from) +
					     1);
	}
}

bool oracle_owes(struct oracle *o)
{
	struct oracle_span *span;

	list_for_each_entry(span, &o->spans, node)
		if (!bitmap_empty(span->owed, span->pages))
			return true;
	return false;
}

/* Which pages are stale? Bit n is page n of IOVA space. */
void oracle_stale(struct oracle *o, unsigned long *bits, unsigned long nbits)
{
	struct oracle_span *span;
	unsigned long page;

	bitmap_zero(bits, nbits);
	list_for_each_entry(span, &o->spans, node) {
		unsigned long first = span->iova >> span->shift;

		for_each_set_bit(page, span->stale, span->pages)
			if (first + page < nbits)
				__set_bit(first + page, bits);
	}
}

/* The user copies pages, by number as above; all there are when @bits is NULL */
void oracle_copied(struct oracle *o, const unsigned long *bits,
		   unsigned long nbits)
{
	struct oracle_span *span;
	unsigned long page;

	list_for_each_entry(span, &o->spans, node) {
		unsigned long first = span->iova >> span->shift;

		for_each_set_bit(page, span->stale, span->pages)
			if (!bits || (first + page < nbits &&
				      test_bit(first + page, bits)))
				__clear_bit(page, span->stale);
	}
}
