// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the conformance cases share: set-up, the suite's eyes on a backend's steps,
 * and reads that are compared with the oracle.
 */
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../priv.h"
#include "conformance.h"
#include "load-point.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "iommu_dirty_kunit."

static unsigned int cache;
module_param(cache, uint, 0444);
MODULE_PARM_DESC(cache, "Translations that a device has cached, where a target can choose");

#define GUARD_BYTES 64

/* The case that runs: a backend's callbacks have nothing to find it by */
static struct conf *running;

/*
 * Steps
 */

void conf_fail(struct conf *conf, unsigned long steps, unsigned int nth,
	       bool late, int err)
{
	conf->fault = (struct conf_fault){ steps, nth, late, err };
}

static int step_begin(struct conf *conf, enum conf_step step)
{
	struct conf_fault *fault = &conf->fault;

	conf->calls[step]++;
	if (conf->watch)
		conf->watch(conf, step, false);
	if (!(fault->steps & BIT(step)) || !fault->nth || --fault->nth)
		return 0;
	fault->hit = true;
	return fault->late ? 0 : fault->err;
}

static int step_end(struct conf *conf, enum conf_step step, int ret)
{
	struct conf_fault *fault = &conf->fault;

	if (conf->watch)
		conf->watch(conf, step, true);
	if (fault->hit && fault->late && fault->steps & BIT(step)) {
		fault->late = false;
		return fault->err;
	}
	return ret;
}

/* Do a step: the backend's work, or none when a case wants it left out */
#define DO_STEP(which, work)						\
({									\
	enum conf_step __step = (which);				\
	int __ret = step_begin(running, __step);			\
									\
	if (!__ret && !(running->leave_out & BIT(__step)))		\
		__ret = (work);						\
	step_end(running, __step, __ret);				\
})

static int step_capability(struct iommu_domain *domain, struct device *dev,
			   ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	int ret = DO_STEP(CONF_CAPABILITY,
			  running->real->capability(domain, dev, pasid, caps));

	if (dev && dev == running->unable)
		caps->flags &= ~IOMMU_DIRTY_CAP_RECORD;
	return ret;
}

static int step_set_feature(struct iommu_domain *domain,
			    enum iommu_dirty_feature feature, bool value)
{
	return DO_STEP(CONF_SET_FEATURE,
		       running->real->set_feature(domain, feature, value));
}

static int step_sync(struct iommu_domain *domain)
{
	return DO_STEP(CONF_SYNC, running->real->sync(domain));
}

static int step_walk(struct iommu_domain *domain,
		     struct iommu_dirty_chunk *chunk, unsigned long iova,
		     unsigned long last)
{
	return DO_STEP(CONF_WALK,
		       running->real->walk(domain, chunk, iova, last));
}

void (*load_point)(void);

static void loaded(void)
{
	running->loads++;
	if (running->at_load)
		running->at_load(running);
}

/* The backend's ->clear, in which a case may do DMA behind each load */
int conf_real_clear(struct conf *conf, struct iommu_dirty_chunk *chunk)
{
	int ret;

	load_point = loaded;
	ret = conf->real->clear(conf->domain, chunk);
	load_point = NULL;
	return ret;
}

static int step_clear(struct iommu_domain *domain,
		      struct iommu_dirty_chunk *chunk)
{
	unsigned long first = chunk->first, last = chunk->last;
	int ret = DO_STEP(CONF_CLEAR, conf_real_clear(running, chunk));

	if (chunk->first != first || chunk->last != last) {
		running->owed_first = min(running->owed_first, chunk->first);
		running->owed_last = max(running->owed_last, chunk->last);
	}
	return ret;
}

static int step_flush(struct iommu_domain *domain, unsigned long iova,
		      unsigned long last)
{
	int ret = DO_STEP(CONF_FLUSH,
			  running->real->flush(domain, iova, last));

	if (iova <= running->owed_first && last >= running->owed_last) {
		running->owed_first = ULONG_MAX;
		running->owed_last = 0;
	}
	return ret;
}

