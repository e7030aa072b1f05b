/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOMMU dirty tracking: which pages did a device write?
 *
 * Three audiences read this file:
 *  - consumers (iommufd, VFIO, anything in the kernel) use iommu_dirty_start(),
 *    iommu_dirty_read() and friends;
 *  - backends (one for each page table format and its driver) implement
 *    struct iommu_dirty_backend;
 *  - the IOMMU core calls the hooks at the end.
 *
 * Calls may overlap in any way: what a call tells its caller is true, whatever
 * else runs meanwhile, and no write is lost.
 *
 * IOVAs are unsigned long bytes; ranges are inclusive, [iova, last], so that a
 * range may end at ULONG_MAX. A leaf is a page table entry that maps memory, a
 * table one that points to more entries.
 */
#ifndef __LINUX_IOMMU_DIRTY_H
#define __LINUX_IOMMU_DIRTY_H

#include <linux/bits.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/types.h>
#include <uapi/linux/iommu-dirty.h>

struct module;

/* Abilities hold when all attached devices have them, caveats when any has */
#define IOMMU_DIRTY_CAP_ABILITIES                                        \
	(IOMMU_DIRTY_CAP_RECORD | IOMMU_DIRTY_CAP_SPLIT |                \
	 IOMMU_DIRTY_CAP_MERGE | IOMMU_DIRTY_CAP_TABLE_ACCESS)
#define IOMMU_DIRTY_CAP_CAVEATS                                          \
	(IOMMU_DIRTY_CAP_BORN_DIRTY | IOMMU_DIRTY_CAP_ATS_DIRTY)

/**
 * struct iommu_dirty_caps - what a domain, a device or a pair of them can do
 * @flags: &enum iommu_dirty_cap_flags
 * @stage: translation stage that the leaves belong to, 1 or 2; 0 when the driver
 *	does not say
 * @leaf_sizes: leaf sizes the table may hold, bytes, one bit each
 */
struct iommu_dirty_caps {
	u32 flags;
	u32 stage;
	u64 leaf_sizes;
};

/**
 * enum iommu_dirty_feature - what a backend switches on and off for a domain
 * @IOMMU_DIRTY_FEATURE_RECORD: hardware records writes in leaves
 * @IOMMU_DIRTY_NR_FEATURES: number of features
 */
enum iommu_dirty_feature {
	IOMMU_DIRTY_FEATURE_RECORD,
	IOMMU_DIRTY_NR_FEATURES,
};

/**
 * struct iommu_dirty_chunk - the piece of IOVA space that one step works on
 * @iova: IOVA of bit 0 of @mask; a multiple of the chunk's size, so that a leaf
 *	either lies in the chunk or is larger and covers all of it
 * @shift: log2 of the bytes that a bit stands for: the smallest leaf size, or the
 *	size of the one leaf that the chunk consists of
 * @nbits: bits in @mask, a power of two
 * @mask: ->walk sets the bits of dirty leaves, ->clear reads them
 * @leaf_sizes: ->walk and ->clear add the sizes of the leaves they met, bytes, one
 *	bit each
 * @leaves: ->walk adds the number of leaves it looked at
 * @dirty: ->walk adds the number of those that were dirty
 * @cleared: ->clear adds the number of leaves that it made clean
 * @first: ->clear lowers it to the first IOVA of a leaf that it made clean
 * @last: ->clear raises it to the last IOVA of a leaf that it made clean
 */
struct iommu_dirty_chunk {
	unsigned long iova;
	unsigned int shift;
	unsigned int nbits;
	unsigned long *mask;
	u64 leaf_sizes;
	u64 leaves;
	u64 dirty;
	u64 cleared;
	unsigned long first;
	unsigned long last;
};

