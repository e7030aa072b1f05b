// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two calls that overlap: the user who takes each answer at its word, the threads that
 * make the calls, and one run of a pair.
 *
 * A thread that the test lets go runs before the test does, until it is done or sleeps.
 * If it sleeps and nobody else has anything to do, it waits for what the held call has:
 * so no time-outs are needed to find that out.
 */
#include <linux/bitmap.h>
#include <linux/kthread.h>
#include <linux/sched/debug.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <uapi/linux/sched/types.h>

#include "pairs.h"

#define FOREVER msecs_to_jiffies(30000)

/* Some of the pages: two of one leaf size in each chunk for each of these */
#define SMALL_EACH 8

static const unsigned long medium_moments[] = {
	BIT(BEFORE_FIRST),
	BIT(AFTER_SECOND),
	BIT(BEFORE_FIRST) | BIT(AFTER_SECOND),
	BIT(BEFORE_FIRST) | BIT(BEFORE_SECOND) | BIT(AFTER_SECOND),
};

#define NR_MEDIUM ARRAY_SIZE(medium_moments)

static struct pair_actor *actor_of(struct pair_run *r)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (r->actor[i].task == current)
			return &r->actor[i];
	return NULL;
}

/* The first thing that is wrong; said when no lock is held */
static __printf(2, 3) void wrong(struct pair_run *r, const char *fmt, ...)
{
	va_list args;

	if (r->why[0])
		return;
	va_start(args, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, args);
	va_end(args);
}

static void page_write(struct pair_run *r, unsigned int n)
{
	struct pair_page *page = &r->pages[n];
	bool done = false;
	unsigned int i;

	lockdep_assert_held(&r->lock);
	/* All of them by one that always has it cached */
	for (i = 0; i < PAIR_DEVICES; i++) {
		if (i != PAIR_STEADY && n % PAIR_DEVICES != i)
			continue;
		/* Where it cannot record, leaves may have to be dirty already */
		r->hw->may_refuse = i == PAIR_POOR;
		done |= !hwm_write(r->dev[i], page->iova);
	}
	r->hw->may_refuse = false;
	if (!done)
		return;
	page->version++;
	for (i = 0; i < NR_OWNERS; i++)
		bitmap_set(r->shared[i].may, page->bit, page->nbits);
	for (i = 0; i < 2; i++)
		bitmap_set(r->own[i].may, page->bit, page->nbits);
}

static void write_pages(struct pair_run *r, enum pair_moment when)
{
	unsigned int i;

	guard(hwm_lock)(&r->lock);
	for (i = 0; i < r->nr_pages; i++)
		if (r->pages[i].mapped && r->pages[i].moments & BIT(when))
			page_write(r, i);
}

/* The core has called out; the first thread may be held here */
static void point(struct pair_run *r, const char *name)
{
	struct pair_actor *a = actor_of(r);

	if (!a)
		return;
	write_pages(r, AT_EACH_STEP);
	if (a->points++ != r->hold_at || a != r->actor)
		return;
	r->held_in = name;
	r->held_call = a->at;
	r->was_held = true;
	complete(&r->held);
	wait_for_completion(&r->go_on);
}

static void watch(struct hwm_model *hw, enum hwm_step step, bool after)
{
	static const char *const names[HWM_NR_STEPS][2] = {
		[HWM_CAPABILITY] = { "before capability", "after capability" },
		[HWM_SET_FEATURE] = { "before set_feature",
				      "after set_feature" },
		[HWM_SYNC] = { "before sync", "after sync" },
		[HWM_WALK] = { "before walk", "after walk" },
		[HWM_PUBLISH] = { "before publish", "after publish" },
		[HWM_CLEAR] = { "before clear", "after clear" },
		[HWM_FLUSH] = { "before flush", "after flush" },
		[HWM_ATTACH] = { "before attach", "after attach" },
		[HWM_ATTACH_LIVE] = { "in attach", "in attach" },
	};

	point(hw->data, names[step][after]);
}

static struct hwm_fault *fault_of(struct hwm_model *hw)
{
	struct pair_actor *a = actor_of(hw->data);

	return a ? &a->fault : &hw->fault;
}

struct pair_ranges {
	struct iommu_dirty_ranges ranges;
	struct pair_run *run;
};

static bool ranges_next(const struct iommu_dirty_ranges *ranges,
			unsigned long first, unsigned long last,
			struct iommu_dirty_range *range)
{
	struct pair_run *r =
		container_of(ranges, struct pair_ranges, ranges)->run;
	struct oracle_span *span = oracle_find(&r->hd->oracle, first, last);

