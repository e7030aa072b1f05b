// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware model as a backend. Its callbacks are the code under test between
 * two points at which a test can look on, do DMA, or make something fail.
 */
#include <linux/bitmap.h>
#include <linux/debug_locks.h>

/* Here a format may be one whose callbacks tell on it */
#define iommu_dirty_check_format(fmt) ((void)(fmt))

#include "load-point.h"

#include "../../priv.h"
#include "../../walk.h"
#include "hw-model.h"

static struct hwm_fault *fault_of(struct hwm_model *hw)
{
	return hw->fault_of ? hw->fault_of(hw) : &hw->fault;
}

/**
 * hwm_step_begin() - a step begins
 * @hw: model
 * @step: which
 *
 * Return: 0, or the error that a test wants here.
 */
int hwm_step_begin(struct hwm_model *hw, enum hwm_step step)
{
	struct hwm_fault *fault = fault_of(hw);

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
	struct hwm_fault *fault = fault_of(hw);

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

static u64 noted_cleaned(u64 entry)
{
	const struct iommu_dirty_format *fmt = cleaning->kind->walker->format;

	hwm_step_begin(cleaning, HWM_CLEAN_LEAF);
	return fmt->cleaned(entry);
}

/* What ->clear does, compiled for no format and with that step in it */
static int noted_clear(struct hwm_model *hw, const struct iommu_dirty_root *root,
		       struct iommu_dirty_chunk *chunk)
{
	struct iommu_dirty_format noted = *hw->kind->walker->format;
	int ret;

	noted.cleaned = noted_cleaned;
	cleaning = hw;
	ret = iommu_dirty_clear_table(&noted, root, chunk);
	cleaning = NULL;
	return ret;
}

/* How the calling task holds the attach lock of a domain */
enum held {
	FREE,
	FOR_READ,
	FOR_WRITE,
};

static enum held attach_lock_held(const struct iommu_dirty_domain *dd)
{
	if (lockdep_is_held_type(&dd->attach_lock, 0))
		return FOR_WRITE;
	return lockdep_is_held_type(&dd->attach_lock, 1) ? FOR_READ : FREE;
}

/**
 * hwm_expect_locks() - does the caller hold what the core promises for a step?
 * @hw: model
 * @dd: state of the domain that the step is about; NULL for none
 * @step: which
 *
 * With lockdep; without it, nothing is known.
 */
void hwm_expect_locks(struct hwm_model *hw, const struct iommu_dirty_domain *dd,
		      enum hwm_step step)
{
	bool lock, switching;
	enum held attach;

	if (!dd || !IS_ENABLED(CONFIG_LOCKDEP) || !debug_locks)
		return;
	attach = attach_lock_held(dd);
	lock = lockdep_is_held_type(&dd->lock, -1);
	switching = lockdep_is_held_type(&dd->switching, -1);

	switch (step) {
	case HWM_CAPABILITY:
	case HWM_ATTACH:
		KUNIT_EXPECT_EQ_MSG(hw->test, (int)attach, FOR_WRITE,
				    "step %d", step);
		break;
	case HWM_SET_FEATURE:
		KUNIT_EXPECT_EQ(hw->test, (int)attach, FOR_WRITE);
		KUNIT_EXPECT_TRUE(hw->test, switching);
		break;
	case HWM_SYNC:
	case HWM_WALK:
		KUNIT_EXPECT_EQ_MSG(hw->test, (int)attach, FOR_READ, "step %d",
				    step);
		KUNIT_EXPECT_FALSE(hw->test, lock);
		break;
	case HWM_CLEAR:
	case HWM_FLUSH:
		KUNIT_EXPECT_EQ_MSG(hw->test, (int)attach, FOR_READ, "step %d",
				    step);
		KUNIT_EXPECT_TRUE_MSG(hw->test, lock, "step %d", step);
		break;
	case HWM_PUBLISH:
		KUNIT_EXPECT_EQ(hw->test, (int)attach, FREE);
		KUNIT_EXPECT_FALSE(hw->test, lock);
		KUNIT_EXPECT_FALSE(hw->test, switching);
		break;
	default:
		break;
	}
	hw->locks_checked[step]++;
}

static bool claims(const struct iommu_domain *domain)
{
	return domain->owner == &hwm_iommu_ops;
}

static int capability(struct iommu_domain *domain, struct device *dev,
		      ioasid_t pasid, struct iommu_dirty_caps *caps)
{
	struct hwm_domain *hd = domain ? to_hwm_domain(domain) : NULL;
	struct hwm_device *hdev = dev ? to_hwm_device(dev) : NULL;
	struct hwm_model *hw;
	int ret;

	if (dev && dev->iommu->iommu_dev->ops != &hwm_iommu_ops)
		return -ENODEV;
	hw = hd ? hd->hw : hdev->hw;
	if (hd)
		hwm_expect_locks(hw, domain->dirty, HWM_CAPABILITY);
	if (hdev && hdev->gone)
		KUNIT_FAIL(hw->test, "asked about a device that is gone");

	ret = hwm_step_begin(hw, HWM_CAPABILITY);
	if (ret)
		return ret;
	if (hd && hdev && hd->unit != hdev->unit)
		return -EINVAL;
	if (hw->mute && hw->mute == (hdev ? (void *)hdev : (void *)hd))
		return -EIO;
	caps->stage = hw->kind->fmt->stage;
	if (domain)
		caps->leaf_sizes = domain->pgsize_bitmap;
	caps->flags |= hdev ? hdev->caps : hw->caps;
	if (hd)
		caps->flags &= ~hd->lacks;
	return hwm_step_end(hw, HWM_CAPABILITY, 0);
}

static int set_feature(struct iommu_domain *domain,
		       enum iommu_dirty_feature feature, bool value)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	struct hwm_context *ctx;
	int ret;

	hwm_expect_locks(hd->hw, domain->dirty, HWM_SET_FEATURE);
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

static int do_sync(struct iommu_domain *domain)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	int ret;

	hwm_expect_locks(hd->hw, domain->dirty, HWM_SYNC);
	ret = hwm_step_begin(hd->hw, HWM_SYNC);
	if (ret)
		return ret;
	hwm_settle(hd);
	return hwm_step_end(hd->hw, HWM_SYNC, 0);
}

