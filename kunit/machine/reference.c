// SPDX-License-Identifier: GPL-2.0-only
/* What the rules say about attaches, policies and modes */
#include <linux/errno.h>
#include <linux/string.h>

#include "reference.h"

#define RECORD IOMMU_DIRTY_CAP_RECORD

void ref_init(struct ref *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->mute_domain = REF_NOWHERE;
	ref->mute_device = REF_NOWHERE;
}

/* Returns its number; one that is its own table says so with @table REF_NOWHERE */
int ref_add_domain(struct ref *ref, const struct ref_domain *domain)
{
	int n = ref->nr_domains++;

	ref->domains[n] = *domain;
	if (domain->table == REF_NOWHERE)
		ref->domains[n].table = n;
	return n;
}

int ref_add_device(struct ref *ref, u32 flags, bool other)
{
	int slot, n = ref->nr_devices++;
	struct ref_device *dev = &ref->devices[n];

	dev->flags = flags;
	dev->other = other;
	for (slot = 0; slot < REF_SLOTS; slot++) {
		dev->at[slot] = REF_NOWHERE;
		dev->unasked[slot] = false;
	}
	return n;
}

/* The domain whose state an attach there is about; NULL when there is none */
static struct ref_domain *table_of(struct ref *ref, int domain)
{
	struct ref_domain *d;

	if (domain == REF_NOWHERE)
		return NULL;
	d = &ref->domains[ref->domains[domain].table];
	return d->kind == REF_UNTRACKED || d->kind == REF_SHARED ? NULL : d;
}

static bool attached_to(const struct ref *ref, int dev, int slot,
			const struct ref_domain *table)
{
	int at = ref->devices[dev].at[slot];

	return at != REF_NOWHERE &&
	       &ref->domains[ref->domains[at].table] == table;
}

/* What a device can do with a table */
static u32 pair_flags(const struct ref *ref, int dev,
		      const struct ref_domain *table)
{
	u32 lacks = IOMMU_DIRTY_CAP_ABILITIES & ~table->flags;

	return ref->devices[dev].flags & ~lacks;
}

/* Abilities that all have, caveats that any has */
static u32 flags_of(const struct ref *ref, const struct ref_domain *table)
{
	u32 flags = table->unasked ? 0 : table->flags;
	int dev, slot;

	if (table->kind != REF_BACKEND && table->kind != REF_SHARED)
		return 0;
	for (dev = 0; dev < ref->nr_devices; dev++) {
		for (slot = 0; slot < REF_SLOTS; slot++) {
			u32 pair = pair_flags(ref, dev, table);

			if (!attached_to(ref, dev, slot, table))
				continue;
			if (ref->devices[dev].unasked[slot])
				pair = 0;
			flags &= pair | ~IOMMU_DIRTY_CAP_ABILITIES;
			flags |= pair & IOMMU_DIRTY_CAP_CAVEATS;
		}
	}
	return flags;
}

/* Why it cannot record */
static enum iommu_dirty_reason lacking(const struct ref_domain *table)
{
	if (table->kind != REF_BACKEND)
		return IOMMU_DIRTY_REASON_TABLE;
	if (table->unasked)
		return IOMMU_DIRTY_REASON_BACKEND;
	return table->flags & RECORD ? IOMMU_DIRTY_REASON_DEVICE :
				       IOMMU_DIRTY_REASON_TABLE;
}

/* Others are attached to @domain's table than before: all are asked again */
static void pairs_changed(struct ref *ref, int domain)
{
	struct ref_domain *table = table_of(ref, domain);
	int dev, slot;

	if (!table || table->kind != REF_BACKEND)
		return;
	table->unasked = ref->mute_domain == table - ref->domains;
	for (dev = 0; dev < ref->nr_devices; dev++)
		for (slot = 0; slot < REF_SLOTS; slot++)
			if (attached_to(ref, dev, slot, table) &&
			    dev != ref->mute_device)
				ref->devices[dev].unasked[slot] = false;

	if (table->mode == IOMMU_DIRTY_MODE_EXACT &&
	    !(flags_of(ref, table) & RECORD)) {
		table->mode = IOMMU_DIRTY_MODE_ALL_DIRTY;
		table->reason = lacking(table);
	}
}

