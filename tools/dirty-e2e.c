// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e: real devices, the real IOMMU driver, user space comparing. Every case
 * is a process of its own and prints one TAP line; the oracle says what is right.
 */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bits.h"
#include "child.h"
#include "compiler.h"
#include "describe.h"
#include "dma.h"
#include "e2e.h"
#include "need.h"
#include "race.h"
#include "rng.h"
#include "round.h"

struct options {
	const char *only;
	unsigned int rounds;
	unsigned int seconds;
	__u64 seed;
	int stage;
	const char *incapable;
};

static struct options opt = { .rounds = 4, .seconds = 3, .seed = 1, .stage = 2 };

/* A case ends with it that skip() was called in; the reason is in shared memory. */
#define EXIT_SKIP 77
#define SKIP_REASON 128
static char *skip_reason;

/* For one case, on a slow machine with a kernel full of checkers; seconds. */
#define TIMEOUT 300

/* ---- Expectations: the first one that does not hold ends the case. ---- */

void expect(bool holds, const char *fmt, ...)
{
	va_list args;

	if (holds)
		return;
	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

void skip(const char *reason)
{
	snprintf(skip_reason, SKIP_REASON, "%s", reason);
	exit(EXIT_SKIP);
}

void expect_rc(const char *what, int rc, int want)
{
	expect(rc == want, "%s: returned %s, should be %s", what,
	       rc ? errno_name(rc) : "0", want ? errno_name(want) : "0");
}

void expect_exact(const char *what, const struct tally *t)
{
	if (tally_exact(t))
		return;
	tally_print_wrong(t, "# ");
	expect(false, "%s: expected %llu, reported %llu, missing %llu, extra %llu", what,
	       t->expected, t->reported, t->missing, t->extra);
}

/* Everything, read and cleared or only read, is what the oracle says. */
void expect_all(struct fixture *f, const char *what, __u32 flags)
{
	struct tally t = {};

	expect_rc(what, check_all(&f->s, flags, &t), 0);
	expect_exact(what, &t);
}

struct iommu_dirty_query query(struct fixture *f)
{
	struct iommu_dirty_query q;

	expect_rc("query", hwpt_query(f->rig.iommufd, f->s.hwpt, &q), 0);
	return q;
}

/* ---- Building blocks. ---- */

static struct region *add(struct space *s, const char *name, __u64 iova, __u64 len,
			  bool read_only)
{
	struct region_spec spec = { name, iova, len, SZ_2M, 0, read_only };
	struct region *r = space_add(s, &spec);

	if (!r)
		need(-errno, "no memory: huge pages are needed");
	return r;
}

void open_with(struct fixture *f, __u32 flags)
{
	expect_rc("allocate a HWPT", space_open(&f->s, &f->rig, flags), 0);
	expect_rc("attach", space_attach(&f->s, 0), 0);
	f->small = add(&f->s, "4K", SZ_1G + SZ_4K, SZ_2M * 4, false);
	f->large = add(&f->s, "2M", SZ_1G * 2, SZ_2M * 8, false);
	expect_rc("map", space_map(&f->s), 0);
}

static void open_space(struct fixture *f)
{
	open_with(f, DIRTY_FLAG);
}

/* One more region, not mapped yet; nothing has been written so far. */
static struct region *add_late_spec(struct fixture *f, const struct region_spec *spec)
{
	struct region *r = space_add(&f->s, spec);

	if (!r && spec->chunk == SZ_1G)
		skip("no huge page of 1 GiB");
	if (!r)
		need(-errno, "no memory: huge pages are needed");
	oracle_free(&f->s.oracle);
	need(oracle_init(&f->s.oracle, &f->s.layout), "memory");
	return r;
}

struct region *add_late(struct fixture *f, const char *name, __u64 iova,
			__u64 len, bool read_only)
{
	struct region_spec spec = { name, iova, len, SZ_2M, 0, read_only };

	return add_late_spec(f, &spec);
}

void map(struct fixture *f, struct region *r)
{
	expect_rc("map", space_map_one(&f->s, r), 0);
}

void start(struct fixture *f)
{
	expect_rc("start", space_start(&f->s), 0);
}

static void open_started(struct fixture *f)
{
	open_space(f);
	start(f);
}

void poke(struct fixture *f, int dev, __u64 iova)
{
	expect_rc("DMA write", dma_poke(&f->s, dev, iova), 0);
}

/* A few writes to the first two regions; other pages every time. */
static void scribble_in(struct space *s, int dev)
{
	static __u64 rng = 99;

	for (int i = 0; i < 20; i++) {
		struct transfer t = dma_random(&s->layout.region[i % 2], &rng);

		expect_rc("DMA write", dma_write(s, dev, &t), 0);
	}
}

void scribble(struct fixture *f, int dev)
{
	scribble_in(&f->s, dev);
}

static int get(struct fixture *f, __u64 iova, __u64 len, __u64 page_size, void *bits,
	       __u32 flags)
{
	return hwpt_get_dirty(f->rig.iommufd, f->s.hwpt, iova, len, page_size, bits, flags);
}

/* ---- Capability and allocation. ---- */

static void capability(struct fixture *f)
{
	expect(f->rig.hw.caps & IOMMU_HW_CAP_DIRTY_TRACKING,
	       "IOMMU_GET_HW_INFO: capabilities %#llx lack dirty tracking",
	       f->rig.hw.caps);
}

static void rounds_with(struct fixture *f, __u32 flags)
{
	struct tally t = {};
	struct rounds rs;

	open_with(f, flags);
	map(f, add_late(f, "r/o", SZ_1G * 3, SZ_2M, true));
	rounds_init(&rs, &f->s, 0, opt.seed);
	expect_rc("writes before the start", round_writes(&rs, 50), 0);
	start(f);
	expect_all(f, "after the start", 0);
	for (unsigned int n = 0; n < opt.rounds; n++) {
		int rc = round_run(&rs, n, &t);

		expect(!rc, "round %u: %s: %s", n, rs.failed, strerror(-rc));
		expect_exact("rounds", &t);
	}
	printf("# seed %llu: %llu pages expected, %llu reported\n", opt.seed, t.expected,
	       t.reported);
}

static void rounds(struct fixture *f)
{
	rounds_with(f, DIRTY_FLAG);
}

static void rounds_plain_hwpt(struct fixture *f)
{
	rounds_with(f, 0);
}

/* ---- Start, stop, read: the ioctls that upstream has. ---- */

static void read_while_off(struct fixture *f)
{
	__u8 bits[64] = {};

	open_space(f);
	expect_rc("read before the start", get(f, f->small->iova, SZ_2M, SZ_4K, bits, 0),
		  -EINVAL);
	start(f);
	expect_rc("read", get(f, f->small->iova, SZ_2M, SZ_4K, bits, 0), 0);
	expect_rc("stop", space_stop(&f->s), 0);
	expect_rc("read after the stop", get(f, f->small->iova, SZ_2M, SZ_4K, bits, 0),
		  -EINVAL);
}

static void start_and_stop_twice(struct fixture *f)
{
	open_space(f);
	expect_rc("stop before any start", space_stop(&f->s), 0);
	start(f);
	scribble(f, 0);
	expect_rc("stop", space_stop(&f->s), 0);
	expect_rc("second stop", space_stop(&f->s), 0);
	start(f);
	expect_rc("second start", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), 0);
	scribble(f, 0);
	expect_all(f, "after two starts", 0);
}