/**
 * struct iommu_dirty_backend - one page table format and the driver that owns it
 * @name: what the query reports, shorter than %IOMMU_DIRTY_BACKEND_NAME_LEN
 * @owner: module that holds the callbacks; pinned while a domain uses them
 * @claims: Is @domain one of mine? Asked until a backend says so, with the
 *	domain's attach lock held for write and the registry's lock; must not
 *	sleep for long and must not change anything.
 * @capability: Fill in what (domain, device, PASID) can do together. @domain
 *	NULL asks what a domain that is allocated for @dev with
 *	IOMMU_HWPT_ALLOC_DIRTY_TRACKING could do; @dev NULL asks about the page
 *	table alone. -ENODEV when @dev is not one of the backend's, -EINVAL when
 *	its IOMMU cannot read @domain's table, or could not be made to forget
 *	what it has read: the driver's attach refuses that, too. Called with the
 *	domain's attach lock held for write, or with @domain NULL and the
 *	registry's lock.
 * @set_feature: Switch @feature for the domain: for every device, PASID and
 *	nested child attached now, and in the state that the vendor's attach
 *	consults, so that one attached later is on before its first DMA. When it
 *	fails nothing has changed. Called with the attach lock held for write.
 * @sync: Make what hardware has recorded of writes that are finished visible to
 *	@walk; NULL when it always is. Called once for a read, before its first
 *	walk, with the attach lock held for read. An error ends the read.
 * @walk: Report the leaves of [@iova, @last], which lies within @chunk, that are
 *	dirty, by setting the mask bits of the part that lies in the range, and
 *	count. Changes nothing. Called with the attach lock held for read; must
 *	not sleep, must not allocate.
 * @clear: Make clean each dirty leaf that lies in the chunk and of which every bit
 *	in the mask is set, and no other; note the extent of what was cleaned in
 *	@chunk. An entry that changed since it was read, but for hardware's own
 *	bits, is left alone. On error what has been cleaned is noted too. -EUCLEAN
 *	says that other leaves may have been cleaned; the core then reports
 *	everything dirty. Called with the attach lock held for read and the
 *	domain's mutex held.
 * @flush: Make the cleaned leaves of [@iova, @last] visible to every walker of
 *	every attached device, PASID and nested child, device TLBs included, and
 *	wait until it is so: a write that comes later sets the dirty bit again.
 *	An error means that this is known not to have happened; the core then
 *	reports everything dirty. Locks as for @clear.
 *
 * All but @walk, @clear and @flush may sleep. None may call back into the core, but to
 * iommu_dirty_flush_failed(), which is also for what the driver itself invalidates.
 * All but @sync must be there.
 */
struct iommu_dirty_backend {
	const char *name;
	struct module *owner;
	bool (*claims)(const struct iommu_domain *domain);
	int (*capability)(struct iommu_domain *domain, struct device *dev,
			  ioasid_t pasid, struct iommu_dirty_caps *caps);
	int (*set_feature)(struct iommu_domain *domain,
			   enum iommu_dirty_feature feature, bool value);
	int (*sync)(struct iommu_domain *domain);
	int (*walk)(struct iommu_domain *domain,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last);
	int (*clear)(struct iommu_domain *domain,
		     struct iommu_dirty_chunk *chunk);
	int (*flush)(struct iommu_domain *domain, unsigned long iova,
		     unsigned long last);
};

/**
 * struct iommu_dirty_range - a part of IOVA space that is mapped
 * @iova: first byte
 * @last: last byte
 * @writable: devices may write it
 */
struct iommu_dirty_range {
	unsigned long iova;
	unsigned long last;
	bool writable;
};

/**
 * struct iommu_dirty_ranges - what the consumer has mapped, as an iterator
 * @next: Find the first mapped range that has a byte in [@first, @last], cut it
 *	to that interval, store it in @range and return true; false when there is
 *	none. Adjacent ranges come one by one; no leaf belongs to two. A range
 *	whose tables someone may be changing is left out.
 * @assert_stable: Assert, with lockdep, the lock that keeps these ranges mapped
 *	while they are read.
 *
 * Embed it in a structure that knows where to look.
 */
struct iommu_dirty_ranges {
	bool (*next)(const struct iommu_dirty_ranges *ranges,
		     unsigned long first, unsigned long last,
		     struct iommu_dirty_range *range);
	void (*assert_stable)(const struct iommu_dirty_ranges *ranges);
};