/* A snapshot; of a child, its parent's */
struct ref_view ref_view(const struct ref *ref, int domain)
{
	const struct ref_domain *table =
		&ref->domains[ref->domains[domain].table];
	struct ref_view view = {
		.mode = table->mode,
		.reason = table->reason,
		.policy = table->policy,
		.flags = flags_of(ref, table),
		.stage = table->stage,
		.leaf_sizes = table->leaf_sizes,
	};
	int dev, slot;

	for (dev = 0; dev < ref->nr_devices; dev++) {
		for (slot = 0; slot < REF_SLOTS; slot++) {
			if (!attached_to(ref, dev, slot, table))
				continue;
			view.attached++;
			view.pairs[slot] |= BIT(dev);
		}
	}
	return view;
}

bool ref_same(const struct ref_view *a, const struct ref_view *b)
{
	return a->mode == b->mode && a->reason == b->reason &&
	       a->policy == b->policy && a->flags == b->flags &&
	       a->stage == b->stage && a->leaf_sizes == b->leaf_sizes &&
	       !memcmp(a->pairs, b->pairs, sizeof(a->pairs));
}

/* Is the pair attached to the domain, or to another that shares its table? */
bool ref_at(const struct ref *ref, int dev, int slot, int domain)
{
	return attached_to(ref, dev, slot,
			   &ref->domains[ref->domains[domain].table]);
}

/* Is it known what the table and all pairs can do? */
bool ref_asked(const struct ref *ref, int domain)
{
	const struct ref_domain *table =
		&ref->domains[ref->domains[domain].table];
	int dev, slot;

	for (dev = 0; dev < ref->nr_devices; dev++)
		for (slot = 0; slot < REF_SLOTS; slot++)
			if (attached_to(ref, dev, slot, table) &&
			    ref->devices[dev].unasked[slot])
				return false;
	return !table->unasked;
}

/* Is the domain one of the device's driver? Any driver has untracked ones. */
bool ref_fits(const struct ref *ref, int dev, int domain)
{
	enum ref_kind kind = ref->domains[domain].kind;

	if (kind == REF_UNTRACKED)
		return true;
	return ref->devices[dev].other == (kind == REF_OTHER);
}

static bool refuses(const struct ref_domain *table)
{
	switch (table->policy) {
	case IOMMU_DIRTY_POLICY_STRICT:
		return true;
	case IOMMU_DIRTY_POLICY_DEGRADE:
		return false;
	default:
		return table->mode == IOMMU_DIRTY_MODE_EXACT;
	}
}

/**
 * ref_attach() - attach a device, or a PASID of it, leaving where it was
 * @ref: reference
 * @dev: device
 * @slot: 0 for the device's own requests
 * @to: domain
 * @must: it cannot be refused
 * @err: what the driver says
 *
 * Return: what the core must return.
 */
int ref_attach(struct ref *ref, int dev, int slot, int to, bool must, int err)
{
	struct ref_domain *table = table_of(ref, to);
	struct ref_device *d = &ref->devices[dev];
	bool unasked = dev == ref->mute_device;
	int from = d->at[slot];
	bool unable = table && table->kind == REF_BACKEND &&
		      (unasked || !(pair_flags(ref, dev, table) & RECORD));

	if (unable && !must && !attached_to(ref, dev, slot, table) &&
	    refuses(table))
		return -EINVAL;
	/* It may have written before the driver gave up */
	if (err && err != -EINVAL && unable &&
	    table->mode == IOMMU_DIRTY_MODE_EXACT) {
		table->mode = IOMMU_DIRTY_MODE_ALL_DIRTY;
		table->reason = IOMMU_DIRTY_REASON_DEVICE;
	}
	if (err)
		return err;

	d->at[slot] = to;
	d->unasked[slot] = unasked;
	pairs_changed(ref, from);
	pairs_changed(ref, to);
	return 0;
}

void ref_detach(struct ref *ref, int dev, int slot)
{
	int from = ref->devices[dev].at[slot];

	ref->devices[dev].at[slot] = REF_NOWHERE;
	pairs_changed(ref, from);
}