static void start_makes_clean(struct fixture *f)
{
	open_space(f);
	for (int i = 0; i < 4; i++) {
		scribble(f, 0);
		poke(f, 0, f->small->iova);
		poke(f, 0, f->large->iova);
		start(f);
		expect_all(f, "after the start", 0);
		/* The same pages as before it, and others. */
		poke(f, 0, f->small->iova);
		poke(f, 0, f->large->iova);
		scribble(f, 0);
		expect_all(f, "writes after the start", 0);
		expect_rc("stop", space_stop(&f->s), 0);
	}
}

static void unknown_flags(struct fixture *f)
{
	__u8 bits[64] = {};

	open_started(f);
	expect_rc("SET_DIRTY_TRACKING flag 2",
		  hwpt_set_dirty_flags(f->rig.iommufd, f->s.hwpt, 2), -EOPNOTSUPP);
	expect_rc("GET_DIRTY_BITMAP flag 2",
		  get(f, f->small->iova, SZ_2M, SZ_4K, bits, 2), -EOPNOTSUPP);
}

static void bad_ranges(struct fixture *f)
{
	__u64 iova;
	__u8 bits[64] = {};

	open_started(f);
	iova = f->small->iova;
	expect_rc("no such HWPT", hwpt_get_dirty(f->rig.iommufd, ~0U, iova, SZ_2M, SZ_4K,
						 bits, 0), -ENOENT);
	expect_rc("an IOAS is no HWPT",
		  hwpt_get_dirty(f->rig.iommufd, f->s.ioas, iova, SZ_2M, SZ_4K, bits, 0),
		  -ENOENT);
	expect_rc("length 0", get(f, iova, 0, SZ_4K, bits, 0), -EINVAL);
	expect_rc("page size 0", get(f, iova, SZ_2M, 0, bits, 0), -EINVAL);
	expect_rc("IOVA not aligned", get(f, iova + 1, SZ_2M, SZ_4K, bits, 0), -EINVAL);
	expect_rc("length not aligned", get(f, iova, SZ_2M - 1, SZ_4K, bits, 0), -EINVAL);
	expect_rc("IOVA not aligned to the page size",
		  get(f, iova, SZ_2M, SZ_2M, bits, 0), -EINVAL);
	expect_rc("end beyond 2^64", get(f, -SZ_2M, SZ_2M * 2, SZ_4K, bits, 0), -EOVERFLOW);
}

static void bitmap_not_there(struct fixture *f)
{
	open_started(f);
	scribble(f, 0);
	expect_rc("bitmap at NULL", get(f, f->small->iova, f->small->len, SZ_4K, NULL, 0),
		  -EFAULT);
	expect_rc("bitmap at NULL", get(f, f->large->iova, f->large->len, SZ_4K, NULL, 0),
		  -EFAULT);
	expect_all(f, "after two failed reads", 0);
}

static void read_without_clear(struct fixture *f)
{
	open_started(f);
	scribble(f, 0);
	for (int i = 0; i < 3; i++)
		expect_all(f, "read without clear", NO_CLEAR);
	expect_all(f, "read", 0);
	expect_all(f, "read without clear, all clean", NO_CLEAR);
}