	point(r, "next");
	if (!span)
		return false;
	range->iova = max(first, span->iova);
	range->last = min(last, span->last);
	range->writable = span->writable;
	return true;
}

static void ranges_assert_stable(const struct iommu_dirty_ranges *ranges)
{
	struct pair_run *r =
		container_of(ranges, struct pair_ranges, ranges)->run;

	lockdep_assert_held_read(&r->hd->map_lock);
	point(r, "assert_stable");
}

static struct pair_ranges ranges_of(struct pair_run *r)
{
	return (struct pair_ranges){
		.ranges.next = ranges_next,
		.ranges.assert_stable = ranges_assert_stable,
		.run = r,
	};
}

static bool concerns(const struct pair_promise *p, unsigned int owner)
{
	return p->owner == owner || p->owner == ANY_OWNER ||
	       owner == ANY_OWNER;
}

/* How often has an owner, or anybody, begun to stop? An odd number while it does */
static unsigned int stops_of(struct pair_run *r, unsigned int owner)
{
	unsigned int i, stops = 0;

	lockdep_assert_held(&r->lock);
	for (i = 0; i < NR_OWNERS; i++)
		if (owner == i || owner == ANY_OWNER)
			stops += r->stops[i];
	return stops;
}

static bool stopping(struct pair_run *r, unsigned int owner)
{
	unsigned int i;

	for (i = 0; i < NR_OWNERS; i++)
		if ((owner == i || owner == ANY_OWNER) && r->stopping[i])
			return true;
	return false;
}

/* A call begins whose answer may be a promise */
struct pair_ask {
	unsigned int owner;
	unsigned int stops;
	unsigned int promises;
	bool stopping;
	u32 version[PAIR_PAGES];
	bool mapped[PAIR_PAGES];
};

static void ask(struct pair_run *r, struct pair_ask *q, unsigned int owner)
{
	unsigned int i;

	lockdep_assert_held(&r->lock);
	q->owner = owner;
	q->stops = stops_of(r, owner);
	q->stopping = stopping(r, owner);
	q->promises = r->nr_promises;
	for (i = 0; i < r->nr_pages; i++) {
		q->version[i] = r->pages[i].version;
		q->mapped[i] = r->pages[i].mapped;
	}
}

/* Is the answer worth something, or has the user stopped tracking meanwhile? */
static bool stands(struct pair_run *r, const struct pair_ask *q)
{
	return !q->stopping && q->stops == stops_of(r, q->owner);
}

static void promised(struct pair_run *r, const struct pair_ask *q,
		     const char *by)
{
	struct pair_promise *p;
	unsigned int i;

	lockdep_assert_held(&r->lock);
	if (!stands(r, q))
		return;
	if (r->nr_promises == PAIR_PROMISES) {
		wrong(r, "too many promises for this test");
		return;
	}
	p = &r->promises[r->nr_promises++];
	p->holds = true;
	p->owner = q->owner;
	p->by = by;
	for (i = 0; i < r->nr_pages; i++)
		p->copy[i] = r->pages[i].version;
	r->counts.promises++;
}

int pair_start(struct pair_run *r, unsigned int owner)
{
	struct pair_bitmap *bm = &r->shared[owner];
	struct pair_ranges mapped = ranges_of(r);
	unsigned int begun;
	struct pair_ask q;
	int ret;

	scoped_guard(hwm_lock, &r->lock) {
		ask(r, &q, owner);
		begun = bm->begun;
	}
	scoped_guard(rwsem_read, &r->hd->map_lock)
		ret = iommu_dirty_start(&r->hd->domain, pair_owner(r, owner),
					&mapped.ranges);
	/*
	 * The user copies everything now. In a new period it needs nothing of what reads
	 * of older ones have reported.
	 */
	guard(hwm_lock)(&r->lock);
	if (!ret && begun == bm->begun)
		bitmap_zero(bm->bits, r->nbits);
	if (!ret || ret == -EALREADY)
		promised(r, &q, ret ? "a start that says it was on already" :
				      "a start");
	return ret;
}