/* What an attach of the device's own requests would do */
struct iommu_dirty_forecast ref_forecast(const struct ref *ref, int dev,
					 int domain)
{
	struct iommu_dirty_forecast forecast = {};
	struct ref copy = *ref;
	struct ref_view view;

	if (copy.domains[domain].kind == REF_UNTRACKED) {
		forecast.verdict = IOMMU_DIRTY_VERDICT_UNTRACKED;
		return forecast;
	}
	if (!ref_fits(ref, dev, domain))
		forecast.verdict = IOMMU_DIRTY_VERDICT_FOREIGN;
	else if (ref_attach(&copy, dev, 0, domain, false, 0))
		forecast.verdict = IOMMU_DIRTY_VERDICT_REFUSED;
	view = ref_view(&copy, domain);
	forecast.mode = view.mode;
	forecast.reason = view.reason;
	forecast.caps.flags = view.flags;
	forecast.caps.stage = view.stage;
	forecast.caps.leaf_sizes = view.leaf_sizes;
	return forecast;
}

/* @err: what the backend says, or what cleaning ends with */
int ref_start(struct ref *ref, int domain, const void *owner, int err)
{
	struct ref_domain *d = &ref->domains[domain];

	if (d->kind == REF_CHILD || d->kind == REF_UNTRACKED)
		return -EOPNOTSUPP;
	if (d->mode != IOMMU_DIRTY_MODE_OFF)
		return d->owner == owner ? -EALREADY : -EBUSY;
	if (flags_of(ref, d) & RECORD) {
		if (err)
			return err;
		d->mode = IOMMU_DIRTY_MODE_EXACT;
		d->reason = IOMMU_DIRTY_REASON_NONE;
	} else {
		if (d->policy != IOMMU_DIRTY_POLICY_DEGRADE)
			return -EOPNOTSUPP;
		d->mode = IOMMU_DIRTY_MODE_ALL_DIRTY;
		d->reason = lacking(d);
	}
	d->owner = owner;
	return 0;
}

/* @err: what the backend says */
int ref_stop(struct ref *ref, int domain, const void *owner, int err)
{
	struct ref_domain *d = &ref->domains[domain];

	if (d->kind == REF_CHILD || d->kind == REF_UNTRACKED)
		return -EOPNOTSUPP;
	/* Where it could never have been on, there is nothing to stop */
	if (d->mode == IOMMU_DIRTY_MODE_OFF)
		return d->kind == REF_OTHER &&
				       d->policy != IOMMU_DIRTY_POLICY_DEGRADE ?
			       -EOPNOTSUPP :
			       -EALREADY;
	if (d->owner != owner)
		return -EBUSY;
	if (err)
		return err;
	d->mode = IOMMU_DIRTY_MODE_OFF;
	d->reason = IOMMU_DIRTY_REASON_NONE;
	d->owner = NULL;
	return 0;
}

int ref_set_policy(struct ref *ref, int domain, const void *owner,
		   enum iommu_dirty_policy policy)
{
	struct ref_domain *d = &ref->domains[domain];

	if (d->kind == REF_CHILD || d->kind == REF_UNTRACKED ||
	    policy > IOMMU_DIRTY_POLICY_DEGRADE)
		return -EOPNOTSUPP;
	if (d->mode != IOMMU_DIRTY_MODE_OFF && d->owner != owner)
		return -EBUSY;
	if (policy == IOMMU_DIRTY_POLICY_STRICT && !(flags_of(ref, d) & RECORD))
		return -EOPNOTSUPP;
	d->policy = policy;
	return 0;
}

/* It was allocated for the device, to be tracked */
int ref_want(struct ref *ref, int domain, int dev)
{
	struct ref_domain *d = &ref->domains[domain];

	if (d->kind != REF_BACKEND || !(pair_flags(ref, dev, d) & RECORD))
		return -EOPNOTSUPP;
	d->policy = IOMMU_DIRTY_POLICY_STRICT;
	return 0;
}

int ref_read(const struct ref *ref, int domain, const void *owner)
{
	const struct ref_domain *d = &ref->domains[domain];

	if (d->kind == REF_CHILD || d->kind == REF_UNTRACKED)
		return -EOPNOTSUPP;
	if (d->mode == IOMMU_DIRTY_MODE_OFF)
		return flags_of(ref, d) & RECORD ? -EINVAL : -EOPNOTSUPP;
	return d->owner == owner ? 0 : -EBUSY;
}

/* Something that was made clean may still be cached as dirty */
void ref_flush_failed(struct ref *ref, int domain)
{
	struct ref_domain *d = &ref->domains[domain];

	if (d->mode != IOMMU_DIRTY_MODE_EXACT)
		return;
	d->mode = IOMMU_DIRTY_MODE_ALL_DIRTY;
	d->reason = IOMMU_DIRTY_REASON_FLUSH;
}
