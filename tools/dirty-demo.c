// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-demo: a device writes at random, the kernel reports what it wrote, and
 * the two are compared page by page, round after round, before your eyes.
 */
#include <argp.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bits.h"
#include "compiler.h"
#include "describe.h"
#include "heatmap.h"
#include "need.h"
#include "round.h"

struct options {
	unsigned int rounds;
	__u64 seed;
	int stage;	/* 0: do not check */
	bool plain, whole_leaves, colour, in_place;
};

static const struct argp_option argp_options[] = {
	{ "rounds", 'r', "N", 0, "Number of rounds (10)", 0 },
	{ "seed", 's', "N", 0, "Seed of everything random (1)", 0 },
	{ "stage", 't', "1|2", 0, "Fail unless this translation stage is used", 0 },
	{ "plain", 'p', NULL, 0, "Allocate the HWPT without DIRTY_TRACKING", 0 },
	{ "whole-leaves", 'w', NULL, 0,
	  "Never read a part of a leaf (stock kernels lose the rest)", 0 },
	{ "color", 'c', "WHEN", OPTION_ARG_OPTIONAL,
	  "Use colours: always (the default of this option), never, auto", 0 },
	{ "redraw", 'd', "WHEN", OPTION_ARG_OPTIONAL,
	  "Draw every round over the last one: always, never, auto", 0 },
	{}
};

static bool when(const char *arg, struct argp_state *state)
{
	if (!arg || !strcmp(arg, "always"))
		return true;
	if (!strcmp(arg, "auto"))
		return isatty(STDOUT_FILENO);
	if (strcmp(arg, "never"))
		argp_error(state, "'%s' is not always, never or auto", arg);
	return false;
}

