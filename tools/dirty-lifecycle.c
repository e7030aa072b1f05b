// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-lifecycle: devices that can and cannot be tracked come and go while DMA
 * runs. Before each step the kernel is asked for a forecast; after it, what the
 * consumer was told and what it reads are compared with what was promised.
 */
#include <argp.h>
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler.h"
#include "describe.h"
#include "events.h"
#include "need.h"
#include "race.h"
#include "rng.h"

#define FIRST	0	/* the devices that can be tracked */
#define SECOND	1

struct story {
	struct rig rig;
	struct space s;
	struct region *late;		/* mapped and unmapped meanwhile */
	int untrackable;		/* that device, or -1 */
	int events;
	__u64 signals, seq0;		/* since the eventfd was added */
	__u64 rng;
	unsigned int steps;
	bool broken;
	/* The step that is being made */
	const char *what;
	bool kept;
	struct iommu_dirty_query before;
	struct iommu_dirty_can_attach forecast;
	char forecast_text[32];
	struct tally t;
};

/* What a step leads to. */
struct promise {
	__u32 mode, reason, policy, attached;
	bool records;
};

[[gnu::format(printf, 3, 4)]]
static void require(struct story *st, bool holds, const char *fmt, ...)
{
	va_list args;

	if (holds)
		return;
	st->broken = true;
	st->kept = false;
	printf("   NOT as promised: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

static void require_rc(struct story *st, int rc, int want)
{
	require(st, rc == want, "%s: returned %s, should be %s", st->what,
		rc ? errno_name(rc) : "0", want ? errno_name(want) : "0");
}

static struct iommu_dirty_query ask(struct story *st)
{
	struct iommu_dirty_query q;

	need(hwpt_query(st->rig.iommufd, st->s.hwpt, &q), "IOMMU_DIRTY_QUERY");
	return q;
}

static void begin(struct story *st, const char *what)
{
	st->what = what;
	st->kept = true;
	st->before = ask(st);
	st->forecast_text[0] = 0;
	memset(&st->t, 0, sizeof(st->t));
}

static void row(struct story *st, __u64 signals, const struct iommu_dirty_query *q)
{
	printf("%2u %-42s %-19s %3llu ", ++st->steps, st->what, st->forecast_text, signals);
	if (q)
		printf("%-9s %-6s %-3s %u %4llu", mode_name(q->out_mode),
		       reason_name(q->out_reason),
		       q->out_caps & IOMMU_DIRTY_CAP_RECORD ? "yes" : "no",
		       q->out_attached, q->out_seq);
	else
		printf("%-9s %-6s %-3s %s %4s", "gone", "", "", " ", "");
	if (q && q->out_mode != IOMMU_DIRTY_MODE_OFF)
		printf(" %8llu %8llu", st->t.expected, st->t.reported);
	printf("\n");
	fflush(stdout);
}

/* Not more signals than changes, and one after the last change. */
static __u64 count_signals(struct story *st, bool expected, __u64 changes)
{
	__u64 signals = events_take(st->events, expected);

	st->signals += signals;
	require(st, !expected || signals, "the eventfd was not signalled");
	require(st, st->signals <= changes, "%llu signals for %llu changes", st->signals,
		changes);
	return signals;
}

static void told(struct story *st, const struct iommu_dirty_query *q,
		 const struct promise *p)
{
	require(st, q->out_mode == p->mode, "mode %s, should be %s", mode_name(q->out_mode),
		mode_name(p->mode));
	require(st, q->out_reason == p->reason, "reason %s, should be %s",
		reason_name(q->out_reason), reason_name(p->reason));
	require(st, q->out_policy == p->policy, "policy %s, should be %s",
		policy_name(q->out_policy), policy_name(p->policy));
	require(st, q->out_attached == p->attached, "%u attached, should be %u",
		q->out_attached, p->attached);
	require(st, !!(q->out_caps & IOMMU_DIRTY_CAP_RECORD) == p->records,
		"the capability %s record", p->records ? "lacks" : "has");
}

/* What is read, twice: what the first read reported is clean, unless all is dirty. */
static void read_both(struct story *st, __u32 mode)
{
	struct tally again = {};

	if (mode == IOMMU_DIRTY_MODE_OFF)
		return;
	st->s.oracle.all_dirty = mode == IOMMU_DIRTY_MODE_ALL_DIRTY;
	need(check_all(&st->s, 0, &st->t), "reading the bitmap");
	need(check_all(&st->s, 0, &again), "reading the bitmap again");
	require(st, tally_exact(&st->t) && tally_exact(&again),
		"missing %llu, extra %llu; again: missing %llu, extra %llu", st->t.missing,
		st->t.extra, again.missing, again.extra);
	tally_print_wrong(&st->t, "     ");
}

static void end(struct story *st, const struct promise *p)
{
	struct iommu_dirty_query q = ask(st);
	__u64 signals;

	signals = count_signals(st, q.out_seq != st->before.out_seq, q.out_seq - st->seq0);
	told(st, &q, p);
	read_both(st, p->mode);
	row(st, signals, &q);
}

/* ---- What happens in a step. ---- */

static void ask_forecast(struct story *st, int dev)
{
	struct iommu_dirty_query q;

	need(hwpt_can_attach(st->rig.iommufd, st->s.hwpt, st->rig.dev[dev].dev_id,
			     &st->forecast), "IOMMU_DIRTY_CAN_ATTACH");
	snprintf(st->forecast_text, sizeof(st->forecast_text), "%s, %s",
		 verdict_name(st->forecast.out_verdict), mode_name(st->forecast.out_mode));
	q = ask(st);
	require(st, q.out_seq == st->before.out_seq, "the forecast changed something");
}

/* It came true. */
static void compare_forecast(struct story *st, int rc)
{
	struct iommu_dirty_query q = ask(st);
	__u32 verdict = rc ? IOMMU_DIRTY_VERDICT_REFUSED : IOMMU_DIRTY_VERDICT_ATTACHES;

	require(st, st->forecast.out_verdict == verdict, "the forecast was: %s",
		verdict_name(st->forecast.out_verdict));
	require(st, st->forecast.out_mode == q.out_mode && st->forecast.out_reason == q.out_reason,
		"the forecast was mode %s, reason %s", mode_name(st->forecast.out_mode),
		reason_name(st->forecast.out_reason));
	require(st, rc || st->forecast.out_caps == q.out_caps,
		"the forecast was caps %#x, they are %#x", st->forecast.out_caps, q.out_caps);
}

static void writes(struct story *st, int dev)
{
	for (int i = 0; i < 60; i++) {
		struct transfer t = dma_random(&st->s.layout.region[i % 2], &st->rng);

		need(dma_write(&st->s, dev, &t), "DMA of %s", st->rig.dev[dev].name);
	}
}

static void more_writes(struct race_writer *w)
{
	__u64 enough = __atomic_load_n(&w->writes, __ATOMIC_RELAXED) + 100;

	while (!__atomic_load_n(&w->race->rc, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&w->writes, __ATOMIC_RELAXED) < enough)
		usleep(1000);
}

/*
 * Attach a device, or detach it, while the first one writes. Where the mode is and
 * stays exact the bitmap is read meanwhile too, and nothing may get lost.
 */
static int move(struct story *st, int dev, bool attach, bool exact)
{
	struct race race;
	struct race_writer w = {
		.race = &race, .dev = FIRST, .regions = 3, .seed = rng_next(&st->rng),
		.alone = true,
	};
	struct tally ignored = {}, *t = exact ? &st->t : &ignored;
	int rc;

	need(race_init(&race, &st->s), "memory");
	need(race_start(&w), "thread");
	more_writes(&w);
	if (exact)
		need(race_read(&race, t), "reading the bitmap");
	rc = attach ? space_attach(&st->s, dev) : space_detach(&st->s, dev);
	if (exact)
		need(race_read(&race, t), "reading the bitmap");
	more_writes(&w);
	need(race_stop(&w), "DMA of %s", st->rig.dev[FIRST].name);
	if (exact)
		need(race_read(&race, t), "reading the bitmap");
	race_finish(&race, t);
	return rc;
}

static void attach_step(struct story *st, const char *what, int dev, int want, bool exact,
			struct promise p)
{
	int rc;

	begin(st, what);
	ask_forecast(st, dev);
	rc = move(st, dev, true, exact);
	require_rc(st, rc, want);
	compare_forecast(st, rc);
	if (!rc)
		writes(st, dev);
	end(st, &p);
}

static void detach_step(struct story *st, const char *what, int dev, bool exact,
			struct promise p)
{
	begin(st, what);
	require_rc(st, move(st, dev, false, exact), 0);
	end(st, &p);
}

/* Nothing runs on an address space that only one device is attached to, and not yet. */
static void quiet_attach_step(struct story *st, const char *what, int dev, struct promise p)
{
	int rc;

	begin(st, what);
	ask_forecast(st, dev);
	rc = space_attach(&st->s, dev);
	require_rc(st, rc, 0);
	compare_forecast(st, rc);
	end(st, &p);
}

static void start_step(struct story *st, const char *what, int want, struct promise p)
{
	begin(st, what);
	writes(st, FIRST);
	require_rc(st, space_start(&st->s), want);
	if (p.mode == IOMMU_DIRTY_MODE_EXACT)
		writes(st, FIRST);
	end(st, &p);
}

static void stop_step(struct story *st, struct promise p)
{
	begin(st, "stop");
	require_rc(st, space_stop(&st->s), 0);
	end(st, &p);
}

static void policy_step(struct story *st, const char *what, __u32 policy, int want,
			struct promise p)
{
	begin(st, what);
	require_rc(st, hwpt_set_policy(st->rig.iommufd, st->s.hwpt, policy), want);
	end(st, &p);
}

/* What is born dirty is reported by the first read, written or not. */
static void first_read(struct story *st)
{
	struct tally t = {};

	need(check_read(&st->s, st->late, st->late->iova, st->late->len, 0, 0, &t),
	     "reading the bitmap");
	if (st->before.out_caps & IOMMU_DIRTY_CAP_BORN_DIRTY)
		t.extra = 0;
	require(st, tally_exact(&t), "first read: missing %llu, extra %llu", t.missing,
		t.extra);
}

/* Another range, mapped, written and unmapped. */
static void map_step(struct story *st, struct promise p)
{
	begin(st, "map another range, write to it");
	need(space_map_one(&st->s, st->late), "mapping memory");
	need(dma_poke(&st->s, FIRST, st->late->iova), "DMA");
	first_read(st);
	need(dma_poke(&st->s, FIRST, st->late->iova), "DMA");
	writes(st, FIRST);
	end(st, &p);
}

static void unmap_step(struct story *st, struct promise p)
{
	begin(st, "unmap it");
	writes(st, FIRST);
	need(space_unmap_one(&st->s, st->late), "unmapping memory");
	end(st, &p);
}

static void destroy_step(struct story *st)
{
	__u64 signals;

	begin(st, "destroy the HWPT");
	require_rc(st, iommufd_destroy(st->rig.iommufd, st->s.hwpt), 0);
	signals = count_signals(st, true, st->before.out_seq - st->seq0 + 1);
	row(st, signals, NULL);
	close(st->events);
}

/* ---- The story. ---- */

#define OFF(p, n, can) ((struct promise) { IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE, \
		IOMMU_DIRTY_POLICY_##p, n, can })
#define EXACT(p, n) ((struct promise) { IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE, \
		IOMMU_DIRTY_POLICY_##p, n, true })
#define ALL_DIRTY(p, n, can) ((struct promise) { IOMMU_DIRTY_MODE_ALL_DIRTY, \
		IOMMU_DIRTY_REASON_DEVICE, IOMMU_DIRTY_POLICY_##p, n, can })

static void listen(struct story *st)
{
	st->events = events_open(st->rig.iommufd, st->s.hwpt);
	need(st->events, "IOMMU_DIRTY_EVENTFD");
	st->seq0 = ask(st).out_seq;
	st->signals = 0;
}

static void capable_devices(struct story *st)
{
	quiet_attach_step(st, "attach the first device", FIRST, OFF(PLAIN, 1, true));
	start_step(st, "start; it writes", 0, EXACT(PLAIN, 1));
	attach_step(st, "attach the second device during DMA", SECOND, 0, true,
		    EXACT(PLAIN, 2));
	map_step(st, EXACT(PLAIN, 2));
	unmap_step(st, EXACT(PLAIN, 2));
	detach_step(st, "detach the second device during DMA", SECOND, true, EXACT(PLAIN, 1));
}

static void untrackable_device(struct story *st)
{
	int dev = st->untrackable;

	attach_step(st, "attach one that cannot record: no", dev, -EINVAL, true,
		    EXACT(PLAIN, 1));
	policy_step(st, "policy degrade", IOMMU_DIRTY_POLICY_DEGRADE, 0, EXACT(DEGRADE, 1));
	attach_step(st, "attach it during DMA; both write", dev, 0, false,
		    ALL_DIRTY(DEGRADE, 2, false));
	attach_step(st, "attach the second device during DMA", SECOND, 0, false,
		    ALL_DIRTY(DEGRADE, 3, false));
	map_step(st, ALL_DIRTY(DEGRADE, 3, false));
	unmap_step(st, ALL_DIRTY(DEGRADE, 3, false));
	detach_step(st, "detach it during DMA: one way", dev, false,
		    ALL_DIRTY(DEGRADE, 2, true));
	detach_step(st, "detach the second device", SECOND, false, ALL_DIRTY(DEGRADE, 1, true));
	stop_step(st, OFF(DEGRADE, 1, true));
	start_step(st, "start: exact again", 0, EXACT(DEGRADE, 1));
	stop_step(st, OFF(DEGRADE, 1, true));

	/* It is there before the start. */
	policy_step(st, "policy plain", IOMMU_DIRTY_POLICY_PLAIN, 0, OFF(PLAIN, 1, true));
	attach_step(st, "attach it while tracking is off", dev, 0, false, OFF(PLAIN, 2, false));
	start_step(st, "start: no", -EOPNOTSUPP, OFF(PLAIN, 2, false));
	policy_step(st, "policy strict: no", IOMMU_DIRTY_POLICY_STRICT, -EOPNOTSUPP,
		    OFF(PLAIN, 2, false));
	policy_step(st, "policy degrade", IOMMU_DIRTY_POLICY_DEGRADE, 0, OFF(DEGRADE, 2, false));
	start_step(st, "start: all dirty from the beginning", 0, ALL_DIRTY(DEGRADE, 2, false));
	stop_step(st, OFF(DEGRADE, 2, false));
	detach_step(st, "detach it", dev, false, OFF(DEGRADE, 1, true));
	policy_step(st, "policy plain", IOMMU_DIRTY_POLICY_PLAIN, 0, OFF(PLAIN, 1, true));
	start_step(st, "start", 0, EXACT(PLAIN, 1));
}

static void leave(struct story *st, struct promise p)
{
	begin(st, "detach the first device, still on");
	writes(st, FIRST);
	require_rc(st, space_detach(&st->s, FIRST), 0);
	end(st, &p);
	destroy_step(st);
}

static void strict_hwpt(struct story *st)
{
	need(hwpt_alloc(st->rig.iommufd, st->rig.dev[FIRST].dev_id, st->s.ioas,
			IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &st->s.hwpt), "allocating a HWPT");
	printf("   another HWPT, allocated with DIRTY_TRACKING\n");
	listen(st);
	quiet_attach_step(st, "attach the first device", FIRST, OFF(STRICT, 1, true));
	if (st->untrackable >= 0)
		attach_step(st, "attach one that cannot record: no", st->untrackable, -EINVAL,
			    false, OFF(STRICT, 1, true));
	start_step(st, "start", 0, EXACT(STRICT, 1));
	if (st->untrackable >= 0)
		attach_step(st, "attach it now: no", st->untrackable, -EINVAL, true,
			    EXACT(STRICT, 1));
	attach_step(st, "attach the second device during DMA", SECOND, 0, true,
		    EXACT(STRICT, 2));
	detach_step(st, "detach the second device during DMA", SECOND, true,
		    EXACT(STRICT, 1));
	leave(st, EXACT(STRICT, 0));
}

/* Leaves of 4 KiB and 2 MiB, some that may only be read, and what comes later. */
static void map_memory(struct story *st)
{
	static const struct region_spec specs[] = {
		{ "4K", SZ_1G + SZ_4K, SZ_2M * 4, SZ_2M, 0, false },
		{ "2M", SZ_1G * 2, SZ_2M * 8, SZ_2M, 0, false },
		{ "r/o", SZ_1G * 3 + SZ_4K, SZ_2M, SZ_2M, 0, true },
		{ "late", SZ_1G * 4 + SZ_4K, SZ_2M * 2, SZ_2M, 0, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(specs); i++) {
		st->late = space_add(&st->s, &specs[i]);
		if (!st->late)
			err(EXIT_SETUP, "no memory: 15 huge pages of 2 MiB are needed");
	}
	need(space_map(&st->s), "mapping memory");
	need(space_unmap_one(&st->s, st->late), "unmapping memory");
}

/* Where devices may have their reserved ranges is known once they are attached. */
static void visit_all(struct story *st)
{
	for (int i = 0; i < st->rig.devices; i++)
		need(space_attach(&st->s, i), "%s: cannot attach", st->rig.dev[i].name);
	map_memory(st);
	for (int i = 0; i < st->rig.devices; i++)
		need(space_detach(&st->s, i), "%s: cannot detach", st->rig.dev[i].name);
}

static void describe(struct story *st)
{
	static const char * const names[] = { "first", "second", "third" };
	struct pci_name iommu = {};

	for (int i = 0; i < st->rig.devices; i++) {
		pci_iommu(st->rig.dev[i].name, &iommu);
		printf("%-6s device: %s, behind %s%s\n", names[i], st->rig.dev[i].name,
		       iommu.name, i == st->untrackable ? ", which cannot record" : "");
	}
	if (st->untrackable < 0)
		puts("none is behind an IOMMU that cannot record: steps with one are left out");
	puts("sig: signals on the eventfd; rec: all that is attached can record; n: attached");
	puts("expected, reported: pages\n");
	printf("%2s %-42s %-19s %3s %-9s %-6s %-3s %s %4s %8s %8s\n", "", "step", "forecast",
	       "sig", "mode", "reason", "rec", "n", "seq", "expected", "reported");
}

struct options {
	__u64 seed;
	int stage;
	bool untrackable;
};

static const struct argp_option argp_options[] = {
	{ "seed", 's', "N", 0, "Seed of everything random (1)", 0 },
	{ "stage", 't', "1|2", 0, "Translation stage that is used (2)", 0 },
	{ "untrackable", 'u', NULL, 0,
	  "Fail unless there is a device that cannot be tracked", 0 },
	{}
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 's':
		o->seed = strtoull(arg, NULL, 0);
		break;
	case 't':
		o->stage = atoi(arg);
		break;
	case 'u':
		o->untrackable = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Devices come and go while DMA runs: what is forecast, told and read.\v"
		/* After \v: below the list of options. */
		"Exit status: 0 as promised, 1 not as promised, 2 not set up.",
};

int main(int argc, char **argv)
{
	struct options o = { .seed = 1, .stage = 2 };
	static struct story st;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	st.rng = o.seed;
	rig_open(&st.rig, 2, o.stage);
	st.untrackable = rig_untrackable(&st.rig);
	if (o.untrackable && st.untrackable < 0)
		errx(EXIT_SETUP, "no device is behind an IOMMU that cannot record");
	need(space_open(&st.s, &st.rig, 0), "allocating a HWPT");
	visit_all(&st);
	describe(&st);
	listen(&st);
	capable_devices(&st);
	if (st.untrackable >= 0)
		untrackable_device(&st);
	leave(&st, EXACT(PLAIN, 0));
	strict_hwpt(&st);
	rig_close(&st.rig);
	if (st.broken)
		printf("demo: lifecycle: NOT as promised, in %u steps\n", st.steps);
	else
		printf("demo: lifecycle: %u steps as promised\n", st.steps);
	return st.broken ? 1 : 0;
}
