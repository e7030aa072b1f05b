// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads, DMA and attaches at the same time. On one CPU the threads take turns at
 * the steps of a read; real races need several.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../../priv.h"
#include "rig.h"

#define NR_WORKERS 2
#define LONG_ENOUGH msecs_to_jiffies(100)
#define FOREVER msecs_to_jiffies(30000)

/**
 * struct worker - a device that writes, or comes and goes, until it is to stop
 * @task: its thread
 * @rig: where
 * @dev: device
 * @away: another domain, for one that comes and goes
 * @go: it is its turn, where there is one CPU
 * @back: it has had its turn
 * @rnd: state of its random choices
 * @done: accesses so far
 */
struct worker {
	struct task_struct *task;
	struct rig *rig;
	struct hwm_device *dev;
	struct hwm_domain *away;
	struct completion go;
	struct completion back;
	struct rnd_state rnd;
	unsigned long done;
};

struct workers {
	unsigned int nr;
	struct worker *w[NR_WORKERS];
};

static int init(struct kunit *test)
{
	rig_init(test);
	rig_map_layout(test->priv);
	KUNIT_ASSERT_EQ(test,
			rig_start(((struct rig *)test->priv)->hd, test), 0);
	return 0;
}

/* With one CPU, threads run when the reader lets them: at each of its steps */
static bool in_turns(void)
{
	return num_online_cpus() == 1;
}

/*
 * One that comes and goes is not waited for, as it may have to wait until the
 * step is over.
 */
static void let_run(struct workers *all)
{
	unsigned int i;

	if (!in_turns())
		return;
	for (i = 0; i < all->nr; i++) {
		complete(&all->w[i]->go);
		if (!all->w[i]->away)
			wait_for_completion(&all->w[i]->back);
	}
}

static void take_turns(struct hwm_model *hw, enum hwm_step step, bool after)
{
	if (BIT(step) & HWM_READ_STEPS)
		let_run(hw->data);
}

static unsigned long random_page(const struct rig *rig, struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd), page = prandom_u32_state(rnd);

	/* Few pages, so that they meet again */
	switch (r % 4) {
	case 0:
		return rig->at.small + page % 64 * rig->page;
	case 1:
		return rig->at.medium + page % 3 * rig->medium +
		       page % 5 * (rig->medium / 8);
	case 2:
		return rig->at.edge + rig->at.edge_size -
		       (page % 16 + 1) * rig->page;
	default:
		return rig->at.large + page % 8 * (rig->large / 4);
	}
}

static void random_dma(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		hwm_dma(w->dev, IOMMU_NO_PASID, random_page(w->rig, &w->rnd), 1,
			prandom_u32_state(&w->rnd) % 4);
		w->done++;
	}
}

static bool next_turn(struct worker *w)
{
	if (in_turns())
		wait_for_completion(&w->go);
	else
		cond_resched();
	return !kthread_should_stop();
}

static int write_thread(void *data)
{
	struct worker *w = data;

	while (next_turn(w)) {
		random_dma(w);
		complete(&w->back);
	}
	return 0;
}

/* In the tracked domain, and away, with DMA all the time */
static int move_thread(void *data)
{
	struct worker *w = data;

	while (next_turn(w)) {
		if (rig_attach(w->rig->hd, w->dev))
			KUNIT_FAIL(w->rig->hw->test, "cannot attach");
		random_dma(w);
		if (!next_turn(w))
			break;
		random_dma(w);
		if (rig_attach(w->away, w->dev))
			KUNIT_FAIL(w->rig->hw->test, "cannot attach elsewhere");
	}
	return rig_attach(w->rig->hd, w->dev);
}

/* It finds that it is to stop when it has the next turn */
static void stop_worker(void *data)
{
	struct worker *w = data;

	if (!w->task)
		return;
	complete_all(&w->go);
	kthread_stop(w->task);
	w->task = NULL;
}

