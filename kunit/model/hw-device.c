// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model's devices: contexts, caches, DMA, invalidation, and the
 * driver's attach and detach.
 *
 * An access is one step under the model's lock, and so is an invalidation: as on
 * hardware, a flush waits for accesses through the translations that it drops.
 * The code under test does not take that lock, so that D really is set while
 * entries are being made clean.
 */
#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "../../priv.h"
#include "hw-model.h"

static unsigned int tlb_slot(const struct hwm_tlb *tlb, unsigned long first)
{
	return (first >> 12 ^ first >> 21 ^ first >> 30) % tlb->nr;
}

static struct hwm_tlb_entry *tlb_find(struct hwm_tlb *tlb, unsigned long iova)
{
	u64 sizes = tlb->sizes;

	for (; sizes; sizes &= sizes - 1) {
		unsigned long span = BIT(__ffs64(sizes));
		unsigned long first = iova & ~(span - 1);
		struct hwm_tlb_entry *e = &tlb->entries[tlb_slot(tlb, first)];

		if (e->valid && e->first == first &&
		    e->last == first + span - 1)
			return e;
	}
	return NULL;
}

static struct hwm_tlb_entry *tlb_fill(struct hwm_tlb *tlb,
				      const struct hwm_tlb_entry *entry)
{
	unsigned int slot = tlb_slot(tlb, entry->first);

	__set_bit(slot, tlb->used);
	tlb->sizes |= entry->last - entry->first + 1;
	tlb->entries[slot] = *entry;
	return &tlb->entries[slot];
}

static void tlb_drop(struct hwm_tlb *tlb, unsigned long iova,
		     unsigned long last)
{
	unsigned int i;

	for_each_set_bit(i, tlb->used, tlb->nr) {
		struct hwm_tlb_entry *e = &tlb->entries[i];

		if (e->first > last || e->last < iova)
			continue;
		e->valid = false;
		__clear_bit(i, tlb->used);
	}
}

static void context_drop(struct hwm_context *ctx, unsigned long iova,
			 unsigned long last, bool leaves_only)
{
	tlb_drop(&ctx->iotlb, iova, last);
	tlb_drop(&ctx->devtlb, iova, last);
	if (!leaves_only)
		memset(ctx->psc, 0, sizeof(ctx->psc));
}

/* Set A, and D for a write, as hardware does: it looks at the whole entry again */
static u64 set_in_entry(const struct hwm_format *fmt, u64 *entry, u64 value,
			bool write)
{
	for (;;) {
		u64 new = fmt->accessed(value);

		if (write)
			new = fmt->written(new);
		if (new == value || try_cmpxchg64(entry, &value, new))
			return new;
	}
}

static void settle(struct hwm_domain *hd)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	unsigned int i;

	lockdep_assert_held(&hd->hw->lock);
	for (i = 0; i < hd->nr_held; i++) {
		u64 value = READ_ONCE(*hd->held[i]);

		/* It may have been unmapped */
		if (value)
			set_in_entry(fmt, hd->held[i], value, true);
	}
	hd->nr_held = 0;
}

/* Let memory see what hardware has recorded of the writes that are finished */
void hwm_settle(struct hwm_domain *hd)
{
	spin_lock(&hd->hw->lock);
	settle(hd);
	spin_unlock(&hd->hw->lock);
}

/* D of @entry will be set, but software does not see it yet */
static void hold_back(struct hwm_domain *hd, u64 *entry)
{
	lockdep_assert_held(&hd->hw->lock);
	if (hd->nr_held == HWM_HELD)
		settle(hd);
	hd->held[hd->nr_held++] = entry;
}

/* Is the leaf at @iova dirty, also if software does not see it yet? */
bool hwm_recorded(struct hwm_domain *hd, unsigned long iova)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	unsigned int i, level, nr;
	u64 *entry;

	guard(hwm_lock)(&hd->hw->lock);
	entry = hwm_find_leaf(hd, iova, &level);
	if (!entry)
		return false;
	if (hwm_leaf_dirty(fmt, entry, level))
		return true;
	nr = 1 << hwm_run(fmt, READ_ONCE(*entry), level);
	entry = PTR_ALIGN_DOWN(entry, nr * sizeof(*entry));
	for (i = 0; i < hd->nr_held; i++)
		if (hd->held[i] >= entry && hd->held[i] < entry + nr)
			return true;
	return false;
}