/* From now on the user expects nothing; unless it fails */
int pair_stop(struct pair_run *r, unsigned int owner)
{
	unsigned long ended = 0;
	unsigned int i, stops;
	int ret;

	scoped_guard(hwm_lock, &r->lock) {
		r->stops[owner]++;
		r->stopping[owner]++;
		stops = stops_of(r, ANY_OWNER);
		for (i = 0; i < r->nr_promises; i++) {
			if (!r->promises[i].holds ||
			    !concerns(&r->promises[i], owner))
				continue;
			r->promises[i].holds = false;
			ended |= BIT(i);
		}
	}
	ret = iommu_dirty_stop(&r->hd->domain, pair_owner(r, owner));

	guard(hwm_lock)(&r->lock);
	r->stopping[owner]--;
	if (ret && stops == stops_of(r, ANY_OWNER) &&
	    !stopping(r, ANY_OWNER))
		for_each_set_bit(i, &ended, r->nr_promises)
			r->promises[i].holds = true;
	return ret;
}

struct pair_sink {
	struct iommu_dirty_sink sink;
	struct pair_run *run;
	struct pair_bitmap *bm;
	unsigned int skip;	/* bits of the bitmap */
};

/* As a sink in user memory does: other readers and the user may be there too */
static int publish(struct iommu_dirty_sink *sink, size_t offset, const u8 *data,
		   size_t len)
{
	struct pair_sink *to = container_of(sink, struct pair_sink, sink);
	unsigned long i, bit = to->skip + offset * BITS_PER_BYTE;
	int ret;

	ret = hwm_step_begin(to->run->hw, HWM_PUBLISH);
	if (ret)
		return ret;
	for (i = 0; i < len * BITS_PER_BYTE; i++) {
		if (!(data[i / BITS_PER_BYTE] & BIT(i % BITS_PER_BYTE)))
			continue;
		if (bit + i < to->run->nbits)
			set_bit(bit + i, to->bm->bits);
		else
			wrong(to->run, "bit %lu is beyond the bitmap", bit + i);
	}
	return hwm_step_end(to->run->hw, HWM_PUBLISH, 0);
}

/* The user takes out what is in the bitmap, and copies those pages */
static void take(struct pair_run *r, struct pair_bitmap *bm, unsigned int owner)
{
	unsigned int i, n;

	lockdep_assert_held(&r->lock);
	for (i = 0; i < BITS_TO_LONGS(r->nbits); i++) {
		r->taken[i] = xchg(&bm->bits[i], 0);
		r->extras[i] |= r->taken[i] & ~bm->may[i];
	}
	for (n = 0; n < r->nr_pages; n++) {
		if (!test_bit(r->pages[n].own, r->taken))
			continue;
		for (i = 0; i < r->nr_promises; i++)
			if (concerns(&r->promises[i], owner))
				r->promises[i].copy[n] = r->pages[n].version;
	}
}

static void begin_read(struct pair_run *r, struct pair_bitmap *bm,
		       struct pair_ask *q, unsigned int owner, bool clears)
{
	unsigned int i;

	guard(hwm_lock)(&r->lock);
	ask(r, q, owner);
	bm->owner = owner;
	bm->clears = clears;
	bm->begun++;
	if (!bm->readers++)
		bitmap_zero(bm->may, r->nbits);
	for (i = 0; i < r->nr_pages; i++) {
		struct pair_page *page = &r->pages[i];

		if (page->mapped && hwm_recorded(r->hd, page->iova))
			bitmap_set(bm->may, page->bit, page->nbits);
	}
}

/* Has a read of the owner's published the page, and not returned? */
static bool is_published(const struct pair_run *r, unsigned int owner,
			 unsigned int bit)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r->own); i++) {
		const struct pair_bitmap *own = &r->own[i];

		if (own->readers && own->clears && own->owner == owner &&
		    test_bit(bit, own->bits))
			return true;
	}
	return test_bit(bit, r->shared[owner].bits);
}

/*
 * What was written before the read began, and that the user has not got since, must be
 * in its report. Another read of the owner's may have published it, and not returned.
 */
static void check_complete(struct pair_run *r, const struct pair_ask *q,
			   enum pair_reading how, const unsigned long *seen)
{
	unsigned int i, n;

	lockdep_assert_held(&r->lock);
	for (i = 0; i < q->promises; i++) {
		struct pair_promise *p = &r->promises[i];

		if (!p->holds || !concerns(p, q->owner))
			continue;
		for (n = 0; n < r->nr_pages; n++) {
			struct pair_page *page = &r->pages[n];

			if (!q->mapped[n] || !page->mapped ||
			    (how == PAIR_CLEARS_PART && page->iova < r->chunk))
				continue;
			if (p->copy[n] < q->version[n] &&
			    !test_bit(page->own, seen) &&
			    !is_published(r, q->owner, page->own))
				wrong(r, "a read does not report page %u, written before",
				      n);
		}
	}
}