static struct worker *start_worker(struct rig *rig, int (*fn)(void *),
				   unsigned int seed)
{
	struct kunit *test = rig->hw->test;
	struct worker *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->rig = rig;
	w->dev = rig_device(rig, rig->hd);
	init_completion(&w->go);
	init_completion(&w->back);
	prandom_seed_state(&w->rnd, seed);
	if (fn == move_thread) {
		w->away = hwm_domain_new(rig->hw);
		KUNIT_ASSERT_EQ(test,
				hwm_map(w->away, 0, rig->at.last + 1,
					rig->large, true),
				0);
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, stop_worker, w), 0);
	w->task = kthread_run(fn, w, "dirty-kunit/%u", seed);
	if (IS_ERR(w->task)) {
		w->task = NULL;
		KUNIT_FAIL_AND_ABORT(test, "cannot start a thread");
	}
	return w;
}

static void read_while(struct rig *rig, struct workers *all)
{
	unsigned long first = rig->at.medium + rig->medium / 2;
	unsigned long last = rig->at.large + rig->large / 2 - 1;
	unsigned int i, rounds = rig_kind_rounds(rig, 100, 60);
	struct kunit *test = rig->hw->test;

	rig->hw->data = all;
	rig->hw->watch = take_turns;
	for (i = 0; i < rounds; i++) {
		u32 flags = i % 5 == 4 ? IOMMU_DIRTY_READ_NO_CLEAR : 0;

		let_run(all);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, flags), 0);
		/* An end in the middle of leaves */
		if (i % 7 == 6)
			KUNIT_EXPECT_EQ(test, rig_read(rig, first, last, 0), 0);
	}
	rig->hw->watch = NULL;
	for (i = 0; i < all->nr; i++)
		stop_worker(all->w[i]);

	/* All is quiet: what is left, then nothing, then all again */
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	for (i = 0; i < all->nr; i++) {
		KUNIT_EXPECT_GT(test, all->w[i]->done, 0);
		random_dma(all->w[i]);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	}
}

static void nothing_is_lost_to_dma_during_reads(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct workers all = {};

	all.w[all.nr++] = start_worker(rig, write_thread, 1);
	all.w[all.nr++] = start_worker(rig, write_thread, 2);
	read_while(rig, &all);
}

static void nothing_is_lost_to_devices_that_come_and_go(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct workers all = {};

	all.w[all.nr++] = start_worker(rig, write_thread, 3);
	all.w[all.nr++] = start_worker(rig, move_thread, 4);
	read_while(rig, &all);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 3);
}

/* What the exclusion tests tell each other */
struct window {
	struct rig *rig;
	struct hwm_device *dev;
	struct hwm_domain *to;
	struct completion entered;
	struct completion flushed;
	struct completion left;
	struct task_struct *task;
	bool overlap;
	unsigned int seen;
};

static int attach_once(void *data)
{
	struct window *win = data;

	if (rig_attach(win->to, win->dev))
		KUNIT_FAIL(win->rig->hw->test, "cannot attach");
	complete(&win->left);
	return 0;
}

static void window_init(struct window *win, struct rig *rig)
{
	win->rig = rig;
	win->dev = hwm_device_new(rig->hw);
	win->to = rig->hd;
	init_completion(&win->entered);
	init_completion(&win->flushed);
	init_completion(&win->left);
	rig->hw->data = win;
}

/* Before the flush, have an attach try to get in */
static void attach_in_window(struct hwm_model *hw, enum hwm_step step,
			     bool after)
{
	struct window *win = hw->data;

	if (step == HWM_ATTACH && !after)
		complete(&win->entered);
	if (step != HWM_CLEAR || !after || win->seen++)
		return;
	win->task = kthread_run(attach_once, win, "dirty-kunit");
	win->overlap = wait_for_completion_timeout(&win->entered, LONG_ENOUGH);
}

static void no_device_is_attached_between_clear_and_flush(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct window win = {};

	window_init(&win, rig);
	hwm_write(rig->dev, rig->at.medium);
	rig->hw->watch = attach_in_window;
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	if (win.task && !IS_ERR(win.task))
		KUNIT_EXPECT_GT(test,
				wait_for_completion_timeout(&win.left, FOREVER),
				0);
	rig->hw->watch = NULL;
	KUNIT_EXPECT_EQ(test, win.seen, 1);
	KUNIT_EXPECT_FALSE(test, win.overlap);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).attached, 2);
	hwm_write(win.dev, rig->at.medium);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

