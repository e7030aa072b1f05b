// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sample backend: an IOMMU that does not exist, what its driver does, and its
 * dirty tracking, complete. Copy from here for a real one.
 *
 * The "sample" IOMMU has one stage and tables of two levels. A root entry maps 2 MiB
 * or points to a table of 512 entries that map 4 KiB each. Where recording is on for
 * a device, a write sets D in the leaf. A translation that is cached as dirty does
 * not look at the leaf again: the cache must be flushed when D is cleared.
 *
 * The parts, in the order in which an author meets them:
 *	format		what the bits of an entry mean
 *	driver		the driver's own structures: they exist before dirty tracking
 *	capability	what can be tracked
 *	switch		recording on and off
 *	walk		where the table is
 *	flush		so that the next write is recorded again
 *	backend		the vtable
 *	hardware	here only: real hardware is elsewhere
 *	conformance	how the suite uses all this
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "load-point.h"	/* in tests only */

#include "../../walk.h"
#include "conformance.h"

/* doc: format */
#define SAMPLE_VALID	BIT_ULL(0)	/* maps something */
#define SAMPLE_TABLE	BIT_ULL(1)	/* points to a table; root entries only */
#define SAMPLE_WRITE	BIT_ULL(2)	/* devices may write */
#define SAMPLE_DIRTY	BIT_ULL(3)	/* hardware: a device has written */
#define SAMPLE_ADDRESS	GENMASK_ULL(51, 12)

static enum iommu_dirty_entry_kind sample_kind(u64 entry, unsigned int level)
{
	if (!(entry & SAMPLE_VALID))
		return IOMMU_DIRTY_ENTRY_NONE;
	if (level > 1 && entry & SAMPLE_TABLE)
		return IOMMU_DIRTY_ENTRY_TABLE;
	return IOMMU_DIRTY_ENTRY_LEAF;
}

static phys_addr_t sample_table(u64 entry)
{
	return entry & SAMPLE_ADDRESS;
}

static bool sample_dirty(u64 entry)
{
	return entry & SAMPLE_DIRTY;
}

static u64 sample_cleaned(u64 entry)
{
	return entry & ~SAMPLE_DIRTY;
}

static const struct iommu_dirty_format sample_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = sample_kind,
	.table = sample_table,
	.dirty = sample_dirty,
	.cleaned = sample_cleaned,
};

/* doc: end format */

/* doc: driver */
#define SAMPLE_ROOT_BITS 13	/* 8192 entries of 2 MiB: 16 GiB */

struct sample_domain {
	struct iommu_domain domain;
	u64 *root;
	spinlock_t lock;	/* devices, and what they cache */
	struct list_head devices;
	bool recording;		/* what attach gives to a device */
};

struct sample_cached {
	unsigned long first, last;
	bool valid, writable, dirty;
};

struct sample_device {
	struct device dev;
	struct iommu_device iommu;
	struct list_head node;	/* in sample_domain.devices */
	struct sample_domain *domain;
	bool recording;		/* the device's bit in the IOMMU */
	unsigned int nr_cached;
	struct sample_cached cache[CONF_MAX_CACHE];
};

#define to_sample_domain(d) container_of(d, struct sample_domain, domain)
#define to_sample_device(d) container_of(d, struct sample_device, dev)

static void sample_detach(struct sample_device *sdev)
{
	struct sample_domain *sd = sdev->domain;

	if (!sd)
		return;
	spin_lock(&sd->lock);
	list_del(&sdev->node);
	sdev->domain = NULL;
	memset(sdev->cache, 0, sizeof(sdev->cache));
	spin_unlock(&sd->lock);
}

/* A device that comes later records from its first write: attach sees to that */
static int sample_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	struct sample_domain *sd = to_sample_domain(domain);
	struct sample_device *sdev = to_sample_device(dev);

	sample_detach(sdev);
	spin_lock(&sd->lock);
	sdev->domain = sd;
	sdev->recording = sd->recording;
	list_add(&sdev->node, &sd->devices);
	spin_unlock(&sd->lock);
	return 0;
}

