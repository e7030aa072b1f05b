// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-e2e's cases about lives: policies and what they admit, announcements, and
 * devices, consumers and machines that go away or sleep while tracking is on.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler.h"
#include "describe.h"
#include "dma.h"
#include "e2e.h"
#include "events.h"
#include "need.h"
#include "race.h"

#define PLAIN	IOMMU_DIRTY_POLICY_PLAIN
#define STRICT	IOMMU_DIRTY_POLICY_STRICT
#define DEGRADE	IOMMU_DIRTY_POLICY_DEGRADE
#define OFF	IOMMU_DIRTY_MODE_OFF
#define EXACT	IOMMU_DIRTY_MODE_EXACT
#define ALL_DIRTY IOMMU_DIRTY_MODE_ALL_DIRTY

static int set_policy(struct fixture *f, __u32 policy)
{
	return hwpt_set_policy(f->rig.iommufd, f->s.hwpt, policy);
}

static void policy(struct fixture *f, __u32 policy)
{
	expect_rc(policy_name(policy), set_policy(f, policy), 0);
}

static void stop(struct fixture *f)
{
	expect_rc("stop", space_stop(&f->s), 0);
}

static void expect_mode(struct fixture *f, const char *what, __u32 mode, __u32 reason)
{
	struct iommu_dirty_query q = query(f);

	expect(q.out_mode == mode && q.out_reason == reason,
	       "%s: mode %s, reason %s; should be %s, %s", what, mode_name(q.out_mode),
	       reason_name(q.out_reason), mode_name(mode), reason_name(reason));
}

/* All that a failed call must leave alone. */
static void expect_unchanged(struct fixture *f, const struct iommu_dirty_query *was)
{
	struct iommu_dirty_query q = query(f);

	expect(q.out_seq == was->out_seq && q.out_mode == was->out_mode &&
	       q.out_reason == was->out_reason && q.out_policy == was->out_policy &&
	       q.out_caps == was->out_caps && q.out_attached == was->out_attached,
	       "something changed: seq %llu, was %llu", q.out_seq, was->out_seq);
}

static int untrackable(struct fixture *f)
{
	int dev = rig_untrackable(&f->rig);

	if (dev < 0)
		skip("no device is behind an IOMMU that cannot record");
	return dev;
}

/* ---- Errors of the ioctls. ---- */

/* @arg, of @len bytes, is what succeeds; size and flags come first in all of them. */
static void refused(struct fixture *f, unsigned long cmd, const void *arg, size_t len)
{
	__u32 word[32] = {};
	int fd = f->rig.iommufd;

	memcpy(word, arg, len);
	word[0] = 8;
	expect_rc("size too small", iommufd_call(fd, cmd, word), -EINVAL);
	word[0] = len + 8;
	word[len / 4] = 1;
	expect_rc("unknown field set", iommufd_call(fd, cmd, word), -E2BIG);
	word[0] = len;
	word[1] = 1U << 31;
	expect_rc("unknown flag", iommufd_call(fd, cmd, word), -EOPNOTSUPP);
}

static void policy_errors(struct fixture *f)
{
	struct iommu_dirty_set_policy cmd = { .size = sizeof(cmd), .policy = PLAIN };
	struct iommu_dirty_query was;

	open_with(f, DIRTY_FLAG);
	was = query(f);
	cmd.hwpt_id = f->s.hwpt;
	refused(f, IOMMU_DIRTY_SET_POLICY, &cmd, sizeof(cmd));
	expect_rc("policy 3", set_policy(f, 3), -EOPNOTSUPP);
	expect_rc("policy ~0", set_policy(f, ~0U), -EOPNOTSUPP);
	expect_rc("no such HWPT", hwpt_set_policy(f->rig.iommufd, ~0U, PLAIN), -ENOENT);
	expect_rc("an IOAS is no HWPT", hwpt_set_policy(f->rig.iommufd, f->s.ioas, PLAIN),
		  -ENOENT);
	expect_unchanged(f, &was);
}