static void rewritten_pages(struct fixture *f)
{
	open_started(f);
	for (int i = 0; i < 30; i++) {
		poke(f, 0, f->small->iova + SZ_4K * 7);
		poke(f, 0, f->large->iova + SZ_4K * 7);
		expect_all(f, "the same pages again", 0);
	}
}

static void pages_only_read(struct fixture *f)
{
	__u64 rng = 5;

	open_started(f);
	for (int i = 0; i < 100; i++) {
		struct transfer t = dma_random(i % 2 ? f->small : f->large, &rng);

		expect_rc("DMA read", dma_read(&f->s, 0, &t), 0);
	}
	expect_all(f, "pages that the device only read", 0);
}

/* Cut leaves: reported in part, dirty until a read covers them. */
static void parts_of_leaves(struct fixture *f)
{
	struct region *r;
	struct tally t = {};

	open_started(f);
	r = f->large;
	for (int i = 0; i < 8; i++)
		poke(f, 0, r->iova + i * SZ_2M + i * SZ_4K);
	/* From the middle of leaf 1 to the middle of leaf 3; then one page of leaf 5. */
	expect_rc("read", check_read(&f->s, r, r->iova + SZ_1G / 1024 * 3, SZ_2M * 2, 0,
				     24, &t), 0);
	expect_rc("read", check_read(&f->s, r, r->iova + SZ_2M * 5 + SZ_4K * 9, SZ_4K, 0,
				     0, &t), 0);
	expect_exact("parts of leaves", &t);
	expect_all(f, "all of it after parts", 0);
	expect_all(f, "all of it again", 0);
}

static void large_page_size(struct fixture *f)
{
	__u8 bits = 0;

	open_started(f);
	poke(f, 0, f->large->iova + SZ_2M * 3 + 5);
	expect_rc("read in units of 2 MiB",
		  get(f, f->large->iova, SZ_2M * 8, SZ_2M, &bits, 0), 0);
	expect(bits == 1 << 3, "read in units of 2 MiB: bits %#x, should be 0x8", bits);
	bits = 0;
	expect_rc("read again", get(f, f->large->iova, SZ_2M * 8, SZ_2M, &bits, 0), 0);
	expect(!bits, "read again: bits %#x, should be 0", bits);
}

static void hole_in_range(struct fixture *f)
{
	struct tally t = {};
	const size_t len = SZ_2M * 3 / SZ_4K / 8;
	__u8 *bits = calloc(1, len);
	struct region *a, *b;
	int rc;

	if (!bits)
		need(-ENOMEM, "memory");
	open_with(f, DIRTY_FLAG);
	a = add_late(f, "a", SZ_1G * 3 + SZ_4K, SZ_2M, false);
	b = add_late(f, "b", a->iova + SZ_2M * 2, SZ_2M, false);
	map(f, a);
	map(f, b);
	start(f);
	poke(f, 0, a->iova + SZ_4K);
	poke(f, 0, b->iova + SZ_4K * 2);
	rc = get(f, a->iova, SZ_2M * 3, SZ_4K, bits, 0);
	printf("# a hole in the range: %s\n", rc ? errno_name(rc) : "no error");
	/* What it reported is cleared, what it did not report is not. */
	if (bit_test(bits, 1))
		oracle_cleared(&f->s.oracle, a, a->iova, SZ_2M);
	if (bit_test(bits, 1026))
		oracle_cleared(&f->s.oracle, b, b->iova, SZ_2M);
	expect(rc || (bit_test(bits, 1) && bit_test(bits, 1026)),
	       "no error, and not all reported");
	expect_rc("read", check_read(&f->s, b, b->iova, b->len, 0, 0, &t), 0);
	if (!rc)
		expect_rc("read", check_read(&f->s, a, a->iova, a->len, 0, 0, &t), 0);
	expect_exact("after a read with a hole", &t);
}

/* Reads add to what the caller's bitmap holds. */
static void bits_are_added(struct fixture *f)
{
	__u8 bits[SZ_2M * 4 / SZ_4K / 8], expected[sizeof(bits)];

	open_started(f);
	for (int i = 0; i < 4; i++) {
		scribble(f, 0);
		oracle_expect(&f->s.oracle, f->small, f->small->iova, f->small->len, expected);
		memset(bits, 0x81, sizeof(bits));
		expect_rc("read", get(f, f->small->iova, f->small->len, SZ_4K, bits,
				      i % 2 ? 0 : NO_CLEAR), 0);
		if (i % 2)
			oracle_cleared(&f->s.oracle, f->small, f->small->iova, f->small->len);
		for (size_t n = 0; n < sizeof(bits); n++)
			expect(bits[n] == (expected[n] | 0x81),
			       "byte %zu is %#x, should be %#x | 0x81", n, bits[n], expected[n]);
	}
}

/* The pages of the bitmap come into being only when the kernel writes to them. */
static void bitmap_not_resident(struct fixture *f)
{
	struct region_spec spec = {
		"wide", SZ_1G * 4 + SZ_4K, SZ_2M * 192, SZ_2M, SZ_2M, false
	};
	struct region *r;
	__u64 len, rng = 3;
	__u8 *bits;

	open_with(f, DIRTY_FLAG);
	r = add_late_spec(f, &spec);
	map(f, r);
	start(f);
	len = region_pages(r) / 8;
	for (int i = 0; i < 3; i++) {
		for (int n = 0; n < 50; n++)
			poke(f, 0, r->iova + rng_below(&rng, r->len));
		bits = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		if (bits == MAP_FAILED)
			need(-errno, "memory");
		expect_rc("read", get(f, r->iova, r->len, SZ_4K, bits, 0), 0);
		for (__u64 n = 0; n < region_pages(r); n++)
			expect(bit_test(bits, n) == bit_test(f->s.oracle.written, r->page0 + n),
			       "page %llu is wrong", n);
		oracle_cleared(&f->s.oracle, r, r->iova, r->len);
		munmap(bits, len);
	}
}

