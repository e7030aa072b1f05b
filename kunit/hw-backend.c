// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model as a backend. Its callbacks are the code under test between
 * two points at which a test can look on, do DMA, or make something fail.
 */
#include <linux/bitmap.h>

#include "../fmt-vtd-ss.h"
#include "../fmt-x86.h"
#include "hw-model.h"

/**
 * hwm_step_begin() - a step begins
 * @hw: model
 * @step: which
 *
 * Return: 0, or the error that a test wants here.
 */
int hwm_step_begin(struct hwm_model *hw, enum hwm_step step)
{
	struct hwm_fault *fault = &hw->fault;

	hw->calls[step]++;
	if (hw->watch)
		hw->watch(hw, step, false);
	if (!(fault->steps & BIT(step)) || !fault->nth || --fault->nth)
		return 0;
	fault->hit = true;
	return fault->late ? 0 : fault->err;
}

/**
 * hwm_step_end() - a step that began is done
 * @hw: model
 * @step: which
 * @ret: how it went
 *
 * Return: @ret, or the error that a test wants here.
 */
int hwm_step_end(struct hwm_model *hw, enum hwm_step step, int ret)
{
	struct hwm_fault *fault = &hw->fault;

	if (hw->watch)
		hw->watch(hw, step, true);
	if (fault->hit && fault->late && fault->steps & BIT(step)) {
		fault->late = false;
		return fault->err;
	}
	return ret;
}

/**
 * hwm_fail() - make a step fail
 * @hw: model
 * @steps: which count, one bit each
 * @nth: 1 for the next
 * @late: when its work is done
 * @err: with which error
 */
void hwm_fail(struct hwm_model *hw, unsigned long steps, unsigned int nth,
	      bool late, int err)
{
	hw->fault = (struct hwm_fault){ steps, nth, late, err };
}

/*
 * The model whose entries are being made clean, for HWM_CLEAN_LEAF: a format's
 * callbacks see a value and nothing else. Tests that use the step run alone.
 */
static struct hwm_model *cleaning;

static u64 note_cleaning(u64 entry)
{
	struct hwm_model *hw = READ_ONCE(cleaning);

	if (hw)
		hwm_step_begin(hw, HWM_CLEAN_LEAF);
	return entry;
}

static u64 noted_vtd_ss_cleaned(u64 entry)
{
	return vtd_ss_cleaned(note_cleaning(entry));
}

static u64 noted_x86_cleaned(u64 entry)
{
	return x86_cleaned(note_cleaning(entry));
}

static const struct iommu_dirty_format noted_vtd_ss_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = vtd_ss_kind,
	.table = vtd_ss_table,
	.dirty = vtd_ss_dirty,
	.cleaned = noted_vtd_ss_cleaned,
};

static const struct iommu_dirty_format noted_x86_format = {
	.granule_shift = 12,
	.level_bits = 9,
	.kind = x86_kind,
	.table = x86_table,
	.dirty = x86_dirty,
	.cleaned = noted_x86_cleaned,
};

static int vtd_ss_walk(const struct iommu_dirty_root *root,
		       struct iommu_dirty_chunk *chunk, unsigned long iova,
		       unsigned long last)
{
	return iommu_dirty_walk_table(&vtd_ss_format, root, chunk, iova, last);
}

static int vtd_ss_clear(const struct iommu_dirty_root *root,
			struct iommu_dirty_chunk *chunk)
{
	if (READ_ONCE(cleaning))
		return iommu_dirty_clear_table(&noted_vtd_ss_format, root,
					       chunk);
	return iommu_dirty_clear_table(&vtd_ss_format, root, chunk);
}

static int x86_walk(const struct iommu_dirty_root *root,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last)
{
	return iommu_dirty_walk_table(&x86_format, root, chunk, iova, last);
}

static int x86_clear(const struct iommu_dirty_root *root,
		     struct iommu_dirty_chunk *chunk)
{
	if (READ_ONCE(cleaning))
		return iommu_dirty_clear_table(&noted_x86_format, root, chunk);
	return iommu_dirty_clear_table(&x86_format, root, chunk);
}

static const struct hwm_walker vtd_ss_walker = { vtd_ss_walk, vtd_ss_clear };
static const struct hwm_walker x86_walker = { x86_walk, x86_clear };

const struct hwm_kind hwm_kinds[] = {
	{ "vtd-ss, 4 levels", &hwm_vtd_ss, &vtd_ss_walker, 4 },
	{ "vtd-ss, 5 levels", &hwm_vtd_ss, &vtd_ss_walker, 5 },
	{ "x86, 4 levels", &hwm_x86, &x86_walker, 4 },
	{ "x86, 5 levels", &hwm_x86, &x86_walker, 5 },
};

const unsigned int hwm_nr_kinds = ARRAY_SIZE(hwm_kinds);