static __u64 parse_number(const char *arg, struct argp_state *state)
{
	char *end;
	__u64 value = strtoull(arg, &end, 0);

	if (!*arg || *end)
		argp_error(state, "'%s' is not a number", arg);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'r':
		o->rounds = parse_number(arg, state);
		break;
	case 's':
		o->seed = parse_number(arg, state);
		break;
	case 't':
		o->stage = parse_number(arg, state);
		if (o->stage != 1 && o->stage != 2)
			argp_error(state, "the stage is 1 or 2");
		break;
	case 'p':
		o->plain = true;
		break;
	case 'w':
		o->whole_leaves = true;
		break;
	case 'c':
		o->colour = when(arg, state);
		break;
	case 'd':
		o->in_place = when(arg, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Compare the dirty bitmap with what a device was told to write.\v"
		/* After \v: below the list of options. */
		"Exit status: 0 exact, 1 not exact, 2 not set up. COLOR=1 is --color.",
};

/* A few hundred MiB with leaves of every size, and a gigabyte more if there is one. */
static void map_memory(struct space *s)
{
	static const struct region_spec of_4k[] = {
		{ "4K", SZ_4K * 0x10001, SZ_2M * 16, SZ_2M, 0, false },
		{ "64K", SZ_4K * 0x18010, SZ_2M * 4, SZ_2M, 0, false },
		{ "2M", SZ_1G * 5, SZ_2M * 64, SZ_2M, 0, false },
		{ "1G", SZ_1G * 2, SZ_1G, SZ_1G, 0, false },
		{ "r/o", SZ_1G * 8 + SZ_4K, SZ_2M, SZ_2M, 0, true },
	}, of_16k[] = {
		{ "16K", SZ_4K * 0x10004, SZ_2M * 16, SZ_2M, 0, false },
		{ "32M", SZ_1G * 5, SZ_32M * 4, SZ_32M, 0, false },
		{ "r/o", SZ_1G * 8 + SZ_16K, SZ_2M, SZ_2M, 0, true },
	}, of_64k[] = {
		{ "64K", SZ_4K * 0x10010, SZ_2M * 16, SZ_2M, 0, false },
		{ "512M", SZ_1G * 5, SZ_512M, SZ_512M, 0, false },
		{ "r/o", SZ_1G * 8 + SZ_64K, SZ_2M, SZ_2M, 0, true },
	};
	const struct region_spec *specs = of_4k;
	unsigned int n = ARRAY_SIZE(of_4k);

	if (layout_smallest(&s->layout) == SZ_16K) {
		specs = of_16k;
		n = ARRAY_SIZE(of_16k);
	} else if (layout_smallest(&s->layout) == SZ_64K) {
		specs = of_64k;
		n = ARRAY_SIZE(of_64k);
	}
	for (unsigned int i = 0; i < n; i++) {
		/* Without leaves of 64 KiB that region would be one more of 4 KiB. */
		if (!strcmp(specs[i].name, "64K") && !(s->layout.leaf_sizes & SZ_64K))
			continue;
		if (space_add(s, &specs[i]))
			continue;
		if (specs[i].chunk != SZ_1G)
			err(EXIT_SETUP,
			    "no memory: huge pages are needed (83 of 2 MiB with leaves of 4 KiB)");
		printf("no huge page of 1 GiB: going without (hugepagesz=1G hugepages=1)\n");
	}
	need(space_map(s), "mapping memory");
}

static void describe(struct space *s, const struct options *o)
{
	struct iommu_dirty_query q;
	__u64 total = 0;
	int rc;

	for (int i = 0; i < s->layout.regions; i++) {
		const struct region *r = &s->layout.region[i];
		char leaf[128];

		total += r->len;
		printf("%5s %5llu MiB at IOVA %#llx, leaves of %s%s\n", r->name,
		       r->len >> 20, r->iova,
		       sizes_names(r->leaf, leaf, sizeof(leaf)),
		       r->writable ? "" : ", the device may only read");
	}
	if (!o->colour)
		printf("cells: . clean, - + * # @ ever more dirty, ! halves differ\n");
	printf("%llu MiB mapped, device %s, seed %llu\n", total >> 20,
	       s->rig->dev[0].name, o->seed);
	if (!s->rig->has_query) {
		printf("this kernel has no IOMMU_DIRTY_QUERY\n");
		if (o->stage)
			errx(EXIT_SETUP, "cannot tell if stage %d is used", o->stage);
		return;
	}
	rc = hwpt_query(s->rig->iommufd, s->hwpt, &q);
	need(rc, "IOMMU_DIRTY_QUERY");
	describe_state(stdout, "", &q);
	if (o->stage && q.out_stage != (__u32)o->stage)
		errx(EXIT_SETUP, "stage %u is used, not stage %d", q.out_stage, o->stage);
}

static void print_round(const struct rounds *rs, unsigned int n,
			const struct options *o, const struct tally *t)
{
	static const char * const kinds[] = {
		"at once", "without clear", "in pieces", "while writing",
	};
	char line[128];

	snprintf(line, sizeof(line),
		 "round %u/%u, %s: %llu writes, expected %llu, reported %llu",
		 n + 1, o->rounds, kinds[n % 4], rs->writes, t->expected, t->reported);
	/* Cover what the last round left there. */
	printf("%-*s\n", o->in_place ? 78 : 0, line);
}

static void run_round(struct rounds *rs, unsigned int n, const struct options *o,
		      struct heatmap *map, struct tally *total)
{
	__u64 bytes = bit_bytes(rs->s->layout.pages);
	struct tally t = {
		.expected_map = calloc(1, bytes),
		.reported_map = calloc(1, bytes),
	};
	int rc;

	if (!t.expected_map || !t.reported_map)
		err(EXIT_SETUP, "no memory");
	rs->writes = 0;
	rs->reads = 0;
	rc = round_run(rs, n, &t);
	/* With no terminal to redraw on, a few pictures tell as much as all. */
	if (map->in_place || n == 0 || n == o->rounds / 2 || n == o->rounds - 1) {
		heatmap_draw(map, &rs->s->layout, t.expected_map, t.reported_map);
		map->lines++;
	}
	print_round(rs, n, o, &t);
	if (rc)
		printf("round %u: %s failed: %s\n", n + 1, rs->failed, strerror(-rc));
	free(t.expected_map);
	free(t.reported_map);

	total->expected += t.expected;
	total->reported += t.reported;
	total->missing += t.missing;
	total->extra += t.extra;
	total->overwritten += t.overwritten;
	total->errors += t.errors + (rc && !t.errors);
	for (int i = 0; i < t.wrongs && total->wrongs < TALLY_WRONG; i++)
		total->wrong[total->wrongs++] = t.wrong[i];
}

/* Everything written before the start is no news after it. */
static void start(struct rounds *rs, struct tally *total)
{
	if (round_writes(rs, 50))
		errx(EXIT_SETUP, "%s failed: %s", rs->failed, strerror(-rs->rc));
	need(space_start(rs->s), "starting dirty tracking");
	need(check_all(rs->s, 0, total), "reading the bitmap");
}

int main(int argc, char **argv)
{
	const char *colour = getenv("COLOR");
	struct options o = {
		.rounds = 10,
		.seed = 1,
		.colour = colour ? *colour == '1' : isatty(STDOUT_FILENO),
		.in_place = isatty(STDOUT_FILENO),
	};
	struct heatmap map = {};
	struct tally total = {};
	struct iommu_dirty_query q;
	struct rounds rs;
	struct space s;
	struct rig rig;
	bool exact;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	map.colour = o.colour;
	map.in_place = o.in_place;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);

	rig_open_any_pages(&rig, 1, o.stage ? o.stage : 2);
	need(space_open(&s, &rig, o.plain ? 0 : IOMMU_HWPT_ALLOC_DIRTY_TRACKING),
	     "allocating a HWPT %s DIRTY_TRACKING", o.plain ? "without" : "with");
	need(space_attach(&s, 0), "%s: cannot attach", rig.dev[0].name);
	map_memory(&s);
	rounds_init(&rs, &s, 0, o.seed);
	rs.whole_leaves = o.whole_leaves;
	start(&rs, &total);
	describe(&s, &o);
	fflush(stdout);
	for (unsigned int n = 0; n < o.rounds && !total.errors; n++) {
		run_round(&rs, n, &o, &map, &total);
		fflush(stdout);
	}
	if (rig.has_query && !hwpt_query(rig.iommufd, s.hwpt, &q))
		describe_cost(stdout, "", &q);
	need(space_stop(&s), "stopping dirty tracking");

	exact = tally_exact(&total);
	if (!exact)
		tally_print_wrong(&total, "demo: ");
	space_close(&s);
	rig_close(&rig);
	printf("demo: %s: expected %llu, reported %llu, missing %llu, extra %llu\n",
	       exact ? "exact" : "NOT exact", total.expected, total.reported,
	       total.missing, total.extra);
	return exact ? 0 : 1;
}