/* A leaf of a gigabyte, whole and cut. */
static void gigantic_leaf(struct fixture *f)
{
	struct region_spec spec = { "1G", SZ_1G * 5, SZ_1G, SZ_1G, 0, false };
	struct tally t = {};
	struct region *r;

	open_with(f, DIRTY_FLAG);
	r = add_late_spec(f, &spec);
	map(f, r);
	start(f);
	for (int i = 0; i < 3; i++) {
		poke(f, 0, r->iova + SZ_1G - 1 - i * SZ_2M);
		expect_rc("read a part", check_read(&f->s, r, r->iova + SZ_2M * 100 + SZ_4K,
						    SZ_2M * 33, 0, 5, &t), 0);
		expect_exact("a part", &t);
		expect_all(f, "all of it", 0);
		expect_all(f, "all of it again", 0);
	}
}

/* ---- Query. ---- */

static void query_errors(struct fixture *f)
{
	struct iommu_dirty_query q = { .size = sizeof(q) };
	struct {
		struct iommu_dirty_query q;
		__u64 more;
	} longer = { .q.size = sizeof(longer) };
	int fd = f->rig.iommufd;

	open_space(f);
	q.hwpt_id = ~0U;
	expect_rc("no such HWPT", iommufd_call(fd, IOMMU_DIRTY_QUERY, &q), -ENOENT);
	q.hwpt_id = f->s.ioas;
	expect_rc("an IOAS is no HWPT", iommufd_call(fd, IOMMU_DIRTY_QUERY, &q), -ENOENT);
	q.hwpt_id = f->s.hwpt;
	q.flags = 1;
	expect_rc("flags", iommufd_call(fd, IOMMU_DIRTY_QUERY, &q), -EOPNOTSUPP);
	q.flags = 0;
	q.__reserved = 1;
	expect_rc("reserved", iommufd_call(fd, IOMMU_DIRTY_QUERY, &q), -EOPNOTSUPP);
	q.__reserved = 0;
	q.size = 8;
	expect_rc("size too small", iommufd_call(fd, IOMMU_DIRTY_QUERY, &q), -EINVAL);
	longer.q.hwpt_id = f->s.hwpt;
	longer.more = 1;
	expect_rc("unknown field set", iommufd_call(fd, IOMMU_DIRTY_QUERY, &longer), -E2BIG);
	longer.more = 0;
	expect_rc("unknown field clear", iommufd_call(fd, IOMMU_DIRTY_QUERY, &longer), 0);
	q.size = sizeof(q);
	expect_rc("query", iommufd_call(fd, IOMMU_DIRTY_QUERY, &q), 0);
}

static void query_state(struct fixture *f)
{
	struct iommu_dirty_query q, before;

	open_space(f);
	before = query(f);
	describe_state(stdout, "# ", &before);
	expect(before.out_mode == IOMMU_DIRTY_MODE_OFF, "mode %s before the start",
	       mode_name(before.out_mode));
	expect(before.out_stage == (__u32)opt.stage, "stage %u, should be %d",
	       before.out_stage, opt.stage);
	expect(before.out_backend[0], "no backend's name");
	expect(before.out_caps & IOMMU_DIRTY_CAP_RECORD, "the capability lacks record");
	expect(before.out_attached == 1, "%u attached, should be 1", before.out_attached);
	expect(before.out_leaf_sizes == f->rig.leaf_sizes,
	       "leaf sizes %#llx, the hardware has %#llx", before.out_leaf_sizes,
	       f->rig.leaf_sizes);
	start(f);
	q = query(f);
	expect(q.out_mode == IOMMU_DIRTY_MODE_EXACT, "mode %s after the start",
	       mode_name(q.out_mode));
	expect(q.out_reason == IOMMU_DIRTY_REASON_NONE, "reason %u", q.out_reason);
	expect(q.out_seq > before.out_seq, "the start left seq at %llu", q.out_seq);
	before = q;
	expect_rc("stop", space_stop(&f->s), 0);
	q = query(f);
	expect(q.out_mode == IOMMU_DIRTY_MODE_OFF, "mode %s after the stop",
	       mode_name(q.out_mode));
	expect(q.out_seq > before.out_seq, "the stop left seq at %llu", q.out_seq);
	before = q;
	expect_rc("detach", space_detach(&f->s, 0), 0);
	q = query(f);
	expect(q.out_attached == 0, "%u attached after detach", q.out_attached);
	expect(q.out_seq > before.out_seq, "detach left seq at %llu", q.out_seq);
}