static void can_attach_errors(struct fixture *f)
{
	struct iommu_dirty_can_attach cmd = { .size = sizeof(cmd) };
	__u32 dev = f->rig.dev[0].dev_id;
	struct iommu_dirty_query was;
	int fd = f->rig.iommufd;

	open_with(f, DIRTY_FLAG);
	was = query(f);
	cmd.dev_id = dev;
	cmd.hwpt_id = f->s.hwpt;
	refused(f, IOMMU_DIRTY_CAN_ATTACH, &cmd, sizeof(cmd));
	expect_rc("no such HWPT", hwpt_can_attach(fd, ~0U, dev, &cmd), -ENOENT);
	expect_rc("no such device", hwpt_can_attach(fd, f->s.hwpt, ~0U, &cmd), -ENOENT);
	expect_rc("a HWPT is no device", hwpt_can_attach(fd, f->s.hwpt, f->s.hwpt, &cmd),
		  -ENOENT);
	expect_rc("a device is no HWPT", hwpt_can_attach(fd, dev, dev, &cmd), -EINVAL);
	expect_rc("what is so", hwpt_can_attach(fd, f->s.hwpt, dev, &cmd), 0);
	expect_unchanged(f, &was);
}

static void eventfd_errors(struct fixture *f)
{
	struct iommu_dirty_eventfd cmd = { .size = sizeof(cmd) };
	const __u32 remove = IOMMU_DIRTY_EVENTFD_REMOVE;
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct iommu_dirty_query was;
	int fd = f->rig.iommufd;
	__u32 hwpt;

	need(efd < 0 || null < 0 ? -errno : 0, "eventfd");
	open_with(f, DIRTY_FLAG);
	hwpt = f->s.hwpt;
	was = query(f);
	cmd.hwpt_id = hwpt;
	cmd.fd = efd;
	refused(f, IOMMU_DIRTY_EVENTFD, &cmd, sizeof(cmd));
	expect_rc("no such HWPT", hwpt_eventfd(fd, ~0U, efd, 0), -ENOENT);
	expect_rc("an IOAS is no HWPT", hwpt_eventfd(fd, f->s.ioas, efd, 0), -ENOENT);
	expect_rc("no file", hwpt_eventfd(fd, hwpt, -1, 0), -EBADF);
	expect_rc("no eventfd", hwpt_eventfd(fd, hwpt, null, 0), -EINVAL);
	expect_rc("remove none", hwpt_eventfd(fd, hwpt, efd, remove), -ENOENT);
	expect_rc("remove no file", hwpt_eventfd(fd, hwpt, -1, remove), -EBADF);
	expect_rc("add", hwpt_eventfd(fd, hwpt, efd, 0), 0);
	expect_rc("add again", hwpt_eventfd(fd, hwpt, efd, 0), -EEXIST);
	expect_rc("remove", hwpt_eventfd(fd, hwpt, efd, remove), 0);
	expect_rc("remove again", hwpt_eventfd(fd, hwpt, efd, remove), -ENOENT);
	expect_unchanged(f, &was);
	start(f);
	expect(!events_take(efd, false), "signalled after it was removed");
	expect_rc("add", hwpt_eventfd(fd, hwpt, efd, 0), 0);
	/* The kernel holds on to it. */
	close(efd);
	stop(f);
}

/* ---- Policies. ---- */

static void policies_change_no_mode(struct fixture *f)
{
	static const __u32 all[] = { DEGRADE, STRICT, PLAIN, STRICT, DEGRADE, PLAIN };

	open_with(f, 0);
	expect(query(f).out_policy == PLAIN, "policy %s without DIRTY_TRACKING",
	       policy_name(query(f).out_policy));
	for (__u32 mode = OFF; mode <= EXACT; mode++) {
		if (mode == EXACT)
			start(f);
		for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
			struct iommu_dirty_query was = query(f), q;

			policy(f, all[i]);
			q = query(f);
			expect(q.out_policy == all[i], "policy %s", policy_name(q.out_policy));
			expect(q.out_seq > was.out_seq, "seq stays at %llu", q.out_seq);
			expect_mode(f, policy_name(all[i]), mode, IOMMU_DIRTY_REASON_NONE);
		}
	}
	scribble(f, 0);
	expect_all(f, "after all these policies", 0);
	expect_rc("allocate another", hwpt_alloc(f->rig.iommufd, f->rig.dev[0].dev_id,
						 f->s.ioas, DIRTY_FLAG, &f->s.hwpt), 0);
	expect(query(f).out_policy == STRICT, "policy %s with DIRTY_TRACKING",
	       policy_name(query(f).out_policy));
}

