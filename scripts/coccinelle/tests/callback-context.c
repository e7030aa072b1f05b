// SPDX-License-Identifier: GPL-2.0-only
/* What backends get wrong: each line marked "finding" must be reported, and no other. */

static DEFINE_MUTEX(lock);
static DECLARE_RWSEM(rwsem);

static void deep(void)
{
	down_read(&rwsem); /* finding */
	up_read(&rwsem);
}

static void helper(void)
{
	deep();
}

/* Nobody's callback calls it */
static void elsewhere(struct iommu_domain *domain)
{
	mutex_lock(&lock);
	kfree(kzalloc(8, GFP_KERNEL));
	iommu_dirty_query(domain, NULL);
}

static int bad_walk(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last)
{
	u64 *copy = kmalloc(PAGE_SIZE, GFP_KERNEL); /* finding */
	void *page = (void *)__get_free_page(GFP_ATOMIC); /* finding */
	gfp_t gfp = GFP_KERNEL_ACCOUNT; /* finding */

	might_sleep(); /* finding */
	mutex_lock(&lock); /* finding */
	mutex_unlock(&lock);
	guard(mutex)(&lock); /* finding */
	if (iova > last)
		msleep(1); /* finding */
	scoped_guard(mutex, &lock) { /* finding */
		done = true;
	}
	wait_event(queue, done); /* finding */
	if (iommu_dirty_owns(domain)) /* finding */
		return -EINVAL;
	helper();
	return use(copy, page, gfp);
}

static int bad_clear(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk)
{
	void *atomic = kmalloc(8, GFP_ATOMIC);
	void *page = alloc_page(GFP_KERNEL); /* finding */

	cond_resched(); /* finding */
	return use(atomic, page);
}

static int bad_flush(struct iommu_domain *domain, unsigned long iova, unsigned long last)
{
	invalidate(domain, iova, last);
	return wait_for_completion_timeout(&done, HZ) ? 0 : -ETIMEDOUT; /* finding */
}

static int bad_capability(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
			  struct iommu_dirty_caps *caps)
{
	if (device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING)) /* finding */
		caps->flags = IOMMU_DIRTY_CAP_RECORD;
	return 0;
}

/* It may sleep, but not attach */
static int bad_set_feature(struct iommu_domain *domain, enum iommu_dirty_feature feature, bool value)
{
	mutex_lock(&lock);
	mutex_unlock(&lock);
	return iommu_attach_group(domain, group_of(domain)); /* finding */
}

static u64 bad_cleaned(u64 entry)
{
	mutex_lock(&lock); /* finding */
	mutex_unlock(&lock);
	return entry & ~DIRTY;
}

static const struct iommu_dirty_format format = {
	.cleaned = bad_cleaned,
};

static const struct iommu_dirty_backend bad_backend = {
	.capability = bad_capability,
	.set_feature = bad_set_feature,
	.walk = bad_walk,
	.clear = bad_clear,
	.flush = bad_flush,
};

/* All of this is right */
static int good_sync(struct iommu_domain *domain)
{
	guard(mutex)(&lock);
	return wait_for_completion_timeout(&done, HZ) ? 0 : -ETIMEDOUT;
}

static int good_walk(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk, unsigned long iova,
		     unsigned long last)
{
	guard(spinlock)(&small);
	if (!mutex_trylock(&lock))
		return -EBUSY;
	mutex_unlock(&lock);
	return iommu_dirty_walk_table(&format, root(domain), chunk, iova, last);
}

static int good_set_feature(struct iommu_domain *domain, enum iommu_dirty_feature feature, bool value)
{
	void *memory = kzalloc(8, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	might_sleep();
	return switch_it(domain, memory, value);
}

static const struct iommu_dirty_backend good_backend = {
	.set_feature = good_set_feature,
	.sync = good_sync,
	.walk = good_walk,
};

static int __init init(void)
{
	mutex_lock(&lock);
	mutex_unlock(&lock);
	return iommu_dirty_register(&good_backend);
}
