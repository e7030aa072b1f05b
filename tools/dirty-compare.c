// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-compare: hard questions for a kernel's dirty tracking, one line for each
 * answer. Run on a stock kernel and on this project's, the lines show the
 * difference:
 *
 *     case | NAME | VERDICT | DETAILS | PROMISE
 *
 * "lost" counts 4 KiB pages that were written and that no read reported although
 * the kernel had answered for them.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bits.h"
#include "check.h"
#include "child.h"
#include "compiler.h"
#include "dma.h"
#include "guarded.h"
#include "need.h"
#include "rng.h"

struct result {
	char verdict[64];
	char details[160];
	bool bad;
};

struct test {
	const char *name;
	const char *promise;
	void (*run)(struct space *s, struct result *res, __u64 arg);
	__u64 arg;
};

[[gnu::format(printf, 2, 3)]]
static void verdict(struct result *res, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(res->verdict, sizeof(res->verdict), fmt, args);
	va_end(args);
}

[[gnu::format(printf, 2, 3)]]
static void details(struct result *res, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(res->details, sizeof(res->details), fmt, args);
	va_end(args);
}

static const char *rc_name(int rc)
{
	return rc ? errno_name(rc) : "0";
}

/* The worst first. */
static void judge(struct result *res, const struct tally *t)
{
	res->bad = !tally_exact(t);
	if (t->overwritten && t->missing)
		verdict(res, "overwrote %llu bytes, lost %llu", t->overwritten, t->missing);
	else if (t->overwritten)
		verdict(res, "overwrote %llu bytes", t->overwritten);
	else if (t->missing)
		verdict(res, "lost %llu", t->missing);
	else if (t->extra)
		verdict(res, "extra %llu", t->extra);
	else
		verdict(res, t->errors ? "error" : "exact");
	if (!*res->details)
		details(res, "expected %llu, reported %llu", t->expected, t->reported);
}

static struct region *add(struct space *s, const struct region_spec *spec)
{
	struct region *r = space_add(s, spec);

	if (!r)
		need(-errno, "no memory: huge pages are needed");
	return r;
}

static void map_and_start(struct space *s)
{
	need(space_map(s), "mapping memory");
	need(space_start(s), "starting dirty tracking");
}

static void poke(struct space *s, __u64 iova)
{
	need(dma_poke(s, 0, iova), "DMA to %#llx", iova);
}

/* A page is written, reported, and written again. */
static void rewrite(struct space *s, struct result *res, __u64 arg)
{
	const struct region_spec spec = { "r", SZ_1G + arg, SZ_2M * 4, SZ_2M, 0, false };
	struct region *r = add(s, &spec);
	struct tally t = {};
	const int rounds = 16;

	map_and_start(s);
	for (int i = 0; i < rounds; i++) {
		poke(s, r->iova + 5 * SZ_4K);
		poke(s, r->iova + r->len - 1);
		check_read(s, r, r->iova, r->len, 0, 0, &t);
	}
	judge(res, &t);
	details(res, "%d times; pages expected %llu, reported %llu", rounds,
		t.expected, t.reported);
}

/* The middle page of a bitmap of three cannot be written at first. */
static void unwritable(struct space *s, struct result *res, __u64 arg)
{
	/* A page of bitmap stands for 128 MiB. */
	const struct region_spec spec = {
		"r", SZ_1G + SZ_4K, SZ_2M * 64 * 3, SZ_2M, SZ_2M, false
	};
	struct region *r = add(s, &spec);
	__u64 pages = region_pages(r), rng = 1, lost = 0, wrote = 0;
	const size_t len = pages / 8, page = len / 3;
	__u8 *first = mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	__u8 *second = calloc(1, len);
	int rc, rc2;

	if (first == MAP_FAILED || !second)
		need(-ENOMEM, "memory");
	map_and_start(s);
	for (int i = 0; i < 150; i++)
		poke(s, r->iova + rng_below(&rng, pages) * SZ_4K);
	mprotect(first + page, page, arg);
	rc = hwpt_get_dirty(s->rig->iommufd, s->hwpt, r->iova, r->len, SZ_4K, first, 0);
	mprotect(first + page, page, PROT_READ | PROT_WRITE);
	rc2 = hwpt_get_dirty(s->rig->iommufd, s->hwpt, r->iova, r->len, SZ_4K, second, 0);
	for (__u64 i = 0; i < pages; i++) {
		if (!bit_test(s->oracle.written, i))
			continue;
		wrote++;
		lost += !bit_test(first, i) && !bit_test(second, i);
	}
	res->bad = lost || rc != -EFAULT || rc2;
	if (lost)
		verdict(res, "lost %llu", lost);
	else if (rc)
		verdict(res, "errno %s", errno_name(rc));
	else
		verdict(res, "no error");
	details(res, "of %llu pages; returned %s, then %s", wrote, rc_name(rc),
		rc_name(rc2));
}