int pair_read(struct pair_run *r, unsigned int owner, enum pair_reading how)
{
	struct pair_ranges mapped = ranges_of(r);
	struct pair_actor *a = actor_of(r);
	bool alone = how == PAIR_CLEARS_ALONE || how == PAIR_PEEKS;
	unsigned int shift = r->hw->kind->fmt->granule_shift;
	struct pair_sink sink = {
		.sink.publish = publish,
		.run = r,
		.bm = alone ? &r->own[a - r->actor] : &r->shared[owner],
	};
	bool part = how == PAIR_CLEARS_PART;
	struct iommu_dirty_read rd = {
		.iova = part ? r->chunk : r->first,
		.last = r->last,
		.page_size = BIT(shift),
		.flags = how == PAIR_PEEKS ? IOMMU_DIRTY_READ_NO_CLEAR : 0,
		.mapped = &mapped.ranges,
		.sink = &sink.sink,
	};
	struct pair_ask q;
	int ret;

	if (part)
		sink.skip = (r->chunk - r->first) >> shift;
	scoped_guard(rwsem_read, &r->hd->map_lock) {
		begin_read(r, sink.bm, &q, owner, how != PAIR_PEEKS);
		ret = iommu_dirty_read(&r->hd->domain, pair_owner(r, owner),
				       &rd);
	}

	guard(hwm_lock)(&r->lock);
	if (how != PAIR_PEEKS)
		take(r, sink.bm, owner);
	if (!ret && stands(r, &q))
		check_complete(r, &q, how,
			       how == PAIR_PEEKS ? sink.bm->bits : r->taken);
	if (!ret)
		promised(r, &q, "a read");
	if (how == PAIR_PEEKS)
		bitmap_zero(sink.bm->bits, r->nbits);
	sink.bm->readers--;
	return ret;
}

/* A state, in a form that is easily compared */
u64 pair_view(enum iommu_dirty_mode mode, enum iommu_dirty_reason reason,
	      enum iommu_dirty_policy policy, unsigned int attached, u32 flags)
{
	return mode | reason << 4 | policy << 8 | attached << 12 |
	       (u64)flags << 32;
}

u64 pair_query(struct pair_run *r)
{
	struct iommu_dirty_info info = {};
	struct pair_ask q;
	int ret;

	scoped_guard(hwm_lock, &r->lock)
		ask(r, &q, ANY_OWNER);
	ret = iommu_dirty_query(&r->hd->domain, &info);
	guard(hwm_lock)(&r->lock);
	if (ret)
		wrong(r, "a query returns %d", ret);
	else if (info.mode != IOMMU_DIRTY_MODE_OFF)
		promised(r, &q, "a query");
	return pair_view(info.mode, info.reason, info.policy, info.attached,
			 info.caps.flags);
}

/* Whoever maps memory has copied what is in it, if that matters */
static void set_mapped(struct pair_run *r, unsigned long iova,
		       unsigned long size, bool mapped)
{
	unsigned int i, n;

	guard(hwm_lock)(&r->lock);
	for (n = 0; n < r->nr_pages; n++) {
		if (r->pages[n].iova < iova || r->pages[n].iova >= iova + size)
			continue;
		r->pages[n].mapped = mapped;
		for (i = 0; i < r->nr_promises; i++)
			r->promises[i].copy[n] = r->pages[n].version;
	}
}

#define SOME_PAGES 2

/* Map what was not mapped, or unmap what was; a second time that is an error */
void pair_map(struct pair_run *r, bool map, struct pair_answer *ans)
{
	unsigned long page = BIT(r->hw->kind->fmt->granule_shift);
	unsigned long size = SOME_PAGES * page, iova = map ? r->extra : r->old;

	guard(rwsem_write)(&r->hd->map_lock);
	if (map == !!oracle_find(&r->hd->oracle, iova, iova)) {
		ans->ret = map ? -EEXIST : -ENOENT;
		return;
	}
	if (map) {
		ans->ret = hwm_map_locked(r->hd, iova, size, page, true);
		set_mapped(r, iova, size, true);
	} else {
		set_mapped(r, iova, size, false);
		hwm_unmap_locked(r->hd, iova, size);
	}
}

static void act(struct pair_actor *a)
{
	for (a->at = 0; a->at < PAIR_SEQUENCE; a->at++) {
		const struct pair_call *c = a->script->calls[a->at];
		struct pair_answer *ans = &a->answers[a->at];

		if (!c)
			break;
		memset(ans, 0, sizeof(*ans));
		a->fault = (struct hwm_fault){
			.steps = c->fails, .nth = c->nth, .err = c->err,
		};
		c->op->call(a->run, c, ans);
		ans->hit = a->fault.hit;
	}
	/* What is left of a fault is not for others */
	a->fault.nth = 0;
}