/* A device is attached as was forecast; @want is what the policy says. */
static void attach_as_forecast(struct fixture *f, const char *what, int dev, int want)
{
	struct iommu_dirty_can_attach forecast;
	struct iommu_dirty_query was = query(f), q;

	expect_rc(what, hwpt_can_attach(f->rig.iommufd, f->s.hwpt, f->rig.dev[dev].dev_id,
					&forecast), 0);
	expect_unchanged(f, &was);
	expect_rc(what, space_attach(&f->s, dev), want);
	expect(forecast.out_verdict == (want ? IOMMU_DIRTY_VERDICT_REFUSED :
				     IOMMU_DIRTY_VERDICT_ATTACHES),
	       "%s: the forecast was: %s", what, verdict_name(forecast.out_verdict));
	if (want) {
		expect_unchanged(f, &was);
		return;
	}
	q = query(f);
	expect(q.out_mode == forecast.out_mode && q.out_reason == forecast.out_reason &&
	       q.out_caps == forecast.out_caps,
	       "%s: the forecast was %s, %s, %#x; it is %s, %s, %#x", what,
	       mode_name(forecast.out_mode), reason_name(forecast.out_reason), forecast.out_caps,
	       mode_name(q.out_mode), reason_name(q.out_reason), q.out_caps);
	expect(q.out_attached == was.out_attached + 1, "%s: %u attached", what,
	       q.out_attached);
}

static void capable_forecast(struct fixture *f)
{
	open_with(f, 0);
	for (__u32 p = PLAIN; p <= DEGRADE; p++) {
		policy(f, p);
		for (int on = 0; on < 2; on++) {
			if (on)
				start(f);
			attach_as_forecast(f, policy_name(p), 1, 0);
			expect_mode(f, policy_name(p), on ? EXACT : OFF,
				    IOMMU_DIRTY_REASON_NONE);
			scribble(f, 1);
			if (on)
				expect_all(f, "the second device", 0);
			expect_rc("detach", space_detach(&f->s, 1), 0);
		}
		stop(f);
	}
}

/* Bring about that the mode is @mode and the policy @p, with one device attached. */
static void get_into(struct fixture *f, __u32 mode, __u32 p)
{
	int dev = untrackable(f);

	f->s.oracle.all_dirty = mode == ALL_DIRTY;
	if (mode == EXACT)
		start(f);
	if (mode == ALL_DIRTY) {
		policy(f, DEGRADE);
		expect_rc("attach", space_attach(&f->s, dev), 0);
		start(f);
		expect_rc("detach", space_detach(&f->s, dev), 0);
		expect_mode(f, "after the detach", ALL_DIRTY, IOMMU_DIRTY_REASON_DEVICE);
	}
	policy(f, p);
}

/* Every policy in every mode, and the device that cannot be tracked. */
static void untrackable_admission(struct fixture *f)
{
	static const struct {
		__u32 mode, policy;
		int rc;
		__u32 mode_after;
	} rows[] = {
		{ OFF, PLAIN, 0, OFF },
		{ OFF, STRICT, -EINVAL, OFF },
		{ OFF, DEGRADE, 0, OFF },
		{ EXACT, PLAIN, -EINVAL, EXACT },
		{ EXACT, STRICT, -EINVAL, EXACT },
		{ EXACT, DEGRADE, 0, ALL_DIRTY },
		{ ALL_DIRTY, PLAIN, 0, ALL_DIRTY },
		{ ALL_DIRTY, STRICT, -EINVAL, ALL_DIRTY },
		{ ALL_DIRTY, DEGRADE, 0, ALL_DIRTY },
	};
	int dev = untrackable(f);

	open_with(f, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		char what[32];

		snprintf(what, sizeof(what), "%s, %s", mode_name(rows[i].mode),
			 policy_name(rows[i].policy));
		get_into(f, rows[i].mode, rows[i].policy);
		attach_as_forecast(f, what, dev, rows[i].rc);
		expect_mode(f, what, rows[i].mode_after, rows[i].mode_after == ALL_DIRTY ?
			    IOMMU_DIRTY_REASON_DEVICE : IOMMU_DIRTY_REASON_NONE);
		f->s.oracle.all_dirty = rows[i].mode_after == ALL_DIRTY;
		scribble(f, 0);
		if (!rows[i].rc)
			scribble(f, dev);
		if (rows[i].mode_after != OFF)
			expect_all(f, what, 0);
		if (!rows[i].rc)
			expect_rc("detach", space_detach(&f->s, dev), 0);
		stop(f);
		f->s.oracle.all_dirty = false;
	}
}