/* Put the suite between the core and the backend. Nothing runs on the domain. */
static void watch_backend(struct conf *conf)
{
	conf->real = conf->dirty->backend;
	conf->wrapped = *conf->real;
	conf->wrapped.capability = step_capability;
	conf->wrapped.set_feature = step_set_feature;
	if (conf->real->sync)
		conf->wrapped.sync = step_sync;
	conf->wrapped.walk = step_walk;
	conf->wrapped.clear = step_clear;
	conf->wrapped.flush = step_flush;
	conf->dirty->backend = &conf->wrapped;
}

static void quiet(struct conf *conf)
{
	conf->watch = NULL;
	conf->at_load = NULL;
	conf->fault.nth = 0;
	conf->fault.hit = false;
	conf->leave_out = 0;
}

/*
 * Attachments
 */

static unsigned int slot(ioasid_t pasid)
{
	return pasid == IOMMU_NO_PASID ? 0 : 1;
}

int conf_attach(struct conf *conf, struct iommu_domain *domain, unsigned int n,
		ioasid_t pasid)
{
	const struct conf_ops *ops = conf->target->ops;
	struct conf_device *cd = &conf->devs[n];
	int ret;

	ret = pasid == IOMMU_NO_PASID ?
		      ops->attach(domain, cd->dev) :
		      ops->attach_pasid(domain, cd->dev, pasid);
	if (!ret)
		cd->domain[slot(pasid)] = domain;
	return ret;
}

void conf_detach(struct conf *conf, unsigned int n, ioasid_t pasid)
{
	const struct conf_ops *ops = conf->target->ops;
	struct conf_device *cd = &conf->devs[n];
	struct iommu_domain *domain = cd->domain[slot(pasid)];

	if (!domain)
		return;
	if (pasid == IOMMU_NO_PASID)
		ops->detach(domain, cd->dev);
	else
		ops->detach_pasid(domain, cd->dev, pasid);
	cd->domain[slot(pasid)] = NULL;
}

static void detach_all(struct conf *conf)
{
	unsigned int n;

	for (n = 0; n < conf->nr_devs; n++) {
		conf_detach(conf, n, CONF_PASID);
		conf_detach(conf, n, IOMMU_NO_PASID);
	}
}

void conf_need_devices(struct conf *conf, unsigned int n)
{
	if (conf->nr_devs < n)
		kunit_skip(conf->test, "%u of %u devices", conf->nr_devs, n);
}

static struct iommu_domain *keep_domain(struct conf *conf,
					struct iommu_domain *domain)
{
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(conf->test, domain);
	for (i = 0; conf->others[i]; i++)
		KUNIT_ASSERT_LT(conf->test, i, ARRAY_SIZE(conf->others) - 1);
	conf->others[i] = domain;
	return domain;
}

/* One more domain, which the suite does not look at */
struct iommu_domain *conf_other_domain(struct conf *conf)
{
	return keep_domain(conf, conf->target->ops->domain_alloc(conf));
}

/* A nested child of the domain under test */
struct iommu_domain *conf_child(struct conf *conf)
{
	return keep_domain(conf, conf->target->ops->domain_nest(conf->domain));
}

/*
 * What is mapped
 */

static bool ranges_next(const struct iommu_dirty_ranges *ranges,
			unsigned long first, unsigned long last,
			struct iommu_dirty_range *range)
{
	struct conf *conf =
		container_of(ranges, struct conf_ranges, ranges)->conf;
	struct oracle_span *span = oracle_find(&conf->oracle, first, last);

	if (!span)
		return false;
	range->iova = max(first, span->iova);
	range->last = min(last, span->last);
	range->writable = span->writable;
	return true;
}

static void ranges_assert_stable(const struct iommu_dirty_ranges *ranges)
{
	const struct conf_ranges *mapped =
		container_of(ranges, struct conf_ranges, ranges);

	lockdep_assert_held(&mapped->conf->map_lock);
}