static void query_counters(struct fixture *f)
{
	struct iommu_dirty_query a, b;
	const int small = 5, large = 3;

	open_started(f);
	a = query(f);
	expect(!a.out_reads && !a.out_dirty && !a.out_cleared,
	       "counters are not 0 after the start");
	for (int i = 0; i < small; i++)
		poke(f, 0, f->small->iova + i * SZ_4K * 9);
	for (int i = 0; i < large; i++)
		poke(f, 0, f->large->iova + i * SZ_2M);
	expect_all(f, "read without clear", NO_CLEAR);
	a = query(f);
	expect(a.out_reads == 2, "%llu reads, should be 2", a.out_reads);
	expect(a.out_dirty == small + large, "%llu dirty, should be %d", a.out_dirty,
	       small + large);
	expect(!a.out_cleared, "%llu cleared by reads without clear", a.out_cleared);
	expect_all(f, "read", 0);
	b = query(f);
	describe_cost(stdout, "# ", &b);
	expect(b.out_reads == 4, "%llu reads, should be 4", b.out_reads);
	expect(b.out_dirty == 2 * (small + large), "%llu dirty, should be %d", b.out_dirty,
	       2 * (small + large));
	expect(b.out_cleared == small + large, "%llu cleared, should be %d",
	       b.out_cleared, small + large);
	expect(b.out_flushes > a.out_flushes, "no flush followed the clear");
	expect(b.out_leaves == 2 * (f->small->len / f->small->leaf +
				    f->large->len / f->large->leaf),
	       "%llu leaves looked at", b.out_leaves);
	expect(b.out_seen_leaf_sizes == f->large->leaf, "the last read met %#llx, mapped are %#llx",
	       b.out_seen_leaf_sizes, f->large->leaf);
	expect(b.out_time_ns, "reads took no time");
	expect_rc("stop", space_stop(&f->s), 0);
	start(f);
	expect(!query(f).out_reads, "a start does not reset the counters");
}

/* ---- Mappings that come and go while tracking is on. ---- */

/*
 * A leaf mapped while tracking may be reported once before it is written, where
 * the capability says so: read that report away.
 */
static void settle(struct fixture *f, const struct region *r)
{
	bool born_dirty = query(f).out_caps & IOMMU_DIRTY_CAP_BORN_DIRTY;
	struct tally t = {};

	expect_rc("read what was just mapped",
		  check_read(&f->s, r, r->iova, r->len, 0, 0, &t), 0);
	if (born_dirty)
		t.extra = 0;
	expect_exact("just mapped, nothing written", &t);
}

static void mapped_while_on(struct fixture *f)
{
	struct region *r;

	open_with(f, DIRTY_FLAG);
	r = add_late(f, "new", SZ_1G * 3 + SZ_4K, SZ_2M, false);
	start(f);
	map(f, r);
	settle(f, r);
	for (int i = 0; i < 3; i++) {
		poke(f, 0, r->iova + SZ_4K * 20);
		scribble(f, 0);
		expect_all(f, "mapped while on, then written", 0);
	}
}

/* The first write after the map, with no read in between, is there. */
static void mapped_and_written(struct fixture *f)
{
	struct tally t = {};
	struct region *r;

	open_with(f, DIRTY_FLAG);
	r = add_late(f, "new", SZ_1G * 3, SZ_2M * 2, false);
	start(f);
	map(f, r);
	poke(f, 0, r->iova + 1);
	expect_rc("read", check_read(&f->s, r, r->iova, r->len, 0, 0, &t), 0);
	if (query(f).out_caps & IOMMU_DIRTY_CAP_BORN_DIRTY)
		t.extra = 0;
	expect_exact("mapped while on, written at once", &t);
}

static void unmap_and_remap(struct fixture *f)
{
	open_started(f);
	for (int i = 0; i < 3; i++) {
		scribble(f, 0);
		expect_rc("unmap", space_unmap_one(&f->s, f->small), 0);
		map(f, f->small);
		settle(f, f->small);
		poke(f, 0, f->small->iova + SZ_4K * 3);
		expect_all(f, "after unmap and map", 0);
	}
}

/* ---- Devices that come and go while tracking is on. ---- */

static void second_device_records(struct fixture *f)
{
	open_started(f);
	scribble(f, 0);
	expect_all(f, "first device", 0);
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	expect(query(f).out_attached == 2, "%u attached", query(f).out_attached);
	/* The first DMA that it does. */
	poke(f, 1, f->small->iova + SZ_4K * 33);
	expect_all(f, "second device's first write", 0);
	for (int i = 0; i < 4; i++) {
		scribble(f, i % 2);
		poke(f, 1, f->small->iova + SZ_4K * 33);
		poke(f, 0, f->small->iova + SZ_4K * 34);
		expect_all(f, "two devices", 0);
	}
}

/* Both write the same pages: a clear has to reach both devices' caches. */
static void same_pages_two_devices(struct fixture *f)
{
	open_started(f);
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	for (int i = 0; i < 20; i++) {
		poke(f, i % 2, f->small->iova);
		poke(f, i % 2, f->large->iova);
		expect_all(f, "in turn", 0);
	}
}

/* The second device, which is there when tracking starts, only reads. */
static void second_device_only_reads(struct fixture *f)
{
	open_space(f);
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	start(f);
	for (int i = 0; i < 3; i++) {
		struct transfer t = {
			.region = f->small, .iova = f->small->iova + i * SZ_4K, .len = 16,
		};

		scribble(f, 0);
		expect_rc("DMA read", dma_read(&f->s, 1, &t), 0);
		expect_all(f, "what the first wrote", 0);
	}
}

