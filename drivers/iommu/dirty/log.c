// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: the data path.
 *
 * A read waits for hardware's pending updates once, and then goes through the
 * range a chunk at a time:
 *
 *	walk	the dirty leaves of the chunk into a mask, changing nothing
 *	publish	the mask to the caller's bitmap
 *	clear	exactly the leaves that the mask names
 *	flush	so that the next write to them is recorded again
 *
 * Nothing is made clean before the caller has it, and nothing made clean is left
 * unflushed. Whatever fails, the bits in the caller's bitmap together with the
 * next read are everything that was written.
 *
 * A mask is stale once somebody else has made one of its leaves clean. So reads
 * that share a part of IOVA space take turns, unless none of them clears; and a
 * read walks and clears only in the tracking period in which it began.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "core.h"
#include "log.h"
#include "trace.h"

/* Bits in a chunk's mask: 1 GiB of 4 KiB leaves, 32 KiB of memory */
#define CHUNK_BITS BIT(18)

/* Whoever may read may do so without end: no message when there is no memory */
#define GFP_BUFFERS (GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/* Bytes of the caller's bitmap that are published in one go */
#define PUBLISH_BYTES 4096

struct read_buffers {
	struct iommu_dirty_chunk chunk;
	unsigned long mask[BITS_TO_LONGS(CHUNK_BITS)];
	unsigned long out[PUBLISH_BYTES / sizeof(long)];
};

/**
 * struct reading - a read that is under way
 * @node: in iommu_dirty_domain.readings while it is its turn
 * @dd: the domain's state
 * @owner: who reads
 * @rd: what was asked
 * @shift: log2 of the smallest leaf
 * @period: the tracking period that it began in
 * @seen_leaf_sizes: leaf sizes met so far, bytes, one bit each
 * @leaves: leaves looked at so far
 * @dirty: leaves found dirty so far
 * @cleared: leaves made clean so far
 * @buf: chunk and bitmaps
 */
struct reading {
	struct list_head node;
	struct iommu_dirty_domain *dd;
	const void *owner;
	const struct iommu_dirty_read *rd;
	unsigned int shift;
	u64 period;
	u64 seen_leaf_sizes;
	u64 leaves;
	u64 dirty;
	u64 cleared;
	struct read_buffers buf;
};

/*
 * log2 of the smallest leaf; where no backend says so, the driver does. It does not
 * change while tracking is on.
 */
static unsigned int smallest_shift(const struct iommu_dirty_domain *dd)
{
	u64 sizes;

	lockdep_assert_held(&dd->attach_lock);
	sizes = dd->caps.leaf_sizes ?: dd->domain->pgsize_bitmap;
	return __ffs64(sizes ?: PAGE_SIZE);
}

static void chunk_init(struct read_buffers *buf, unsigned long iova,
		       unsigned int shift, unsigned int nbits)
{
	struct iommu_dirty_chunk *chunk = &buf->chunk;

	chunk->shift = shift;
	chunk->nbits = nbits;
	chunk->mask = buf->mask;
	chunk->iova = iova & ~(((unsigned long)nbits << shift) - 1);
	chunk->leaf_sizes = 0;
	chunk->leaves = 0;
	chunk->dirty = 0;
	chunk->cleared = 0;
	chunk->first = ULONG_MAX;
	chunk->last = 0;
	bitmap_zero(chunk->mask, chunk->nbits);
}

/* Position the chunk where @iova is, with a bit for each of the smallest leaves */
static void chunk_place(struct read_buffers *buf, unsigned long iova,
			unsigned int shift)
{
	chunk_init(buf, iova, shift, CHUNK_BITS);
}

/* Was it part of one leaf? Leaves and chunks are aligned to their sizes. */
static bool chunk_outgrown(const struct iommu_dirty_chunk *chunk)
{
	unsigned int largest = fls64(chunk->leaf_sizes);

	return largest && largest - 1 > chunk->shift + ilog2(chunk->nbits);
}