/*
 * Devices that move between two domains take both locks in one order, whichever way
 * they go: while somebody has the first lock, none of them has the second.
 */
static void devices_that_move_lock_in_one_order(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *a = hwm_domain_new(rig->hw);
	struct hwm_domain *b = hwm_domain_new(rig->hw);
	struct iommu_dirty_domain *first, *second;
	unsigned int way;

	rig_query(a);
	rig_query(b);
	first = min(a->domain.dirty, b->domain.dirty);
	second = max(a->domain.dirty, b->domain.dirty);
	for (way = 0; way < 2; way++) {
		struct hwm_domain *to = way ? a : b;
		struct window win = {};
		bool got;

		window_init(&win, rig);
		KUNIT_ASSERT_EQ(test, rig_attach(way ? b : a, win.dev), 0);
		win.to = to;

		down_write(&first->attach_lock);
		win.task = kthread_run(attach_once, &win, "dirty-kunit");
		/* It gets as far as it can */
		msleep(20);
		got = down_write_trylock(&second->attach_lock);
		if (got)
			up_write(&second->attach_lock);
		up_write(&first->attach_lock);
		KUNIT_EXPECT_TRUE(test, got);
		KUNIT_ASSERT_FALSE(test, IS_ERR(win.task));
		KUNIT_EXPECT_GT(test,
				wait_for_completion_timeout(&win.left, FOREVER),
				0);
		KUNIT_EXPECT_EQ(test, rig_query(to).attached, 1);
		hwm_device_free(win.dev);
	}
}

/* A device that translates and that a flush does not reach yet writes */
static void write_when_live(struct hwm_model *hw, enum hwm_step step,
			    bool after)
{
	struct window *win = hw->data;

	if (step == HWM_FLUSH && after)
		complete(&win->flushed);
	if (step != HWM_ATTACH_LIVE || win->seen++)
		return;
	hwm_write(win->dev, win->rig->at.medium);
	complete(&win->entered);
	win->overlap = wait_for_completion_timeout(&win->flushed, LONG_ENOUGH);
}

static void nothing_is_cleared_while_a_device_is_attached(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct window win = {};

	window_init(&win, rig);
	hwm_write(rig->dev, rig->at.medium);
	rig->hw->watch = write_when_live;
	win.task = kthread_run(attach_once, &win, "dirty-kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(win.task));
	KUNIT_EXPECT_GT(test,
			wait_for_completion_timeout(&win.entered, FOREVER), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&win.left, FOREVER),
			0);
	rig->hw->watch = NULL;
	KUNIT_EXPECT_FALSE(test, win.overlap);

	/* What it has cached is gone */
	hwm_write(win.dev, rig->at.medium);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

/* While bits are published, where the consumer may fault, attaches get in */
static void attach_while_publishing(struct hwm_model *hw, enum hwm_step step,
				    bool after)
{
	struct window *win = hw->data;

	if (step != HWM_PUBLISH || after || win->seen++)
		return;
	win->task = kthread_run(attach_once, win, "dirty-kunit");
	if (!IS_ERR(win->task))
		win->overlap = wait_for_completion_timeout(&win->left, FOREVER);
}

static void publishing_keeps_nobody_from_attaching(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct window win = {};

	window_init(&win, rig);
	hwm_write(rig->dev, rig->at.medium);
	rig->hw->watch = attach_while_publishing;
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	rig->hw->watch = NULL;
	KUNIT_EXPECT_TRUE(test, win.overlap);
	hwm_write(win.dev, rig->at.medium);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

/* The owner stops while its own read publishes */
static void stop_while_publishing(struct hwm_model *hw, enum hwm_step step,
				  bool after)
{
	struct window *win = hw->data;

	if (step == HWM_PUBLISH && after && !win->seen++)
		KUNIT_EXPECT_EQ(hw->test, rig_stop(win->rig->hd, hw->test), 0);
}

static void a_stop_during_a_read_ends_it(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct window win = {};

	window_init(&win, rig);
	hwm_write(rig->dev, rig->at.medium);
	rig->hw->calls[HWM_CLEAR] = 0;
	rig->hw->watch = stop_while_publishing;
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), -EINVAL);
	rig->hw->watch = NULL;
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
}