/* Is it the device that cannot, or would its IOMMU's table not do for any other either? */
static __u32 why_without(struct fixture *f, int dev)
{
	bool can;

	expect_rc("detach", space_detach(&f->s, dev), 0);
	can = query(f).out_caps & IOMMU_DIRTY_CAP_RECORD;
	expect_rc("attach", space_attach(&f->s, dev), 0);
	expect(!(query(f).out_caps & IOMMU_DIRTY_CAP_RECORD), "the capability has record");
	return can ? IOMMU_DIRTY_REASON_DEVICE : IOMMU_DIRTY_REASON_TABLE;
}

/* @dev, which cannot, is attached. */
static void start_without_recording(struct fixture *f, int dev)
{
	__u32 why = why_without(f, dev);
	struct tally t = {};
	struct region *late = add_late(f, "late", SZ_1G * 4 + SZ_4K, SZ_2M, false);
	struct region *r_o = add_late(f, "r/o", SZ_1G * 5, SZ_2M, true);

	map(f, r_o);
	expect_rc("start, plain", space_start(&f->s), -EOPNOTSUPP);
	expect_rc("policy strict", set_policy(f, STRICT), -EOPNOTSUPP);
	expect_mode(f, "after errors", OFF, IOMMU_DIRTY_REASON_NONE);
	policy(f, DEGRADE);
	expect_mode(f, "policy degrade", OFF, IOMMU_DIRTY_REASON_NONE);
	start(f);
	expect_mode(f, "start, degrade", ALL_DIRTY, why);
	f->s.oracle.all_dirty = true;
	for (int i = 0; i < 3; i++) {
		expect_all(f, "all dirty", i % 2 ? NO_CLEAR : 0);
		scribble(f, 0);
	}
	/* A part of a leaf, whatever was written. */
	expect_rc("read", check_read(&f->s, f->large, f->large->iova + SZ_4K * 3, SZ_2M, 0, 3,
				     &t), 0);
	expect_exact("a part", &t);
	map(f, late);
	expect_all(f, "mapped while on", 0);
	expect_rc("unmap", space_unmap_one(&f->s, late), 0);
	expect_all(f, "unmapped again", 0);
	expect_rc("start again", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), 0);
	expect_mode(f, "start again", ALL_DIRTY, why);
	stop(f);
	expect_mode(f, "stop", OFF, IOMMU_DIRTY_REASON_NONE);
	policy(f, PLAIN);
	expect_rc("start, plain", space_start(&f->s), -EOPNOTSUPP);
}

static void untrackable_before_start(struct fixture *f)
{
	int dev = untrackable(f);

	open_with(f, 0);
	expect_rc("attach", space_attach(&f->s, dev), 0);
	start_without_recording(f, dev);
	f->s.oracle.all_dirty = false;
	expect_rc("detach", space_detach(&f->s, dev), 0);
	start(f);
	scribble(f, 0);
	expect_all(f, "exact without it", 0);
}

/* ---- Announcements. ---- */

/* An eventfd, and what has come of it; a signal may be late. */
struct watch {
	int fd;
	__u64 first_seq, seq, signals;
};

