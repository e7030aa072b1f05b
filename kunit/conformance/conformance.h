/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The conformance suite: one set of cases that every backend must pass.
 *
 * A backend's author fills in a struct conf_ops, which says how to make a domain,
 * attach a device, map memory and do DMA, and names a suite:
 *
 *	static struct conf_target targets[] = {
 *		{ .name = "my hardware", .ops = &my_ops },
 *		{}
 *	};
 *	CONFORMANCE_SUITE(mine, "mine", targets);
 *
 * What was mapped and written is noted by the suite, not by the target. The suite
 * looks in on the steps of a read, whoever registered the backend: it puts itself
 * between the core and the backend of the domain under test. There it does DMA,
 * makes steps fail, or leaves them out to see that this is noticed.
 *
 *	conformance-rig.c	what the cases share: set-up, steps, reads compared
 *				with the oracle
 *	conformance.c		the cases
 *	conformance-random.c	the case that takes them all together
 *	conformance-suites.c	the vendors' suites, and what each runs with
 *	conformance-model.c	a target: a vendor's format in the hardware model
 *	conformance-driver.c	a target: the vendor's driver and its hardware
 *	sample-backend.c	a backend to copy from, and its target
 */
#ifndef __IOMMU_DIRTY_KUNIT_CONFORMANCE_H
#define __IOMMU_DIRTY_KUNIT_CONFORMANCE_H

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/iommu-dirty.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "oracle.h"

struct conf;

/**
 * struct conf_ops - how the suite uses a target
 * @setup: Before each case; find or make the hardware. 0, or the case fails;
 *	kunit_skip() when it is not there. Optional.
 * @cleanup: After each case, when all domains are freed. Optional.
 * @device: The @n-th device, attached to nothing when it is first asked for;
 *	NULL when there are no more. One is enough; with three all cases run.
 * @domain_alloc: A domain with an empty table for @conf's devices; NULL or an
 *	error pointer when it fails.
 * @domain_free: Free it; nothing is attached to it.
 * @domain_nest: A nested child of @parent. Optional.
 * @attach: Attach @dev through the core's hook. It is attached to nothing, or to
 *	another domain when @moves.
 * @detach: Attach @dev to nothing.
 * @attach_pasid: Attach a PASID of @dev. Optional.
 * @detach_pasid: Undo that.
 * @set_ats: Give @dev a translation cache of its own, or take it away; called
 *	while it is attached to nothing. Optional.
 * @set_cache: Let @dev, which is attached to nothing, have so many translations cached,
 *	at most %CONF_MAX_CACHE. Optional.
 * @map: Map [@iova, @iova + @size) with leaves of @leaf_size. The memory behind
 *	them need not be real; devices access it where @dma says.
 * @unmap: Unmap what one @map mapped.
 * @dma: Let the device access a byte of the leaf that maps @iova, in the granule
 *	of @iova if the target can, and wait until it has. 0, or an error when the
 *	access was blocked.
 * @settle: Let what hardware has recorded until now be visible, where that may be late;
 *	called with any of the core's locks held. Optional.
 * @leaf_sizes: those that @map can make, bytes, one bit each; 0 for all that the
 *	backend names
 * @moves: a device may be attached to a domain while it is attached to another
 * @max_bits: log2 of the largest address space that is tried; 0 for all that there is
 * @slow: an access takes more than a few microseconds
 * @vague: why the backend does not see clean leaves; it is then asked about nothing
 *	but what is mapped, and cases that count leaves are skipped. NULL for a
 *	backend that does.
 */