static void detach_and_attach(struct fixture *f)
{
	open_started(f);
	for (int i = 0; i < 4; i++) {
		scribble(f, 0);
		expect_rc("detach", space_detach(&f->s, 0), 0);
		if (i % 2)
			expect_all(f, "nobody attached", 0);
		expect_rc("attach", space_attach(&f->s, 0), 0);
		scribble(f, 0);
		expect_all(f, "after detach and attach", 0);
	}
}

/* Another HWPT over the same IOAS: each reports what came through it. */
static void move_between_hwpts(struct fixture *f)
{
	struct space other;

	open_started(f);
	other = f->s;
	expect_rc("allocate another HWPT",
		  hwpt_alloc(f->rig.iommufd, f->rig.dev[0].dev_id, f->s.ioas, DIRTY_FLAG,
			     &other.hwpt), 0);
	need(oracle_init(&other.oracle, &other.layout), "memory");
	expect_rc("start the other", space_start(&other), 0);
	for (int i = 0; i < 4; i++) {
		struct space *now = i % 2 ? &f->s : &other, *then = i % 2 ? &other : &f->s;
		struct tally t = {};

		scribble_in(then, 0);
		expect_rc("move", vfio_attach(&f->rig.dev[0], now->hwpt), 0);
		expect_rc("read the old one", check_all(then, 0, &t), 0);
		expect_rc("read the new one", check_all(now, 0, &t), 0);
		expect_exact("after the move", &t);
	}
}

/* The device was at work before, in a domain that nobody asked to track. */
static void moved_from_plain_domain(struct fixture *f)
{
	expect_rc("allocate a HWPT", space_open(&f->s, &f->rig, DIRTY_FLAG), 0);
	f->small = add(&f->s, "4K", SZ_1G + SZ_4K, SZ_2M * 4, false);
	f->large = add(&f->s, "2M", SZ_1G * 2, SZ_2M * 8, false);
	expect_rc("map", space_map(&f->s), 0);
	expect_rc("start with nobody attached", space_start(&f->s), 0);
	/* Attached to the IOAS, it gets a domain of the kernel's choice. */
	for (int i = 0; i < 3; i++) {
		expect_rc("attach to the IOAS", vfio_attach(&f->rig.dev[0], f->s.ioas), 0);
		expect_rc("move", space_attach(&f->s, 0), 0);
		poke(f, 0, f->small->iova + i);
		scribble(f, 0);
		expect_all(f, "after the move", 0);
		expect_rc("detach", space_detach(&f->s, 0), 0);
	}
}

static void destroyed_while_on(struct fixture *f)
{
	open_started(f);
	scribble(f, 0);
	expect_rc("detach", space_detach(&f->s, 0), 0);
	expect_rc("destroy", iommufd_destroy(f->rig.iommufd, f->s.hwpt), 0);
	expect_rc("another HWPT", hwpt_alloc(f->rig.iommufd, f->rig.dev[0].dev_id,
					     f->s.ioas, DIRTY_FLAG, &f->s.hwpt), 0);
	expect_rc("attach", space_attach(&f->s, 0), 0);
	start(f);
	scribble(f, 0);
	expect_all(f, "in the next HWPT", 0);
}

/* ---- Races. ---- */

#define MIN_READS 5
#define MIN_WRITES 500
#define MAX_SECONDS 60

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void race_open(struct fixture *f, struct race *race)
{
	open_started(f);
	need(race_init(race, &f->s), "memory");
}

/* One more read when everybody has stopped, then the account is closed. */
static void race_close(struct race *race, unsigned int reads, __u64 writes)
{
	struct tally t = {};

	expect_rc("a writer", race->rc, 0);
	expect_rc("last read", race_read(race, &t), 0);
	race_finish(race, &t);
	printf("# %u reads while %llu writes were made\n", reads, writes);
	expect_exact("race", &t);
	expect(reads >= MIN_READS && writes >= MIN_WRITES, "too little happened to tell");
}

/* Longer than asked for where the machine is slow: enough has to happen. */
static unsigned int read_for_a_while(struct race *race, const struct race_writer *w)
{
	double begin = now();
	struct tally t = {};
	unsigned int reads = 0;

	while (!race->rc && now() < begin + MAX_SECONDS &&
	       (now() < begin + opt.seconds || reads < MIN_READS ||
		__atomic_load_n(&w->writes, __ATOMIC_RELAXED) < MIN_WRITES)) {
		expect_rc("read", race_read(race, &t), 0);
		expect_exact("during the race", &t);
		reads++;
	}
	return reads;
}

static void race_reads_and_writes(struct fixture *f)
{
	struct race race;
	struct race_writer w = {
		.race = &race, .regions = 3, .seed = opt.seed, .alone = true,
	};
	unsigned int reads;

	race_open(f, &race);
	need(race_start(&w), "thread");
	reads = read_for_a_while(&race, &w);
	race_stop(&w);
	race_close(&race, reads, w.writes);
}

static void race_two_devices(struct fixture *f)
{
	struct race race;
	struct race_writer w[2] = {
		{ .race = &race, .dev = 0, .regions = 3, .seed = opt.seed },
		{ .race = &race, .dev = 1, .regions = 3, .seed = opt.seed + 1 },
	};
	unsigned int reads;

	race_open(f, &race);
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	need(race_start(&w[0]), "thread");
	need(race_start(&w[1]), "thread");
	reads = read_for_a_while(&race, &w[0]);
	race_stop(&w[0]);
	race_stop(&w[1]);
	race_close(&race, reads, w[0].writes + w[1].writes);
}

