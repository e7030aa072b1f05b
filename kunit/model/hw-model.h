/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A software IOMMU to test dirty tracking against.
 *
 * It builds page tables in memory, in a format of the real hardware, and devices
 * do DMA through them as the specification says: a write that misses the
 * translation cache walks the table and sets A and D; one that hits an entry that
 * was cached dirty touches nothing in memory. That is how a forgotten flush loses
 * a write. What was written is noted in an oracle that the code under test never
 * sees.
 *
 *	hw-table.c	page tables
 *	hw-device.c	devices, their caches, DMA, invalidation
 *	hw-backend.c	the model as a backend: steps that can be watched and made to fail
 *	hw-formats.c	all formats with the code under test, and the tables made of them
 *	hw-upstream.c	the model behind a driver that has only upstream's operations
 *	hw-*.c		formats, each with bit definitions of its own
 */
#ifndef __IOMMU_DIRTY_KUNIT_HW_MODEL_H
#define __IOMMU_DIRTY_KUNIT_HW_MODEL_H

#include <linux/cleanup.h>
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu-dirty.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>

#include "oracle.h"

/* A spinlock for guard(). Sparse does not know when such a lock is dropped: hide it */
static inline void hwm_lock(spinlock_t *lock)
{
	spin_lock(lock);
	__release(lock);
}

static inline void hwm_unlock(spinlock_t *lock)
{
	__acquire(lock);
	spin_unlock(lock);
}

DEFINE_GUARD(hwm_lock, spinlock_t *, hwm_lock(_T), hwm_unlock(_T))

struct iommu_dirty_domain;
struct iommu_dirty_root;

/**
 * struct hwm_format - what the hardware sees in an entry
 * @name: of the format
 * @vendor: whose it is; "VENDOR-STAGE" is the conformance suite that runs it
 * @stage: of translation, 1 or 2
 * @granule_shift: log2 of the bytes that an entry of level 1 maps
 * @level_bits: log2 of the entries of a table
 * @large_levels: highest level that may hold a leaf
 * @always_records: nothing is switched: a device records from its attach on
 * @born_dirty: writable leaves are mapped with D set
 * @table_access: A is set in table entries too
 * @clean_faults: without recording a clean leaf cannot be written, nor one be
 *	used that has A clear
 * @holds_back: what is recorded may become visible late, see hwm_settle()
 * @table_entry: make an entry that points to a table
 * @leaf_entry: make a leaf
 * @write_only: the same leaf, which devices may write and not read; NULL when
 *	there is no such thing
 * @table_addr: where a table entry points
 * @present: does it map anything?
 * @is_leaf: does it map memory?
 * @writable: may devices write through it?
 * @dirty: is D set?
 * @accessed: with A set; works on tables too
 * @written: with D set
 * @run_bits: log2 of the entries of a level that can together be one leaf; NULL
 *	when there is no such thing
 * @run_entry: the same leaf, as the first of such a run of 1 << bits entries
 * @run_copies: the others are the same, and do not go on with the address
 * @is_run: is it one of a run?
 * @run_of: log2 of the entries of that run, where a level can have runs of any
 *	length and @run_bits is but the usual one; NULL elsewhere
 */
struct hwm_format {
	const char *name;
	const char *vendor;
	unsigned int stage;
	unsigned int granule_shift;
	unsigned int level_bits;
	unsigned int large_levels;
	bool always_records;
	bool born_dirty;
	bool table_access;
	bool clean_faults;
	bool holds_back;
	u64 (*table_entry)(phys_addr_t table, unsigned int level);
	u64 (*leaf_entry)(phys_addr_t pa, unsigned int level, bool writable);
	u64 (*write_only)(u64 entry);
	phys_addr_t (*table_addr)(u64 entry);
	bool (*present)(u64 entry, unsigned int level);
	bool (*is_leaf)(u64 entry, unsigned int level);
	bool (*writable)(u64 entry);
	bool (*dirty)(u64 entry);
	u64 (*accessed)(u64 entry);
	u64 (*written)(u64 entry);
	unsigned int (*run_bits)(unsigned int level);
	u64 (*run_entry)(u64 entry, unsigned int level, unsigned int bits);
	bool run_copies;
	bool (*is_run)(u64 entry);
	unsigned int (*run_of)(u64 entry, unsigned int level);
};

