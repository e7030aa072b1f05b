/* SPDX-License-Identifier: GPL-2.0-only */
/* What the cases of dirty-e2e are made of. */
#ifndef TOOLS_E2E_H
#define TOOLS_E2E_H

#include "check.h"

#define DIRTY_FLAG IOMMU_HWPT_ALLOC_DIRTY_TRACKING
#define NO_CLEAR IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR

/* What every case starts with; the case opens the space itself. */
struct fixture {
	struct rig rig;
	struct space s;
	struct region *small, *large;	/* leaves of 4 KiB, leaves of 2 MiB */
};

/* A case: a process of its own, with at least so many devices. */
struct test {
	const char *name;
	void (*run)(struct fixture *f);
	int devices;
};

/* e2e-life.c: policies, events, devices and consumers that go away, suspend. */
extern const struct test life_tests[], incapable_life_tests[];
/* e2e-units.c: units that differ from the first device's. */
extern const struct test unit_tests[];
/* e2e-failing.c: devices and IOMMUs that fail. */
extern const struct test failing_tests[];
/* e2e-smmu.c: an SMMUv3 whose commands fail. */
extern const struct test smmu_tests[];

/* e2e-queue.c: invalidations that fail in a queue that domains share. */
extern const struct test queue_tests[];

/* e2e-limits.c: odd arguments, too many of a thing, no memory. */
extern const struct test limit_tests[];

/* The first expectation that does not hold ends the case, and so does skip(). */
[[gnu::format(printf, 2, 3)]]
void expect(bool holds, const char *fmt, ...);
void expect_rc(const char *what, int rc, int want);
void expect_exact(const char *what, const struct tally *t);
/* Everything, read and cleared or only read, is what the oracle says. */
void expect_all(struct fixture *f, const char *what, __u32 flags);
[[gnu::noreturn]] void skip(const char *reason);

/* A HWPT allocated with @flags, the first device attached, two regions mapped. */
void open_with(struct fixture *f, __u32 flags);
/* One more region, not mapped yet; nothing has been written so far. */
struct region *add_late(struct fixture *f, const char *name, __u64 iova, __u64 len,
			bool read_only);
void map(struct fixture *f, struct region *r);
void start(struct fixture *f);
struct iommu_dirty_query query(struct fixture *f);
/* DMA: to one byte; a few writes to the two regions, other pages every time. */
void poke(struct fixture *f, int dev, __u64 iova);
void scribble(struct fixture *f, int dev);

double now(void);

#endif