/* The second device comes, writes, and goes, again and again. */
struct visitor {
	struct fixture *f;
	struct race *race;
	pthread_t thread;
	int stop, rc;
	unsigned int visits;
	__u64 seed;
};

static void *visit(void *arg)
{
	struct visitor *v = arg;

	while (!__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE) && !v->rc) {
		v->rc = space_attach(&v->f->s, 1);
		for (int i = 0; i < 8 && !v->rc; i++) {
			struct transfer t = dma_random(i % 2 ? v->f->small : v->f->large,
						       &v->seed);

			v->rc = race_write(v->race, 1, &t, false);
		}
		if (!v->rc)
			v->rc = space_detach(&v->f->s, 1);
		v->visits++;
	}
	return NULL;
}

static void race_attach_and_detach(struct fixture *f)
{
	struct race race;
	struct race_writer w = { .race = &race, .regions = 3, .seed = opt.seed };
	struct visitor v = { .f = f, .race = &race, .seed = opt.seed + 2 };
	unsigned int reads;

	race_open(f, &race);
	need(race_start(&w), "thread");
	need(-pthread_create(&v.thread, NULL, visit, &v), "thread");
	reads = read_for_a_while(&race, &w);
	race_stop(&w);
	__atomic_store_n(&v.stop, 1, __ATOMIC_RELEASE);
	pthread_join(v.thread, NULL);
	expect_rc("the device that comes and goes", v.rc, 0);
	printf("# the second device came and went %u times\n", v.visits);
	race_close(&race, reads, w.writes);
}

/* Elsewhere in the same address space, memory is mapped and unmapped. */
struct mapper {
	struct fixture *f;
	struct region *r;
	pthread_t thread;
	int stop, rc;
	unsigned int turns;
};

static void *map_and_unmap(void *arg)
{
	struct mapper *m = arg;
	struct space *s = &m->f->s;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE) && !m->rc) {
		m->rc = region_map(m->r, s->rig->iommufd, s->ioas);
		if (!m->rc)
			m->rc = region_unmap(m->r, s->rig->iommufd, s->ioas);
		m->turns++;
	}
	return NULL;
}

static void race_map_and_unmap(struct fixture *f)
{
	struct race race;
	struct race_writer w = {
		.race = &race, .regions = 3, .seed = opt.seed, .alone = true,
	};
	struct mapper m = { .f = f };
	struct layout aside;
	struct region_spec spec = { "aside", 0, SZ_2M, SZ_2M, 0, false };
	unsigned int reads;

	race_open(f, &race);
	layout_init(&aside, f->rig.leaf_sizes);
	spec.iova = space_room(&f->s, f->small->iova + f->small->len, spec.len, SZ_2M);
	m.r = layout_add(&aside, &spec);
	if (!m.r)
		need(-errno, "no memory: huge pages are needed");
	need(race_start(&w), "thread");
	need(-pthread_create(&m.thread, NULL, map_and_unmap, &m), "thread");
	reads = read_for_a_while(&race, &w);
	race_stop(&w);
	__atomic_store_n(&m.stop, 1, __ATOMIC_RELEASE);
	pthread_join(m.thread, NULL);
	expect_rc("map and unmap", m.rc, 0);
	printf("# mapped and unmapped %u times\n", m.turns);
	race_close(&race, reads, w.writes);
}

/* ---- An IOMMU that cannot: it says so, and everything else works. ---- */

static void incapable_says_so(struct fixture *f)
{
	expect(!(f->rig.hw.caps & IOMMU_HW_CAP_DIRTY_TRACKING),
	       "IOMMU_GET_HW_INFO claims dirty tracking");
}

static void incapable_alloc_refused(struct fixture *f)
{
	expect_rc("allocate with DIRTY_TRACKING", space_open(&f->s, &f->rig, DIRTY_FLAG),
		  -EOPNOTSUPP);
}

static void incapable_dma_works(struct fixture *f)
{
	open_with(f, 0);
	scribble(f, 0);
}

static void incapable_start_refused(struct fixture *f)
{
	__u8 bits[64] = {};

	open_with(f, 0);
	expect_rc("start", space_start(&f->s), -EOPNOTSUPP);
	expect_rc("read", get(f, f->small->iova, SZ_2M, SZ_4K, bits, 0), -EOPNOTSUPP);
	scribble(f, 0);
}

static void incapable_query(struct fixture *f)
{
	struct iommu_dirty_query q;

	open_with(f, 0);
	q = query(f);
	expect(!(q.out_caps & IOMMU_DIRTY_CAP_RECORD), "the capability has record");
	expect(q.out_mode == IOMMU_DIRTY_MODE_OFF, "mode %s", mode_name(q.out_mode));
}