struct conf_ranges conf_ranges(struct conf *conf)
{
	return (struct conf_ranges){
		.ranges.next = ranges_next,
		.ranges.assert_stable = ranges_assert_stable,
		.conf = conf,
	};
}

/* Map, and note it; an error of the target's, with nothing noted */
int conf_map(struct conf *conf, unsigned long iova, unsigned long size,
	     unsigned long leaf_size, bool writable)
{
	struct oracle_span *span;
	int ret;

	span = oracle_span_new(&conf->oracle, iova, iova + size - 1, leaf_size,
			       writable);
	if (!span)
		return -ENOMEM;
	if (conf->born_dirty && writable)
		bitmap_fill(span->may, span->pages);

	guard(mutex)(&conf->map_lock);
	ret = conf->target->ops->map(conf->domain, iova, size, leaf_size,
				     writable);
	if (ret) {
		oracle_span_free(span);
		return ret;
	}
	guard(mutex)(&conf->dma_lock);
	oracle_add(&conf->oracle, span);
	return 0;
}

/* Unmap what one conf_map() mapped */
void conf_unmap(struct conf *conf, unsigned long iova)
{
	struct oracle_span *span;

	guard(mutex)(&conf->map_lock);
	span = oracle_find(&conf->oracle, iova, iova);
	conf->target->ops->unmap(conf->domain, iova, span->last - iova + 1);
	scoped_guard(mutex, &conf->dma_lock)
		oracle_remove(&conf->oracle, iova);
	oracle_span_free(span);
}

void conf_map_area(struct conf *conf, enum conf_place place)
{
	const struct conf_area *area = &conf->area[place];

	KUNIT_ASSERT_EQ(conf->test,
			conf_map(conf, area->iova, area->size, area->leaf_size,
				 area->writable),
			0);
}

void conf_map_layout(struct conf *conf)
{
	enum conf_place place;

	for (place = 0; place < CONF_NR_PLACES; place++)
		if (conf_has(conf, place))
			conf_map_area(conf, place);
}

static void set_area(struct conf *conf, enum conf_place place,
		     unsigned long iova, unsigned long size,
		     unsigned long leaf_size)
{
	conf->area[place] = (struct conf_area){
		.iova = iova,
		.size = size,
		.leaf_size = leaf_size,
		.writable = place != CONF_RO,
	};
}

/* Two leaves of each of @sizes, from @at on, in @place and those that follow */
static unsigned long plan_each(struct conf *conf, u64 sizes,
			       enum conf_place place, enum conf_place last,
			       unsigned long at)
{
	for (; sizes; sizes &= sizes - 1) {
		unsigned long size = BIT(__ffs64(sizes));

		KUNIT_ASSERT_LE(conf->test, place, last);
		at = round_up(at, size);
		set_area(conf, place++, at, 2 * size, size);
		at += 2 * size;
	}
	return at;
}

/* From the leaf sizes and the reach of the table */
static void plan_layout(struct conf *conf)
{
	unsigned long g = conf->granule, m = conf->medium, l = conf->large;
	unsigned long chunk = conf_chunk(conf), middle, quarter, at;
	u64 others = conf->leaf_sizes & ~(g | m | l | conf->huge_sizes);

	middle = (conf->reach >> 1) + 1;
	quarter = middle >> 1;
	at = 16 * g;
	set_area(conf, CONF_SMALL, at, 2 * m - at, g);
	set_area(conf, CONF_MEDIUM, 2 * m, 3 * m, m);
	set_area(conf, CONF_RO, 5 * m, 16 * g, g);
	set_area(conf, CONF_EDGE, chunk - 512 * g, 512 * g, g);
	at = max(chunk, l);
	set_area(conf, CONF_LARGE, at, 2 * l, l);
	at += 2 * l;
	set_area(conf, CONF_AFTER, at, m, m);
	set_area(conf, CONF_TAIL, at + m, 32 * g, g);
	at = plan_each(conf, others, CONF_OTHER, CONF_OTHER_LAST, at + m + 32 * g);
	conf->end = round_up(at, chunk) - 1;
	at = plan_each(conf, conf->huge_sizes, CONF_HUGE, CONF_HUGE_LAST,
		       conf->end + 1);
	if (at <= quarter - m) {
		set_area(conf, CONF_QUARTER, quarter - m, m, m);
		set_area(conf, CONF_PAST_QUARTER, quarter, 2 * g, g);
	}
	KUNIT_ASSERT_LE(conf->test, at, middle - m);
	set_area(conf, CONF_MIDDLE, middle - m, m, m);
	set_area(conf, CONF_PAST, middle, 2 * g, g);
	set_area(conf, CONF_TOP, conf->reach - 3 * m + 1, 2 * m, m);
	set_area(conf, CONF_LAST, conf->reach - 512 * g + 1, 512 * g, g);
}