/**
 * struct iommu_dirty_sink - where the bits of a read go
 * @publish: Set the bits of @data, @len bytes, in the bitmap from byte @offset
 *	on, and leave all others as they are. Zero only when every one is there.
 *	May sleep; called with no lock of this layer held.
 */
struct iommu_dirty_sink {
	int (*publish)(struct iommu_dirty_sink *sink, size_t offset,
		       const u8 *data, size_t len);
};

/**
 * struct iommu_dirty_user_sink - a bitmap in user memory
 * @sink: pass this to iommu_dirty_read()
 * @bitmap: address in the current process, any alignment
 *
 * Bits are set atomically: several readers may share a bitmap, and user space
 * may take bits out with an atomic exchange while a read runs.
 */
struct iommu_dirty_user_sink {
	struct iommu_dirty_sink sink;
	u8 __user *bitmap;
};

/**
 * struct iommu_dirty_kernel_sink - a bitmap in kernel memory
 * @sink: pass this to iommu_dirty_read()
 * @bitmap: bit 0 of byte 0 stands for the first page; one writer at a time
 */
struct iommu_dirty_kernel_sink {
	struct iommu_dirty_sink sink;
	u8 *bitmap;
};

/* Read without making anything clean */
#define IOMMU_DIRTY_READ_NO_CLEAR BIT(0)

/**
 * struct iommu_dirty_read - one read
 * @iova: first byte, a multiple of @page_size
 * @last: last byte; @last + 1 is a multiple of @page_size
 * @page_size: bytes that a bit of the bitmap stands for, a power of two
 * @flags: 0 or %IOMMU_DIRTY_READ_NO_CLEAR
 * @mapped: what is mapped
 * @sink: where the bits go; bit n stands for @iova + n * @page_size
 */
struct iommu_dirty_read {
	unsigned long iova;
	unsigned long last;
	unsigned long page_size;
	u32 flags;
	const struct iommu_dirty_ranges *mapped;
	struct iommu_dirty_sink *sink;
};

/**
 * struct iommu_dirty_info - a snapshot of a domain's dirty tracking
 * @mode: what reads mean
 * @reason: why
 * @policy: what happens to devices that cannot record
 * @caps: intersection over the attached devices
 * @attached: number of attached (device, PASID) pairs
 * @seq: grows with every change of the fields above
 * @seen_leaf_sizes: leaf sizes that the last complete read met
 * @reads: reads since the start, failed ones included
 * @leaves: leaves looked at since the start
 * @dirty: leaves found dirty since the start
 * @cleared: leaves made clean by reads since the start
 * @flushes: flushes since the start
 * @time_ns: nanoseconds spent in reads since the start
 * @backend: its name, empty if there is none; a copy, because the backend may go
 *	with the domain
 */
struct iommu_dirty_info {
	enum iommu_dirty_mode mode;
	enum iommu_dirty_reason reason;
	enum iommu_dirty_policy policy;
	struct iommu_dirty_caps caps;
	unsigned int attached;
	u64 seq;
	u64 seen_leaf_sizes;
	u64 reads;
	u64 leaves;
	u64 dirty;
	u64 cleared;
	u64 flushes;
	u64 time_ns;
	char backend[IOMMU_DIRTY_BACKEND_NAME_LEN];
};

/**
 * struct iommu_dirty_forecast - what attaching a device would change
 * @verdict: whether it would be attached
 * @mode: mode of the domain afterwards
 * @reason: why
 * @caps: what the domain could do afterwards
 */
struct iommu_dirty_forecast {
	enum iommu_dirty_verdict verdict;
	enum iommu_dirty_mode mode;
	enum iommu_dirty_reason reason;
	struct iommu_dirty_caps caps;
};

/**
 * enum iommu_dirty_events - what has changed, for notifiers
 * @IOMMU_DIRTY_EVENT_MODE: mode or reason
 * @IOMMU_DIRTY_EVENT_CAPS: capability
 * @IOMMU_DIRTY_EVENT_ATTACH: a (device, PASID) pair was attached
 * @IOMMU_DIRTY_EVENT_DETACH: a pair was detached
 * @IOMMU_DIRTY_EVENT_POLICY: policy
 * @IOMMU_DIRTY_EVENT_GONE: the domain was freed; this is the last call, and the
 *	notifier is no longer registered
 */