/*
 * Let the chunk be that leaf, with one bit for all of it, so that it can be made
 * clean. The caller does its step again.
 */
static void chunk_grow(struct read_buffers *buf)
{
	chunk_init(buf, buf->chunk.iova, fls64(buf->chunk.leaf_sizes) - 1, 1);
}

static unsigned long chunk_last(const struct iommu_dirty_chunk *chunk)
{
	return chunk->iova + (((unsigned long)chunk->nbits << chunk->shift) - 1);
}

/* Name every leaf of a range that lies in the chunk */
static void chunk_fill(struct iommu_dirty_chunk *chunk, unsigned long iova,
		       unsigned long last)
{
	unsigned int first_bit = (iova - chunk->iova) >> chunk->shift;
	unsigned int last_bit = (last - chunk->iova) >> chunk->shift;

	bitmap_set(chunk->mask, first_bit, last_bit - first_bit + 1);
}

/* It may have cleaned what was not reported */
static int cleaned_too_much(struct iommu_dirty_domain *dd)
{
	lockdep_assert_held(&dd->lock);
	/* While tracking is off, it is the start that fails */
	if (dd->mode == IOMMU_DIRTY_MODE_OFF)
		return -EIO;
	iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
			     IOMMU_DIRTY_REASON_BACKEND);
	return 0;
}

/* Make clean what the chunk's mask names, and flush it whatever happens */
static int clear_and_flush(struct iommu_dirty_domain *dd,
			   struct iommu_dirty_chunk *chunk)
{
	int ret, err;

	lockdep_assert_held(&dd->attach_lock);
	guard(mutex)(&dd->lock);

	ret = dd->backend->clear(dd->domain, chunk);
	if (ret == -EUCLEAN)
		ret = cleaned_too_much(dd);
	if (chunk->first > chunk->last)
		return ret;

	atomic64_inc(&dd->count.flushes);
	err = dd->backend->flush(dd->domain, chunk->first, chunk->last);
	/* While tracking is off, it is the start that fails */
	if (err && dd->mode != IOMMU_DIRTY_MODE_OFF)
		iommu_dirty_set_mode(dd, IOMMU_DIRTY_MODE_ALL_DIRTY,
				     IOMMU_DIRTY_REASON_FLUSH);
	return ret ?: err;
}

/*
 * Collects bits in the caller's page size and hands them to the sink piece by
 * piece. Bits come in ascending order, the same one possibly more than once.
 */
struct publisher {
	struct iommu_dirty_sink *sink;
	unsigned long *out;
	unsigned long base;	/* bit of the caller's bitmap that out[0] starts with */
	unsigned long used;	/* bits of @out that are in use */
};

