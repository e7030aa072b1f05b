// SPDX-License-Identifier: GPL-2.0-only
/* Each line marked so must be reported, and no other. */

static int empty_flush(struct iommu_domain *domain, unsigned long iova, unsigned long last) /* finding */
{
	return 0;
}

static int loud_flush(struct iommu_domain *domain, unsigned long iova, unsigned long last) /* finding */
{
	struct my_domain *mine = to_my_domain(domain);

	pr_debug("%p: nothing to flush in %lx-%lx\n", mine, iova, last);
	if (iova > last)
		return -EINVAL;
	return 0;
}

static const struct iommu_dirty_backend empty_backend = {
	.flush = empty_flush,
};

static const struct iommu_dirty_backend loud_backend = {
	.flush = loud_flush,
};

/* All of this is right */
static int good_flush(struct iommu_domain *domain, unsigned long iova, unsigned long last)
{
	struct my_domain *mine = to_my_domain(domain);

	my_invalidate(mine, iova, last);
	return 0;
}

static int ops_flush(struct iommu_domain *domain, unsigned long iova, unsigned long last)
{
	const struct my_flush_ops *ops = domain->ops->flush;

	return ops->range(domain, iova, last);
}

static const struct iommu_dirty_backend good_backend = {
	.flush = good_flush,
};

static const struct iommu_dirty_backend ops_backend = {
	.flush = ops_flush,
};

/* Not a backend's */
static int nothing(struct iommu_domain *domain, unsigned long iova, unsigned long last)
{
	return 0;
}
