// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-cost: what map, unmap and attach cost with dirty tracking off, in executed
 * instructions, kernel and system call together. A line for each operation:
 *
 *     cost | NAME | MINIMUM | QUARTILE | MEDIAN | QUARTILE | MAXIMUM
 *
 * Runs where time counts instructions (lib/instructions.h) and nowhere else. What a
 * stock kernel says and what this project's says show the difference.
 */
#include <argp.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler.h"
#include "instructions.h"
#include "need.h"
#include "space.h"

#define WARM_UP 20
#define MAX_REPEATS 200

/* Instructions around a loop that are counted with it; rdtsc itself is one. */
#define LOOP_MARGIN 16

struct bench {
	struct rig rig;
	struct space s;		/* its HWPT is allocated with DIRTY_TRACKING */
	__u32 plain;		/* a HWPT of the same IOAS without */
	__u32 empty;		/* an IOAS */
	struct region *small, *large;	/* leaves of 4 KiB, of 2 MiB; not mapped */
	int group, container;
};

struct operation {
	const char *name;
	int (*run)(struct bench *b, __u64 arg);
};

/* An operation and what undoes it, if something has to, so that both can be repeated. */
struct pair {
	struct operation op[2];
	__u64 arg;
	unsigned int repeats;
};

/* As little as an ioctl of iommufd's does: what it sets is set already. */
static int set_option(struct bench *b, __u64 arg)
{
	return ioas_set_huge_pages(b->rig.iommufd, b->empty, arg);
}

static int map(struct bench *b, const struct region *r, __u64 len)
{
	return ioas_map(b->rig.iommufd, b->s.ioas, r->mem, len, r->iova, true);
}

static int map_small(struct bench *b, __u64 len)
{
	return map(b, b->small, len);
}

static int map_large(struct bench *b, __u64 len)
{
	return map(b, b->large, len);
}

static int unmap_small(struct bench *b, __u64 len)
{
	return ioas_unmap(b->rig.iommufd, b->s.ioas, b->small->iova, len);
}

static int unmap_large(struct bench *b, __u64 len)
{
	return ioas_unmap(b->rig.iommufd, b->s.ioas, b->large->iova, len);
}

static int attach(struct bench *b, __u64 flags)
{
	return vfio_attach(&b->rig.dev[0], flags ? b->s.hwpt : b->plain);
}

static int attach_other(struct bench *b, __u64 flags)
{
	return attach(b, !flags);
}

static int detach(struct bench *b, [[maybe_unused]] __u64 arg)
{
	return vfio_detach(&b->rig.dev[0]);
}

static int claim(struct bench *b, [[maybe_unused]] __u64 arg)
{
	return vfio_group_set_container(b->group, b->container);
}

static int release(struct bench *b, [[maybe_unused]] __u64 arg)
{
	return vfio_group_unset_container(b->group);
}

/* With a device attached, so that there is something to flush. */
static const struct pair mappings[] = {
	{ { { "ioctl alone", set_option } }, true, MAX_REPEATS },
	{ { { "map 4K", map_small }, { "unmap 4K", unmap_small } }, SZ_4K, MAX_REPEATS },
	{ { { "map 2M", map_large }, { "unmap 2M", unmap_large } }, SZ_2M, MAX_REPEATS },
	{ { { "map 64M", map_large }, { "unmap 64M", unmap_large } }, SZ_2M * 32, 50 },
	{ { { "map 16M in 4K", map_small }, { "unmap 16M in 4K", unmap_small } },
	  SZ_2M * 8, 100 },
};

static const struct pair replaces[] = {
	{ { { "replace", attach_other }, { "replace back", attach } },
	  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, MAX_REPEATS },
};

static const struct pair attaches[] = {
	{ { { "attach", attach }, { "detach", detach } }, 0, MAX_REPEATS },
	{ { { "attach tracked", attach }, { "detach tracked", detach } },
	  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, MAX_REPEATS },
};

/* Between the domains of the DMA API and of nobody: neither can be tracked. */
static const struct pair owners[] = {
	{ { { "claim", claim }, { "release", release } }, 0, MAX_REPEATS },
};

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, __u64 *counts, unsigned int n)
{
	qsort(counts, n, sizeof(*counts), by_value);
	printf("cost | %s | %llu | %llu | %llu | %llu | %llu\n", name, counts[0],
	       counts[n / 4], counts[n / 2], counts[n * 3 / 4], counts[n - 1]);
	fflush(stdout);
}