static const struct test tests[] = {
	{ "capability", capability, 1 },
	{ "rounds", rounds, 1 },
	{ "rounds_plain_hwpt", rounds_plain_hwpt, 1 },
	{ "read_while_off", read_while_off, 1 },
	{ "start_and_stop_twice", start_and_stop_twice, 1 },
	{ "start_makes_clean", start_makes_clean, 1 },
	{ "unknown_flags", unknown_flags, 1 },
	{ "bad_ranges", bad_ranges, 1 },
	{ "bitmap_not_there", bitmap_not_there, 1 },
	{ "read_without_clear", read_without_clear, 1 },
	{ "rewritten_pages", rewritten_pages, 1 },
	{ "pages_only_read", pages_only_read, 1 },
	{ "parts_of_leaves", parts_of_leaves, 1 },
	{ "large_page_size", large_page_size, 1 },
	{ "hole_in_range", hole_in_range, 1 },
	{ "bits_are_added", bits_are_added, 1 },
	{ "bitmap_not_resident", bitmap_not_resident, 1 },
	{ "gigantic_leaf", gigantic_leaf, 1 },
	{ "query_errors", query_errors, 1 },
	{ "query_state", query_state, 1 },
	{ "query_counters", query_counters, 1 },
	{ "mapped_while_on", mapped_while_on, 1 },
	{ "mapped_and_written", mapped_and_written, 1 },
	{ "unmap_and_remap", unmap_and_remap, 1 },
	{ "second_device_records", second_device_records, 2 },
	{ "same_pages_two_devices", same_pages_two_devices, 2 },
	{ "second_device_only_reads", second_device_only_reads, 2 },
	{ "detach_and_attach", detach_and_attach, 1 },
	{ "move_between_hwpts", move_between_hwpts, 1 },
	{ "moved_from_plain_domain", moved_from_plain_domain, 1 },
	{ "destroyed_while_on", destroyed_while_on, 1 },
	{ "race_reads_and_writes", race_reads_and_writes, 1 },
	{ "race_two_devices", race_two_devices, 2 },
	{ "race_attach_and_detach", race_attach_and_detach, 2 },
	{ "race_map_and_unmap", race_map_and_unmap, 1 },
	{}
};

static const struct test incapable_tests[] = {
	{ "says_so", incapable_says_so, 1 },
	{ "alloc_refused", incapable_alloc_refused, 1 },
	{ "dma_works", incapable_dma_works, 1 },
	{ "start_refused", incapable_start_refused, 1 },
	{ "query", incapable_query, 1 },
	{}
};

static int run_test(void *arg)
{
	const struct test *test = arg;
	struct fixture f = {};

	rig_open(&f.rig, test->devices, opt.stage);
	test->run(&f);
	return 0;
}

static const struct argp_option argp_options[] = {
	{ "rounds", 'r', "N", 0, "Rounds in the cases that have some (4)", 0 },
	{ "seconds", 'x', "N", 0, "Length of each race (3)", 0 },
	{ "seed", 's', "N", 0, "Seed of everything random (1)", 0 },
	{ "stage", 't', "1|2", 0, "Translation stage that has to be used (2)", 0 },
	{ "incapable", 'i', "WHY", 0, "The IOMMU cannot track: check that it says so", 0 },
	{}
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 'r':
		opt.rounds = atoi(arg);
		break;
	case 'x':
		opt.seconds = atoi(arg);
		break;
	case 's':
		opt.seed = strtoull(arg, NULL, 0);
		break;
	case 't':
		opt.stage = atoi(arg);
		break;
	case 'i':
		opt.incapable = arg;
		break;
	case ARGP_KEY_ARG:
		opt.only = arg;
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
	.doc = "Test this kernel's dirty tracking end to end; prints TAP.",
};

static bool wanted(const struct test *test)
{
	return !opt.only || strstr(test->name, opt.only);
}

static int done, failed;
static char group[64];

static void run_one(const struct test *test)
{
	int rc = child_run(run_test, (void *)test, TIMEOUT + opt.seconds);

	if (rc < 0)
		printf("# ended by signal %d\n", -rc);
	failed += rc && rc != EXIT_SKIP;
	printf("%s %d - e2e.%s.%s%s%s\n", rc && rc != EXIT_SKIP ? "not ok" : "ok", ++done,
	       group, test->name, rc == EXIT_SKIP ? " # SKIP " : "",
	       rc == EXIT_SKIP ? skip_reason : "");
	fflush(stdout);
}

/* How many are wanted; @run them. */
static int for_each(void (*run)(const struct test *test))
{
	/* Hardware that differs or fails wants a machine of its own: only those who ask. */
	const struct test *capable[] = {
		tests, life_tests, limit_tests, opt.only ? unit_tests : NULL,
		opt.only ? failing_tests : NULL, opt.only ? queue_tests : NULL,
		opt.only ? smmu_tests : NULL, NULL
	};
	const struct test *incapable[] = { incapable_tests, incapable_life_tests, NULL };
	int n = 0;

	for (const struct test **set = opt.incapable ? incapable : capable; *set; set++)
		for (const struct test *t = *set; t->name; t++) {
			if (!wanted(t))
				continue;
			n++;
			if (run)
				run(t);
		}
	return n;
}

int main(int argc, char **argv)
{
	int planned;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	skip_reason = mmap(NULL, SKIP_REASON, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		need(-errno, "memory");
	if (opt.incapable)
		snprintf(group, sizeof(group), "%s", opt.incapable);
	else
		snprintf(group, sizeof(group), "stage%d", opt.stage);
	planned = for_each(NULL);
	if (!planned) {
		fprintf(stderr, "no case has '%s' in its name\n", opt.only);
		return EXIT_SETUP;
	}
	printf("TAP version 13\n1..%d\n", planned);
	for_each(run_one);
	return failed ? 1 : 0;
}