static int actor_thread(void *data)
{
	struct pair_actor *a = data;

	for (;;) {
		wait_for_completion(&a->go);
		if (a->quit)
			return 0;
		act(a);
		if (a == a->run->actor && !a->run->was_held)
			complete(&a->run->held);
		complete(&a->done);
	}
}

static void end_actor(void *data)
{
	struct pair_actor *a = data;

	a->quit = true;
	complete(&a->go);
	kthread_stop_put(a->task);
}

static void start_actor(struct pair_run *r, struct pair_actor *a)
{
	init_completion(&a->go);
	init_completion(&a->done);
	a->run = r;
	a->task = kthread_run(actor_thread, a, "dirty-pairs/%zu", a - r->actor);
	KUNIT_ASSERT_FALSE(r->test, IS_ERR(a->task));
	get_task_struct(a->task);
	sched_set_fifo(a->task);
	KUNIT_ASSERT_EQ(r->test, kunit_add_action(r->test, end_actor, a), 0);
}

static int hear(struct notifier_block *nb, unsigned long events, void *data)
{
	return NOTIFY_OK;
}

static struct notifier_block *new_ear(struct pair_run *r)
{
	struct notifier_block *ear = kzalloc(sizeof(*ear), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(r->test, ear);
	ear->notifier_call = hear;
	return ear;
}

/* Registered or not */
static void free_ear(struct pair_run *r, struct notifier_block *ear)
{
	iommu_dirty_unregister_notifier(&r->hd->domain, ear);
	iommu_dirty_notifier_sync(ear);
	kfree(ear);
}

static void add_page(struct pair_run *r, unsigned long iova, unsigned long leaf,
		     unsigned long moments, bool mapped)
{
	unsigned int shift = r->hw->kind->fmt->granule_shift;
	struct pair_page *page = &r->pages[r->nr_pages++];

	page->iova = iova;
	page->moments = moments | BIT(AFTER_BOTH);
	page->own = (iova - r->first) >> shift;
	page->bit = ((iova & ~(leaf - 1)) - r->first) >> shift;
	page->nbits = leaf >> shift;
	page->mapped = mapped;
	page->version = 1;
}

/*
 * Both sides of where one chunk ends and the next begins; a page for each combination
 * of moments in each of them, some in larger leaves, and what comes and goes.
 */
static void lay_out(struct pair_run *r)
{
	const struct hwm_kind *kind = r->hw->kind;
	unsigned long page = BIT(kind->fmt->granule_shift);
	unsigned long at = page << 18, medium = kind->medium;
	unsigned long larger = round_up(at + 32 * page, medium);
	unsigned int i;

	r->chunk = at;
	r->first = at - 32 * page;
	r->last = larger + NR_MEDIUM * medium - 1;
	r->nbits = (r->last - r->first + 1) >> kind->fmt->granule_shift;
	r->old = at - 16 * page;
	r->extra = at + 16 * page;
	r->nr_pages = 0;
	for (i = 0; i < SMALL_EACH; i++) {
		add_page(r, at - (i + 1) * page, page, i, true);
		add_page(r, at + i * page, page, i, true);
	}
	add_page(r, at - 9 * page, page, BIT(AT_EACH_STEP), true);
	add_page(r, at + 8 * page, page, BIT(AT_EACH_STEP), true);
	for (i = 0; i < SOME_PAGES; i++) {
		add_page(r, r->old + i * page, page,
			 BIT(BEFORE_FIRST) | BIT(AFTER_SECOND), true);
		add_page(r, r->extra + i * page, page,
			 BIT(BEFORE_SECOND) | BIT(AFTER_SECOND), false);
	}
	for (i = 0; i < NR_MEDIUM; i++)
		add_page(r, larger + i * medium + 3 * page, medium,
			 medium_moments[i], true);
	KUNIT_ASSERT_LE(r->test, r->nbits, PAIR_BITS);
	KUNIT_ASSERT_EQ(r->test,
			hwm_map(r->hd, r->old, SOME_PAGES * page, page, true),
			0);
	KUNIT_ASSERT_EQ(r->test,
			hwm_map(r->hd, at - 9 * page, 18 * page, page, true),
			0);
	KUNIT_ASSERT_EQ(r->test,
			hwm_map(r->hd, at + 24 * page, page, page, false), 0);
	KUNIT_ASSERT_EQ(r->test,
			hwm_map(r->hd, larger, NR_MEDIUM * medium, medium,
				true),
			0);
}

/* The state to begin in, for the reference */
static void know(struct pair_run *r)
{
	const struct ref_domain domain = {
		.kind = REF_BACKEND,
		.table = REF_NOWHERE,
		.flags = r->hw->caps,
	};
	struct pair_outlook *o = &r->known[0];
	unsigned int i;

	memset(o, 0, sizeof(*o));
	ref_init(&o->ref);
	o->owners = r->owners;
	for (i = 0; i < PAIR_DOMAINS; i++)
		ref_add_domain(&o->ref, &domain);
	for (i = 0; i < PAIR_DEVICES; i++)
		ref_add_device(&o->ref, r->dev[i]->caps, false);
	ref_attach(&o->ref, PAIR_STEADY, 0, PAIR_TRACKED, false, 0);
	ref_attach(&o->ref, PAIR_STEADY, PAIR_SLOT_SET, PAIR_TRACKED, false, 0);
	ref_attach(&o->ref, PAIR_MOVER, 0, PAIR_TRACKED, false, 0);
	ref_set_policy(&o->ref, PAIR_TRACKED, pair_owner(r, OWNER_A),
		       r->world->policy);
	if (r->world->on)
		ref_start(&o->ref, PAIR_TRACKED, pair_owner(r, OWNER_A), 0);
	if (r->world->poor)
		ref_attach(&o->ref, PAIR_POOR, 0, PAIR_TRACKED, false, 0);
	o->all_dirty = o->ref.domains[PAIR_TRACKED].mode ==
		       IOMMU_DIRTY_MODE_ALL_DIRTY;
	o->old = true;
	o->listens[0] = true;
}

static void set_up(struct pair_run *r)
{
	struct kunit *test = r->test;
	unsigned int i;

	r->hd = hwm_domain_new(r->hw);
	for (i = 0; i < PAIR_DEVICES; i++)
		r->dev[i] = hwm_device_new(r->hw);
	r->dev[PAIR_POOR]->caps = 0;
	for (i = 0; i < REF_SLOTS; i++)
		r->pasid[i] = i == PAIR_SLOT_SET;
	for (i = 0; i < NR_OWNERS; i++) {
		memset(&r->shared[i], 0, sizeof(r->shared[i]));
		memset(&r->own[i], 0, sizeof(r->own[i]));
		r->stops[i] = 0;
		r->stopping[i] = 0;
		r->ears[i] = new_ear(r);
	}
	memset(r->extras, 0, sizeof(r->extras));
	r->nr_promises = 0;
	r->gone = false;
	r->why[0] = '\0';
	lay_out(r);

	KUNIT_ASSERT_EQ(test, rig_attach(r->hd, r->dev[PAIR_STEADY]), 0);
	KUNIT_ASSERT_EQ(test, rig_attach(r->hd, r->dev[PAIR_MOVER]), 0);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_dev_pasid(&r->hd->domain,
						  &r->dev[PAIR_STEADY]->dev,
						  PAIR_SLOT_SET, NULL),
			0);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_register_notifier(&r->hd->domain,
						      r->ears[0]),
			0);
	write_pages(r, AFTER_BOTH);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(&r->hd->domain,
					       pair_owner(r, OWNER_A),
					       r->world->policy),
			0);
	if (r->world->on)
		KUNIT_ASSERT_EQ(test, pair_start(r, OWNER_A), 0);
	if (r->world->poor)
		KUNIT_ASSERT_EQ(test, rig_attach(r->hd, r->dev[PAIR_POOR]), 0);
	know(r);
}