static __u64 count(struct bench *b, const struct operation *op, __u64 arg)
{
	__u64 before = instructions();
	int rc = op->run(b, arg);
	__u64 after = instructions();

	need(rc, "%s", op->name);
	return after - before;
}

static void measure(struct bench *b, const struct pair *p)
{
	__u64 counts[2][MAX_REPEATS];

	for (unsigned int n = 0; n < WARM_UP + p->repeats; n++)
		for (int i = 0; i < 2 && p->op[i].run; i++)
			counts[i][n < WARM_UP ? 0 : n - WARM_UP] = count(b, &p->op[i], p->arg);
	for (int i = 0; i < 2 && p->op[i].run; i++)
		report(p->op[i].name, counts[i], p->repeats);
}

static void measure_all(struct bench *b, const struct pair *pairs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		measure(b, &pairs[i]);
}

/* The shortest of a few: an interrupt may come while it counts. */
static __u64 loop(__u64 times)
{
	__u64 shortest = ~0ULL;

	for (int i = 0; i < 10; i++) {
		__u64 before = instructions(), n;

		two_instructions(times);
		n = instructions() - before;
		if (n < shortest)
			shortest = n;
	}
	return shortest;
}

static void check_counter(void)
{
	static const __u64 times[] = { 10, 1000, 1000000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(times); i++) {
		__u64 n = loop(times[i]), right = 2 * times[i];

		if (n < right || n > right + LOOP_MARGIN)
			errx(EXIT_SETUP,
			     "time does not count instructions: %llu for a loop of %llu (guest.py --count-instructions)",
			     n, right);
	}
}

static void set_up(struct bench *b, int stage)
{
	static const struct region_spec small = {
		"4K", SZ_1G + SZ_4K, SZ_2M * 8, SZ_2M, 0, false
	};
	static const struct region_spec large = {
		"2M", SZ_1G * 2, SZ_2M * 32, SZ_2M, 0, false
	};

	rig_open(&b->rig, 1, stage);
	need(space_open(&b->s, &b->rig, IOMMU_HWPT_ALLOC_DIRTY_TRACKING),
	     "allocating a HWPT with DIRTY_TRACKING");
	need(ioas_alloc(b->rig.iommufd, &b->empty), "allocating an IOAS");
	need(space_attach(&b->s, 0), "%s: cannot attach", b->rig.dev[0].name);
	b->small = space_add(&b->s, &small);
	b->large = space_add(&b->s, &large);
	if (!b->small || !b->large)
		err(EXIT_SETUP, "no memory: 40 huge pages of 2 MiB are needed (hugepages=)");
}

/* The device is closed, and at vfio-pci still. */
static void open_group(struct bench *b)
{
	b->group = vfio_group_open(b->rig.dev[0].name);
	need(b->group, "%s: cannot open its group", b->rig.dev[0].name);
	b->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (b->container < 0)
		err(EXIT_SETUP, "/dev/vfio/vfio");
}

static const struct argp_option argp_options[] = {
	{ "stage", 't', "1|2", 0, "Translation stage that is used (2)", 0 },
	{}
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *stage = state->input;

	if (key != 't')
		return ARGP_ERR_UNKNOWN;
	*stage = atoi(arg);
	return 0;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Count the instructions of map, unmap and attach with tracking off.",
};

int main(int argc, char **argv)
{
	struct bench b = {};
	int stage = 2;

	argp_parse(&argp, argc, argv, 0, NULL, &stage);
	check_counter();
	set_up(&b, stage);
	measure_all(&b, mappings, ARRAY_SIZE(mappings));
	/* Not before: what is mapped in the IOAS is mapped in each of its HWPTs. */
	need(hwpt_alloc(b.rig.iommufd, b.rig.dev[0].dev_id, b.s.ioas, 0, &b.plain),
	     "allocating a HWPT without DIRTY_TRACKING");
	measure_all(&b, replaces, ARRAY_SIZE(replaces));
	need(space_detach(&b.s, 0), "%s: cannot detach", b.rig.dev[0].name);
	measure_all(&b, attaches, ARRAY_SIZE(attaches));
	rig_close(&b.rig);
	open_group(&b);
	measure_all(&b, owners, ARRAY_SIZE(owners));
	printf("cost: all done, %s kernel\n", b.rig.has_query ? "this project's" : "stock");
	return 0;
}