/*
 * A table has a page's worth of entries: 512, 2048 or 8192 of them, as the granule
 * is. Take what there is of these.
 */
static void plan_sizes(struct conf *conf)
{
	static const unsigned int entries[] = { 512, 2048, 8192 };
	unsigned int i;

	conf->leaf_sizes = conf_query(conf).caps.leaf_sizes;
	if (conf->target->ops->leaf_sizes)
		conf->leaf_sizes &= conf->target->ops->leaf_sizes;
	KUNIT_ASSERT_NE(conf->test, conf->leaf_sizes, 0);
	conf->granule = BIT(__ffs64(conf->leaf_sizes));
	conf->oracle.shift = ilog2(conf->granule);
	conf->huge_sizes = conf->leaf_sizes & ~(2 * conf_chunk(conf) - 1);
	conf->large = BIT(__fls(conf->leaf_sizes & ~conf->huge_sizes));
	for (i = 0; i < ARRAY_SIZE(entries) && !conf->medium; i++)
		if (conf->leaf_sizes & (entries[i] * (u64)conf->granule))
			conf->medium = entries[i] * conf->granule;
	KUNIT_ASSERT_NE_MSG(conf->test, conf->medium, 0,
			    "leaf sizes %#llx", conf->leaf_sizes);
}

/*
 * DMA
 */

/* Does an access of the pair use the table under test? */
static bool is_watched(struct conf *conf, struct iommu_domain *domain)
{
	return domain && (domain == conf->domain ||
			  domain->dirty == conf->dirty);
}

static int dma_one(struct conf *conf, struct conf_device *cd, ioasid_t pasid,
		   unsigned long iova, bool write)
{
	struct iommu_domain *domain = cd->domain[slot(pasid)];
	struct oracle_span *span;
	int ret;

	guard(mutex)(&conf->dma_lock);
	ret = conf->target->ops->dma(cd->dev, pasid, iova, write);
	if (ret || !is_watched(conf, domain))
		return ret;
	if (write) {
		oracle_write(&conf->oracle, iova);
		return 0;
	}
	span = oracle_find(&conf->oracle, iova, iova);
	if (conf->ats_dirty && span && span->writable)
		__set_bit((iova - span->iova) >> span->shift, span->may);
	return 0;
}

/**
 * conf_dma() - a device reads or writes, a byte in each granule
 * @conf: case
 * @n: which device
 * @pasid: PASID that it uses
 * @iova: first byte
 * @len: bytes
 * @write: direction
 *
 * Return: 0, or the error of the first granule that cannot be accessed.
 */
int conf_dma(struct conf *conf, unsigned int n, ioasid_t pasid,
	     unsigned long iova, unsigned long len, bool write)
{
	unsigned long last = iova + len - 1;

	for (;;) {
		int ret = dma_one(conf, &conf->devs[n], pasid, iova, write);

		if (ret || (iova | (conf->granule - 1)) >= last)
			return ret;
		iova = (iova | (conf->granule - 1)) + 1;
	}
}