struct conf_ops {
	int (*setup)(struct conf *conf);
	void (*cleanup)(struct conf *conf);
	struct device *(*device)(struct conf *conf, unsigned int n);
	struct iommu_domain *(*domain_alloc)(struct conf *conf);
	void (*domain_free)(struct iommu_domain *domain);
	struct iommu_domain *(*domain_nest)(struct iommu_domain *parent);
	int (*attach)(struct iommu_domain *domain, struct device *dev);
	void (*detach)(struct iommu_domain *domain, struct device *dev);
	int (*attach_pasid)(struct iommu_domain *domain, struct device *dev,
			    ioasid_t pasid);
	void (*detach_pasid)(struct iommu_domain *domain, struct device *dev,
			     ioasid_t pasid);
	void (*set_ats)(struct device *dev, bool on);
	void (*set_cache)(struct device *dev, unsigned int entries);
	int (*map)(struct iommu_domain *domain, unsigned long iova,
		   unsigned long size, unsigned long leaf_size, bool writable);
	void (*unmap)(struct iommu_domain *domain, unsigned long iova,
		      unsigned long size);
	int (*dma)(struct device *dev, ioasid_t pasid, unsigned long iova,
		   bool write);
	void (*settle)(struct iommu_domain *domain);
	u64 leaf_sizes;
	unsigned int max_bits;
	bool moves;
	bool slow;
	const char *vague;
};

/**
 * struct conf_target - what a suite runs with
 * @name: of the target, the parameter of each case
 * @ops: how to use it; NULL ends a list
 * @data: for @ops
 * @reach: the last IOVA that can be mapped and accessed; 0: the suite tries
 */
struct conf_target {
	const char *name;
	const struct conf_ops *ops;
	const void *data;
	unsigned long reach;
};

/**
 * enum conf_step - where the suite can look on, do DMA, or make something fail
 * @CONF_CAPABILITY: ->capability
 * @CONF_SET_FEATURE: ->set_feature
 * @CONF_SYNC: ->sync
 * @CONF_WALK: ->walk
 * @CONF_PUBLISH: publishing to the bitmap
 * @CONF_CLEAR: ->clear
 * @CONF_FLUSH: ->flush
 * @CONF_NR_STEPS: number of steps
 */
enum conf_step {
	CONF_CAPABILITY,
	CONF_SET_FEATURE,
	CONF_SYNC,
	CONF_WALK,
	CONF_PUBLISH,
	CONF_CLEAR,
	CONF_FLUSH,
	CONF_NR_STEPS,
};

#define CONF_READ_STEPS \
	(BIT(CONF_SYNC) | BIT(CONF_WALK) | BIT(CONF_PUBLISH) | \
	 BIT(CONF_CLEAR) | BIT(CONF_FLUSH))

/**
 * struct conf_fault - make the @nth of some steps fail
 * @steps: which steps count, one bit each
 * @nth: 1 is the next; 0 for never
 * @late: fail when the work is done, not before
 * @err: with which error
 * @hit: it happened
 */
struct conf_fault {
	unsigned long steps;
	unsigned int nth;
	bool late;
	int err;
	bool hit;
};

/* Leaves in a row; none when @size is 0 */
struct conf_area {
	unsigned long iova;
	unsigned long size;
	unsigned long leaf_size;
	bool writable;
};

/*
 * The layout: leaves of all sizes next to each other, read-only ones, holes, and
 * the ends of the address space. A medium leaf takes the place of a table of the
 * smallest ones; a large one is the largest that a chunk has room for. Where there are
 * but two sizes, the large ones are medium ones; where there are more than three, the
 * others have places of their own.
 *
 * A root may have more entries than another table, usually 2 or 4 times as many. The
 * middle of the address space and its first quarter are where an index that is cut off
 * starts again.
 */
