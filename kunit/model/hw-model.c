// SPDX-License-Identifier: GPL-2.0-only
/* The hardware model's life: models, domains and devices come and go with a test */
#include <linux/slab.h>

#include "hw-model.h"

static void model_free(void *data)
{
	struct hwm_model *hw = data;
	struct hwm_device *dev, *next_dev;
	struct hwm_domain *hd, *next_hd;

	hw->watch = NULL;
	hw->fault.nth = 0;
	list_for_each_entry_safe(dev, next_dev, &hw->devices, node)
		hwm_device_free(dev);
	/* Children were made after their parents and are in front of them */
	list_for_each_entry_safe(hd, next_hd, &hw->domains, node)
		hwm_domain_free(hd);
	WARN_ON(iommu_dirty_unregister(&hw->backend));
	kfree(hw);
}

/* A model that is registered as a backend, for as long as the test lasts */
struct hwm_model *hwm_create(struct kunit *test, const struct hwm_kind *kind)
{
	struct hwm_model *hw = kzalloc(sizeof(*hw), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, hw);
	hw->test = test;
	hw->kind = kind;
	hw->backend = hwm_backend;
	if (!kind->fmt->holds_back)
		hw->backend.sync = NULL;
	hw->ha = true;
	hw->hd = true;
	prandom_seed_state(&hw->rnd, 42);
	hw->caps = IOMMU_DIRTY_CAP_RECORD;
	if (kind->fmt->born_dirty)
		hw->caps |= IOMMU_DIRTY_CAP_BORN_DIRTY;
	spin_lock_init(&hw->lock);
	INIT_LIST_HEAD(&hw->devices);
	INIT_LIST_HEAD(&hw->domains);
	ret = iommu_dirty_register(&hw->backend);
	if (ret) {
		kfree(hw);
		KUNIT_ASSERT_EQ(test, ret, 0);
		return NULL;
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, model_free, hw),
			0);
	return hw;
}

static struct hwm_domain *domain_alloc(struct hwm_model *hw)
{
	const struct hwm_kind *kind = hw->kind;
	struct hwm_domain *hd = kzalloc(sizeof(*hd), GFP_KERNEL);
	unsigned int level;

	KUNIT_ASSERT_NOT_NULL(hw->test, hd);
	hd->hw = hw;
	hd->domain.type = IOMMU_DOMAIN_UNMANAGED;
	hd->domain.owner = &hwm_iommu_ops;
	hd->domain.ops = &hwm_domain_ops;
	hd->domain.pgsize_bitmap = kind->medium | kind->large;
	for (level = 1; level <= kind->fmt->large_levels; level++)
		hd->domain.pgsize_bitmap |=
			BIT(hwm_level_shift(kind->fmt, level));
	hd->domain.geometry.aperture_end = hwm_reach(hw);
	hd->domain.geometry.force_aperture = true;
	init_rwsem(&hd->map_lock);
	INIT_LIST_HEAD(&hd->contexts);
	INIT_LIST_HEAD(&hd->tables);
	oracle_init(&hd->oracle, kind->fmt->granule_shift);
	list_add(&hd->node, &hw->domains);
	return hd;
}

/* A domain with an empty table */
struct hwm_domain *hwm_domain_new(struct hwm_model *hw)
{
	struct hwm_domain *hd = domain_alloc(hw);

	KUNIT_ASSERT_EQ(hw->test, hwm_table_init(hd), 0);
	return hd;
}

/* A nested child: what it translates to is what its parent translates */
struct hwm_domain *hwm_domain_child(struct hwm_domain *parent)
{
	struct hwm_domain *hd = domain_alloc(parent->hw);

	hd->parent = parent;
	hd->domain.type = IOMMU_DOMAIN_NESTED;
	KUNIT_ASSERT_EQ(hd->hw->test,
			iommu_dirty_nest(&hd->domain, &parent->domain), 0);
	return hd;
}

void hwm_domain_free(struct hwm_domain *hd)
{
	iommu_dirty_domain_free(&hd->domain);
	list_del(&hd->node);
	oracle_free(&hd->oracle);
	hwm_table_free(hd);
	kfree(hd);
}

static void device_release(struct device *dev)
{
	struct hwm_device *hdev = to_hwm_device(dev);
	struct hwm_context *ctx, *next;

	list_for_each_entry_safe(ctx, next, &hdev->contexts, node)
		kfree(ctx);
	kfree(dev->iommu);
	kfree(hdev);
}

/* A device that can record, attached to nothing */
struct hwm_device *hwm_device_new(struct hwm_model *hw)
{
	struct hwm_device *hdev = kzalloc(sizeof(*hdev), GFP_KERNEL);
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(hw->test, hdev);
	hdev->hw = hw;
	hdev->caps = hw->caps;
	hdev->tlb_entries = HWM_TLB_ENTRIES;
	INIT_LIST_HEAD(&hdev->contexts);
	hdev->iommu_dev.ops = &hwm_iommu_ops;

	dev = &hdev->dev;
	device_initialize(dev);
	dev->release = device_release;
	list_add(&hdev->node, &hw->devices);
	dev->iommu = kzalloc(sizeof(*dev->iommu), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(hw->test, dev->iommu);
	mutex_init(&dev->iommu->lock);
	dev->iommu->iommu_dev = &hdev->iommu_dev;
	dev->iommu->priv = hdev;
	KUNIT_ASSERT_EQ(hw->test, dev_set_name(dev, "hwm"), 0);
	return hdev;
}

/* What the IOMMU core does when a device goes: PASIDs first */
void hwm_device_release(struct hwm_device *hdev)
{
	struct hwm_context *ctx;

	list_for_each_entry(ctx, &hdev->contexts, node)
		if (ctx->domain && ctx->pasid != IOMMU_NO_PASID)
			iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, &hdev->dev,
						     ctx->pasid,
						     &ctx->domain->domain);
	iommu_dirty_release_device(&hwm_iommu_ops, &hdev->dev);
	/* It may be probed again */
	hdev->gone = false;
}

void hwm_device_free(struct hwm_device *hdev)
{
	if (hdev->dev.iommu)
		hwm_device_release(hdev);
	list_del(&hdev->node);
	put_device(&hdev->dev);
}