/* The first device writes a byte */
void conf_write(struct conf *conf, unsigned long iova)
{
	conf_write_pages(conf, iova, 1);
}

/* The first device writes a byte in each of @nr granules */
void conf_write_pages(struct conf *conf, unsigned long iova, unsigned long nr)
{
	KUNIT_EXPECT_EQ(conf->test,
			conf_dma(conf, 0, IOMMU_NO_PASID, iova,
				 nr * conf->granule - (iova % conf->granule),
				 true),
			0);
}

/*
 * Tracking
 */

/* What hardware has recorded of writes that are finished can be seen from now on */
static void wait_for_hardware(struct conf *conf)
{
	if (!conf->real->sync)
		return;
	down_read(&conf->dirty->attach_lock);
	KUNIT_EXPECT_EQ(conf->test, conf->real->sync(conf->domain), 0);
	up_read(&conf->dirty->attach_lock);
}

int conf_start_as(struct conf *conf, const void *owner)
{
	struct conf_ranges mapped = conf_ranges(conf);
	int ret;

	guard(mutex)(&conf->map_lock);
	/* Else what was written before may be reported, which no caller minds */
	wait_for_hardware(conf);
	scoped_guard(mutex, &conf->dma_lock)
		oracle_begin(&conf->oracle);
	ret = iommu_dirty_start(conf->domain, owner, &mapped.ranges);
	if (ret)
		return ret;
	guard(mutex)(&conf->dma_lock);
	oracle_cleaned(&conf->oracle);
	return 0;
}

int conf_stop_as(struct conf *conf, const void *owner)
{
	return iommu_dirty_stop(conf->domain, owner);
}

struct iommu_dirty_info conf_query(struct conf *conf)
{
	struct iommu_dirty_info info = {};

	KUNIT_EXPECT_EQ(conf->test, iommu_dirty_query(conf->domain, &info), 0);
	return info;
}

void conf_expect_mode(struct conf *conf, enum iommu_dirty_mode mode,
		      enum iommu_dirty_reason reason)
{
	struct iommu_dirty_info info = conf_query(conf);

	KUNIT_EXPECT_EQ(conf->test, (int)info.mode, (int)mode);
	KUNIT_EXPECT_EQ(conf->test, (int)info.reason, (int)reason);
}

/*
 * Reads
 */

/* A bitmap with more on both sides that must not be written */
struct conf_bitmap {
	struct iommu_dirty_sink sink;
	struct iommu_dirty_kernel_sink kernel;
	struct conf *conf;
	unsigned long nbits;
	size_t bytes;
	u8 *guarded;
	u8 *data;
	unsigned long *bits;	/* a copy, aligned */
	unsigned long *must;
	unsigned long *may;
};

static int publish(struct iommu_dirty_sink *sink, size_t offset, const u8 *data,
		   size_t len)
{
	struct conf_bitmap *bm = container_of(sink, struct conf_bitmap, sink);
	struct iommu_dirty_sink *kernel = &bm->kernel.sink;

	if (offset > bm->bytes || len > bm->bytes - offset) {
		KUNIT_FAIL(bm->conf->test,
			   "publishes bytes %zu+%zu of a bitmap of %zu", offset,
			   len, bm->bytes);
		return -EFAULT;
	}
	return DO_STEP(CONF_PUBLISH, kernel->publish(kernel, offset, data, len));
}

static void bitmap_done(struct conf_bitmap *bm)
{
	kvfree(bm->guarded);
	kvfree(bm->bits);
	kvfree(bm->must);
	kvfree(bm->may);
}

