// SPDX-License-Identifier: GPL-2.0-only
/* Each line marked so must be reported, and no other. */

static const struct iommu_dirty_backend no_owner = { /* finding */
	.name = "no-owner",
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.walk = walk,
	.clear = clear,
	.flush = flush,
};

const struct iommu_dirty_backend null_owner = { /* finding */
	.name = "null-owner",
	.owner = NULL,
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.walk = walk,
	.clear = clear,
	.flush = flush,
};

static const struct iommu_dirty_backend no_flush = { /* finding */
	.name = "no-flush",
	.owner = THIS_MODULE,
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.sync = sync,
	.walk = walk,
	.clear = clear,
};

static const struct iommu_dirty_backend null_walk = { /* finding */
	.name = "null-walk",
	.owner = THIS_MODULE,
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.walk = NULL,
	.clear = clear,
	.flush = flush,
};

static const struct iommu_dirty_backend nothing = { }; /* finding */

static struct iommu_dirty_backend not_const = { /* finding */
	.name = "not-const",
	.owner = THIS_MODULE,
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.walk = walk,
	.clear = clear,
	.flush = flush,
};

static struct iommu_dirty_backend filled_in_later; /* finding */

static struct iommu_dirty_format not_const_format = { /* finding */
	.granule_shift = 12,
};

/* All of this is right */
static const struct iommu_dirty_backend good = {
	.name = "good",
	.owner = THIS_MODULE,
	.claims = claims,
	.capability = capability,
	.set_feature = set_feature,
	.walk = walk,
	.clear = clear,
	.flush = flush,
};

static const struct iommu_dirty_format good_format = {
	.granule_shift = 12,
};

static int good_test(void)
{
	struct iommu_dirty_backend copy = good;

	copy.name = "copy";
	return iommu_dirty_register(&copy);
}

struct registered {
	const struct iommu_dirty_backend *backend;
};

static struct registered good_registered = {
	.backend = &good,
};