/* Make every context that the domain knows of forget [@iova, @last] */
void hwm_invalidate(struct hwm_domain *hd, unsigned long iova,
		    unsigned long last, bool leaves_only)
{
	struct hwm_context *ctx;

	spin_lock(&hd->hw->lock);
	settle(hd);
	list_for_each_entry(ctx, &hd->contexts, tag)
		context_drop(ctx, iova, last, leaves_only);
	oracle_paid(&hd->oracle, iova, last);
	spin_unlock(&hd->hw->lock);
}

static struct hwm_psc_entry *psc_entry(struct hwm_context *ctx,
				       unsigned long first, unsigned int shift)
{
	return &ctx->psc[(first >> shift) % HWM_PSC_ENTRIES];
}

/*
 * Record an access in the leaf that @entry, which was accessed, is one of. In a run
 * hardware may set D in any entry. Returns whether D is set now.
 */
static bool record(struct hwm_domain *hd, u64 *entry, unsigned int level,
		   bool write)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	u64 value = set_in_entry(fmt, entry, READ_ONCE(*entry), false);
	unsigned int nr = 1 << hwm_run(fmt, value, level);

	if (!write || fmt->dirty(value))
		return fmt->dirty(value);
	entry = PTR_ALIGN_DOWN(entry, nr * sizeof(*entry)) +
		prandom_u32_state(&hd->hw->rnd) % nr;
	if (fmt->holds_back)
		hold_back(hd, entry);
	else
		set_in_entry(fmt, entry, READ_ONCE(*entry), true);
	return true;
}

/* Does the leaf let the access through? */
static bool permitted(const struct hwm_context *ctx, u64 value, bool write)
{
	const struct hwm_format *fmt = ctx->table->hw->kind->fmt;

	if (write && !fmt->writable(value))
		return false;
	if (ctx->recording || !fmt->clean_faults)
		return true;
	return fmt->accessed(value) == value && (!write || fmt->dirty(value));
}

/* Walk the table for an access that the caches do not answer */
static int walk(struct hwm_context *ctx, unsigned long iova, bool write,
		struct hwm_tlb_entry *out)
{
	const struct hwm_kind *kind = ctx->table->hw->kind;
	const struct hwm_format *fmt = kind->fmt;
	unsigned int level = kind->levels;
	unsigned int psc_shift = hwm_level_shift(fmt, 2);
	unsigned long psc_first = iova & ~(BIT(psc_shift) - 1);
	struct hwm_psc_entry *psc = psc_entry(ctx, psc_first, psc_shift);
	u64 *table = ctx->table->root;

	if (iova > hwm_reach(ctx->table->hw))
		return -EFAULT;
	if (psc->valid && psc->first == psc_first) {
		table = psc->table;
		level = 1;
	}
	for (;; level--) {
		u64 *entry = table + hwm_index(kind, level, iova);
		u64 value = READ_ONCE(*entry);
		unsigned long span;

		if (!fmt->present(value, level))
			return -EFAULT;
		if (!fmt->is_leaf(value, level)) {
			if (ctx->recording && fmt->table_access)
				value = set_in_entry(fmt, entry, value, false);
			table = phys_to_virt(fmt->table_addr(value));
			if (level == 2)
				*psc = (struct hwm_psc_entry){ psc_first, true,
							       table };
			continue;
		}

		if (!permitted(ctx, value, write))
			return -EFAULT;
		/* Without recording nobody will ever look at the entry again */
		if (ctx->recording)
			out->dirty = record(ctx->table, entry, level, write);
		else
			out->dirty = !fmt->clean_faults || fmt->dirty(value);
		span = BIT(hwm_level_shift(fmt, level) +
			   hwm_run(fmt, value, level));
		out->first = iova & ~(span - 1);
		out->last = out->first + span - 1;
		out->valid = true;
		out->writable = fmt->writable(value);
		return 0;
	}
}