static void tear_down(struct pair_run *r)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r->ears); i++)
		free_ear(r, r->ears[i]);
	for (i = 0; i < PAIR_DEVICES; i++)
		hwm_device_free(r->dev[i]);
	hwm_domain_free(r->hd);
	r->hd = NULL;
}

static unsigned int length(const struct pair_script *s)
{
	unsigned int n = 0;

	while (n < PAIR_SEQUENCE && s->calls[n])
		n++;
	return n;
}

static void begin_actor(struct pair_actor *a, const struct pair_script *s)
{
	a->script = s;
	a->at = 0;
	a->points = 0;
	memset(a->answers, 0, sizeof(a->answers));
	reinit_completion(&a->done);
	complete(&a->go);
}

static void wait_for(struct pair_run *r, struct completion *done,
		     const char *what)
{
	if (wait_for_completion_timeout(done, FOREVER))
		return;
	sched_show_task(r->actor[0].task);
	sched_show_task(r->actor[1].task);
	KUNIT_FAIL_AND_ABORT(r->test, "%s does not come", what);
}

/* Let the second run: until it is done, or waits for the first */
static bool second_is_done(struct pair_run *r)
{
	struct pair_actor *a = &r->actor[1];
	unsigned long end = jiffies + FOREVER;

	while (!completion_done(&a->done)) {
		bool waits = !task_is_running(a->task) && nr_running() == 1;

		if (waits)
			return completion_done(&a->done);
		schedule();
		if (time_after(jiffies, end))
			KUNIT_FAIL_AND_ABORT(r->test,
					     "it runs for ever");
	}
	return true;
}

