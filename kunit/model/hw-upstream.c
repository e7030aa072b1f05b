// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the hardware model's that has only upstream's iommu_dirty_ops, with the
 * habits that such drivers have. All of them go on from where they are by the size of
 * the leaf that they met, also when they began in its middle, and note from there on
 * as many bytes as the leaf has. They differ in what they do where nothing is mapped.
 */
#include <linux/kernel.h>

#include "load-point.h"

#include "../../walk.h"
#include "hw-model.h"

/* AMD's default: all but 512 GiB */
#define EVERY_SIZE	(~(SZ_4K - 1UL) & ~BIT(39))
#define SOME_SIZES	(SZ_4K | SZ_1M | SZ_2M | SZ_1G | SZ_4G)

/* On an emulated CPU each habit is enough */
const struct hwm_driver hwm_drivers[] = {
	{ "x86, every leaf size", HWM_HABIT_X86, EVERY_SIZE },
	{ "arm", HWM_HABIT_ARM, SOME_SIZES },
	{ "mock", HWM_HABIT_MOCK, SOME_SIZES },
	{ "whole, every leaf size", HWM_HABIT_WHOLE, EVERY_SIZE },
#if IS_ENABLED(CONFIG_UML)
	{ "x86", HWM_HABIT_X86, SOME_SIZES },
	{ "arm, every leaf size", HWM_HABIT_ARM, EVERY_SIZE },
	{ "mock, every leaf size", HWM_HABIT_MOCK, EVERY_SIZE },
	{ "whole", HWM_HABIT_WHOLE, SOME_SIZES },
#endif
};

const unsigned int hwm_nr_drivers = ARRAY_SIZE(hwm_drivers);

struct hwm_upstream hwm_upstream;

/* A leaf, or a hole of the size that the table has at this place */
struct place {
	u64 *entries;
	unsigned int nr;
	unsigned int level;
	unsigned long size;
};

static bool find_place(struct hwm_domain *hd, unsigned long iova,
		       struct place *place)
{
	const struct hwm_format *fmt = hd->hw->kind->fmt;
	u64 *entry = hwm_find_leaf(hd, iova, &place->level);

	place->size = BIT(hwm_level_shift(fmt, place->level));
	place->nr = 0;
	if (!entry)
		return false;
	place->nr = 1 << hwm_run(fmt, READ_ONCE(*entry), place->level);
	place->entries = PTR_ALIGN_DOWN(entry, place->nr * sizeof(*entry));
	place->size *= place->nr;
	return true;
}

static bool clean_entry(const struct hwm_kind *kind, u64 *entry)
{
	u64 value = iommu_dirty_load(entry);

	do {
		if (!kind->fmt->dirty(value))
			return false;
	} while (!try_cmpxchg64(entry, &value,
				kind->walker->format->cleaned(value)));
	return true;
}

static bool clean_place(struct hwm_domain *hd, const struct place *place)
{
	bool dirty = false;
	unsigned int i;

	for (i = 0; i < place->nr; i++)
		dirty |= clean_entry(hd->hw->kind, &place->entries[i]);
	hwm_upstream.cleaned += dirty;
	return dirty;
}

/* What is recorded in one go */
struct note {
	unsigned long iova;
	unsigned long length;
};

/* A call: how far it has come, and the leaf that is recorded next, if there is one */
struct pass {
	struct hwm_domain *hd;
	unsigned long iova;
	unsigned long end;
	bool clear;
	struct note next;
	int err;
};

/* Go on to the next dirty leaf, and behind it */
static void find_dirty(struct pass *pass)
{
	const struct hwm_format *fmt = pass->hd->hw->kind->fmt;
	enum hwm_habit habit = hwm_upstream.habit;

	pass->next.length = 0;
	while (pass->iova < pass->end && !pass->next.length && !pass->err) {
		unsigned long iova = pass->iova;
		struct place place;
		bool dirty = false;

		if (pass->clear && hwm_upstream.fail_after &&
		    hwm_upstream.cleaned >= hwm_upstream.fail_after)
			pass->err = -EIO;
		else if (!find_place(pass->hd, iova, &place))
			pass->err = habit == HWM_HABIT_ARM ? -EINVAL : 0;
		else if (pass->clear)
			dirty = clean_place(pass->hd, &place);
		else
			dirty = hwm_leaf_dirty(fmt, place.entries, place.level);
		if (pass->err)
			break;

		if (habit == HWM_HABIT_MOCK && !place.nr)
			place.size = SZ_4K;
		if (habit == HWM_HABIT_WHOLE)
			iova = ALIGN_DOWN(iova, place.size);
		if (dirty)
			pass->next = (struct note){ iova, place.size };
		pass->iova = iova + place.size;
	}
}