extern const struct hwm_format hwm_vtd_ss;
extern const struct hwm_format hwm_x86;
extern const struct hwm_format hwm_amdv1;
extern const struct hwm_format hwm_lpae_s1_4k;
extern const struct hwm_format hwm_lpae_s1_16k;
extern const struct hwm_format hwm_lpae_s1_64k;
extern const struct hwm_format hwm_lpae_s2_4k;
extern const struct hwm_format hwm_lpae_s2_16k;
extern const struct hwm_format hwm_lpae_s2_64k;
extern const struct hwm_format hwm_sv39x4;
extern const struct hwm_format hwm_sv57x4;

struct hwm_kind;
struct hwm_domain;

/* The code under test for one format: bodies of ->walk and ->clear */
struct hwm_walker {
	int (*walk)(const struct hwm_domain *hd,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last);
	int (*clear)(const struct hwm_domain *hd,
		     struct iommu_dirty_chunk *chunk);
	const struct iommu_dirty_format *format;
};

struct iommu_dirty_root hwm_root(const struct hwm_domain *hd);

/**
 * HWM_WALKER() - the code under test for a format that walk.h walks
 * @id: C identifier: id_format becomes id_walker
 * @root_of: the root of a struct hwm_domain's table, hwm_root() if nothing is special
 */
#define HWM_WALKER(id, root_of)						\
static struct iommu_dirty_root id##_walker_root(const struct hwm_domain *hd) \
{									\
	return root_of(hd);						\
}									\
									\
static int id##_walk(const struct hwm_domain *hd,			\
		     struct iommu_dirty_chunk *chunk, unsigned long iova, \
		     unsigned long last)				\
{									\
	struct iommu_dirty_root root = id##_walker_root(hd);		\
									\
	return iommu_dirty_walk_table(&id##_format, &root, chunk, iova,	\
				      last);				\
}									\
									\
static int id##_clear(const struct hwm_domain *hd,			\
		      struct iommu_dirty_chunk *chunk)			\
{									\
	struct iommu_dirty_root root = id##_walker_root(hd);		\
									\
	return iommu_dirty_clear_table(&id##_format, &root, chunk);	\
}									\
									\
static const struct hwm_walker id##_walker = {				\
	id##_walk, id##_clear, &id##_format				\
}

/**
 * struct hwm_kind - what a parameterised test runs with
 * @name: says so
 * @fmt: what the hardware sees
 * @walker: code under test
 * @levels: of the table
 * @root_bits: log2 of the entries of the root, 0 for as many as any table has
 * @ia_bits: Arm: input address bits; with @sl0 what the code under test is told
 *	instead of the two above
 * @sl0: Arm, stage 2: SL0
 * @medium: leaf size between the smallest and @large; at most 512 times the
 *	smallest
 * @large: leaf size, at most 1 << 18 times the smallest
 * @sampled: long tests take a sample of what they do with another kind
 */
struct hwm_kind {
	const char *name;
	const struct hwm_format *fmt;
	const struct hwm_walker *walker;
	unsigned int levels;
	unsigned int root_bits;
	unsigned int ia_bits;
	unsigned int sl0;
	unsigned long medium;
	unsigned long large;
	bool sampled;
};

extern const struct hwm_kind hwm_kinds[];
extern const unsigned int hwm_nr_kinds;

/**
 * enum hwm_step - where a test can look on, do DMA, or make something fail
 * @HWM_CAPABILITY: ->capability
 * @HWM_SET_FEATURE: ->set_feature
 * @HWM_SYNC: ->sync
 * @HWM_WALK: ->walk
 * @HWM_PUBLISH: publishing to the bitmap
 * @HWM_CLEAR: ->clear
 * @HWM_CLEAN_LEAF: in ->clear, when a leaf was read and is about to be replaced
 * @HWM_FLUSH: ->flush
 * @HWM_ATTACH: the driver's attach, before anything is done
 * @HWM_ATTACH_LIVE: in it, when the device translates and a flush does not reach it
 * @HWM_NR_STEPS: number of steps
 */
enum hwm_step {
	HWM_CAPABILITY,
	HWM_SET_FEATURE,
	HWM_SYNC,
	HWM_WALK,
	HWM_PUBLISH,
	HWM_CLEAR,
	HWM_CLEAN_LEAF,
	HWM_FLUSH,
	HWM_ATTACH,
	HWM_ATTACH_LIVE,
	HWM_NR_STEPS,
};