static int bitmap_new(struct conf_bitmap *bm, struct conf *conf,
		      unsigned long nbits)
{
	size_t longs = BITS_TO_LONGS(nbits);

	bm->conf = conf;
	bm->nbits = nbits;
	bm->bytes = DIV_ROUND_UP(nbits, BITS_PER_BYTE);
	bm->guarded = kvzalloc(bm->bytes + 2 * GUARD_BYTES + conf->skew,
			       GFP_KERNEL);
	bm->bits = kvcalloc(longs, sizeof(long), GFP_KERNEL);
	bm->must = kvcalloc(longs, sizeof(long), GFP_KERNEL);
	bm->may = kvcalloc(longs, sizeof(long), GFP_KERNEL);
	if (!bm->guarded || !bm->bits || !bm->must || !bm->may) {
		bitmap_done(bm);
		KUNIT_FAIL(conf->test, "no memory for a bitmap");
		return -ENOMEM;
	}
	bm->data = bm->guarded + GUARD_BYTES + conf->skew;
	bm->sink.publish = publish;
	iommu_dirty_kernel_sink_init(&bm->kernel, bm->data);
	return 0;
}

/* Copy what was published; was nothing written beyond its ends? */
static bool bitmap_fetch(struct conf_bitmap *bm)
{
	unsigned int odd = bm->nbits % BITS_PER_BYTE;

	memcpy(bm->bits, bm->data, bm->bytes);
	if (odd && bm->data[bm->bytes - 1] >> odd)
		return false;
	return !memchr_inv(bm->guarded, 0, bm->data - bm->guarded) &&
	       !memchr_inv(bm->data + bm->bytes, 0, GUARD_BYTES);
}

/* Every bit of @part must be in @whole: how many are not? */
static unsigned long expect_subset(struct conf *conf,
				   const struct oracle_report *r,
				   const unsigned long *part,
				   const unsigned long *whole,
				   unsigned long nbits, bool silent,
				   const char *what)
{
	unsigned long bit, n = 0, first = 0;

	if (bitmap_subset(part, whole, nbits))
		return 0;
	for_each_andnot_bit(bit, part, whole, nbits)
		if (!n++)
			first = bit;
	if (!silent)
		KUNIT_FAIL(conf->test,
			   "read of %#lx-%#lx by %#lx: %lu pages %s, the first at %#lx",
			   r->iova, r->last, r->page_size, n, what,
			   r->iova + first * r->page_size);
	return n;
}

/* What the report must and may have; nothing in @must when the read failed */
static void expected(struct conf *conf, const struct oracle_report *r,
		     struct conf_bitmap *bm, enum iommu_dirty_mode before,
		     enum iommu_dirty_mode after, int ret)
{
	struct oracle *o = &conf->oracle;

	if (before == IOMMU_DIRTY_MODE_ALL_DIRTY)
		oracle_all(o, r, bm->must);
	else
		oracle_bounds(o, r, bm->must, bm->may);
	if (before == IOMMU_DIRTY_MODE_ALL_DIRTY ||
	    after != IOMMU_DIRTY_MODE_EXACT)
		oracle_all(o, r, bm->may);
	if (ret)
		bitmap_zero(bm->must, bm->nbits);
}

static void check_report(struct conf *conf, const struct oracle_report *r,
			 struct conf_bitmap *bm, enum iommu_dirty_mode before,
			 u32 flags, int ret)
{
	enum iommu_dirty_mode after = conf_query(conf).mode;
	enum oracle_outcome outcome;

	if (!bitmap_fetch(bm))
		KUNIT_FAIL(conf->test,
			   "read of %#lx-%#lx by %#lx: writes beyond the bitmap",
			   r->iova, r->last, r->page_size);
	outcome = ret ? ORACLE_FAILED :
		  flags & IOMMU_DIRTY_READ_NO_CLEAR ? ORACLE_KEPT :
						      ORACLE_CLEARED;

	scoped_guard(mutex, &conf->dma_lock) {
		expected(conf, r, bm, before, after, ret);
		if (before == IOMMU_DIRTY_MODE_EXACT)
			oracle_settle(&conf->oracle, r, outcome);
	}
	conf->missing += expect_subset(conf, r, bm->must, bm->bits, bm->nbits,
				       conf->silent, "are missing");
	conf->extra += expect_subset(conf, r, bm->bits, bm->may, bm->nbits,
				     conf->silent, "are too many");
	if (after == IOMMU_DIRTY_MODE_EXACT &&
	    conf->owed_first <= conf->owed_last)
		KUNIT_FAIL(conf->test,
			   "read of %#lx-%#lx: %#lx-%#lx was cleaned, not flushed",
			   r->iova, r->last, conf->owed_first, conf->owed_last);
}

