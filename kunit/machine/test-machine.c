// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random machines, one at a time with a backend and a driver that fail, and several
 * at the same time.
 *
 * A failure names the seed, which runs alone with iommu_dirty_machine.seed=N.
 */
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>

#include "machine.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "iommu_dirty_machine."

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Seed of the steps, the first one with seconds=; 0 for a list of them");

static unsigned int steps;
module_param(steps, uint, 0444);
MODULE_PARM_DESC(steps, "Steps of a seed; 0 for what is usual");

static unsigned int seconds;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "Go on with the next seeds for so long, in each test, all formats together");

#define NR_WORKERS 3

static struct {
	atomic64_t steps;
	u64 ns;
	unsigned int seeds;
	unsigned long reads;
	unsigned long copies;
} total;

static bool failed(struct kunit *test)
{
	return READ_ONCE(test->status) == KUNIT_FAILURE;
}

static unsigned int nr_steps(void)
{
	return steps ?: rig_rounds(500, 100);
}

/* Steps until one fails, as many as a seed has */
static void run(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < nr_steps() && machine_step(m); i++)
		cond_resched();
	atomic64_add(m->step, &total.steps);
}

static void tell(struct machine *m, unsigned int s, const char *who)
{
	kunit_err(m->test,
		  "%s fails after %u steps with iommu_dirty_machine.seed=%u iommu_dirty_machine.steps=%u; its last ones:\n",
		  who, m->step, s, nr_steps());
	machine_tell(m);
}

static void run_alone(struct rig *rig, struct machine *m, unsigned int s)
{
	machine_init(m, rig, NULL);
	machine_begin(m, s);
	run(m);
	if (failed(m->test))
		tell(m, s, "it");
	machine_end(m);
}

static int run_thread(void *data)
{
	struct machine *m = data;

	run(m);
	machine_leave(m);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* All is quiet: the shared domain has what the machines have attached to it */
static void expect_sum(struct rig *rig, struct machine *m)
{
	struct iommu_dirty_info info = rig_query(rig->hd);
	u32 all = ~0, any = rig->hw->caps;
	unsigned int i, attached = 0;

	for (i = 0; i < NR_WORKERS; i++) {
		struct ref_view view = ref_view(&m[i].ref, MACHINE_SHARED);

		attached += view.attached;
		all &= view.flags;
		any |= view.flags;
	}
	KUNIT_EXPECT_EQ(rig->hw->test, info.attached, attached);
	KUNIT_EXPECT_EQ(rig->hw->test, info.caps.flags,
			(all & IOMMU_DIRTY_CAP_ABILITIES) |
				(any & IOMMU_DIRTY_CAP_CAVEATS));
	KUNIT_EXPECT_EQ(rig->hw->test, (int)info.mode, IOMMU_DIRTY_MODE_OFF);
}

/* And it works: a read finds what was written since the start, the next one nothing */
static void expect_works(struct rig *rig, struct machine *m)
{
	struct kunit *test = rig->hw->test;
	unsigned int i;

	KUNIT_EXPECT_EQ(test,
			iommu_dirty_set_policy(&rig->hd->domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE),
			0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	for (i = 0; i < NR_WORKERS; i++)
		machine_write(&m[i]);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
}

static void run_together(struct rig *rig, struct machine *m, unsigned int s)
{
	static const char *const names[NR_WORKERS] = { "one", "another",
						       "the third" };
	struct task_struct *task[NR_WORKERS];
	struct crew crew;
	unsigned int i;

	machine_share(&crew, rig);
	rig->hd = crew.shared;
	rig->hw->may_refuse = true;
	for (i = 0; i < NR_WORKERS; i++) {
		machine_init(&m[i], rig, &crew);
		machine_begin(&m[i], NR_WORKERS * s + i);
	}
	for (i = 0; i < NR_WORKERS; i++) {
		task[i] = kthread_run(run_thread, &m[i], "dirty-machine/%u", i);
		if (IS_ERR(task[i]))
			KUNIT_FAIL(rig->hw->test, "cannot start a thread");
	}
	for (i = 0; i < NR_WORKERS; i++)
		if (!IS_ERR(task[i]))
			kthread_stop(task[i]);
	total.reads += crew.user.reads;
	total.copies += crew.user.copies;
	if (!failed(rig->hw->test)) {
		crew_settle(&m[0]);
		expect_sum(rig, m);
		expect_works(rig, m);
	}
	if (failed(rig->hw->test))
		for (i = 0; i < NR_WORKERS; i++)
			tell(&m[i], s, names[i]);
	for (i = 0; i < NR_WORKERS; i++)
		machine_end(&m[i]);
	machine_unshare(&crew);
}

/* Seeds are the same for all kinds: each does with them what it can */
static void run_seeds(struct kunit *test, unsigned int usual,
		      void (*fn)(struct rig *rig, struct machine *m,
				 unsigned int s))
{
	struct machine *m = kunit_kcalloc(test, NR_WORKERS, sizeof(*m),
					  GFP_KERNEL);
	u64 t0 = ktime_get_ns(), end = t0 + seconds * NSEC_PER_SEC / hwm_nr_kinds;
	unsigned int s = seed ?: 1, last = seed ?: usual;
	struct rig *rig = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, m);
	rig->hw->caps |= IOMMU_DIRTY_CAP_ABILITIES;
	do {
		prandom_seed_state(&rig->hw->rnd, s);
		fn(rig, m, s);
		total.seeds++;
	} while (!failed(test) && (s++ < last || ktime_get_ns() < end));
	total.ns += ktime_get_ns() - t0;
}

static void what_random_steps_do_is_what_the_reference_says(struct kunit *test)
{
	run_seeds(test, rig_kind_rounds(test->priv, 8, 2), run_alone);
}

static void so_it_is_when_several_do_them(struct kunit *test)
{
	run_seeds(test, rig_kind_rounds(test->priv, 2, 1), run_together);
}

static int suite_init(struct kunit_suite *suite)
{
	memset(&total, 0, sizeof(total));
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	u64 ms = div_u64(total.ns, NSEC_PER_MSEC) ?: 1;
	u64 n = atomic64_read(&total.steps);

	kunit_info(suite,
		   "%llu steps of %u seeds, %llu a second; %lu reads and %lu pages copied from a bitmap of all\n",
		   n, total.seeds, div64_u64(n * 1000, ms), total.reads,
		   total.copies);
}

static struct kunit_case machine_cases[] = {
	KUNIT_CASE_PARAM_ATTR(what_random_steps_do_is_what_the_reference_says,
			      rig_kinds, { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(so_it_is_when_several_do_them, rig_kinds,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite machine_suite = {
	.name = "iommu-dirty-machine",
	.init = rig_init_bare,
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.test_cases = machine_cases,
};

kunit_test_suite(machine_suite);