/*
 * A range that cuts large leaves, then all of it. A page of a dirty leaf is lost
 * when neither reports it. @arg: the range in MiB, or one page at that place.
 */
static void partial(struct space *s, struct result *res, __u64 arg)
{
	const struct region_spec spec = { "r", SZ_1G, SZ_2M * 4, SZ_2M, 0, false };
	struct region *r = add(s, &spec);
	__u64 from = (arg >> 8) << 20, to = (arg & 0xff) << 20;
	/* Fence in the bitmap's own page, then none: both sorts of neighbour. */
	static const size_t slacks[] = { 64, 0 };
	struct tally sum = {};

	if (from == to)
		to += SZ_4K;
	map_and_start(s);
	for (int i = 0; i < 2; i++) {
		__u8 expected[SZ_2M * 4 / SZ_4K / 8] = {};
		__u8 reported[sizeof(expected)] = {};
		struct tally t = { .expected_map = expected, .reported_map = reported };

		for (__u64 at = 0; at < r->len; at += r->leaf)
			poke(s, r->iova + at + SZ_4K * 77);
		check_read(s, r, r->iova + from, to - from, 0, slacks[i], &t);
		check_read(s, r, r->iova, r->len, 0, 0, &t);
		oracle_reset(&s->oracle);
		for (__u64 page = 0; page < region_pages(r); page++)
			sum.missing += bit_test(expected, page) && !bit_test(reported, page);
		sum.expected += bits_count(expected, 0, region_pages(r));
		sum.reported += bits_count(reported, 0, region_pages(r));
		sum.extra += t.extra;
		sum.overwritten += t.overwritten;
		sum.errors += t.errors;
	}
	judge(res, &sum);
}

/* Nothing is mapped in the middle of the range. */
static void hole_in_range(struct space *s, struct result *res, __u64 arg)
{
	const struct region_spec a = { "a", SZ_1G + SZ_4K, SZ_2M, SZ_2M, 0, false };
	struct region *ra = add(s, &a);
	const struct region_spec b = { "b", ra->iova + 2 * SZ_2M, SZ_2M, SZ_2M, 0, false };
	struct region *rb = add(s, &b);
	__u64 len = rb->iova + rb->len - ra->iova, unread = 0, lost = 0, extra = 0;
	const int each = 10;
	struct guarded first, a2, b2;
	int rc;

	(void)arg;
	need(guarded_alloc(&first, len / SZ_4K / 8, 0), "memory");
	need(guarded_alloc(&a2, a.len / SZ_4K / 8, 0), "memory");
	need(guarded_alloc(&b2, b.len / SZ_4K / 8, 0), "memory");
	map_and_start(s);
	for (int i = 0; i < each; i++) {
		poke(s, ra->iova + i * 7 * SZ_4K);
		poke(s, rb->iova + i * 11 * SZ_4K);
	}
	rc = hwpt_get_dirty(s->rig->iommufd, s->hwpt, ra->iova, len, SZ_4K, first.bits, 0);
	need(hwpt_get_dirty(s->rig->iommufd, s->hwpt, ra->iova, a.len, SZ_4K, a2.bits, 0),
	     "reading before the hole");
	need(hwpt_get_dirty(s->rig->iommufd, s->hwpt, rb->iova, b.len, SZ_4K, b2.bits, 0),
	     "reading behind the hole");
	for (__u64 i = 0; i < len / SZ_4K; i++) {
		struct region *r = layout_find(&s->layout, ra->iova + i * SZ_4K);
		bool now = bit_test(first.bits, i), later = false, wrote = false;

		if (r) {
			__u64 at = ra->iova + i * SZ_4K - r->iova;

			wrote = bit_test(s->oracle.written, r->page0 + at / SZ_4K);
			later = bit_test(r == ra ? a2.bits : b2.bits, at / SZ_4K);
		}
		lost += wrote && !now && !later;
		unread += wrote && !now && !rc;
		extra += !wrote && (now || later);
	}
	res->bad = lost || unread || extra || guarded_overwritten(&first);
	if (guarded_overwritten(&first))
		verdict(res, "overwrote %zu bytes", guarded_overwritten(&first));
	else if (lost)
		verdict(res, "lost %llu", lost);
	else if (unread)
		verdict(res, "unread %llu", unread);
	else if (extra)
		verdict(res, "extra %llu", extra);
	else if (rc)
		verdict(res, "errno %s", errno_name(rc));
	else
		verdict(res, "exact");
	details(res, "%d pages before and behind it; returned %s, lost %llu", each,
		rc_name(rc), lost);
}