/* And starts again: what the read does next would be in a period that is not its own */
static void restart_while_publishing(struct hwm_model *hw, enum hwm_step step,
				     bool after)
{
	struct window *win = hw->data;
	struct rig_ranges mapped = rig_ranges(win->rig->hd);

	if (step != HWM_PUBLISH || !after || win->seen++)
		return;
	KUNIT_EXPECT_EQ(hw->test, rig_stop(win->rig->hd, hw->test), 0);
	KUNIT_EXPECT_EQ(hw->test,
			iommu_dirty_start(&win->rig->hd->domain, hw->test,
					  &mapped.ranges),
			0);
	hw->calls[HWM_WALK] = 0;
	hw->calls[HWM_CLEAR] = 0;
}

static void a_stop_and_a_start_during_a_read_end_it(struct kunit *test)
{
	static const u32 flags[] = { 0, IOMMU_DIRTY_READ_NO_CLEAR };
	struct rig *rig = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct window win = {};

		window_init(&win, rig);
		hwm_write(rig->dev, rig->at.medium);
		hwm_write(rig->dev, rig->at.large);
		rig->hw->watch = restart_while_publishing;
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, flags[i]),
				-EINVAL);
		rig->hw->watch = NULL;
		KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_WALK], 0);
		KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
		rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT,
				IOMMU_DIRTY_REASON_NONE);
		/* Nor does it count in the new one */
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).reads, 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).leaves, 0);
		KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
		KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	}
}

/* A call by another task while the first is under way: does it wait for it? */
struct second {
	struct iommu_dirty_ranges ranges;
	struct rig_ranges mapped;
	struct rig *rig;
	struct rig_bitmap bm;
	struct iommu_dirty_read rd;	/* what to read; a start if it is empty */
	enum hwm_step when;
	bool kill;
	struct completion done;
	struct task_struct *task;
	bool waited;
	int ret;
};

static bool second_next(const struct iommu_dirty_ranges *ranges,
			unsigned long first, unsigned long last,
			struct iommu_dirty_range *range)
{
	struct second *s = container_of(ranges, struct second, ranges);

	return s->mapped.ranges.next(&s->mapped.ranges, first, last, range);
}

/* The first caller has the lock for both */
static void second_assert_stable(const struct iommu_dirty_ranges *ranges)
{
}

static int second_call(void *data)
{
	struct second *s = data;
	struct iommu_domain *domain = &s->rig->hd->domain;

	allow_kernel_signal(SIGKILL);
	if (s->rd.page_size)
		s->ret = iommu_dirty_read(domain, s->rig->hw->test, &s->rd);
	else
		s->ret = iommu_dirty_start(domain, s->rig->hw->test,
					   &s->ranges);
	complete(&s->done);
	return 0;
}

static void call_in_window(struct hwm_model *hw, enum hwm_step step, bool after)
{
	struct second *s = hw->data;

	if (step != s->when || after || s->task)
		return;
	s->task = kthread_create(second_call, s, "dirty-kunit");
	KUNIT_ASSERT_FALSE(hw->test, IS_ERR(s->task));
	get_task_struct(s->task);
	wake_up_process(s->task);
	s->waited = !wait_for_completion_timeout(&s->done, LONG_ENOUGH);
	if (s->waited && s->kill) {
		send_sig(SIGKILL, s->task, 1);
		KUNIT_EXPECT_GT(hw->test,
				wait_for_completion_timeout(&s->done, FOREVER),
				0);
	}
}

static void second_init(struct second *s, struct rig *rig, enum hwm_step when)
{
	memset(s, 0, sizeof(*s));
	s->ranges.next = second_next;
	s->ranges.assert_stable = second_assert_stable;
	s->mapped = rig_ranges(rig->hd);
	s->rig = rig;
	s->when = when;
	init_completion(&s->done);
	rig->hw->data = s;
	rig->hw->watch = call_in_window;
}

