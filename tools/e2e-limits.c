// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e's cases about callers that ask for what they should not, or for too much,
 * and about kernels that run out of memory: every call with each of its allocations
 * failing in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bits.h"
#include "compiler.h"
#include "dma.h"
#include "e2e.h"
#include "events.h"
#include "need.h"

#define SZ_PAGE 4096UL

static int get(struct fixture *f, __u64 iova, __u64 len, __u64 page_size, void *bits,
	       __u32 flags)
{
	return hwpt_get_dirty(f->rig.iommufd, f->s.hwpt, iova, len, page_size, bits, flags);
}

/* ---- Odd arguments. ---- */

/*
 * What Linux 6.12 says of a range: in this order, and in 64 bits. A page size that is not
 * a power of two is ours alone to refuse.
 */
static int verdict(__u64 iova, __u64 len, __u64 page_size)
{
	__u64 end = iova + len;

	if (!len)
		return -EINVAL;
	if (end - 1 < iova)
		return -EOVERFLOW;
	if (iova % SZ_PAGE || end % SZ_PAGE || !page_size)
		return -EINVAL;
	if (iova & (page_size - 1) || end & (page_size - 1))
		return -EINVAL;
	return page_size & (page_size - 1) ? -EINVAL : 0;
}

/* Nothing is dirty: no bit is set, however many there would be. */
static void odd_ranges(struct fixture *f)
{
	__u64 here, iovas[] = {
		0, 1, 511, 512, SZ_PAGE - 1, SZ_PAGE, SZ_2M, 1ULL << 63, -SZ_2M, -SZ_PAGE, -1,
		0, 0,
	};
	static const __u64 lens[] = {
		0, 1, 512, SZ_PAGE - 1, SZ_PAGE, SZ_PAGE + 1, SZ_PAGE * 3, SZ_2M,
		SZ_2M + SZ_PAGE, 1ULL << 63, -SZ_2M, -SZ_PAGE, -1,
	};
	static const __u64 sizes[] = {
		0, 1, 2, 3, 512, 513, SZ_PAGE - 1, SZ_PAGE, SZ_PAGE + 1, SZ_PAGE * 2,
		SZ_PAGE * 3, SZ_2M, SZ_1G, 1ULL << 63, -SZ_PAGE, -1,
	};
	unsigned int good = 0, bad = 0;
	__u8 bits[64] = {};

	open_with(f, DIRTY_FLAG);
	start(f);
	here = f->small->iova;
	iovas[ARRAY_SIZE(iovas) - 2] = here;
	iovas[ARRAY_SIZE(iovas) - 1] = here + 512;
	for (size_t i = 0; i < ARRAY_SIZE(iovas); i++)
		for (size_t l = 0; l < ARRAY_SIZE(lens); l++)
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				int want = verdict(iovas[i], lens[l], sizes[s]);
				int rc = get(f, iovas[i], lens[l], sizes[s], bits, NO_CLEAR);

				expect(rc == want,
				       "IOVA %#llx, length %#llx, page size %#llx: %s, not %s",
				       iovas[i], lens[l], sizes[s], rc ? errno_name(rc) : "0",
				       want ? errno_name(want) : "0");
				*(want ? &bad : &good) += 1;
			}
	printf("# %u ranges accepted, %u refused\n", good, bad);
	for (size_t i = 0; i < sizeof(bits); i++)
		expect(!bits[i], "byte %zu of the bitmap is %#x", i, bits[i]);
}

static void odd_bitmaps(struct fixture *f)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	__u8 *area = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u64 len;

	if (area == MAP_FAILED)
		need(-errno, "memory");
	/* A hole, pages that can be read only, and not even that. */
	munmap(area, page);
	need(mprotect(area + page, page, PROT_READ) ? -errno : 0, "mprotect");
	need(mprotect(area + 2 * page, page, PROT_NONE) ? -errno : 0, "mprotect");
	open_with(f, DIRTY_FLAG);
	start(f);
	len = f->small->len;
	poke(f, 0, f->small->iova);
	{
		const uintptr_t bad[] = {
			0, 1, page - 1, (uintptr_t)area, (uintptr_t)area + page - 1,
			(uintptr_t)area + page, (uintptr_t)area + 2 * page,
			(uintptr_t)area + 3 * page - 1, (uintptr_t)1 << 63,
			UINTPTR_MAX - (UINTPTR_MAX >> 17), -2 * page, -page, -page + 1,
			-page + 7, -(uintptr_t)len / SZ_PAGE / 8, -8, -1,
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			for (int flags = 0; flags <= NO_CLEAR; flags += NO_CLEAR) {
				int rc = get(f, f->small->iova, len, SZ_PAGE, (void *)bad[i],
					     flags);

				expect(rc == -EFAULT, "bitmap at %#lx: %s, should be EFAULT",
				       (unsigned long)bad[i], rc ? errno_name(rc) : "0");
			}
	}
	expect_all(f, "after all these reads", 0);
	expect_all(f, "and again", 0);
}