/*
 * A stock kernel holds 512 pages of the user's bitmap at a time, 64 GiB of IOVA if
 * it starts on a page. This one starts 32 bytes before the end of a page, so that
 * the border lies 127 MiB earlier and in the middle of a leaf.
 */
static void big_window(struct space *s, struct result *res, __u64 arg)
{
	struct region_spec spec = { "r", SZ_1G * 64, SZ_1G * 66, SZ_1G, SZ_1G, false };
	struct region *r = space_add(s, &spec);
	const size_t slack = 32;
	struct tally t = {};
	__u64 border;

	(void)arg;
	if (!r) {
		spec.chunk = SZ_2M;
		spec.mem_len = SZ_2M;
		r = add(s, &spec);
	}
	map_and_start(s);
	border = r->iova + SZ_1G * 64 - (SZ_4K - slack) * 8 * SZ_4K;
	for (int i = -1; i <= 1; i++) {
		poke(s, r->iova);
		poke(s, border + i);
		poke(s, r->iova + r->len - 1);
		check_read(s, r, r->iova, r->len, 0, slack, &t);
		check_read(s, r, r->iova, r->len, 0, 0, &t);
	}
	judge(res, &t);
	details(res, "leaves of %llu MiB; pages expected %llu, reported %llu",
		r->leaf >> 20, t.expected, t.reported);
}

/* A bitmap at any address, for a range of any number of pages. */
static void unaligned(struct space *s, struct result *res, __u64 arg)
{
	const struct region_spec spec = { "r", SZ_1G + SZ_4K, SZ_2M * 2, SZ_2M, 0, false };
	static const size_t slacks[] = { 1, 3, 7, 4, 64, 4095, 4096 - 7, 4096 + 1 };
	static const int lengths[] = { 1, 5, 8, 63, 64, 65, 200, 1024 };
	struct region *r = add(s, &spec);
	struct tally t = {};
	__u64 rng = 2;

	map_and_start(s);
	for (int i = 0; i < 8; i++) {
		__u64 pages = arg ? lengths[i] : 512;
		__u64 from = r->iova + (region_pages(r) - pages) / 2 * SZ_4K;

		for (int n = 0; n < 40; n++)
			poke(s, from + rng_below(&rng, pages) * SZ_4K);
		poke(s, from);
		poke(s, from + (pages - 1) * SZ_4K);
		/* Neighbours of the range, which it must not report. */
		if (arg && pages < 1024) {
			poke(s, from - SZ_4K);
			poke(s, from + pages * SZ_4K);
		}
		check_read(s, r, from, pages * SZ_4K, 0, arg ? 0 : slacks[i], &t);
		check_read(s, r, r->iova, r->len, 0, 0, &t);
	}
	judge(res, &t);
}

/* A page size at the extremes; one page of it, the sixth, was written. */
static void page_size(struct space *s, struct result *res, __u64 size)
{
	struct region_spec spec = { "r", 0, SZ_2M, SZ_2M, 0, false };
	__u64 range = size, bits = 1, set = 0;
	bool power = size && !(size & (size - 1));
	struct guarded g;
	struct tally t = {};
	struct region *r;
	int rc;

	if (!power) {
		/* What a check by masking lets through. */
		range = 0x10000;
		bits = size ? (range + size - 1) / size : 1;
	} else if (size < SZ_4K) {
		range = SZ_2M;
		bits = range / size;
	} else if (size == SZ_1G * 2) {
		/* The whole page is mapped, the same memory over and over. */
		spec.iova = space_room(s, 0, size, size);
		spec.len = size;
		spec.mem_len = SZ_2M;
	}
	r = add(s, &spec);
	map_and_start(s);
	poke(s, r->iova + 5 * SZ_4K);
	need(guarded_alloc(&g, bit_bytes(bits), 8), "memory");
	rc = hwpt_get_dirty(s->rig->iommufd, s->hwpt, r->iova, range, size, g.bits, 0);
	set = bits_count(g.bits, 0, bits);
	/*
	 * It was reported, or it still is: oracle_cleared() has not been told, so
	 * the comparison counts a page that was reported as missing.
	 */
	check_read(s, r, r->iova, r->len, 0, 0, &t);
	if (set)
		t.missing = 0;
	t.overwritten += guarded_overwritten(&g);
	details(res, "returned %s, %llu of %llu bits set", rc_name(rc), set, bits);
	judge(res, &t);
	if (!res->bad && rc)
		verdict(res, "errno %s", errno_name(rc));
	else if (!res->bad && !set)
		verdict(res, "unread 1");
	res->bad = res->bad || (!rc && !set) || (!size && rc != -EINVAL);
}