#define HWM_READ_STEPS                                              \
	(BIT(HWM_SYNC) | BIT(HWM_WALK) | BIT(HWM_PUBLISH) |         \
	 BIT(HWM_CLEAR) | BIT(HWM_FLUSH))

/**
 * struct hwm_fault - make the @nth of some steps fail
 * @steps: which steps count, one bit each
 * @nth: 1 is the next; 0 for never
 * @late: fail when the work is done, not before
 * @err: with which error
 * @hit: it happened
 */
struct hwm_fault {
	unsigned long steps;
	unsigned int nth;
	bool late;
	int err;
	bool hit;
};

/**
 * struct hwm_model - the IOMMU
 * @test: to report to
 * @kind: format and levels
 * @backend: registered with the core
 * @lock: caches, contexts and oracles: an access is one step, and so is a flush
 * @devices: all devices
 * @domains: all domains
 * @caps: what tables of the format can do
 * @ha: contexts of devices attached from now on set A
 * @hd: and D, with @ha
 * @rnd: which entry of a run hardware sets D in
 * @fault: what to make fail
 * @fault_of: what to make fail in the current thread, in place of @fault
 * @mute: ->capability fails for this device, or for the table of this domain
 * @refused: writes that were not let through although the page is writable
 * @may_refuse: that is not an error
 * @calls: times each step began
 * @locks_checked: times that it was known which locks were held there
 * @flush_first: first byte of the last flush
 * @flush_last: its last byte
 * @watch: called before and after each step, with the core's locks held
 * @watch_leaves: HWM_CLEAN_LEAF too; one model at a time
 * @data: for @watch
 */
struct hwm_model {
	struct kunit *test;
	const struct hwm_kind *kind;
	struct iommu_dirty_backend backend;
	spinlock_t lock; /* caches, contexts and oracles */
	struct list_head devices;
	struct list_head domains;
	u32 caps;
	bool ha;
	bool hd;
	struct rnd_state rnd;
	struct hwm_fault fault;
	struct hwm_fault *(*fault_of)(struct hwm_model *hw);
	const void *mute;
	unsigned int refused;
	bool may_refuse;
	unsigned int calls[HWM_NR_STEPS];
	unsigned int locks_checked[HWM_NR_STEPS];
	unsigned long flush_first;
	unsigned long flush_last;
	void (*watch)(struct hwm_model *hw, enum hwm_step step, bool after);
	bool watch_leaves;
	void *data;
};

#define HWM_HELD 64

/**
 * struct hwm_domain - a page table
 * @domain: what the core sees
 * @hw: whose
 * @node: in hwm_model.domains
 * @parent: the table that this nested child translates through
 * @root: top table
 * @tables: all tables
 * @write_only: leaves that devices may write are made so that they cannot read
 * @map_lock: stands for the consumer's lock on what is mapped: for write to change it
 * @oracle: what was mapped and written
 * @joined: adjacent maps of one kind are one range of the consumer's
 * @unit: of the IOMMUs, to which alone its devices may belong
 * @lacks: what this table cannot do, of hwm_model.caps
 * @contexts: contexts that a flush reaches
 * @recording: what attach gives to new contexts
 * @held: entries in which D is set later
 * @nr_held: their number
 */
struct hwm_domain {
	struct iommu_domain domain;
	struct hwm_model *hw;
	struct list_head node;
	struct hwm_domain *parent;
	u64 *root;
	struct list_head tables;
	bool write_only;
	struct rw_semaphore map_lock;
	struct oracle oracle;
	bool joined;
	unsigned int unit;
	u32 lacks;
	struct list_head contexts;
	bool recording;
	u64 *held[HWM_HELD];
	unsigned int nr_held;
};

#define HWM_TLB_ENTRIES 512
#define HWM_TLB_MAX_ENTRIES 8192
#define HWM_PSC_ENTRIES 32

/* A cached translation; it remembers whether the leaf was dirty */
struct hwm_tlb_entry {
	unsigned long first;
	unsigned long last;
	bool valid;
	bool writable;
	bool dirty;
};

/*
 * @nr: number of entries
 * @sizes: those of the translations that were cached so far, one bit each
 * @used: where there is anything valid, so that the rest need not be looked at
 */
struct hwm_tlb {
	unsigned int nr;
	u64 sizes;
	DECLARE_BITMAP(used, HWM_TLB_MAX_ENTRIES);
	struct hwm_tlb_entry *entries;
};