static void sample_release_device(struct device *dev)
{
	sample_detach(to_sample_device(dev));
}

static const struct iommu_ops sample_iommu_ops = {
	.release_device = sample_release_device,
};

static const struct iommu_domain_ops sample_domain_ops = {
	.attach_dev = sample_attach_dev,
};

/* doc: end driver */

/* doc: capability */
static bool sample_claims(const struct iommu_domain *domain)
{
	return domain->owner == &sample_iommu_ops;
}

static int sample_capability(struct iommu_domain *domain, struct device *dev,
			     ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	if (dev && dev->iommu->iommu_dev->ops != &sample_iommu_ops)
		return -ENODEV;
	if (domain)
		caps->leaf_sizes = domain->pgsize_bitmap;
	caps->stage = 2;
	/* Real hardware: look into the registers of the unit that @dev is behind */
	caps->flags |= IOMMU_DIRTY_CAP_RECORD;
	return 0;
}

/* doc: end capability */

/* doc: flush */
static void sample_invalidate(struct sample_domain *sd, unsigned long iova,
			      unsigned long last)
{
	struct sample_device *sdev;
	unsigned int i;

	lockdep_assert_held(&sd->lock);
	list_for_each_entry(sdev, &sd->devices, node)
		for (i = 0; i < sdev->nr_cached; i++)
			if (sdev->cache[i].first <= last &&
			    sdev->cache[i].last >= iova)
				sdev->cache[i].valid = false;
}

/* Every attached device has forgotten the range when this returns */
static int sample_flush(struct iommu_domain *domain, unsigned long iova,
			unsigned long last)
{
	struct sample_domain *sd = to_sample_domain(domain);

	spin_lock(&sd->lock);
	sample_invalidate(sd, iova, last);
	spin_unlock(&sd->lock);
	return 0;
}

/* doc: end flush */

/* doc: switch */
static int sample_set_feature(struct iommu_domain *domain,
			      enum iommu_dirty_feature feature, bool value)
{
	struct sample_domain *sd = to_sample_domain(domain);
	struct sample_device *sdev;

	if (feature != IOMMU_DIRTY_FEATURE_RECORD)
		return -EOPNOTSUPP;
	spin_lock(&sd->lock);
	sd->recording = value;
	list_for_each_entry(sdev, &sd->devices, node)
		sdev->recording = value;
	sample_invalidate(sd, 0, ULONG_MAX);
	spin_unlock(&sd->lock);
	return 0;
}

/* doc: end switch */

/* doc: walk */
static struct iommu_dirty_root sample_root(struct iommu_domain *domain)
{
	return (struct iommu_dirty_root){
		.table = to_sample_domain(domain)->root,
		.level = 2,
		.bits = SAMPLE_ROOT_BITS,
	};
}

static int sample_walk(struct iommu_domain *domain,
		       struct iommu_dirty_chunk *chunk, unsigned long iova,
		       unsigned long last)
{
	struct iommu_dirty_root root = sample_root(domain);

	return iommu_dirty_walk_table(&sample_format, &root, chunk, iova, last);
}

static int sample_clear(struct iommu_domain *domain,
			struct iommu_dirty_chunk *chunk)
{
	struct iommu_dirty_root root = sample_root(domain);

	return iommu_dirty_clear_table(&sample_format, &root, chunk);
}

/* doc: end walk */

/* doc: backend */
static const struct iommu_dirty_backend sample_backend = {
	.name = "sample",
	.owner = THIS_MODULE,
	.claims = sample_claims,
	.capability = sample_capability,
	.set_feature = sample_set_feature,
	.walk = sample_walk,
	.clear = sample_clear,
	.flush = sample_flush,
};

/* doc: end backend */

