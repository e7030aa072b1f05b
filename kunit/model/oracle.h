/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The oracle: what was mapped and what was written, in plain bitmaps with a bit
 * for each page of the smallest leaf's size, and from that what a read has to say.
 *
 * A write during a read may be in its report or in the next one's, so each page
 * has three bits: the next report must have it; it may have it; it was written
 * since the last read began.
 *
 * That is for one read at a time. For several there is the copy that a user makes of
 * what they report: a page is stale when it was written after that.
 */
#ifndef __IOMMU_DIRTY_KUNIT_ORACLE_H
#define __IOMMU_DIRTY_KUNIT_ORACLE_H

#include <linux/list.h>
#include <linux/types.h>

/**
 * struct oracle_span - leaves of one size in a row
 * @node: in oracle.spans, in ascending order
 * @iova: first byte
 * @last: last byte
 * @leaf_size: bytes
 * @shift: log2 of the bytes of a page: the smallest leaf's, or more for a leaf of very
 *	many of those
 * @writable: devices may write it
 * @pages: bits in each bitmap
 * @must: the next read must report it
 * @may: the next read may report it
 * @recent: written since the last read began
 * @owed: made clean, and not flushed yet
 * @stale: written since the user has copied it, see oracle_copied()
 */
struct oracle_span {
	struct list_head node;
	unsigned long iova;
	unsigned long last;
	unsigned long leaf_size;
	unsigned int shift;
	bool writable;
	unsigned long pages;
	unsigned long *must;
	unsigned long *may;
	unsigned long *recent;
	unsigned long *owed;
	unsigned long *stale;
};

struct oracle {
	struct list_head spans;
	unsigned int shift;
};

/* A report: bit n stands for the page_size bytes from iova + n * page_size on */
struct oracle_report {
	unsigned long iova;
	unsigned long last;
	unsigned long page_size;
	const unsigned long *bits;
};

enum oracle_outcome {
	ORACLE_CLEARED,		/* it succeeded and made clean what it reported */
	ORACLE_KEPT,		/* it was not to make anything clean */
	ORACLE_FAILED,		/* it failed half-way */
};

void oracle_init(struct oracle *o, unsigned int shift);
void oracle_free(struct oracle *o);
struct oracle_span *oracle_span_new(const struct oracle *o, unsigned long iova,
				    unsigned long last, unsigned long leaf_size,
				    bool writable);
void oracle_span_free(struct oracle_span *span);
void oracle_add(struct oracle *o, struct oracle_span *span);
struct oracle_span *oracle_remove(struct oracle *o, unsigned long iova);
struct oracle_span *oracle_find(struct oracle *o, unsigned long first,
				unsigned long last);
bool oracle_writable(struct oracle *o, unsigned long iova);

void oracle_write(struct oracle *o, unsigned long iova);
void oracle_begin(struct oracle *o);
void oracle_cleaned(struct oracle *o);
void oracle_bounds(struct oracle *o, const struct oracle_report *r,
		   unsigned long *must, unsigned long *may);
void oracle_all(struct oracle *o, const struct oracle_report *r,
		unsigned long *bits);
void oracle_settle(struct oracle *o, const struct oracle_report *r,
		   enum oracle_outcome outcome);

void oracle_stale(struct oracle *o, unsigned long *bits, unsigned long nbits);
void oracle_copied(struct oracle *o, const unsigned long *bits,
		   unsigned long nbits);

void oracle_owe(struct oracle *o, unsigned long iova);
void oracle_paid(struct oracle *o, unsigned long first, unsigned long last);
bool oracle_owes(struct oracle *o);

#endif /* __IOMMU_DIRTY_KUNIT_ORACLE_H */