static void watch_open(struct watch *w, struct fixture *f)
{
	w->fd = events_open(f->rig.iommufd, f->s.hwpt);
	need(w->fd, "eventfd");
	w->first_seq = query(f).out_seq;
	w->seq = w->first_seq;
	w->signals = 0;
}

/* The query has changed by now; a signal says so, and there are not too many. */
static void expect_event(struct fixture *f, const char *what, struct watch *w)
{
	__u64 seq = query(f).out_seq, signals;

	expect(seq > w->seq, "%s: seq stays at %llu", what, w->seq);
	signals = events_take(w->fd, true);
	expect(signals, "%s: no signal", what);
	w->seq = seq;
	w->signals += signals;
	expect(w->signals <= seq - w->first_seq, "%s: %llu signals for %llu changes", what,
	       w->signals, seq - w->first_seq);
}

static void eventfd_signals(struct fixture *f)
{
	struct watch one, two;

	open_with(f, 0);
	watch_open(&one, f);
	watch_open(&two, f);
	expect(!events_take(one.fd, false), "signalled by nothing");
	start(f);
	expect_event(f, "start", &one);
	expect_event(f, "the second eventfd", &two);
	expect_rc("start again", hwpt_set_dirty(f->rig.iommufd, f->s.hwpt, true), 0);
	scribble(f, 0);
	expect_all(f, "a read", 0);
	expect_rc("an unknown policy", set_policy(f, 77), -EOPNOTSUPP);
	expect(!events_take(one.fd, false), "signalled by what changes nothing");
	policy(f, DEGRADE);
	expect_event(f, "policy", &one);
	expect_rc("detach", space_detach(&f->s, 0), 0);
	expect_event(f, "detach", &one);
	expect_rc("attach", space_attach(&f->s, 0), 0);
	expect_event(f, "attach", &one);
	stop(f);
	expect_event(f, "stop", &one);
	expect_rc("detach", space_detach(&f->s, 0), 0);
	expect_event(f, "detach", &one);
	expect_event(f, "the second eventfd", &two);
	expect_rc("destroy", iommufd_destroy(f->rig.iommufd, f->s.hwpt), 0);
	expect(events_take(one.fd, true), "destroy: no signal");
	expect(events_take(two.fd, true), "the second eventfd: no last signal");
}

/* ---- Devices and consumers that go away. ---- */

/* Taking a device away waits until user space has closed it. */
struct taker {
	char path[256];
	const char *what;
	pthread_t thread;
	int rc;
};

static void *take_away(void *arg)
{
	struct taker *t = arg;

	t->rc = sysfs_write(t->path, t->what);
	return NULL;
}

static void leaves_and_returns(struct fixture *f, bool unplug)
{
	struct vfio_device *second = &f->rig.dev[1];
	struct race race;
	struct race_writer w = { .race = &race, .regions = 3, .seed = 3 };
	struct taker taker = {};
	struct tally t = {};
	char name[PCI_NAME_LEN];
	const char *step;

	memcpy(name, second->name, sizeof(name));
	taker.what = unplug ? "1" : name;
	if (unplug)
		snprintf(taker.path, sizeof(taker.path), "/sys/bus/pci/devices/%s/remove", name);
	else
		snprintf(taker.path, sizeof(taker.path), "/sys/bus/pci/drivers/vfio-pci/unbind");
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	need(race_init(&race, &f->s), "memory");
	need(race_start(&w), "thread");
	need(-pthread_create(&taker.thread, NULL, take_away, &taker), "thread");
	for (int i = 0; i < 40; i++) {
		struct transfer tr = dma_random(i % 2 ? f->small : f->large, &w.seed);

		expect_rc("DMA of the device that leaves", race_write(&race, 1, &tr, false), 0);
		if (i % 10 == 5)
			expect_rc("read", race_read(&race, &t), 0);
	}
	/* Written and not read yet; then it goes. */
	vfio_close(second);
	pthread_join(taker.thread, NULL);
	expect_rc("read", race_read(&race, &t), 0);
	expect_rc("the first device", race_stop(&w), 0);
	expect_rc("read", race_read(&race, &t), 0);
	race_finish(&race, &t);
	/* Before anything else: the cases after this one need the device. */
	if (unplug)
		expect_rc("rescan", sysfs_write("/sys/bus/pci/rescan", "1"), 0);
	expect_rc(taker.path, taker.rc, 0);
	expect_exact("while the second device left", &t);
	expect(query(f).out_attached == 1, "%u attached", query(f).out_attached);
	expect_mode(f, "afterwards", EXACT, IOMMU_DIRTY_REASON_NONE);
	expect_rc("open it again", vfio_open(second, name, f->rig.iommufd, &step), 0);
	edu_init(&f->rig.edu[1], second->bar0);
	expect_rc("attach it again", space_attach(&f->s, 1), 0);
	for (int i = 0; i < 3; i++) {
		scribble(f, 1);
		scribble(f, 0);
		expect_all(f, "with it again", 0);
	}
	expect_rc("detach", space_detach(&f->s, 1), 0);
}