/* doc: hardware */
/* The entry of the leaf that maps @iova, and the leaf's extent; NULL: none */
static u64 *sample_find(struct sample_domain *sd, unsigned long iova,
			unsigned long *first, unsigned long *last)
{
	unsigned long index = iova >> 21, span = SZ_2M;
	u64 *entry = sd->root + index;

	if (index >> SAMPLE_ROOT_BITS || !(READ_ONCE(*entry) & SAMPLE_VALID))
		return NULL;
	if (READ_ONCE(*entry) & SAMPLE_TABLE) {
		entry = phys_to_virt(READ_ONCE(*entry) & SAMPLE_ADDRESS);
		entry += iova >> 12 & 511;
		span = SZ_4K;
		if (!(READ_ONCE(*entry) & SAMPLE_VALID))
			return NULL;
	}
	*first = iova & ~(span - 1);
	*last = *first + span - 1;
	return entry;
}

/* Software cleans a leaf at the same time: look again when it has changed */
static u64 sample_set_dirty(u64 *entry)
{
	u64 value = READ_ONCE(*entry);

	while (!try_cmpxchg64(entry, &value, value | SAMPLE_DIRTY))
		;
	return value | SAMPLE_DIRTY;
}

static int sample_access(struct sample_device *sdev, unsigned long iova,
			 bool write)
{
	unsigned int slot = (iova >> 12 ^ iova >> 21) % sdev->nr_cached;
	struct sample_cached *c = &sdev->cache[slot];
	struct sample_cached found = { .valid = true };
	u64 *entry, value;

	if (c->valid && c->first <= iova && c->last >= iova &&
	    (!write || (c->writable && c->dirty)))
		return 0;
	entry = sample_find(sdev->domain, iova, &found.first, &found.last);
	if (!entry)
		return -EFAULT;
	value = READ_ONCE(*entry);
	found.writable = value & SAMPLE_WRITE;
	if (write && !found.writable)
		return -EACCES;
	if (write && sdev->recording)
		value = sample_set_dirty(entry);
	/* Without recording nobody needs to look at the leaf again */
	found.dirty = value & SAMPLE_DIRTY || !sdev->recording;
	*c = found;
	return 0;
}

/* doc: end hardware */

/* doc: conformance */
struct sample_rig {
	struct sample_device *devs[CONF_MAX_DEVICES];
};

static int sample_setup(struct conf *conf)
{
	struct sample_rig *rig = kzalloc(sizeof(*rig), GFP_KERNEL);

	if (!rig)
		return -ENOMEM;
	conf->priv = rig;
	return iommu_dirty_register(&sample_backend);
}

static void sample_cleanup(struct conf *conf)
{
	struct sample_rig *rig = conf->priv;
	unsigned int n;

	if (!rig)
		return;
	for (n = 0; n < CONF_MAX_DEVICES; n++)
		if (rig->devs[n])
			put_device(&rig->devs[n]->dev);
	kfree(rig);
	WARN_ON(iommu_dirty_unregister(&sample_backend));
}

static void sample_dev_release(struct device *dev)
{
	kfree(dev->iommu);
	kfree(to_sample_device(dev));
}

static struct device *sample_device(struct conf *conf, unsigned int n)
{
	struct sample_rig *rig = conf->priv;
	struct sample_device *sdev = kzalloc(sizeof(*sdev), GFP_KERNEL);
	struct dev_iommu *iommu = kzalloc(sizeof(*iommu), GFP_KERNEL);

	if (!sdev || !iommu) {
		kfree(sdev);
		kfree(iommu);
		return NULL;
	}
	sdev->iommu.ops = &sample_iommu_ops;
	sdev->nr_cached = 64;
	iommu->iommu_dev = &sdev->iommu;
	device_initialize(&sdev->dev);
	sdev->dev.release = sample_dev_release;
	sdev->dev.iommu = iommu;
	dev_set_name(&sdev->dev, "sample%u", n);
	rig->devs[n] = sdev;
	return &sdev->dev;
}

static struct iommu_domain *sample_domain_alloc(struct conf *conf)
{
	struct sample_domain *sd = kzalloc(sizeof(*sd), GFP_KERNEL);