/* ---- Too much. ---- */

/* More than the process may have open, if nobody counts. */
static void eventfds_are_counted(struct fixture *f)
{
	struct rlimit few = { .rlim_cur = 64, .rlim_max = 64 };
	int first = -1, added = 0, refused = 0;

	open_with(f, DIRTY_FLAG);
	need(setrlimit(RLIMIT_NOFILE, &few) ? -errno : 0, "RLIMIT_NOFILE");
	for (int i = 0; i < 300; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), rc;

		need(fd < 0 ? -errno : 0, "eventfd");
		rc = hwpt_eventfd(f->rig.iommufd, f->s.hwpt, fd, 0);
		expect(rc == (added < IOMMU_DIRTY_EVENTFD_MAX ? 0 : -ENOSPC),
		       "eventfd %d: %s", i, rc ? errno_name(rc) : "added");
		*(rc ? &refused : &added) += 1;
		if (first < 0)
			first = fd;
		else
			close(fd);
	}
	expect(added == IOMMU_DIRTY_EVENTFD_MAX, "%d were added", added);
	/* They still do what they are for, and one that goes makes room. */
	start(f);
	expect(events_take(first, true), "not signalled");
	expect_rc("remove", hwpt_eventfd(f->rig.iommufd, f->s.hwpt, first,
					 IOMMU_DIRTY_EVENTFD_REMOVE), 0);
	expect_rc("add", hwpt_eventfd(f->rig.iommufd, f->s.hwpt, first, 0), 0);
	printf("# %d added, %d refused\n", added, refused);
}

static void policy_storm(struct fixture *f)
{
	const unsigned int changes = 20000;
	struct iommu_dirty_query was;
	__u64 signals;
	int fd;

	open_with(f, 0);
	start(f);
	scribble(f, 0);
	fd = events_open(f->rig.iommufd, f->s.hwpt);
	need(fd, "eventfd");
	was = query(f);
	for (unsigned int i = 0; i < changes; i++)
		expect_rc("policy", hwpt_set_policy(f->rig.iommufd, f->s.hwpt, i % 2 ?
						    IOMMU_DIRTY_POLICY_PLAIN :
						    IOMMU_DIRTY_POLICY_DEGRADE), 0);
	expect(query(f).out_seq == was.out_seq + changes, "seq %llu after %llu and %u changes",
	       query(f).out_seq, was.out_seq, changes);
	signals = events_take(fd, true);
	expect(signals && signals <= changes, "%llu signals", signals);
	printf("# %u changes, %llu signals\n", changes, signals);
	expect_all(f, "after the changes", 0);
}

/* ---- No memory. ---- */

#define DEBUGFS "/sys/kernel/debug/"

/* One allocation of a call after the other, alone and with all that follow. */
struct sweep {
	int nth_fd, on_fd;
	unsigned int nth, failed, made;
	bool on, hit;
	bool maps;	/* the call adds a domain or a device to an IOAS, which fails as well */
};

static int put(int fd, const char *value)
{
	return pwrite(fd, value, strlen(value), 0) < 0 ? -errno : 0;
}

static void sweep_init(struct sweep *s)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	char path[96];

	memset(s, 0, sizeof(*s));
	s->nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	s->on_fd = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (s->nth_fd < 0 || s->on_fd < 0 || access(DEBUGFS "failslab", F_OK))
		skip("this kernel has no fault injection");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		static const struct {
			const char *name, *value;
		} knobs[] = {
			{ "verbose", "0" }, { "task-filter", "Y" }, { "times", "-1" },
			{ "probability", "100" }, { "ignore-gfp-wait", "N" },
			{ "ignore-gfp-highmem", "N" }, { "min-order", "0" },
		};

		for (size_t k = 0; k < ARRAY_SIZE(knobs); k++) {
			snprintf(path, sizeof(path), DEBUGFS "%s/%s", kinds[i], knobs[k].name);
			if (!access(path, F_OK))
				need(sysfs_write(path, knobs[k].value), "%s", path);
		}
	}
}

static bool sweep_next(struct sweep *s)
{
	if (s->nth && !s->hit) {
		if (s->on)
			return false;
		s->on = true;
		s->nth = 0;
	}
	s->nth++;
	s->hit = false;
	expect(s->nth < 400, "a call with 400 allocations");
	return true;
}

/* Nothing may be allocated between these and the call. */
static void arm(struct sweep *s)
{
	char n[16];

	snprintf(n, sizeof(n), "%u", s->nth);
	if (s->on)
		need(put(s->on_fd, "1"), "make-it-fail");
	need(put(s->nth_fd, n), "fail-nth");
}