static void device_unbound(struct fixture *f)
{
	open_with(f, DIRTY_FLAG);
	start(f);
	leaves_and_returns(f, false);
}

static void device_unplugged(struct fixture *f)
{
	open_with(f, DIRTY_FLAG);
	start(f);
	leaves_and_returns(f, true);
}

/* Everything on: it never returns. */
static void busy_consumer(int stage, int ready)
{
	struct fixture f = {};
	struct race race;
	struct race_writer w = { .race = &race, .regions = 3, .seed = 1 };

	rig_open(&f.rig, 2, stage);
	open_with(&f, 0);
	need(events_open(f.rig.iommufd, f.s.hwpt), "eventfd");
	policy(&f, DEGRADE);
	start(&f);
	expect_rc("attach", space_attach(&f.s, 1), 0);
	if (rig_untrackable(&f.rig) >= 0)
		expect_rc("attach", space_attach(&f.s, rig_untrackable(&f.rig)), 0);
	need(race_init(&race, &f.s), "memory");
	need(race_start(&w), "thread");
	for (;;) {
		struct tally t = {};

		expect_rc("read", race_read(&race, &t), 0);
		if (ready >= 0 && write(ready, "r", 1) == 1)
			ready = -1;
	}
}

static void killed_with_everything_on(struct fixture *f)
{
	int stage = f->rig.stage, ready[2], status;
	char byte;
	pid_t pid;

	rig_close(&f->rig);
	for (int i = 0; i < 3; i++) {
		need(pipe(ready) ? -errno : 0, "pipe");
		pid = fork();
		need(pid < 0 ? -errno : 0, "fork");
		if (!pid) {
			close(ready[0]);
			busy_consumer(stage, ready[1]);
		}
		close(ready[1]);
		expect(read(ready[0], &byte, 1) == 1, "the consumer did not get going");
		usleep(100000 * i);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		       "it ended by itself, status %#x", status);
		close(ready[0]);
	}
	rig_open(&f->rig, 2, stage);
	open_with(f, DIRTY_FLAG);
	start(f);
	scribble(f, 0);
	expect_all(f, "the next consumer", 0);
}

static void close_one(struct fixture *f, int which)
{
	if (which < 2)
		vfio_close(&f->rig.dev[which]);
	else
		close(f->rig.iommufd);
}

/* Two devices and the iommufd, with tracking on and writes that nobody has read. */
static void closed_in_every_order(struct fixture *f)
{
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	int stage = f->rig.stage;

	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		int events;

		if (i)
			rig_open(&f->rig, 2, stage);
		/* The other devices would keep the iommufd. */
		for (int dev = 2; dev < f->rig.devices; dev++)
			vfio_close(&f->rig.dev[dev]);
		open_with(f, i % 2 ? DIRTY_FLAG : 0);
		events = events_open(f->rig.iommufd, f->s.hwpt);
		need(events, "eventfd");
		start(f);
		expect_rc("attach", space_attach(&f->s, 1), 0);
		scribble(f, 0);
		scribble(f, 1);
		for (int n = 0; n < 2; n++)
			close_one(f, orders[i][n]);
		events_take(events, false);
		close_one(f, orders[i][2]);
		expect(events_take(events, true), "order %u: no last signal", i);
		close(events);
		oracle_free(&f->s.oracle);
		layout_free(&f->s.layout);
	}
	rig_open(&f->rig, 2, stage);
	open_with(f, DIRTY_FLAG);
	start(f);
	scribble(f, 0);
	expect_all(f, "the next consumer", 0);
}