/*
 * Read to an empty bitmap in kernel memory, and compare the report with the oracle:
 * all that was written before must be in it, and nothing that was not written. Then
 * note what the next one must say.
 */
int conf_read_as(struct conf *conf, const void *owner, unsigned long iova,
		 unsigned long last, unsigned long page_size, u32 flags)
{
	struct conf_ranges mapped = conf_ranges(conf);
	struct conf_bitmap bm = {};
	struct iommu_dirty_read rd = {
		.iova = iova,
		.last = last,
		.page_size = page_size,
		.flags = flags,
		.mapped = &mapped.ranges,
		.sink = &bm.sink,
	};
	struct oracle_report report = {
		.iova = iova,
		.last = last,
		.page_size = page_size,
	};
	enum iommu_dirty_mode before;
	int ret;

	ret = bitmap_new(&bm, conf, ((last - iova) / page_size) + 1);
	if (ret)
		return ret;
	report.bits = bm.bits;

	scoped_guard(mutex, &conf->map_lock) {
		before = conf_query(conf).mode;
		scoped_guard(mutex, &conf->dma_lock)
			oracle_begin(&conf->oracle);
		ret = iommu_dirty_read(conf->domain, owner, &rd);
		check_report(conf, &report, &bm, before, flags, ret);
	}
	bitmap_done(&bm);
	return ret;
}

/* A read that is refused: not through the oracle, it need not make sense */
int conf_read_raw(struct conf *conf, const struct iommu_dirty_read *like)
{
	struct conf_ranges mapped = conf_ranges(conf);
	struct iommu_dirty_read rd = *like;
	struct conf_bitmap bm = {};
	int ret;

	ret = bitmap_new(&bm, conf, 4096);
	if (ret)
		return ret;
	rd.mapped = &mapped.ranges;
	rd.sink = &bm.sink;
	scoped_guard(mutex, &conf->map_lock)
		ret = iommu_dirty_read(conf->domain, conf->test, &rd);
	KUNIT_EXPECT_TRUE(conf->test, bitmap_fetch(&bm));
	KUNIT_EXPECT_TRUE(conf->test, !ret || bitmap_empty(bm.bits, bm.nbits));
	bitmap_done(&bm);
	return ret;
}

/* A read of the leaves of a place */
int conf_read_area(struct conf *conf, enum conf_place place, u32 flags)
{
	const struct conf_area *area = &conf->area[place];

	return conf_read_as(conf, conf->test, area->iova, conf_last(conf, place),
			    conf_leaf_page(conf, area->leaf_size), flags);
}

/* A read of each chunk, or leaf that is larger, in which something is mapped */
int conf_read_mapped(struct conf *conf, u32 flags)
{
	unsigned long pos = 0;
	int ret = 0;

	while (!ret) {
		struct oracle_span *span =
			oracle_find(&conf->oracle, pos, ULONG_MAX);
		unsigned long first, size;

		if (!span)
			break;
		size = max(conf_chunk(conf), span->leaf_size);
		first = round_down(max(pos, span->iova), size);
		ret = conf_read_as(conf, conf->test, first, first + size - 1,
				   conf_leaf_page(conf, size), flags);
		pos = first + size;
		if (!pos)
			break;
	}
	return ret;
}

/*
 * Life
 */