static int disarm(struct sweep *s, const char *what, int rc)
{
	char left[16] = {};

	if (s->on)
		need(put(s->on_fd, "0"), "make-it-fail");
	need(pread(s->nth_fd, left, sizeof(left) - 1, 0) < 0 ? -errno : 0, "fail-nth");
	need(put(s->nth_fd, "0"), "fail-nth");
	s->hit = atoi(left) == 0;
	s->made++;
	/* Where iommufd has its self-tests, looking for an object fails in turn as well. */
	if (s->hit && (rc == -ENOENT || (rc == -EINVAL && s->maps)) &&
	    !access(DEBUGFS "fail_iommufd", F_OK))
		return rc;
	s->failed += !!rc;
	expect(!rc || s->hit, "%s: %s, and no allocation failed", what, errno_name(rc));
	expect(!rc || rc == -ENOMEM, "%s: %s when allocation %u fails%s", what, errno_name(rc),
	       s->nth, s->on ? ", and all that follow" : "");
	return rc;
}

/* Make a call with the allocation failing that it is the turn of. */
#define FAILING(s, what, call)		\
({					\
	struct sweep *_s = (s);		\
					\
	arm(_s);			\
	disarm(_s, what, call);		\
})

static void sweep_end(const struct sweep *s, const char *what)
{
	printf("# %s: %u calls, %u failed\n", what, s->made, s->failed);
	/* Without this one, a buffer of several pages can always be had. */
	expect(s->failed || access(DEBUGFS "fail_page_alloc", F_OK), "%s: no call failed", what);
	close(s->nth_fd);
	close(s->on_fd);
}

static void expect_same(struct fixture *f, const char *what,
			const struct iommu_dirty_query *was)
{
	struct iommu_dirty_query q = query(f);

	expect(q.out_seq == was->out_seq && q.out_mode == was->out_mode &&
	       q.out_reason == was->out_reason && q.out_policy == was->out_policy &&
	       q.out_caps == was->out_caps && q.out_attached == was->out_attached,
	       "%s failed: seq %llu, was %llu; mode %u, was %u; %u attached, were %u", what,
	       q.out_seq, was->out_seq, q.out_mode, was->out_mode, q.out_attached,
	       was->out_attached);
}

static const char *const first_calls[] = { "query", "policy", "can attach", "eventfd", "start" };

static int first_call(struct fixture *f, size_t nr, int efd)
{
	struct iommu_dirty_can_attach forecast;
	struct iommu_dirty_query q;
	int fd = f->rig.iommufd;

	switch (nr) {
	case 0:
		return hwpt_query(fd, f->s.hwpt, &q);
	case 1:
		return hwpt_set_policy(fd, f->s.hwpt, IOMMU_DIRTY_POLICY_DEGRADE);
	case 2:
		return hwpt_can_attach(fd, f->s.hwpt, f->rig.dev[0].dev_id, &forecast);
	case 3:
		return hwpt_eventfd(fd, f->s.hwpt, efd, 0);
	default:
		return hwpt_set_dirty(fd, f->s.hwpt, true);
	}
}

/* Of a HWPT that nobody has asked about yet. */
static void nomem_first_call(struct fixture *f)
{
	int efd = eventfd(0, EFD_CLOEXEC);
	__u32 home;

	need(efd < 0 ? -errno : 0, "eventfd");
	open_with(f, 0);
	home = f->s.hwpt;
	for (size_t i = 0; i < ARRAY_SIZE(first_calls); i++) {
		const char *what = first_calls[i];
		struct sweep s;

		sweep_init(&s);
		while (sweep_next(&s)) {
			expect_rc("allocate", hwpt_alloc(f->rig.iommufd, f->rig.dev[0].dev_id,
							 f->s.ioas, 0, &f->s.hwpt), 0);
			if (FAILING(&s, what, first_call(f, i, efd))) {
				struct iommu_dirty_query q = query(f);

				expect(q.out_mode == IOMMU_DIRTY_MODE_OFF && !q.out_attached &&
				       q.out_policy == IOMMU_DIRTY_POLICY_PLAIN,
				       "%s failed: mode %u, policy %u", what, q.out_mode,
				       q.out_policy);
				expect_rc(what, first_call(f, i, efd), 0);
			}
			expect_rc("destroy", iommufd_destroy(f->rig.iommufd, f->s.hwpt), 0);
		}
		sweep_end(&s, what);
	}
	f->s.hwpt = home;
}