enum conf_place {
	CONF_SMALL,	/* smallest leaves, through two tables */
	CONF_MEDIUM,	/* of the next size, right behind them */
	CONF_RO,	/* read-only, right behind those */
	CONF_EDGE,	/* smallest leaves up to a chunk's end */
	CONF_LARGE,	/* of the largest size, right behind them */
	CONF_AFTER,	/* a medium one, right behind them */
	CONF_TAIL,	/* smallest ones, right behind it */
	CONF_OTHER,	/* leaf sizes that are left */
	CONF_OTHER_LAST = CONF_OTHER + 7,
	CONF_HUGE,	/* those that are larger than a chunk */
	CONF_HUGE_LAST = CONF_HUGE + 3,
	CONF_QUARTER,	/* medium, up to the end of the first quarter of the address space */
	CONF_PAST_QUARTER, /* smallest, right behind it */
	CONF_MIDDLE,	/* medium, up to the middle of the address space */
	CONF_PAST,	/* smallest, right behind it */
	CONF_TOP,	/* medium, then */
	CONF_LAST,	/* smallest ones, up to the end of the address space */
	CONF_NR_PLACES,
	CONF_NR_LOW_PLACES = CONF_HUGE,
};

#define CONF_MAX_DEVICES 3
#define CONF_PASID 3
#define CONF_MAX_CACHE 8192

/* What a device is attached to; [1] is CONF_PASID's */
struct conf_device {
	struct device *dev;
	struct iommu_domain *domain[2];
	bool ats;
};

/**
 * struct conf - a case that runs
 * @test: to report to
 * @target: what it runs with
 * @priv: for the target
 * @domain: the domain under test
 * @dirty: its state
 * @others: more domains, children included; freed when the case is over
 * @devs: devices; the first one is attached to @domain when a case begins
 * @nr_devs: number of devices
 * @leaf_sizes: all leaf sizes, bytes, one bit each
 * @granule: the smallest one
 * @medium: that of a leaf in the place of a table of the smallest ones
 * @large: the largest one that a chunk has room for
 * @huge_sizes: those that are larger
 * @reach: the last IOVA that can be mapped
 * @born_dirty: a leaf that is mapped may be reported once
 * @ats_dirty: so may one that a device read
 * @area: the layout
 * @end: the last IOVA of a read of all but the ends of the address space
 * @map_lock: stands for the consumer's lock on what is mapped
 * @dma_lock: an access and its note in the oracle are one step
 * @oracle: what was mapped and written
 * @real: the backend
 * @wrapped: the backend with the suite's eyes on its steps
 * @calls: times each step began
 * @fault: what to make fail
 * @leave_out: steps that are not done, though they say so; one bit each
 * @unable: a device of which ->capability says that it cannot record
 * @watch: called before and after each step, with the core's locks held
 * @at_load: called behind each load of an entry in ->clear, as @watch is
 * @loads: how many there were
 * @data: for @watch and @at_load
 * @owed_first: what was made clean and not yet flushed: first byte
 * @owed_last: last byte
 * @some: what write_some() of conformance.c writes
 * @nr_some: how many
 * @backward: from the last to the first the next time
 * @skew: bytes by which bitmaps are misaligned
 * @silent: count what is wrong with reports; do not fail
 * @missing: pages that were missing from reports
 * @extra: pages that should not have been there
 */
struct conf {
	struct kunit *test;
	struct conf_target *target;
	void *priv;
	struct iommu_domain *domain;
	struct iommu_dirty_domain *dirty;
	struct iommu_domain *others[4];
	struct conf_device devs[CONF_MAX_DEVICES];
	unsigned int nr_devs;
	u64 leaf_sizes;
	unsigned long granule;
	unsigned long medium;
	unsigned long large;
	u64 huge_sizes;
	unsigned long reach;
	bool born_dirty;
	bool ats_dirty;
	struct conf_area area[CONF_NR_PLACES];
	unsigned long end;
	struct mutex map_lock; /* what is mapped */
	struct mutex dma_lock; /* an access and its note */
	struct oracle oracle;
	const struct iommu_dirty_backend *real;
	struct iommu_dirty_backend wrapped;
	unsigned int calls[CONF_NR_STEPS];
	struct conf_fault fault;
	unsigned long leave_out;
	struct device *unable;
	void (*watch)(struct conf *conf, enum conf_step step, bool after);
	void (*at_load)(struct conf *conf);
	unsigned int loads;
	void *data;
	unsigned long owed_first;
	unsigned long owed_last;
	unsigned long *some;
	unsigned int nr_some;
	bool backward;
	unsigned int skew;
	bool silent;
	unsigned long missing;
	unsigned long extra;
};

