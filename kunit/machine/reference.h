/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reference for what becomes of domains: which pairs are attached where, and from
 * that what a call returns and what a query says afterwards. It is written from the
 * rules and looks at nothing of the core's. What devices wrote is the oracle's affair.
 *
 * Things are named by numbers, so that the reference can be copied to see what would
 * be.
 */
#ifndef __IOMMU_DIRTY_KUNIT_REFERENCE_H
#define __IOMMU_DIRTY_KUNIT_REFERENCE_H

#include <linux/iommu-dirty.h>

/* Room for the largest user */
#define REF_DOMAINS 10
#define REF_DEVICES 8

/* A device's own requests, and its PASIDs */
#define REF_SLOTS 3

#define REF_NOWHERE (-1)

/**
 * enum ref_kind - who sees to a domain
 * @REF_BACKEND: a backend
 * @REF_OTHER: another driver, which has none
 * @REF_CHILD: nobody: it is nested, and its parent counts
 * @REF_UNTRACKED: nobody, ever: the DMA API's or a blocked one
 * @REF_SHARED: a backend, and others change it as well: nothing is known of it but
 *	what is attached here
 */
enum ref_kind {
	REF_BACKEND,
	REF_OTHER,
	REF_CHILD,
	REF_UNTRACKED,
	REF_SHARED,
};

/**
 * struct ref_domain - a domain
 * @name: for messages
 * @kind: who sees to it
 * @table: the domain whose state counts, itself or its parent
 * @flags: what its table can do, &enum iommu_dirty_cap_flags
 * @stage: of translation
 * @leaf_sizes: bytes, one bit each
 * @unasked: the backend has failed to say what the table can do
 * @policy: see &enum iommu_dirty_policy
 * @mode: see &enum iommu_dirty_mode
 * @reason: see &enum iommu_dirty_reason
 * @owner: who started tracking
 */
struct ref_domain {
	const char *name;
	enum ref_kind kind;
	int table;
	u32 flags;
	u32 stage;
	u64 leaf_sizes;
	bool unasked;
	enum iommu_dirty_policy policy;
	enum iommu_dirty_mode mode;
	enum iommu_dirty_reason reason;
	const void *owner;
};

/**
 * struct ref_device - a device
 * @other: its driver is that of REF_OTHER
 * @flags: what it can do
 * @at: the domain that each of its slots is attached to, or REF_NOWHERE
 * @unasked: the backend has failed to say what the pair can do
 */
struct ref_device {
	bool other;
	u32 flags;
	int at[REF_SLOTS];
	bool unasked[REF_SLOTS];
};

/**
 * struct ref - the reference
 * @domains: by number
 * @nr_domains: of them
 * @devices: by number
 * @nr_devices: of them
 * @mute_domain: the backend does not say what this domain's table can do, now
 * @mute_device: nor what this device can
 */
struct ref {
	struct ref_domain domains[REF_DOMAINS];
	int nr_domains;
	struct ref_device devices[REF_DEVICES];
	int nr_devices;
	int mute_domain;
	int mute_device;
};

/* What a query says */
struct ref_view {
	enum iommu_dirty_mode mode;
	enum iommu_dirty_reason reason;
	enum iommu_dirty_policy policy;
	unsigned int attached;
	u32 flags;
	u32 stage;
	u64 leaf_sizes;
	u32 pairs[REF_SLOTS];	/* which devices, one bit each */
};

void ref_init(struct ref *ref);
int ref_add_domain(struct ref *ref, const struct ref_domain *domain);
int ref_add_device(struct ref *ref, u32 flags, bool other);
struct ref_view ref_view(const struct ref *ref, int domain);
bool ref_same(const struct ref_view *a, const struct ref_view *b);
bool ref_at(const struct ref *ref, int dev, int slot, int domain);
bool ref_asked(const struct ref *ref, int domain);
bool ref_fits(const struct ref *ref, int dev, int domain);
int ref_attach(struct ref *ref, int dev, int slot, int to, bool must, int err);
void ref_detach(struct ref *ref, int dev, int slot);
struct iommu_dirty_forecast ref_forecast(const struct ref *ref, int dev,
					 int domain);
int ref_start(struct ref *ref, int domain, const void *owner, int err);
int ref_stop(struct ref *ref, int domain, const void *owner, int err);
int ref_set_policy(struct ref *ref, int domain, const void *owner,
		   enum iommu_dirty_policy policy);
int ref_want(struct ref *ref, int domain, int dev);
int ref_read(const struct ref *ref, int domain, const void *owner);
void ref_flush_failed(struct ref *ref, int domain);

#endif /* __IOMMU_DIRTY_KUNIT_REFERENCE_H */