static const struct test tests[] = {
	{ "rewrite-after-clear-4K", "a write after a read is in the next read",
	  rewrite, SZ_4K },
	{ "rewrite-after-clear-2M", "a write after a read is in the next read",
	  rewrite, 0 },
	{ "read-only-bitmap-page", "an error reaches the caller, nothing is lost",
	  unwritable, PROT_READ },
	{ "forbidden-bitmap-page", "an error reaches the caller, nothing is lost",
	  unwritable, PROT_NONE },
	{ "starts-inside-leaf", "a leaf reported in part stays dirty",
	  partial, 1 << 8 | 4 },
	{ "ends-inside-leaf", "nothing is written outside of the bitmap",
	  partial, 0 << 8 | 3 },
	{ "one-page-of-a-leaf", "nothing is written outside of the bitmap",
	  partial, 3 << 8 | 3 },
	{ "hole-in-range", "what a read does not answer for, it says",
	  hole_in_range, 0 },
	{ "leaf-across-64G-window", "a leaf is reported as a whole",
	  big_window, 0 },
	{ "bitmap-at-odd-address", "the bitmap may be anywhere",
	  unaligned, 0 },
	{ "range-of-odd-length", "nothing is written outside of the bitmap",
	  unaligned, 1 },
	{ "page-size-0", "it is refused with EINVAL", page_size, 0 },
	{ "page-size-12K", "it is refused, or harmless", page_size, 0x3000 },
	{ "page-size-512", "one bit for each 512 bytes", page_size, 512 },
	{ "page-size-2G", "one bit for 2 GiB", page_size, SZ_1G * 2 },
	{ "page-size-2^63", "an error, or an answer; no crash", page_size, 1ULL << 63 },
};

/* What a child works on and answers; the answer is in memory that both see. */
struct job {
	const struct test *test;
	struct result *res;
	int stage;
	bool *has_query;
};

static int run_test(void *arg)
{
	struct job *job = arg;
	struct space s;
	struct rig rig;

	rig_open(&rig, 1, job->stage);
	*job->has_query = rig.has_query;
	need(space_open(&s, &rig, IOMMU_HWPT_ALLOC_DIRTY_TRACKING),
	     "allocating a HWPT with DIRTY_TRACKING");
	need(space_attach(&s, 0), "%s: cannot attach", rig.dev[0].name);
	job->test->run(&s, job->res, job->test->arg);
	return 0;
}

struct options {
	const char *only;
	int stage;
};

static const struct argp_option argp_options[] = {
	{ "stage", 't', "1|2", 0, "Translation stage that is used (2)", 0 },
	{}
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 't':
		o->stage = atoi(arg);
		break;
	case ARGP_KEY_ARG:
		o->only = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.args_doc = "[PART-OF-A-CASE'S-NAME]",
	.doc = "Ask this kernel's dirty tracking hard questions.\v"
		/* After \v: below the list of options. */
		"Exit status 1 if a kernel with IOMMU_DIRTY_QUERY broke a promise.",
};

int main(int argc, char **argv)
{
	struct options o = { .stage = 2 };
	struct shared {
		struct result res;
		bool has_query;
	} *shared;
	int broken = 0, ran = 0, failed = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		need(-errno, "memory");
	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++) {
		struct result *res = &shared->res;
		struct job job = { &tests[i], res, o.stage, &shared->has_query };
		int rc;

		if (o.only && !strstr(tests[i].name, o.only))
			continue;
		memset(res, 0, sizeof(*res));
		rc = child_run(run_test, &job, 120);
		if (rc) {
			res->bad = true;
			failed++;
			verdict(res, rc < 0 ? "crashed" : "not run");
			details(res, rc < 0 ? "signal %d" : "status %d", abs(rc));
		}
		ran++;
		broken += res->bad;
		printf("case | %s | %s | %s | %s\n", tests[i].name, res->verdict,
		       res->details, tests[i].promise);
		fflush(stdout);
	}
	printf("compare: %d cases, %d of them not as promised; %s kernel\n", ran, broken,
	       shared->has_query ? "this project's" : "stock");
	if (!ran)
		fprintf(stderr, "no case has '%s' in its name\n", o.only);
	if (failed == ran)
		return EXIT_SETUP;
	return shared->has_query && broken;
}