/* A cached table entry of level 2: where the table of the smallest leaves is */
struct hwm_psc_entry {
	unsigned long first;
	bool valid;
	u64 *table;
};

/**
 * struct hwm_context - a (device, PASID) pair and what the hardware caches for it
 * @tag: in hwm_domain.contexts
 * @node: in hwm_device.contexts
 * @pasid: PASID
 * @domain: what it is attached to, NULL for nothing
 * @table: the domain whose table is walked
 * @recording: writes set D
 * @iotlb: translation cache of the IOMMU
 * @devtlb: that of the device
 * @psc: paging-structure cache
 * @cached: of @iotlb and @devtlb
 */
struct hwm_context {
	struct list_head tag;
	struct list_head node;
	ioasid_t pasid;
	struct hwm_domain *domain;
	struct hwm_domain *table;
	bool recording;
	struct hwm_tlb iotlb;
	struct hwm_tlb devtlb;
	struct hwm_psc_entry psc[HWM_PSC_ENTRIES];
	struct hwm_tlb_entry cached[];
};

/**
 * struct hwm_device - a device
 * @dev: what the core sees
 * @hw: behind which IOMMU
 * @node: in hwm_model.devices
 * @iommu_dev: names the driver
 * @contexts: its pairs
 * @unit: which of the IOMMUs it is behind
 * @caps: what the unit it is behind can do
 * @ats: it has a translation cache
 * @gone: its driver has released it, and must not be asked about it
 * @tlb_entries: translations that are cached for each of its pairs, at most
 *	%HWM_TLB_MAX_ENTRIES; counts from the next attach on
 */
struct hwm_device {
	struct device dev;
	struct hwm_model *hw;
	struct list_head node;
	struct iommu_device iommu_dev;
	struct list_head contexts;
	unsigned int unit;
	u32 caps;
	bool ats;
	bool gone;
	unsigned int tlb_entries;
};

/* hw-model.c: life */
struct hwm_model *hwm_create(struct kunit *test, const struct hwm_kind *kind);
struct hwm_domain *hwm_domain_new(struct hwm_model *hw);
struct hwm_domain *hwm_domain_child(struct hwm_domain *parent);
void hwm_domain_free(struct hwm_domain *hd);
struct hwm_device *hwm_device_new(struct hwm_model *hw);
void hwm_device_release(struct hwm_device *dev);
void hwm_device_free(struct hwm_device *dev);

/* hw-table.c */
int hwm_table_init(struct hwm_domain *hd);
void hwm_table_free(struct hwm_domain *hd);
u64 *hwm_find_leaf(struct hwm_domain *hd, unsigned long iova,
		   unsigned int *level);
int hwm_map(struct hwm_domain *hd, unsigned long iova, unsigned long size,
	    unsigned long leaf_size, bool writable);
int hwm_map_locked(struct hwm_domain *hd, unsigned long iova,
		   unsigned long size, unsigned long leaf_size, bool writable);
void hwm_unmap(struct hwm_domain *hd, unsigned long iova, unsigned long size);
void hwm_unmap_locked(struct hwm_domain *hd, unsigned long iova,
		      unsigned long size);
u32 hwm_table_hash(struct hwm_domain *hd);
unsigned long hwm_reach(const struct hwm_model *hw);
unsigned int hwm_index(const struct hwm_kind *kind, unsigned int level,
		       unsigned long iova);
unsigned int hwm_run(const struct hwm_format *fmt, u64 value,
		     unsigned int level);
bool hwm_leaf_dirty(const struct hwm_format *fmt, u64 *entry,
		    unsigned int level);
u64 hwm_leaf_sizes(const struct hwm_format *fmt);

static inline unsigned int hwm_level_shift(const struct hwm_format *fmt,
					   unsigned int level)
{
	return fmt->granule_shift + (level - 1) * fmt->level_bits;
}

/* hw-device.c */
extern const struct iommu_ops hwm_iommu_ops;
extern const struct iommu_domain_ops hwm_domain_ops;
struct hwm_context *hwm_context(struct hwm_device *dev, ioasid_t pasid);
void hwm_context_detach(struct hwm_context *ctx);
int hwm_dma(struct hwm_device *dev, ioasid_t pasid, unsigned long iova,
	    unsigned long len, bool write);