	if (!sd)
		return NULL;
	sd->root = kvcalloc(BIT(SAMPLE_ROOT_BITS), sizeof(u64), GFP_KERNEL);
	if (!sd->root) {
		kfree(sd);
		return NULL;
	}
	spin_lock_init(&sd->lock);
	INIT_LIST_HEAD(&sd->devices);
	sd->domain.type = IOMMU_DOMAIN_UNMANAGED;
	sd->domain.owner = &sample_iommu_ops;
	sd->domain.ops = &sample_domain_ops;
	sd->domain.pgsize_bitmap = SZ_4K | SZ_2M;
	return &sd->domain;
}

static void sample_free_table(u64 entry)
{
	if (entry & SAMPLE_TABLE)
		free_page((unsigned long)phys_to_virt(entry & SAMPLE_ADDRESS));
}

static void sample_domain_free(struct iommu_domain *domain)
{
	struct sample_domain *sd = to_sample_domain(domain);
	unsigned int i;

	iommu_dirty_domain_free(domain);
	for (i = 0; i < BIT(SAMPLE_ROOT_BITS); i++)
		sample_free_table(sd->root[i]);
	kvfree(sd->root);
	kfree(sd);
}

static int sample_attach(struct iommu_domain *domain, struct device *dev)
{
	return iommu_dirty_attach_dev(domain, dev, false);
}

static void sample_unattach(struct iommu_domain *domain, struct device *dev)
{
	iommu_dirty_release_device(&sample_iommu_ops, dev);
}

static void sample_set_cache(struct device *dev, unsigned int entries)
{
	to_sample_device(dev)->nr_cached = entries;
}

static int sample_map(struct iommu_domain *domain, unsigned long iova,
		      unsigned long size, unsigned long leaf_size,
		      bool writable)
{
	u64 leaf = SAMPLE_VALID | (writable ? SAMPLE_WRITE : 0);
	struct sample_domain *sd = to_sample_domain(domain);
	unsigned long end = iova + size;

	if ((end - 1) >> 21 >> SAMPLE_ROOT_BITS)
		return -ERANGE;
	for (; iova < end; iova += leaf_size) {
		u64 *entry = sd->root + (iova >> 21);

		if (leaf_size == SZ_2M) {
			sample_free_table(*entry);
		} else {
			if (!(*entry & SAMPLE_TABLE)) {
				u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL);

				if (!table)
					return -ENOMEM;
				*entry = virt_to_phys(table) | SAMPLE_VALID |
					 SAMPLE_TABLE;
			}
			entry = phys_to_virt(*entry & SAMPLE_ADDRESS);
			entry += iova >> 12 & 511;
		}
		WRITE_ONCE(*entry, iova | leaf);
	}
	return 0;
}

static void sample_unmap(struct iommu_domain *domain, unsigned long iova,
			 unsigned long size)
{
	struct sample_domain *sd = to_sample_domain(domain);
	unsigned long first, last, end = iova + size;

	for (; iova < end; iova = last + 1)
		WRITE_ONCE(*sample_find(sd, iova, &first, &last), 0);
	sample_flush(domain, end - size, end - 1);
}

static int sample_dma(struct device *dev, ioasid_t pasid, unsigned long iova,
		      bool write)
{
	struct sample_device *sdev = to_sample_device(dev);
	struct sample_domain *sd = sdev->domain;
	int ret;

	if (!sd)
		return -ENODEV;
	spin_lock(&sd->lock);
	ret = sample_access(sdev, iova, write);
	spin_unlock(&sd->lock);
	return ret;
}

static const struct conf_ops sample_ops = {
	.setup = sample_setup,
	.cleanup = sample_cleanup,
	.device = sample_device,
	.domain_alloc = sample_domain_alloc,
	.domain_free = sample_domain_free,
	.attach = sample_attach,
	.detach = sample_unattach,
	.set_cache = sample_set_cache,
	.map = sample_map,
	.unmap = sample_unmap,
	.dma = sample_dma,
	.moves = true,
};

static struct conf_target sample_targets[] = {
	{ .name = "two levels", .ops = &sample_ops },
	{}
};

CONFORMANCE_SUITE(sample, "sample", sample_targets);

/* doc: end conformance */