static void run_both(struct pair_run *r, const struct pair_script *first,
		     const struct pair_script *second, unsigned int at)
{
	struct pair_actor *a = &r->actor[0], *b = &r->actor[1];
	bool done;

	r->hold_at = at;
	r->was_held = false;
	r->held_in = "its end";
	r->held_call = length(first);
	reinit_completion(&r->held);
	reinit_completion(&r->go_on);

	write_pages(r, BEFORE_FIRST);
	begin_actor(a, first);
	wait_for(r, &r->held, "the first call");
	write_pages(r, BEFORE_SECOND);
	if (!second) {
		wait_for(r, &a->done, "the first call");
		return;
	}
	begin_actor(b, second);
	done = second_is_done(r);
	r->done_inside = b->at;
	if (r->was_held && done)
		r->counts.inside++;
	if (r->was_held && !done)
		r->counts.waits++;
	write_pages(r, AFTER_SECOND);
	if (r->was_held)
		complete(&r->go_on);
	wait_for(r, &a->done, "the first call's end");
	wait_for(r, &b->done, "the second call's end");
}

/* Does some order of the calls, from the @i-th and @j-th on, fit the answers? */
static bool some_order(struct pair_run *r, unsigned int i, unsigned int j,
		       u64 state)
{
	const struct pair_script *s[2] = { r->actor[0].script,
					   r->actor[1].script };
	struct pair_outlook *o = &r->known[i + j], *next = o + 1;
	const struct ref_domain *d = &next->ref.domains[PAIR_TRACKED];
	unsigned int n[2] = { length(s[0]), length(s[1]) };
	unsigned int who;

	if (i == n[0] && j == n[1]) {
		struct ref_view v = ref_view(&o->ref, PAIR_TRACKED);

		if (pair_view(v.mode, v.reason, v.policy, v.attached,
			      v.flags) != state)
			return false;
		r->end = *o;
		return true;
	}
	for (who = 0; who < 2; who++) {
		unsigned int k = who ? j : i;
		const struct pair_answer *real;
		const struct pair_call *c;
		struct pair_answer want = {};

		/* What was over before the other began comes first */
		if (k == n[who] || (!who && i > r->held_call &&
				    j < r->done_inside) ||
		    (who && i < r->held_call))
			continue;
		real = &r->actor[who].answers[k];
		c = s[who]->calls[k];
		*next = *o;
		c->op->rule(next, c, real, &want);
		next->all_dirty |= d->mode == IOMMU_DIRTY_MODE_ALL_DIRTY;
		if (want.ret == real->ret && want.says == real->says &&
		    some_order(r, i + !who, j + who, state))
			return true;
	}
	return false;
}

static void check_order(struct pair_run *r)
{
	u64 state = pair_query(r);

	if (some_order(r, 0, 0, state))
		return;
	wrong(r, "no order returns %d %d, %d %d, and leaves %#llx",
	      r->actor[0].answers[0].ret, r->actor[0].answers[1].ret,
	      r->actor[1].answers[0].ret, r->actor[1].answers[1].ret, state);
}

static unsigned int owner_now(struct pair_run *r)
{
	const void *owner = r->end.ref.domains[PAIR_TRACKED].owner;

	return owner == pair_owner(r, OWNER_B) ? OWNER_B : OWNER_A;
}

/* In the end the user has what it was promised */
static void check_promises(struct pair_run *r)
{
	unsigned int i, n, owner, nr = r->nr_promises;
	unsigned long read = 0;

	for (i = 0; i < nr; i++) {
		struct pair_promise *p = &r->promises[i];

		owner = p->owner == ANY_OWNER ? owner_now(r) : p->owner;
		if (p->holds && !test_and_set_bit(owner, &read) &&
		    pair_read(r, owner, PAIR_CLEARS))
			wrong(r, "%s has promised that tracking is on",
			      p->by);
	}
	for (i = 0; i < nr; i++) {
		struct pair_promise *p = &r->promises[i];

		for (n = 0; n < r->nr_pages; n++)
			if (p->holds && r->pages[n].mapped &&
			    p->copy[n] != r->pages[n].version)
				wrong(r, "%s has promised that page %u, moments %#lx, is reported",
				      p->by, n, r->pages[n].moments);
	}
	if (!r->end.all_dirty && !bitmap_empty(r->extras, r->nbits))
		wrong(r, "bit %lu was reported, which nobody has written",
		      find_first_bit(r->extras, r->nbits));
}