/* A domain under test with nothing mapped, and the first device attached to it */
void conf_new_domain(struct conf *conf)
{
	struct kunit *test = conf->test;
	struct iommu_dirty_info info;

	conf->domain = conf->target->ops->domain_alloc(conf);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, conf->domain);
	KUNIT_ASSERT_NE(test, conf_query(conf).backend[0], 0);
	conf->dirty = conf->domain->dirty;
	watch_backend(conf);
	KUNIT_ASSERT_EQ(test,
			conf_attach(conf, conf->domain, 0, IOMMU_NO_PASID), 0);
	info = conf_query(conf);
	conf->born_dirty = info.caps.flags & IOMMU_DIRTY_CAP_BORN_DIRTY;
	conf->ats_dirty = info.caps.flags & IOMMU_DIRTY_CAP_ATS_DIRTY;
}

void conf_drop_domain(struct conf *conf)
{
	const struct conf_ops *ops = conf->target->ops;
	unsigned int i;

	quiet(conf);
	if (IS_ERR_OR_NULL(conf->domain))
		return;
	detach_all(conf);
	/* Children go before their parent */
	for (i = 0; i < ARRAY_SIZE(conf->others) && conf->others[i]; i++)
		ops->domain_free(conf->others[i]);
	memset(conf->others, 0, sizeof(conf->others));
	while (!list_empty(&conf->oracle.spans))
		conf_unmap(conf, list_first_entry(&conf->oracle.spans,
						  struct oracle_span,
						  node)->iova);
	if (conf->real)
		conf->dirty->backend = conf->real;
	conf->real = NULL;
	ops->domain_free(conf->domain);
	conf->domain = NULL;
}

/* The last IOVA at which a leaf can be mapped and used: the table's own reach */
static unsigned long find_reach(struct conf *conf)
{
	const struct iommu_domain_geometry *geo = &conf->domain->geometry;
	unsigned int bits = conf->target->ops->max_bits ?: BITS_PER_LONG;

	/* Some drivers' maps go wrong beyond what they say */
	if (geo->force_aperture)
		bits = min_t(unsigned int, bits, fls64(geo->aperture_end));
	for (; bits > 30; bits--) {
		unsigned long last = GENMASK(bits - 1, 0);
		unsigned long iova = last - conf->granule + 1;
		int ret;

		if (conf_map(conf, iova, conf->granule, conf->granule, true))
			continue;
		ret = conf_dma(conf, 0, IOMMU_NO_PASID, iova, 1, false);
		conf_unmap(conf, iova);
		if (!ret)
			return last;
	}
	KUNIT_FAIL_AND_ABORT(conf->test, "nothing can be mapped");
	return 0;
}

static void find_devices(struct conf *conf)
{
	for (; conf->nr_devs < CONF_MAX_DEVICES; conf->nr_devs++) {
		struct conf_device *cd = &conf->devs[conf->nr_devs];

		cd->dev = conf->target->ops->device(conf, conf->nr_devs);
		if (!cd->dev)
			break;
		if (cache && conf->target->ops->set_cache)
			conf->target->ops->set_cache(cd->dev, cache);
	}
	KUNIT_ASSERT_GT(conf->test, conf->nr_devs, 0);
}

int conf_init(struct kunit *test)
{
	struct conf *conf = kunit_kzalloc(test, sizeof(*conf), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, conf);
	conf->test = test;
	conf->target = (struct conf_target *)test->param_value;
	conf->owed_first = ULONG_MAX;
	mutex_init(&conf->map_lock);
	mutex_init(&conf->dma_lock);
	oracle_init(&conf->oracle, 12);
	test->priv = conf;
	running = conf;

	if (conf->target->ops->setup)
		KUNIT_ASSERT_EQ(test, conf->target->ops->setup(conf), 0);
	find_devices(conf);
	conf_new_domain(conf);

	plan_sizes(conf);
	if (!conf->target->reach)
		conf->target->reach = find_reach(conf);
	conf->reach = conf->target->reach;
	plan_layout(conf);
	return 0;
}

void conf_exit(struct kunit *test)
{
	struct conf *conf = test->priv;

	if (!conf)
		return;
	conf_drop_domain(conf);
	if (conf->target->ops->cleanup)
		conf->target->ops->cleanup(conf);
	oracle_free(&conf->oracle);
	running = NULL;
}