static int publisher_flush(struct publisher *pub)
{
	size_t len = DIV_ROUND_UP(pub->used, BITS_PER_BYTE);
	int ret;

	if (!len)
		return 0;
	ret = pub->sink->publish(pub->sink, pub->base / BITS_PER_BYTE,
				 (u8 *)pub->out, len);
	memset(pub->out, 0, round_up(len, sizeof(long)));
	pub->used = 0;
	if (ret)
		return ret;
	/* One leaf may be a bitmap of gigabytes */
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int publisher_add(struct publisher *pub, unsigned long first,
			 unsigned long last)
{
	const unsigned long out_bits = PUBLISH_BYTES * BITS_PER_BYTE;

	for (;;) {
		unsigned long off, nr;
		int ret;

		if (pub->used && first - pub->base >= out_bits) {
			ret = publisher_flush(pub);
			if (ret)
				return ret;
		}
		if (!pub->used)
			pub->base = round_down(first, BITS_PER_LONG);

		off = first - pub->base;
		nr = min(last - first, out_bits - 1 - off) + 1;
		bitmap_set(pub->out, off, nr);
		pub->used = off + nr;
		if (last - first < nr)
			return 0;
		first += nr;
	}
}

static int publish_chunk(struct reading *r)
{
	const struct iommu_dirty_chunk *chunk = &r->buf.chunk;
	const struct iommu_dirty_read *rd = r->rd;
	unsigned int page_shift = __ffs(rd->page_size);
	struct publisher pub = { .sink = rd->sink, .out = r->buf.out };
	unsigned int start, end;
	int ret;

	memset(r->buf.out, 0, sizeof(r->buf.out));
	for_each_set_bitrange(start, end, chunk->mask, chunk->nbits) {
		unsigned long first, last;

		first = chunk->iova + ((unsigned long)start << chunk->shift);
		last = chunk->iova + ((unsigned long)end << chunk->shift) - 1;
		/* One leaf for a chunk can be more than what was asked for */
		first = max(first, rd->iova);
		last = min(last, rd->last);
		ret = publisher_add(&pub, (first - rd->iova) >> page_shift,
				    (last - rd->iova) >> page_shift);
		if (ret)
			return ret;
	}
	return publisher_flush(&pub);
}

/* Is tracking on, and @owner's? */
static int may_read(struct iommu_dirty_domain *dd, const void *owner)
{
	lockdep_assert_held(&dd->attach_lock);
	if (dd->mode == IOMMU_DIRTY_MODE_OFF)
		return iommu_dirty_can_record(&dd->caps) ? -EINVAL :
							   -EOPNOTSUPP;
	return dd->owner == owner ? 0 : -EBUSY;
}

/* Is it still, without a stop since the read began? */
static int may_go_on(const struct reading *r)
{
	int ret = may_read(r->dd, r->owner);

	if (!ret && r->period != r->dd->period)
		return -EINVAL;
	return ret;
}

/* From @first to @last, which lie in the chunk */
static int walk_chunk(struct reading *r, unsigned long first,
		      unsigned long last)
{
	const struct iommu_dirty_ranges *mapped = r->rd->mapped;
	struct iommu_dirty_chunk *chunk = &r->buf.chunk;
	struct iommu_dirty_domain *dd = r->dd;
	struct iommu_dirty_range range;
	int ret;

	guard(rwsem_read)(&dd->attach_lock);
	ret = may_go_on(r);
	if (ret)
		return ret;

	while (mapped->next(mapped, first, last, &range)) {
		if (READ_ONCE(dd->mode) == IOMMU_DIRTY_MODE_EXACT)
			ret = dd->backend->walk(dd->domain, chunk, range.iova,
						range.last);
		else if (range.writable)
			chunk_fill(chunk, range.iova, range.last);
		if (ret)
			return ret;
		if (range.last == last)
			break;
		first = range.last + 1;
	}
	return 0;
}

static int clear_chunk(struct reading *r)
{
	struct iommu_dirty_domain *dd = r->dd;
	int ret;

	guard(rwsem_read)(&dd->attach_lock);
	ret = may_go_on(r);
	if (ret)
		return ret;
	/* All-dirty stays so: nothing would be gained */
	if (READ_ONCE(dd->mode) != IOMMU_DIRTY_MODE_EXACT)
		return 0;
	return clear_and_flush(dd, &r->buf.chunk);
}

/* From @first on, which is mapped, up to the end of the chunk or of the read */
static int read_chunk(struct reading *r, unsigned long first)
{
	const struct iommu_dirty_read *rd = r->rd;
	struct iommu_dirty_chunk *chunk = &r->buf.chunk;
	int ret;

	chunk_place(&r->buf, first, r->shift);
	for (;;) {
		ret = walk_chunk(r, first, min(rd->last, chunk_last(chunk)));
		if (ret)
			return ret;
		if (!chunk_outgrown(chunk))
			break;
		chunk_grow(&r->buf);
	}
	if (bitmap_empty(chunk->mask, chunk->nbits))
		return 0;

	ret = publish_chunk(r);
	if (ret || rd->flags & IOMMU_DIRTY_READ_NO_CLEAR)
		return ret;

	/* A leaf of which only a part was reported */
	if (chunk->nbits == 1 &&
	    (chunk->iova < rd->iova || chunk_last(chunk) > rd->last))
		return 0;
	return clear_chunk(r);
}

static int read_range(struct reading *r)
{
	const struct iommu_dirty_read *rd = r->rd;
	struct iommu_dirty_chunk *chunk = &r->buf.chunk;
	struct iommu_dirty_range range;
	unsigned long pos = rd->iova;
	int ret;

	while (rd->mapped->next(rd->mapped, pos, rd->last, &range)) {
		unsigned long last;

		ret = read_chunk(r, range.iova);
		last = min(rd->last, chunk_last(chunk));
		r->seen_leaf_sizes |= chunk->leaf_sizes;
		r->leaves += chunk->leaves;
		r->dirty += chunk->dirty;
		r->cleared += chunk->cleared;
		trace_iommu_dirty_chunk(r->dd, chunk, ret);
		if (ret)
			return ret;

		if (last == rd->last)
			break;
		pos = last + 1;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int check_read(struct iommu_dirty_domain *dd,
		      const struct iommu_dirty_read *rd)
{
	unsigned long smallest = BIT(smallest_shift(dd));

	lockdep_assert_held(&dd->attach_lock);
	if (rd->flags & ~IOMMU_DIRTY_READ_NO_CLEAR)
		return -EOPNOTSUPP;
	if (rd->iova > rd->last || !is_power_of_2(rd->page_size))
		return -EINVAL;
	if ((rd->iova | (rd->last + 1)) &
	    (max(rd->page_size, smallest) - 1))
		return -EINVAL;
	return 0;
}

/* Would one of two reads make clean what the other has in its mask? */
static bool conflict(const struct iommu_dirty_read *a,
		     const struct iommu_dirty_read *b)
{
	return a->iova <= b->last && b->iova <= a->last &&
	       !(a->flags & b->flags & IOMMU_DIRTY_READ_NO_CLEAR);
}

static bool take_turn(struct reading *r)
{
	struct iommu_dirty_domain *dd = r->dd;
	struct reading *other;
	bool alone = true;

	spin_lock(&dd->readings_lock);
	list_for_each_entry(other, &dd->readings, node)
		if (conflict(r->rd, other->rd))
			alone = false;
	if (alone)
		list_add_tail(&r->node, &dd->readings);
	spin_unlock(&dd->readings_lock);
	return alone;
}

static void end_turn(struct reading *r)
{
	struct iommu_dirty_domain *dd = r->dd;

	scoped_guard(spinlock, &dd->readings_lock)
		list_del(&r->node);
	wake_up_all(&dd->turns);
}

/* The first step. What was written before the read began has to be in it */
static int begin_reading(struct reading *r)
{
	struct iommu_dirty_domain *dd = r->dd;
	int ret;

	guard(rwsem_read)(&dd->attach_lock);
	ret = may_read(dd, r->owner);
	if (ret)
		return ret;
	r->period = dd->period;
	r->shift = smallest_shift(dd);
	scoped_guard(mutex, &dd->lock)
		iommu_dirty_settle(dd);
	if (READ_ONCE(dd->mode) != IOMMU_DIRTY_MODE_EXACT ||
	    !dd->backend->sync)
		return 0;
	return dd->backend->sync(dd->domain);
}

/* Count a read, in the period that it belongs to */
static void count_reading(const struct reading *r, u64 ns, int err)
{
	struct iommu_dirty_counters *count = &r->dd->count;

	guard(rwsem_read)(&r->dd->attach_lock);
	if (may_go_on(r))
		return;
	atomic64_inc(&count->reads);
	atomic64_add(ns, &count->time_ns);
	atomic64_add(r->leaves, &count->leaves);
	atomic64_add(r->dirty, &count->dirty);
	atomic64_add(r->cleared, &count->cleared);
	if (!err)
		atomic64_set(&count->seen_leaf_sizes, r->seen_leaf_sizes);
}

/**
 * iommu_dirty_read() - report the pages that devices wrote, and make them clean
 * @domain: domain that @owner started tracking on
 * @owner: who started it
 * @rd: what to read and where to
 *
 * Sets a bit for each page of [@rd->iova, @rd->last] that lies in a dirty leaf
 * and leaves all others as they are. What is not mapped is skipped. A leaf is made
 * clean when all of it was reported; one that the range cuts stays dirty. When
 * the call returns, every leaf that was made clean has been flushed, and the
 * pages may be copied.
 *
 * After an error the bits that were set together with the next read are
 * everything.
 *
 * A read waits for one that is under way and shares a part of its range, unless
 * neither clears. Others run side by side.
 *
 * Context: process; may sleep and fault; takes the domain's locks, none of them
 * while it publishes. The caller holds what keeps @rd->mapped as it is.
 * Return:
 * * 0
 * * -EINVAL - tracking is off, or was stopped meanwhile, the range is empty or not
 *   aligned to the page size and to the smallest leaf, or the page size is not a
 *   power of two
 * * -EBUSY - it has another owner
 * * -EOPNOTSUPP - an unknown flag, or the domain or an attached device cannot be
 *   tracked
 * * -EFAULT, or another error of the sink's
 * * -EINTR - the task is being killed
 * * -ENOMEM
 * * or what the backend says
 */
int iommu_dirty_read(struct iommu_domain *domain, const void *owner,
		     const struct iommu_dirty_read *rd)
{
	struct iommu_dirty_domain *dd = domain->dirty;
	struct reading *r;
	u64 t0, ns;
	int ret;

	might_sleep();
	if (!dd || dd->domain != domain)
		return -EOPNOTSUPP;
	rd->mapped->assert_stable(rd->mapped);

	down_read(&dd->attach_lock);
	ret = may_read(dd, owner) ?: check_read(dd, rd);
	up_read(&dd->attach_lock);
	if (ret)
		return ret;

	r = kvzalloc(sizeof(*r), GFP_BUFFERS);
	if (!r)
		return -ENOMEM;
	r->dd = dd;
	r->owner = owner;
	r->rd = rd;

	ret = wait_event_killable(dd->turns, take_turn(r));
	if (ret) {
		kvfree(r);
		return -EINTR;
	}
	t0 = ktime_get_ns();
	ret = begin_reading(r) ?: read_range(r);
	ns = ktime_get_ns() - t0;
	end_turn(r);

	count_reading(r, ns, ret);
	trace_iommu_dirty_read(dd, rd, ns, ret);
	kvfree(r);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_dirty_read);

/*
 * Make all that is mapped clean, reporting nothing. All of it is flushed, also
 * leaves that are clean already: the hardware may have cached them as dirty
 * before, when a flush failed.
 */
int iommu_dirty_clean(struct iommu_dirty_domain *dd,
		      const struct iommu_dirty_ranges *mapped)
{
	struct iommu_dirty_range range;
	struct read_buffers *buf;
	unsigned long pos = 0;
	unsigned int shift;
	int ret = 0;

	buf = kvzalloc(sizeof(*buf), GFP_BUFFERS);
	if (!buf)
		return -ENOMEM;
	scoped_guard(rwsem_read, &dd->attach_lock)
		shift = smallest_shift(dd);

	while (!ret && mapped->next(mapped, pos, ULONG_MAX, &range)) {
		struct iommu_dirty_chunk *chunk = &buf->chunk;
		unsigned long last;

		chunk_place(buf, range.iova, shift);
		last = chunk_last(chunk);
		pos = range.iova;
		do {
			chunk_fill(chunk, range.iova, min(range.last, last));
			chunk->first = min(chunk->first, range.iova);
			chunk->last = max(chunk->last, min(range.last, last));
			pos = min(range.last, last) + 1;
		} while (pos && pos <= last &&
			 mapped->next(mapped, pos, last, &range));

		down_read(&dd->attach_lock);
		ret = clear_and_flush(dd, chunk);
		if (!ret && chunk_outgrown(chunk)) {
			chunk_grow(buf);
			chunk->first = chunk->iova;
			chunk->last = chunk_last(chunk);
			chunk_fill(chunk, chunk->first, chunk->last);
			ret = clear_and_flush(dd, chunk);
		}
		up_read(&dd->attach_lock);

		pos = chunk_last(chunk) + 1;
		if (!pos)
			break;
		if (fatal_signal_pending(current))
			ret = ret ?: -EINTR;
		cond_resched();
	}
	kvfree(buf);
	return ret;
}

/* Set the bits of @data in a page; atomically, a word at a time */
static void or_into_page(struct page *page, unsigned int offset, const u8 *data,
			 size_t len)
{
	void *base = kmap_local_page(page);
	size_t done = 0;

	while (done < len) {
		unsigned int at = offset + done;
		unsigned int skip = at % sizeof(long);
		size_t n = min(len - done, sizeof(long) - skip);
		unsigned long bits = 0;

		memcpy((u8 *)&bits + skip, data + done, n);
		if (bits)
			atomic_long_or(bits, base + (at - skip));
		done += n;
	}
	kunmap_local(base);
}

/*
 * Pages of the bitmap that get no bit are not touched. Pinning, not copying,
 * because bits are set atomically: the caller may share the bitmap.
 */
static int publish_user(struct iommu_dirty_sink *sink, size_t offset,
			const u8 *data, size_t len)
{
	struct iommu_dirty_user_sink *user =
		container_of(sink, struct iommu_dirty_user_sink, sink);
	unsigned long addr, last;

	if (check_add_overflow((unsigned long)user->bitmap, offset, &addr) ||
	    check_add_overflow(addr, len - 1, &last))
		return -EFAULT;

	while (len) {
		unsigned int in_page = offset_in_page(addr);
		size_t n = min(len, PAGE_SIZE - in_page);

		if (memchr_inv(data, 0, n)) {
			struct page *page;

			/* For whatever reason: the errno is upstream's */
			if (pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE,
						&page) != 1)
				return -EFAULT;
			or_into_page(page, in_page, data, n);
			unpin_user_pages_dirty_lock(&page, 1, true);
		}
		addr += n;
		data += n;
		len -= n;
	}
	return 0;
}

static int publish_kernel(struct iommu_dirty_sink *sink, size_t offset,
			  const u8 *data, size_t len)
{
	struct iommu_dirty_kernel_sink *kernel =
		container_of(sink, struct iommu_dirty_kernel_sink, sink);
	size_t i;

	for (i = 0; i < len; i++)
		kernel->bitmap[offset + i] |= data[i];
	return 0;
}

/**
 * iommu_dirty_user_sink_init() - report to a bitmap in user memory
 * @sink: sink
 * @bitmap: address in the current process, of any alignment
 */
void iommu_dirty_user_sink_init(struct iommu_dirty_user_sink *sink,
				void __user *bitmap)
{
	sink->sink.publish = publish_user;
	sink->bitmap = bitmap;
}
EXPORT_SYMBOL_GPL(iommu_dirty_user_sink_init);

/**
 * iommu_dirty_kernel_sink_init() - report to a bitmap in kernel memory
 * @sink: sink
 * @bitmap: at least one bit for each page of the range, rounded up to bytes
 */
void iommu_dirty_kernel_sink_init(struct iommu_dirty_kernel_sink *sink,
				  void *bitmap)
{
	sink->sink.publish = publish_kernel;
	sink->bitmap = bitmap;
}
EXPORT_SYMBOL_GPL(iommu_dirty_kernel_sink_init);
