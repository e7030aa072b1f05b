// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every pair of calls, at every point of the first one: what both have said is true,
 * and nothing that devices wrote is lost. See pairs.h.
 */
#include <linux/ktime.h>

#include "pairs.h"

/*
 * Formats to do it with: one that needs nothing, in every state, and one whose updates
 * are seen late and whose leaves are runs, where all but refusals can happen.
 */
static const struct {
	const char *name;
	bool degrades;
} kinds[] = {
	{ "vtd-ss, 4 levels" },
	{ "arm s2 4K, 43 bits, runs", true },
};

/* With which format, in which state */
struct setting {
	const struct hwm_kind *kind;
	const struct pair_world *world;
};

static struct {
	unsigned long pairs;
	unsigned long points;
	struct pair_counts counts;
	u64 ns;
} total;

static const struct hwm_kind *kind_named(const char *name)
{
	const struct hwm_kind *kind;

	for (kind = hwm_kinds; kind < hwm_kinds + hwm_nr_kinds; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	return NULL;
}

/* For KUNIT_CASE_PARAM */
static const void *settings(const void *prev, char *desc)
{
	static struct setting all[ARRAY_SIZE(kinds) * PAIR_WORLDS];
	unsigned int n = prev ? (const struct setting *)prev - all + 1 : 0;

	for (; n < ARRAY_SIZE(all); n++) {
		unsigned int kind = n / PAIR_WORLDS;

		all[n].world = &pair_worlds[n % PAIR_WORLDS];
		if (kinds[kind].degrades &&
		    (all[n].world->policy != IOMMU_DIRTY_POLICY_DEGRADE ||
		     all[n].world->poor))
			continue;
		all[n].kind = kind_named(kinds[kind].name);
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s",
			 all[n].world->name, kinds[kind].name);
		return &all[n];
	}
	return NULL;
}

static int init(struct kunit *test)
{
	const struct setting *setting = test->param_value;
	struct pair_run *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	KUNIT_ASSERT_NOT_NULL(test, setting->kind);
	r->world = setting->world;
	test->priv = r;
	pair_run_init(r, test, hwm_create(test, setting->kind));
	return 0;
}

/* Says what was wrong first; then in how many of the points something was */
static void run_pair(struct pair_run *r, const struct pair_script *first,
		     const struct pair_script *second, unsigned int points)
{
	unsigned long wrong = r->counts.wrong, runs = r->counts.runs;
	char a[80], b[80];
	unsigned int at;

	/* The last time the first has ended before the second begins */
	for (at = 0; at <= points; at++) {
		/* Emulated CPUs do a sample of them */
		if (rig_rounds(0, 1) && (first - second + at) % 11)
			continue;
		pair_run_one(r, first, second, at);
		if (!r->why[0] || r->counts.wrong > wrong + 1)
			continue;
		pair_script_name(first, a, sizeof(a));
		pair_script_name(second, b, sizeof(b));
		KUNIT_FAIL(r->test, "in \"%s\", point %u, %s, \"%s\": %s", a,
			   at, r->held_in, b, r->why);
	}
	if (r->counts.wrong > wrong)
		kunit_info(r->test, "so in %lu of %lu runs of the two",
			   r->counts.wrong - wrong, r->counts.runs - runs);
}

static void run_pairs(struct kunit *test, enum pair_kind kind)
{
	struct pair_run *r = test->priv;
	const struct pair_script *first, *second;
	u64 t0 = ktime_get_ns();

	for (first = pair_scripts; first < pair_scripts + pair_nr_scripts;
	     first++) {
		unsigned int points;

		if (first->kind != kind)
			continue;
		points = pair_points(r, first);
		total.points += points;
		for (second = pair_scripts;
		     second < pair_scripts + pair_nr_scripts; second++) {
			run_pair(r, first, second, points);
			total.pairs++;
			cond_resched();
		}
	}
	total.counts.runs += r->counts.runs;
	total.counts.inside += r->counts.inside;
	total.counts.waits += r->counts.waits;
	total.counts.wrong += r->counts.wrong;
	total.counts.promises += r->counts.promises;
	total.ns += ktime_get_ns() - t0;
}

static void what_is_said_during_a_read_is_true(struct kunit *test)
{
	run_pairs(test, PAIR_READ);
}

static void what_is_said_during_a_start_is_true(struct kunit *test)
{
	run_pairs(test, PAIR_START);
}

static void what_is_said_during_a_stop_is_true(struct kunit *test)
{
	run_pairs(test, PAIR_STOP);
}

static void what_is_said_while_a_device_moves_is_true(struct kunit *test)
{
	run_pairs(test, PAIR_DEVICE);
}

static void what_is_said_during_other_calls_is_true(struct kunit *test)
{
	run_pairs(test, PAIR_OTHER);
}

static int suite_init(struct kunit_suite *suite)
{
	memset(&total, 0, sizeof(total));
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	struct pair_counts *c = &total.counts;

	kunit_info(suite,
		   "%u calls, %lu pairs in a state, %lu points, %lu runs in %llu ms: in %lu the second ran to its end in the first, in %lu it waited; %lu answers relied on; %lu runs not exact\n",
		   pair_nr_scripts, total.pairs, total.points, c->runs,
		   div_u64(total.ns, NSEC_PER_MSEC), c->inside, c->waits,
		   c->promises, c->wrong);
}

static struct kunit_case pairs_cases[] = {
	KUNIT_CASE_PARAM_ATTR(what_is_said_during_a_read_is_true, settings,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(what_is_said_during_a_start_is_true, settings,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(what_is_said_during_a_stop_is_true, settings,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(what_is_said_while_a_device_moves_is_true,
			      settings, { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(what_is_said_during_other_calls_is_true, settings,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite pairs_suite = {
	.name = "iommu-dirty-pairs",
	.init = init,
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.test_cases = pairs_cases,
};

kunit_test_suite(pairs_suite);