/* conformance-rig.c: life */
int conf_init(struct kunit *test);
void conf_exit(struct kunit *test);
void conf_new_domain(struct conf *conf);
void conf_drop_domain(struct conf *conf);

/* Attachments; a PASID is 0 or CONF_PASID */
int conf_attach(struct conf *conf, struct iommu_domain *domain, unsigned int n,
		ioasid_t pasid);
void conf_detach(struct conf *conf, unsigned int n, ioasid_t pasid);
void conf_need_devices(struct conf *conf, unsigned int n);
struct iommu_domain *conf_other_domain(struct conf *conf);
struct iommu_domain *conf_child(struct conf *conf);

/* Mapping and DMA */
int conf_map(struct conf *conf, unsigned long iova, unsigned long size,
	     unsigned long leaf_size, bool writable);
void conf_unmap(struct conf *conf, unsigned long iova);
void conf_map_area(struct conf *conf, enum conf_place place);
void conf_map_layout(struct conf *conf);
int conf_dma(struct conf *conf, unsigned int n, ioasid_t pasid,
	     unsigned long iova, unsigned long len, bool write);
void conf_write(struct conf *conf, unsigned long iova);
void conf_write_pages(struct conf *conf, unsigned long iova, unsigned long nr);

/* What the consumer has mapped, for the core */
struct conf_ranges {
	struct iommu_dirty_ranges ranges;
	struct conf *conf;
};

struct conf_ranges conf_ranges(struct conf *conf);

/* Tracking */
int conf_start_as(struct conf *conf, const void *owner);
int conf_stop_as(struct conf *conf, const void *owner);
int conf_read_as(struct conf *conf, const void *owner, unsigned long iova,
		 unsigned long last, unsigned long page_size, u32 flags);
int conf_read_raw(struct conf *conf, const struct iommu_dirty_read *like);
int conf_read_mapped(struct conf *conf, u32 flags);
int conf_read_area(struct conf *conf, enum conf_place place, u32 flags);
int conf_real_clear(struct conf *conf, struct iommu_dirty_chunk *chunk);
struct iommu_dirty_info conf_query(struct conf *conf);
void conf_expect_mode(struct conf *conf, enum iommu_dirty_mode mode,
		      enum iommu_dirty_reason reason);
void conf_fail(struct conf *conf, unsigned long steps, unsigned int nth,
	       bool late, int err);

static inline int conf_start(struct conf *conf)
{
	return conf_start_as(conf, conf->test);
}

static inline int conf_stop(struct conf *conf)
{
	return conf_stop_as(conf, conf->test);
}

/* Areas that come before the middle of the address space, and are there */
static inline bool conf_has(const struct conf *conf, enum conf_place place)
{
	return conf->area[place].size;
}

/* The core's chunk: no leaf crosses its edge, and it is read in one step */
static inline unsigned long conf_chunk(const struct conf *conf)
{
	return conf->granule << 18;
}

/* A page size at which a leaf is a moderate number of bits: the granule, but for huge ones */
static inline unsigned long conf_leaf_page(const struct conf *conf,
					   unsigned long leaf_size)
{
	return max(conf->granule, leaf_size >> 18);
}

/* A bit for each granule */
static inline int conf_read(struct conf *conf, unsigned long iova,
			    unsigned long last, u32 flags)
{
	return conf_read_as(conf, conf->test, iova, last, conf->granule, flags);
}

/* All but the ends of the address space */
static inline int conf_read_all(struct conf *conf, u32 flags)
{
	return conf_read(conf, 0, conf->end, flags);
}