/* ---- Suspend and resume. ---- */

static bool file_has(const char *path, const char *word)
{
	char buf[128] = {};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = 0;
	close(fd);
	return strstr(buf, word);
}

/* Devices and the IOMMU as well; the kernel comes back by itself, after seconds. */
static void suspend(void)
{
	double begin = now();

	expect_rc("pm_test", sysfs_write("/sys/power/pm_test", "core"), 0);
	expect_rc("suspend", sysfs_write("/sys/power/state", "mem"), 0);
	printf("# suspended and resumed in %.1f s\n", now() - begin);
}

static void suspended_while_on(struct fixture *f)
{
	if (!file_has("/sys/power/mem_sleep", "deep"))
		skip("this machine cannot suspend to RAM");
	if (!file_has("/sys/power/pm_test", "core"))
		skip("this kernel has no pm_test");
	open_with(f, DIRTY_FLAG);
	start(f);
	expect_rc("attach the second device", space_attach(&f->s, 1), 0);
	scribble(f, 0);
	expect_all(f, "before", 0);
	poke(f, 0, f->small->iova);
	poke(f, 1, f->large->iova);
	scribble(f, 1);
	suspend();
	expect_mode(f, "resumed", EXACT, IOMMU_DIRTY_REASON_NONE);
	expect_all(f, "written before, read after", 0);
	for (int i = 0; i < 3; i++) {
		poke(f, 0, f->small->iova);
		poke(f, 1, f->large->iova);
		scribble(f, i % 2);
		expect_all(f, "written after", 0);
	}
	expect_rc("detach", space_detach(&f->s, 1), 0);
	expect_rc("attach", space_attach(&f->s, 1), 0);
	scribble(f, 1);
	expect_all(f, "attached after", 0);
}

/* ---- An IOMMU that cannot. ---- */

static void incapable_degrade(struct fixture *f)
{
	open_with(f, 0);
	start_without_recording(f, 0);
}

static void incapable_forecast(struct fixture *f)
{
	open_with(f, 0);
	expect_rc("detach", space_detach(&f->s, 0), 0);
	attach_as_forecast(f, "off, plain", 0, 0);
	expect_rc("detach", space_detach(&f->s, 0), 0);
	policy(f, DEGRADE);
	attach_as_forecast(f, "off, degrade", 0, 0);
	start(f);
	attach_as_forecast(f, "all-dirty, degrade", 1, 0);
	expect(query(f).out_mode == ALL_DIRTY, "a second one: mode %s",
	       mode_name(query(f).out_mode));
	policy(f, PLAIN);
	expect_rc("detach", space_detach(&f->s, 1), 0);
	attach_as_forecast(f, "all-dirty, plain", 1, 0);
}

const struct test life_tests[] = {
	{ "policy_errors", policy_errors, 1 },
	{ "can_attach_errors", can_attach_errors, 1 },
	{ "eventfd_errors", eventfd_errors, 1 },
	{ "policies_change_no_mode", policies_change_no_mode, 1 },
	{ "capable_forecast", capable_forecast, 2 },
	{ "untrackable_admission", untrackable_admission, 1 },
	{ "untrackable_before_start", untrackable_before_start, 1 },
	{ "eventfd_signals", eventfd_signals, 1 },
	{ "device_unbound", device_unbound, 2 },
	{ "device_unplugged", device_unplugged, 2 },
	{ "killed_with_everything_on", killed_with_everything_on, 2 },
	{ "closed_in_every_order", closed_in_every_order, 2 },
	{ "suspended_while_on", suspended_while_on, 2 },
	{}
};

const struct test incapable_life_tests[] = {
	{ "degrade", incapable_degrade, 1 },
	{ "forecast", incapable_forecast, 2 },
	{}
};