static bool hit(const struct hwm_tlb_entry *e, bool write)
{
	return e && (!write || (e->writable && e->dirty));
}

static int translate(struct hwm_context *ctx, unsigned long iova, bool write,
		     bool ats)
{
	struct hwm_tlb_entry *e, found;
	int ret;

	if (ats && hit(tlb_find(&ctx->devtlb, iova), write))
		return 0;
	e = tlb_find(&ctx->iotlb, iova);
	if (!hit(e, write)) {
		ret = walk(ctx, iova, write, &found);
		if (ret)
			return ret;
		e = tlb_fill(&ctx->iotlb, &found);
	}
	if (ats)
		tlb_fill(&ctx->devtlb, e);
	return 0;
}

struct hwm_context *hwm_context(struct hwm_device *dev, ioasid_t pasid)
{
	struct hwm_context *ctx;

	list_for_each_entry(ctx, &dev->contexts, node)
		if (ctx->pasid == pasid)
			return ctx;
	return NULL;
}

/* One page; the caller holds the model's lock */
static int access(struct hwm_context *ctx, unsigned long iova, bool write,
		  bool ats, bool *refused)
{
	struct oracle *oracle;
	int ret;

	if (!ctx || !ctx->domain)
		return -EFAULT;
	oracle = &ctx->table->oracle;
	ret = translate(ctx, iova, write, ats);
	if (!ret && write)
		oracle_write(oracle, iova);
	*refused = ret && write && oracle_writable(oracle, iova);
	return ret;
}

/**
 * hwm_dma() - a device reads or writes
 * @dev: device
 * @pasid: PASID that it uses
 * @iova: first byte
 * @len: bytes
 * @write: direction
 *
 * A write to a page that is mapped writable must get through: the test fails when
 * it does not.
 *
 * Return: 0; -EFAULT when a page cannot be accessed.
 */
int hwm_dma(struct hwm_device *dev, ioasid_t pasid, unsigned long iova,
	    unsigned long len, bool write)
{
	unsigned long page = BIT(dev->hw->kind->fmt->granule_shift);
	unsigned long last = iova + len - 1;
	bool refused = false;
	int ret;

	for (;;) {
		spin_lock(&dev->hw->lock);
		ret = access(hwm_context(dev, pasid), iova, write, dev->ats,
			     &refused);
		dev->hw->refused += refused;
		spin_unlock(&dev->hw->lock);
		if (refused && !dev->hw->may_refuse)
			KUNIT_FAIL(dev->hw->test,
				   "a write to %#lx faults, which is writable",
				   iova);
		if (ret || (iova | (page - 1)) >= last)
			return ret;
		iova = (iova | (page - 1)) + 1;
		cpu_relax();
	}
}

void hwm_context_detach(struct hwm_context *ctx)
{
	struct hwm_model *hw;

	if (!ctx->domain)
		return;
	hw = ctx->domain->hw;
	spin_lock(&hw->lock);
	list_del_init(&ctx->tag);
	ctx->domain = NULL;
	ctx->table = NULL;
	context_drop(ctx, 0, ULONG_MAX, false);
	spin_unlock(&hw->lock);
}

/*
 * What a vendor's attach does: the translation is live before the context is on
 * the list that a flush goes through.
 */