/* What a read must report now: nothing, what is written now, or all that can be */
static void expected(struct pair_run *r, bool exact, bool written,
		     unsigned long *bits)
{
	unsigned int i, shift = r->hw->kind->fmt->granule_shift;
	struct oracle_span *span;

	bitmap_zero(bits, r->nbits);
	if (exact) {
		for (i = 0; i < r->nr_pages; i++)
			if (r->pages[i].mapped && written)
				bitmap_set(bits, r->pages[i].bit,
					   r->pages[i].nbits);
		return;
	}
	list_for_each_entry(span, &r->hd->oracle.spans, node)
		if (span->writable)
			bitmap_set(bits, (span->iova - r->first) >> shift,
				   span->pages);
}

static void check_reads(struct pair_run *r, unsigned int owner, bool exact)
{
	/* The bitmap is not in use */
	unsigned long *bits = r->own[0].bits;
	unsigned int i;

	/* All that is left, what is written now, and nothing */
	for (i = 0; i < 3; i++) {
		if (i == 1)
			write_pages(r, AFTER_BOTH);
		if (pair_read(r, owner, PAIR_CLEARS))
			wrong(r, "a read at the end fails");
		expected(r, exact, i == 1, bits);
		if (i && !bitmap_equal(r->taken, bits, r->nbits))
			wrong(r, "read %u at the end is not exact", i);
	}
}

/* All is quiet: does it work as ever? */
static void check_works(struct pair_run *r)
{
	struct pair_outlook *o = &r->end;
	const struct ref_domain *d = &o->ref.domains[PAIR_TRACKED];
	unsigned int owner = owner_now(r);
	int ret;

	if (d->mode == IOMMU_DIRTY_MODE_OFF) {
		ret = ref_start(&o->ref, PAIR_TRACKED, pair_owner(r, owner), 0);
		if (pair_start(r, owner) != ret)
			wrong(r, "a start at the end does not return %d", ret);
		if (ret)
			return;
	}
	r->nr_promises = 0;
	check_reads(r, owner, d->mode == IOMMU_DIRTY_MODE_EXACT);
	if (pair_stop(r, owner))
		wrong(r, "a stop at the end fails");
}

/* How many points does it have? */
unsigned int pair_points(struct pair_run *r, const struct pair_script *s)
{
	set_up(r);
	run_both(r, s, NULL, UINT_MAX);
	tear_down(r);
	return r->actor[0].points;
}

/* Hold @first at a point, by number, or let it end, and run @second */
void pair_run_one(struct pair_run *r, const struct pair_script *first,
		  const struct pair_script *second, unsigned int at)
{
	set_up(r);
	run_both(r, first, second, at);
	check_order(r);
	if (!r->why[0])
		check_promises(r);
	if (!r->why[0])
		check_works(r);
	tear_down(r);
	r->counts.runs++;
	if (r->why[0])
		r->counts.wrong++;
}

void pair_run_init(struct pair_run *r, struct kunit *test, struct hwm_model *hw)
{
	static const struct sched_param none;
	unsigned int i;

	r->test = test;
	r->hw = hw;
	spin_lock_init(&r->lock);
	init_completion(&r->held);
	init_completion(&r->go_on);
	for (i = 0; i < PAIR_DEVICES; i++)
		mutex_init(&r->group[i]);
	r->away = hwm_domain_new(hw);
	for (i = 0; i < 2; i++)
		start_actor(r, &r->actor[i]);
	/* This thread looks on, when nobody else has anything to do */
	KUNIT_ASSERT_EQ(test,
			sched_setscheduler_nocheck(current, SCHED_IDLE, &none),
			0);
	hw->data = r;
	hw->watch = watch;
	hw->fault_of = fault_of;
}

void pair_script_name(const struct pair_script *s, char *buf, size_t len)
{
	unsigned int i;

	buf[0] = '\0';
	for (i = 0; i < length(s); i++) {
		strlcat(buf, i ? ", " : "", len);
		strlcat(buf, s->calls[i]->name, len);
	}
}