void hwm_invalidate(struct hwm_domain *hd, unsigned long iova,
		    unsigned long last, bool leaves_only);

void hwm_settle(struct hwm_domain *hd);
bool hwm_recorded(struct hwm_domain *hd, unsigned long iova);

static inline int hwm_write(struct hwm_device *dev, unsigned long iova)
{
	return hwm_dma(dev, IOMMU_NO_PASID, iova, 1, true);
}

static inline int hwm_read(struct hwm_device *dev, unsigned long iova)
{
	return hwm_dma(dev, IOMMU_NO_PASID, iova, 1, false);
}

/* hw-backend.c */
extern const struct iommu_dirty_backend hwm_backend;
void hwm_expect_locks(struct hwm_model *hw, const struct iommu_dirty_domain *dd,
		      enum hwm_step step);
int hwm_step_begin(struct hwm_model *hw, enum hwm_step step);
int hwm_step_end(struct hwm_model *hw, enum hwm_step step, int ret);
void hwm_fail(struct hwm_model *hw, unsigned long steps, unsigned int nth,
	      bool late, int err);

/**
 * enum hwm_habit - whose driver the one with upstream's operations is like
 * @HWM_HABIT_X86: Intel's and AMD's: a hole is as large as the table that is not there
 * @HWM_HABIT_ARM: a hole is an error; does not mind whether tracking is on
 * @HWM_HABIT_MOCK: iommufd's mock: a hole is as large as the smallest leaf
 * @HWM_HABIT_WHOLE: nobody's yet: knows where leaves begin, and notes them whole
 */
enum hwm_habit {
	HWM_HABIT_X86,
	HWM_HABIT_ARM,
	HWM_HABIT_MOCK,
	HWM_HABIT_WHOLE,
};

/**
 * struct hwm_upstream - how the driver with upstream's operations behaves
 * @ops: its domains' operations
 * @habit: whose it is like
 * @joins: it records dirty neighbours as one
 * @clears_behind: it clears a page more than asked for, and records that
 * @clears_before: it begins to clear a page before what was asked, and records that
 * @fail_after: leaves made clean, after which it gives up with -EIO; 0 for never
 * @writer: a device that writes at @write_at before it clears something else
 * @write_at: IOVA
 * @gone_first: it must not be asked about what overlaps [@gone_first, @gone_last],
 *	whatever is mapped there
 * @gone_last: 0 for nothing
 * @fail_call: counts calls down; the one that makes it 0 does nothing but fail with -EIO
 * @calls: times it was called to look, and to clear
 * @cleaned: leaves it made clean
 * @err: error of the next calls that read
 * @flushes: times that it invalidated all
 * @syncs: times that it invalidated what was gathered
 * @sync: what was, the last time
 *
 * There is one; tests run one at a time.
 */
struct hwm_upstream {
	struct iommu_domain_ops ops;
	enum hwm_habit habit;
	bool joins;
	bool clears_behind;
	bool clears_before;
	unsigned int fail_after;
	struct hwm_device *writer;
	unsigned long write_at;
	unsigned long gone_first;
	unsigned long gone_last;
	unsigned int fail_call;
	unsigned int calls[2];
	unsigned int cleaned;
	int err;
	unsigned int flushes;
	unsigned int syncs;
	struct iommu_iotlb_gather sync;
};

/**
 * struct hwm_driver - a driver with upstream's operations, to run tests with
 * @name: says so
 * @habit: whose it is like
 * @sizes: leaf sizes that its domains may have, bytes, one bit each
 */
struct hwm_driver {
	const char *name;
	enum hwm_habit habit;
	unsigned long sizes;
};

/* hw-upstream.c */
extern const struct hwm_driver hwm_drivers[];
extern const unsigned int hwm_nr_drivers;
extern struct hwm_upstream hwm_upstream;
const struct hwm_kind *hwm_upstream_kind(void);
void hwm_make_upstream(struct hwm_domain *hd, const struct hwm_driver *driver);
void hwm_upstream_sync(struct iommu_domain *domain,
		       struct iommu_iotlb_gather *gather);

static inline struct hwm_domain *to_hwm_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct hwm_domain, domain);
}

static inline struct hwm_device *to_hwm_device(struct device *dev)
{
	return container_of(dev, struct hwm_device, dev);
}

#endif /* __IOMMU_DIRTY_KUNIT_HW_MODEL_H */