enum iommu_dirty_events {
	IOMMU_DIRTY_EVENT_MODE = BIT(0),
	IOMMU_DIRTY_EVENT_CAPS = BIT(1),
	IOMMU_DIRTY_EVENT_ATTACH = BIT(2),
	IOMMU_DIRTY_EVENT_DETACH = BIT(3),
	IOMMU_DIRTY_EVENT_POLICY = BIT(4),
	IOMMU_DIRTY_EVENT_GONE = BIT(5),
};

/*
 * The type of a driver's ->set_dev_pasid: early 6.12.y does not tell it which domain
 * the PASID had, because it cannot have had one. Declared for their types.
 */
int __iommu_dirty_pasid_early(struct iommu_domain *domain, struct device *dev,
			      ioasid_t pasid);
int __iommu_dirty_pasid_late(struct iommu_domain *domain, struct device *dev,
			     ioasid_t pasid, struct iommu_domain *old);

#define iommu_dirty_call_set_dev_pasid(domain, dev, pasid, old)          \
({                                                                       \
	struct iommu_domain *__domain = (domain);                        \
	struct device *__dev = (dev);                                    \
	ioasid_t __pasid = (pasid);                                      \
	typeof(__domain->ops->set_dev_pasid) __call =                    \
		__domain->ops->set_dev_pasid;                            \
	__builtin_choose_expr(                                           \
		__same_type(*__call, __iommu_dirty_pasid_early),         \
		((typeof(__iommu_dirty_pasid_early) *)(void *)__call)    \
			(__domain, __dev, __pasid),                      \
		((typeof(__iommu_dirty_pasid_late) *)(void *)__call)     \
			(__domain, __dev, __pasid, old));                \
})

#ifdef CONFIG_IOMMU_DIRTY

int iommu_dirty_register(const struct iommu_dirty_backend *backend);
int iommu_dirty_unregister(const struct iommu_dirty_backend *backend);
void iommu_dirty_flush_failed(struct iommu_domain *domain);

int iommu_dirty_start(struct iommu_domain *domain, const void *owner,
		      const struct iommu_dirty_ranges *mapped);
int iommu_dirty_stop(struct iommu_domain *domain, const void *owner);
int iommu_dirty_read(struct iommu_domain *domain, const void *owner,
		     const struct iommu_dirty_read *rd);
int iommu_dirty_query(struct iommu_domain *domain,
		      struct iommu_dirty_info *info);
int iommu_dirty_set_policy(struct iommu_domain *domain, const void *owner,
			   enum iommu_dirty_policy policy);
int iommu_dirty_can_attach(struct iommu_domain *domain, struct device *dev,
			   struct iommu_dirty_forecast *forecast);
int iommu_dirty_register_notifier(struct iommu_domain *domain,
				  struct notifier_block *nb);
int iommu_dirty_unregister_notifier(struct iommu_domain *domain,
				    struct notifier_block *nb);
void iommu_dirty_notifier_sync(const struct notifier_block *nb);
int iommu_dirty_add_eventfd(struct iommu_domain *domain, int fd);
int iommu_dirty_remove_eventfd(struct iommu_domain *domain, int fd);

void iommu_dirty_user_sink_init(struct iommu_dirty_user_sink *sink,
				void __user *bitmap);
void iommu_dirty_kernel_sink_init(struct iommu_dirty_kernel_sink *sink,
				  void *bitmap);

/*
 * Hooks of the IOMMU core: each stands where the core called the driver, so that
 * the driver's callback runs under the domain's attach lock and the pair is
 * recorded. They are one pointer test for what is not tracked.
 */
int __iommu_dirty_attach_dev(struct iommu_domain *domain, struct device *dev,
			     bool must_succeed);
int __iommu_dirty_set_dev_pasid(struct iommu_domain *domain,
				struct device *dev, ioasid_t pasid,
				struct iommu_domain *old);