static bool claims(const struct iommu_domain *domain)
{
	return domain->owner == &hwm_iommu_ops;
}

static int capability(struct iommu_domain *domain, struct device *dev,
		      ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	struct hwm_device *hdev = dev ? to_hwm_device(dev) : NULL;
	struct hwm_model *hw;
	int ret;

	if (dev && dev->iommu->iommu_dev->ops != &hwm_iommu_ops)
		return -ENODEV;
	hw = domain ? to_hwm_domain(domain)->hw : hdev->hw;

	ret = hwm_step_begin(hw, HWM_CAPABILITY);
	if (ret)
		return ret;
	caps->stage = hw->kind->fmt->stage;
	if (domain)
		caps->leaf_sizes = domain->pgsize_bitmap;
	caps->flags |= hdev ? hdev->caps : hw->caps;
	return hwm_step_end(hw, HWM_CAPABILITY, 0);
}

static int set_feature(struct iommu_domain *domain,
		       enum iommu_dirty_feature feature, bool value)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	struct hwm_context *ctx;
	int ret;

	ret = hwm_step_begin(hd->hw, HWM_SET_FEATURE);
	if (ret)
		return ret;
	if (!hd->hw->kind->fmt->always_records) {
		spin_lock(&hd->hw->lock);
		hd->recording = value;
		list_for_each_entry(ctx, &hd->contexts, tag)
			ctx->recording = value;
		spin_unlock(&hd->hw->lock);
		hwm_invalidate(hd, 0, ULONG_MAX, false);
	}
	return hwm_step_end(hd->hw, HWM_SET_FEATURE, 0);
}

static struct iommu_dirty_root root_of(const struct hwm_domain *hd)
{
	return (struct iommu_dirty_root){
		.table = hd->root,
		.level = hd->hw->kind->levels,
		.bits = hd->hw->kind->fmt->level_bits,
	};
}

static int do_walk(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk,
		   unsigned long iova, unsigned long last)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	struct iommu_dirty_root root = root_of(hd);
	int ret;

	ret = hwm_step_begin(hd->hw, HWM_WALK);
	if (ret)
		return ret;
	ret = hd->hw->kind->walker->walk(&root, chunk, iova, last);
	return hwm_step_end(hd->hw, HWM_WALK, ret);
}

/*
 * With the model's own eyes: a flush is owed for the leaves that the mask names
 * and that are dirty before the clear and not after it.
 */
static void note_owed(struct hwm_domain *hd,
		      const struct iommu_dirty_chunk *chunk, bool cleared)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	unsigned int bit = find_first_bit(chunk->mask, chunk->nbits);

	spin_lock(&hd->hw->lock);
	while (bit < chunk->nbits) {
		unsigned long iova =
			chunk->iova + ((unsigned long)bit << chunk->shift);
		unsigned int level;
		u64 *entry = hwm_find_leaf(hd, iova, &level);
		unsigned long span = BIT(hwm_level_shift(fmt, level));
		unsigned long first = iova & ~(span - 1);
		unsigned long last = first + span - 1;
		bool dirty = entry && fmt->dirty(READ_ONCE(*entry));

		if (entry && cleared && dirty)
			oracle_paid(&hd->oracle, first, last);
		else if (entry && !cleared && dirty)
			oracle_owe(&hd->oracle, iova);
		bit = find_next_bit(chunk->mask, chunk->nbits,
				    ((last - chunk->iova) >> chunk->shift) + 1);
	}
	spin_unlock(&hd->hw->lock);
}

static int do_clear(struct iommu_domain *domain,
		    struct iommu_dirty_chunk *chunk)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	struct iommu_dirty_root root = root_of(hd);
	struct hwm_model *hw = hd->hw;
	int ret;

	ret = hwm_step_begin(hw, HWM_CLEAR);
	if (ret)
		return ret;
	if (hw->watch_leaves)
		WRITE_ONCE(cleaning, hw);
	note_owed(hd, chunk, false);
	ret = hw->kind->walker->clear(&root, chunk);
	note_owed(hd, chunk, true);
	WRITE_ONCE(cleaning, NULL);
	return hwm_step_end(hw, HWM_CLEAR, ret);
}

static int do_flush(struct iommu_domain *domain, unsigned long iova,
		    unsigned long last)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	int ret;

	ret = hwm_step_begin(hd->hw, HWM_FLUSH);
	if (ret)
		return ret;
	hwm_invalidate(hd, iova, last, true);
	return hwm_step_end(hd->hw, HWM_FLUSH, 0);
}

const struct iommu_dirty_backend hwm_backend = {
	.name = "kunit-model",
	.owner = THIS_MODULE,
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.walk = do_walk,
	.clear = do_clear,
	.flush = do_flush,
};