static int context_attach(struct hwm_domain *hd, struct hwm_device *dev,
			  ioasid_t pasid)
{
	struct hwm_domain *table = hd->parent ?: hd;
	struct hwm_model *hw = hd->hw;
	struct hwm_context *ctx;
	int ret;

	hwm_expect_locks(hw, hd->domain.dirty, HWM_ATTACH);
	if (hd->unit != dev->unit)
		return -EINVAL;
	ret = hwm_step_begin(hw, HWM_ATTACH);
	if (ret)
		return ret;

	spin_lock(&hw->lock);
	ctx = hwm_context(dev, pasid);
	spin_unlock(&hw->lock);
	/* Caches of another size */
	if (ctx && ctx->iotlb.nr != dev->tlb_entries) {
		hwm_context_detach(ctx);
		spin_lock(&hw->lock);
		list_del(&ctx->node);
		spin_unlock(&hw->lock);
		kfree(ctx);
		ctx = NULL;
	}
	if (!ctx) {
		ctx = kzalloc(struct_size(ctx, cached, 2 * dev->tlb_entries),
			      GFP_KERNEL);
		if (!ctx)
			return -ENOMEM;
		ctx->pasid = pasid;
		ctx->iotlb.nr = dev->tlb_entries;
		ctx->iotlb.entries = ctx->cached;
		ctx->devtlb.nr = dev->tlb_entries;
		ctx->devtlb.entries = ctx->cached + dev->tlb_entries;
		INIT_LIST_HEAD(&ctx->tag);
		spin_lock(&hw->lock);
		list_add_tail(&ctx->node, &dev->contexts);
		spin_unlock(&hw->lock);
	}
	hwm_context_detach(ctx);

	spin_lock(&hw->lock);
	ctx->domain = hd;
	ctx->table = table;
	ctx->recording = (dev->caps & IOMMU_DIRTY_CAP_RECORD) && hw->ha &&
			 hw->hd &&
			 (table->recording || hw->kind->fmt->always_records);
	spin_unlock(&hw->lock);

	hwm_step_begin(hw, HWM_ATTACH_LIVE);

	spin_lock(&hw->lock);
	list_add_tail(&ctx->tag, &table->contexts);
	spin_unlock(&hw->lock);
	return hwm_step_end(hw, HWM_ATTACH, 0);
}

/* What a device leaves is known to the core, if it is tracked */
static void expect_left_locked(struct device *dev)
{
	struct iommu_dirty_attachment *at;

	hlist_for_each_entry(at, &dev->iommu->dirty, of_dev)
		if (at->pasid == IOMMU_NO_PASID)
			hwm_expect_locks(to_hwm_device(dev)->hw, at->dd,
					 HWM_ATTACH);
}

static int attach_dev(struct iommu_domain *domain, struct device *dev)
{
	expect_left_locked(dev);
	return context_attach(to_hwm_domain(domain), to_hwm_device(dev),
			      IOMMU_NO_PASID);
}

static int set_dev_pasid(struct iommu_domain *domain, struct device *dev,
			 ioasid_t pasid, struct iommu_domain *old)
{
	if (old)
		hwm_expect_locks(to_hwm_device(dev)->hw, old->dirty, HWM_ATTACH);
	return context_attach(to_hwm_domain(domain), to_hwm_device(dev), pasid);
}

static void remove_dev_pasid(struct device *dev, ioasid_t pasid,
			     struct iommu_domain *domain)
{
	struct hwm_device *hdev = to_hwm_device(dev);
	struct hwm_context *ctx = hwm_context(hdev, pasid);

	hwm_expect_locks(hdev->hw, domain->dirty, HWM_ATTACH);
	KUNIT_EXPECT_PTR_EQ(hdev->hw->test, ctx->domain, to_hwm_domain(domain));
	hwm_context_detach(ctx);
}

/* A driver's own lists would keep a PASID that is in use still */
static void release_device(struct device *dev)
{
	struct hwm_device *hdev = to_hwm_device(dev);
	struct hwm_context *ctx;

	expect_left_locked(dev);
	list_for_each_entry(ctx, &hdev->contexts, node) {
		if (ctx->pasid != IOMMU_NO_PASID && ctx->domain)
			KUNIT_FAIL(hdev->hw->test,
				   "PASID %u is in use when its device goes",
				   ctx->pasid);
		hwm_context_detach(ctx);
	}
	hdev->gone = true;
}

static bool iommu_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_DIRTY_TRACKING &&
	       to_hwm_device(dev)->caps & IOMMU_DIRTY_CAP_RECORD;
}

const struct iommu_ops hwm_iommu_ops = {
	.capable = iommu_capable,
	.remove_dev_pasid = remove_dev_pasid,
	.release_device = release_device,
};

const struct iommu_domain_ops hwm_domain_ops = {
	.attach_dev = attach_dev,
	.set_dev_pasid = set_dev_pasid,
};