static int do_walk(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk,
		   unsigned long iova, unsigned long last)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	int ret;

	hwm_expect_locks(hd->hw, domain->dirty, HWM_WALK);
	ret = hwm_step_begin(hd->hw, HWM_WALK);
	if (ret)
		return ret;
	ret = hd->hw->kind->walker->walk(hd, chunk, iova, last);
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
		unsigned int run =
			entry ? hwm_run(fmt, READ_ONCE(*entry), level) : 0;
		unsigned long span = BIT(hwm_level_shift(fmt, level) + run);
		unsigned long first = iova & ~(span - 1);
		unsigned long last = first + span - 1;
		bool dirty = entry && hwm_leaf_dirty(fmt, entry, level);

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
	struct iommu_dirty_root root = hwm_root(hd);
	struct hwm_model *hw = hd->hw;
	int ret;

	hwm_expect_locks(hw, domain->dirty, HWM_CLEAR);
	ret = hwm_step_begin(hw, HWM_CLEAR);
	if (ret)
		return ret;
	note_owed(hd, chunk, false);
	if (hw->watch_leaves)
		ret = noted_clear(hw, &root, chunk);
	else
		ret = hw->kind->walker->clear(hd, chunk);
	note_owed(hd, chunk, true);
	return hwm_step_end(hw, HWM_CLEAR, ret);
}

static int do_flush(struct iommu_domain *domain, unsigned long iova,
		    unsigned long last)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	int ret;

	hwm_expect_locks(hd->hw, domain->dirty, HWM_FLUSH);
	ret = hwm_step_begin(hd->hw, HWM_FLUSH);
	hd->hw->flush_first = iova;
	hd->hw->flush_last = last;
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
	.sync = do_sync,
	.walk = do_walk,
	.clear = do_clear,
	.flush = do_flush,
};