void __iommu_dirty_remove_dev_pasid(const struct iommu_ops *ops,
				    struct device *dev, ioasid_t pasid,
				    struct iommu_domain *domain);
void iommu_dirty_release_device(const struct iommu_ops *ops,
				struct device *dev);
void __iommu_dirty_domain_free(struct iommu_domain *domain);
int iommu_dirty_domain_require(struct iommu_domain *domain, struct device *dev);
int iommu_dirty_nest(struct iommu_domain *child, struct iommu_domain *parent);
int iommu_dirty_device_capable(struct device *dev);

/* Does the core see to the domain's dirty tracking, and not its driver? */
static inline bool iommu_dirty_owns(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_UNMANAGED;
}

/* Is the domain one that may be tracked, or a child of one? */
static inline bool iommu_dirty_trackable(const struct iommu_domain *domain)
{
	return iommu_dirty_owns(domain) || domain->dirty;
}

static inline int iommu_dirty_attach_dev(struct iommu_domain *domain,
					 struct device *dev, bool must_succeed)
{
	if (!iommu_dirty_trackable(domain) && hlist_empty(&dev->iommu->dirty))
		return domain->ops->attach_dev(domain, dev);
	return __iommu_dirty_attach_dev(domain, dev, must_succeed);
}

static inline int iommu_dirty_set_dev_pasid(struct iommu_domain *domain,
					    struct device *dev, ioasid_t pasid,
					    struct iommu_domain *old)
{
	if (!iommu_dirty_trackable(domain) && !(old && old->dirty))
		return iommu_dirty_call_set_dev_pasid(domain, dev, pasid, old);
	return __iommu_dirty_set_dev_pasid(domain, dev, pasid, old);
}

static inline void iommu_dirty_remove_dev_pasid(const struct iommu_ops *ops,
						struct device *dev,
						ioasid_t pasid,
						struct iommu_domain *domain)
{
	if (!domain->dirty)
		ops->remove_dev_pasid(dev, pasid, domain);
	else
		__iommu_dirty_remove_dev_pasid(ops, dev, pasid, domain);
}

static inline void iommu_dirty_domain_free(struct iommu_domain *domain)
{
	if (domain->dirty)
		__iommu_dirty_domain_free(domain);
}

/* Does the driver see to dirty tracking itself, as in a stock kernel? */
static inline bool iommu_dirty_left_to_driver(bool wanted)
{
	return false;
}

#else /* !CONFIG_IOMMU_DIRTY */

static inline bool iommu_dirty_owns(const struct iommu_domain *domain)
{
	return false;
}

/*
 * Macros, not inline functions: with those the compiler may emit its callers in
 * another order than it does in a stock kernel.
 */
#define iommu_dirty_attach_dev(domain, dev, must_succeed)                \
({                                                                       \
	struct iommu_domain *__domain = (domain);                        \
	(void)(must_succeed);                                            \
	__domain->ops->attach_dev(__domain, dev);                        \
})

#define iommu_dirty_set_dev_pasid(domain, dev, pasid, old)               \
	iommu_dirty_call_set_dev_pasid(domain, dev, pasid, old)

#define iommu_dirty_remove_dev_pasid(ops, dev, pasid, domain)            \
	((ops)->remove_dev_pasid(dev, pasid, domain))

#define iommu_dirty_release_device(ops, dev)                             \
do {                                                                     \
	const struct iommu_ops *__ops = (ops);                           \
	if (__ops->release_device)                                       \
		__ops->release_device(dev);                              \
} while (0)

static inline void iommu_dirty_domain_free(struct iommu_domain *domain)
{
}

static inline int iommu_dirty_domain_require(struct iommu_domain *domain,
					     struct device *dev)
{
	return 0;
}

static inline int iommu_dirty_nest(struct iommu_domain *child,
				   struct iommu_domain *parent)
{
	return 0;
}

static inline int iommu_dirty_device_capable(struct device *dev)
{
	return -ENODEV;
}

static inline bool iommu_dirty_left_to_driver(bool wanted)
{
	return wanted;
}

#endif /* CONFIG_IOMMU_DIRTY */

#endif /* __LINUX_IOMMU_DIRTY_H */