static void nomem_alloc(struct fixture *f)
{
	struct sweep s;
	__u32 id = 0;

	open_with(f, 0);
	sweep_init(&s);
	s.maps = true;
	while (sweep_next(&s))
		if (!FAILING(&s, "allocate a HWPT",
			     hwpt_alloc(f->rig.iommufd, f->rig.dev[0].dev_id, f->s.ioas,
					DIRTY_FLAG, &id)))
			expect_rc("destroy", iommufd_destroy(f->rig.iommufd, id), 0);
	sweep_end(&s, "allocate a HWPT");
}

static void nomem_start(struct fixture *f)
{
	struct sweep s;

	open_with(f, DIRTY_FLAG);
	sweep_init(&s);
	while (sweep_next(&s)) {
		struct iommu_dirty_query was = query(f);

		scribble(f, 0);
		if (FAILING(&s, "start", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true))) {
			struct iommu_dirty_query q = query(f);

			expect(q.out_mode == was.out_mode && q.out_reason == was.out_reason,
			       "the start failed: mode %u, reason %u", q.out_mode, q.out_reason);
		}
		expect_rc("stop", space_stop(&f->s), 0);
		start(f);
		expect_all(f, "after the start", 0);
		poke(f, 0, f->small->iova);
		expect_all(f, "written after the start", 0);
		expect_rc("stop", space_stop(&f->s), 0);
	}
	sweep_end(&s, "start");
}

/* @resident: the pages of the bitmap are there before the kernel writes to it. */
static void nomem_read_to(struct fixture *f, bool resident, __u32 flags)
{
	const char *what = resident ? "read" : "read to new pages";
	const size_t len = bit_bytes(f->small->len / SZ_PAGE);
	__u8 *want = calloc(1, len), *next = calloc(1, len), *bits;
	struct sweep s;

	if (!want || !next)
		need(-ENOMEM, "memory");
	sweep_init(&s);
	while (sweep_next(&s)) {
		struct iommu_dirty_query was = query(f);
		int rc;

		scribble(f, 0);
		poke(f, 0, f->small->iova + SZ_PAGE * (s.nth % 1000));
		bits = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			    (resident ? MAP_POPULATE : 0), -1, 0);
		if (bits == MAP_FAILED)
			need(-errno, "memory");
		oracle_expect(&f->s.oracle, f->small, f->small->iova, f->small->len, want);
		memset(next, 0, len);

		arm(&s);
		rc = get(f, f->small->iova, f->small->len, SZ_PAGE, bits, flags);
		/* A page of the bitmap that cannot be had is a bad one. */
		disarm(&s, what, !resident && rc == -EFAULT ? -ENOMEM : rc);
		expect_same(f, what, &was);
		if (!rc)
			expect(!memcmp(bits, want, len), "%s: not what was written", what);
		expect_rc("next read", get(f, f->small->iova, f->small->len, SZ_PAGE, next, 0), 0);
		oracle_cleared(&f->s.oracle, f->small, f->small->iova, f->small->len);
		for (size_t i = 0; i < len; i++)
			expect((bits[i] | next[i]) == want[i],
			       "%s, allocation %u: byte %zu is %#x and then %#x, should be %#x",
			       what, s.nth, i, bits[i], next[i], want[i]);
		munmap(bits, len);
		expect_all(f, "read all", 0);
	}
	sweep_end(&s, what);
	free(want);
	free(next);
}

static void nomem_read(struct fixture *f)
{
	open_with(f, DIRTY_FLAG);
	start(f);
	nomem_read_to(f, true, 0);
	nomem_read_to(f, true, NO_CLEAR);
	nomem_read_to(f, false, 0);
}

/* A device comes, is recorded, and goes. */
static void nomem_attach(struct fixture *f)
{
	struct sweep s;

	open_with(f, DIRTY_FLAG);
	start(f);
	sweep_init(&s);
	s.maps = true;
	while (sweep_next(&s)) {
		struct iommu_dirty_query was = query(f);

		if (FAILING(&s, "attach", space_attach(&f->s, 1))) {
			expect_same(f, "attach", &was);
			expect_rc("attach", space_attach(&f->s, 1), 0);
		}
		expect(query(f).out_attached == was.out_attached + 1, "%u attached",
		       query(f).out_attached);
		scribble(f, 1);
		expect_all(f, "the device that came", 0);
		expect_rc("detach", space_detach(&f->s, 1), 0);
	}
	sweep_end(&s, "attach");
}

const struct test limit_tests[] = {
	{ "odd_ranges", odd_ranges, 1 },
	{ "odd_bitmaps", odd_bitmaps, 1 },
	{ "eventfds_are_counted", eventfds_are_counted, 1 },
	{ "policy_storm", policy_storm, 1 },
	{ "nomem_first_call", nomem_first_call, 1 },
	{ "nomem_alloc", nomem_alloc, 1 },
	{ "nomem_start", nomem_start, 1 },
	{ "nomem_read", nomem_read, 1 },
	{ "nomem_attach", nomem_attach, 2 },
	{}
};