/* The first call is over */
static void second_end(struct second *s)
{
	struct kunit *test = s->rig->hw->test;

	s->rig->hw->watch = NULL;
	KUNIT_ASSERT_NOT_NULL(test, s->task);
	if (s->waited && !s->kill)
		KUNIT_ASSERT_GT(test,
				wait_for_completion_timeout(&s->done, FOREVER),
				0);
	put_task_struct(s->task);
}

#define KEEP IOMMU_DIRTY_READ_NO_CLEAR

static void reads_that_share_a_range_take_turns(struct kunit *test)
{
	static const struct {
		u32 flags;	/* of the first, of pages 64 to 127 */
		u32 second;	/* of the second, of these pages */
		unsigned int from;
		unsigned int to;
		bool waits;
		bool kill;
		int error;	/* of the second */
	} cases[] = {
		{ 0, 0, 64, 127, true },
		{ 0, 0, 0, 64, true },
		{ 0, 0, 127, 191, true },
		{ 0, 0, 70, 79, true },
		{ 0, 0, 0, 191, true },
		{ 0, 0, 0, 63, false },
		{ 0, 0, 128, 191, false },
		{ 0, KEEP, 64, 127, true },
		{ KEEP, 0, 64, 127, true },
		{ KEEP, KEEP, 64, 127, false },
		{ 0, 0, 64, 127, true, true, -EINTR },
	};
	struct rig *rig = test->priv;
	struct second s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int nr = cases[i].to - cases[i].from + 1;

		second_init(&s, rig, HWM_PUBLISH);
		KUNIT_ASSERT_EQ(test, rig_bitmap_init(&s.bm, rig->hw, nr, 0), 0);
		s.kill = cases[i].kill;
		s.rd = (struct iommu_dirty_read){
			.iova = rig_page(rig, cases[i].from),
			.last = rig_page(rig, cases[i].to + 1) - 1,
			.page_size = rig->page,
			.flags = cases[i].second,
			.mapped = &s.ranges,
			.sink = &s.bm.sink,
		};
		hwm_write(rig->dev, rig_page(rig, 100));
		KUNIT_EXPECT_EQ(test,
				rig_read(rig, rig_page(rig, 64),
					 rig_page(rig, 128) - 1,
					 cases[i].flags), 0);
		second_end(&s);
		KUNIT_EXPECT_EQ_MSG(test, s.waited, cases[i].waits, "case %u", i);
		KUNIT_EXPECT_EQ_MSG(test, s.ret, cases[i].error, "case %u", i);
		rig_bitmap_free(&s.bm);
	}
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

static void starts_take_turns(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct second s;
	unsigned int kill;

	for (kill = 0; kill < 2; kill++) {
		KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
		second_init(&s, rig, HWM_CLEAR);
		s.kill = kill;
		KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
		second_end(&s);
		KUNIT_EXPECT_TRUE(test, s.waited);
		KUNIT_EXPECT_EQ(test, s.ret, kill ? -EINTR : -EALREADY);
	}
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(devices_that_move_lock_in_one_order),
	KUNIT_CASE_PARAM(no_device_is_attached_between_clear_and_flush,
			 rig_kinds),
	KUNIT_CASE_PARAM(nothing_is_cleared_while_a_device_is_attached,
			 rig_kinds),
	KUNIT_CASE_PARAM(publishing_keeps_nobody_from_attaching, rig_kinds),
	KUNIT_CASE_PARAM(a_stop_during_a_read_ends_it, rig_kinds),
	KUNIT_CASE_PARAM(a_stop_and_a_start_during_a_read_end_it, rig_kinds),
	KUNIT_CASE(reads_that_share_a_range_take_turns),
	KUNIT_CASE(starts_take_turns),
	KUNIT_CASE_PARAM_ATTR(nothing_is_lost_to_dma_during_reads, rig_kinds,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(nothing_is_lost_to_devices_that_come_and_go,
			      rig_kinds, { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite race_suite = {
	.name = "iommu-dirty-race",
	.init = init,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