static inline unsigned long conf_last(const struct conf *conf,
				      enum conf_place place)
{
	return conf->area[place].iova + conf->area[place].size - 1;
}

/* For cases about clean leaves, and about what is not mapped */
static inline void conf_need_leaves(struct conf *conf)
{
	if (conf->target->ops->vague)
		kunit_skip(conf->test, "%s", conf->target->ops->vague);
}

/* The @n-th of the smallest leaves */
static inline unsigned long conf_page(const struct conf *conf, unsigned long n)
{
	return conf->area[CONF_SMALL].iova + n * conf->granule;
}

/* The first of the smallest leaves that is in another table than the ones before */
static inline unsigned long conf_border(const struct conf *conf)
{
	return (conf->medium - conf->area[CONF_SMALL].iova) / conf->granule;
}

/* How often: natively, with a driver and real devices, with a model on an emulated CPU */
static inline unsigned int conf_rounds(const struct conf *conf,
				       unsigned int native, unsigned int driver,
				       unsigned int emulated)
{
	if (conf->target->ops->slow)
		return driver;
	return IS_ENABLED(CONFIG_UML) ? native : emulated;
}

/**
 * struct conf_driver - the vendor's driver that this machine runs
 * @backend: that serves the devices
 * @stage: of the domains that the driver allocates for them; 0: there is no such thing
 * @why: the reason, when there is not
 */
struct conf_driver {
	char backend[IOMMU_DIRTY_BACKEND_NAME_LEN];
	unsigned int stage;
	const char *why;
};

/* conformance-model.c */
extern const struct conf_ops conf_model_ops;
extern const struct conf_ops conf_adapter_ops;

/* conformance-driver.c */
extern const struct conf_ops conf_driver_ops;
#if IS_ENABLED(CONFIG_PCI)
const struct conf_driver *conf_driver_find(void);
#else
static inline const struct conf_driver *conf_driver_find(void)
{
	static const struct conf_driver none = { .why = "no PCI" };

	return &none;
}
#endif

/* conformance-random.c */
void conf_random_operations(struct kunit *test);

/* conformance.c */
#define CONF_MAX_CASES 80
int conf_fill_cases(struct kunit_case *cases,
		    const void *(*next_target)(const void *prev, char *desc));

/* For CONFORMANCE_SUITE(): the target that follows @prev, and its name */
static inline const void *conf_next_target(const struct conf_target *targets,
					   const struct conf_target *prev,
					   char *desc)
{
	const struct conf_target *target = prev ? prev + 1 : targets;

	if (!target->ops)
		return NULL;
	strscpy(desc, target->name, KUNIT_PARAM_DESC_SIZE);
	return target;
}

/* conformance-suites.c */
#define CONF_SUITE_PREFIX "conformance-"
int conf_suite_init(struct kunit_suite *suite);

/**
 * CONFORMANCE_SUITE() - run the cases with some targets
 * @id: C identifier, unique in the file
 * @suite_name: the suite is called "conformance-@suite_name"
 * @targets: array of struct conf_target that ends with an empty one
 */
#define CONFORMANCE_SUITE(id, suite_name, targets)			\
static const void *id##_next(const void *prev, char *desc)		\
{									\
	return conf_next_target(targets, prev, desc);			\
}									\
									\
static struct kunit_case id##_cases[CONF_MAX_CASES + 1];		\
									\
static int __init id##_fill(void)					\
{									\
	return conf_fill_cases(id##_cases, id##_next);			\
}									\
late_initcall(id##_fill);						\
									\
static struct kunit_suite id##_suite = {				\
	.name = CONF_SUITE_PREFIX suite_name,				\
	.suite_init = conf_suite_init,					\
	.init = conf_init,						\
	.exit = conf_exit,						\
	.test_cases = id##_cases,					\
};									\
									\
kunit_test_suite(id##_suite)

#endif /* __IOMMU_DIRTY_KUNIT_CONFORMANCE_H */