/* What is to be recorded next; neighbours as one, for a driver that joins them */
static bool next_note(struct pass *pass, struct note *note)
{
	*note = pass->next;
	if (!note->length)
		return false;
	find_dirty(pass);
	while (hwm_upstream.joins && pass->next.length &&
	       note->iova + note->length == pass->next.iova) {
		note->length += pass->next.length;
		find_dirty(pass);
	}
	return true;
}

/* The consumer says what is mapped. Elsewhere tables may be on their way out. */
static void expect_mapped(struct hwm_domain *hd, unsigned long iova,
			  unsigned long last)
{
	unsigned long pos = iova;
	struct oracle_span *span;

	if (hwm_upstream.gone_last && iova <= hwm_upstream.gone_last &&
	    last >= hwm_upstream.gone_first)
		KUNIT_FAIL(hd->hw->test, "the driver is asked about %#lx-%#lx, which goes",
			   iova, last);
	for (;;) {
		span = oracle_find(&hd->oracle, pos, pos);
		if (!span) {
			KUNIT_FAIL(hd->hw->test,
				   "the driver is asked about %#lx-%#lx, and nothing is mapped at %#lx",
				   iova, last, pos);
			return;
		}
		if (span->last >= last)
			return;
		pos = span->last + 1;
	}
}

static int read_and_clear_dirty(struct iommu_domain *domain, unsigned long iova,
				size_t size, unsigned long flags,
				struct iommu_dirty_bitmap *dirty)
{
	struct hwm_domain *hd = to_hwm_domain(domain);
	bool clear = !(flags & IOMMU_DIRTY_NO_CLEAR);
	unsigned long end = iova + size;
	struct pass pass;
	struct place place;
	struct note note;

	hwm_upstream.calls[clear]++;
	expect_mapped(hd, iova, end - 1);
	if (!hd->recording && dirty->bitmap &&
	    hwm_upstream.habit != HWM_HABIT_ARM)
		return -EINVAL;
	if (hwm_upstream.err)
		return hwm_upstream.err;
	if (hwm_upstream.fail_call && !--hwm_upstream.fail_call)
		return -EIO;
	if (clear && hwm_upstream.writer &&
	    (hwm_upstream.write_at < iova || hwm_upstream.write_at >= end))
		hwm_write(hwm_upstream.writer, hwm_upstream.write_at);
	if (clear && hwm_upstream.clears_behind)
		end += SZ_4K;
	if (clear && hwm_upstream.clears_before &&
	    find_place(hd, iova - SZ_4K, &place))
		iova -= SZ_4K;
	pass = (struct pass){ hd, iova, end, clear };
	for (find_dirty(&pass); next_note(&pass, &note);)
		iommu_dirty_bitmap_record(dirty, note.iova, note.length);
	return pass.err;
}

static int set_dirty_tracking(struct iommu_domain *domain, bool enabled)
{
	return hwm_backend.set_feature(domain, IOMMU_DIRTY_FEATURE_RECORD,
				       enabled);
}

static const struct iommu_dirty_ops dirty_ops = {
	.set_dirty_tracking = set_dirty_tracking,
	.read_and_clear_dirty = read_and_clear_dirty,
};

static void flush_iotlb_all(struct iommu_domain *domain)
{
	hwm_upstream.flushes++;
	hwm_invalidate(to_hwm_domain(domain), 0, ULONG_MAX, false);
}

/* Without a page size it does nothing, like one that is known */
void hwm_upstream_sync(struct iommu_domain *domain,
		       struct iommu_iotlb_gather *gather)
{
	hwm_upstream.syncs++;
	hwm_upstream.sync = *gather;
	if (gather->pgsize)
		hwm_invalidate(to_hwm_domain(domain), gather->start,
			       gather->end, true);
}

/* The kind of model that has leaves of every power of two, as any driver's may have */
const struct hwm_kind *hwm_upstream_kind(void)
{
	const struct hwm_kind *kind = hwm_kinds;

	while (!kind->fmt->run_of)
		kind++;
	return kind;
}

/**
 * hwm_make_upstream() - let a domain be such a driver's, and not the model's backend's
 * @hd: domain of hwm_upstream_kind() that nothing is attached to yet
 * @driver: whose
 *
 * How the driver behaves starts anew.
 */
void hwm_make_upstream(struct hwm_domain *hd, const struct hwm_driver *driver)
{
	memset(&hwm_upstream, 0, sizeof(hwm_upstream));
	hwm_upstream.habit = driver->habit;
	hd->domain.pgsize_bitmap = driver->sizes;
	hwm_upstream.ops = hwm_domain_ops;
	hwm_upstream.ops.flush_iotlb_all = flush_iotlb_all;
	hd->domain.owner = NULL;
	hd->domain.ops = &hwm_upstream.ops;
	hd->domain.dirty_ops = &dirty_ops;
}
