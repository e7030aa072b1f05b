// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which locks the core holds when it calls a backend, a driver or a sink: the model
 * asserts it at every step of every test, see hwm_expect_locks(). Here every step is
 * gone through once, so that none of these assertions is idle.
 */
#include "rig.h"

#define PASID 3

static void every_step_finds_its_locks_held(struct kunit *test)
{
	static const enum hwm_step steps[] = {
		HWM_CAPABILITY, HWM_SET_FEATURE, HWM_SYNC, HWM_WALK,
		HWM_PUBLISH, HWM_CLEAR, HWM_FLUSH, HWM_ATTACH,
	};
	struct rig *rig = test->priv;
	struct hwm_model *hw = rig->hw;
	struct hwm_domain *other = hwm_domain_new(hw);
	struct hwm_device *dev = hwm_device_new(hw);
	struct iommu_dirty_forecast forecast;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		kunit_skip(test, "needs lockdep");

	hw->backend.sync = hwm_backend.sync;
	rig_map_layout(rig);
	KUNIT_EXPECT_EQ(test, iommu_dirty_domain_require(&other->domain, &dev->dev),
			0);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&other->domain, &dev->dev,
					       &forecast), 0);
	KUNIT_EXPECT_EQ(test, rig_attach(other, dev), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 1));
	hwm_write(rig->dev, rig->at.large);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);

	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, dev), 0);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_set_dev_pasid(&rig->hd->domain, &dev->dev,
						  PASID, NULL), 0);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_set_dev_pasid(&other->domain, &dev->dev,
						  PASID, &rig->hd->domain), 0);
	iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, &dev->dev, PASID,
				     &other->domain);
	iommu_dirty_release_device(&hwm_iommu_ops, &dev->dev);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		KUNIT_EXPECT_GT_MSG(test, hw->locks_checked[steps[i]], 0,
				    "step %d", steps[i]);
}

static struct kunit_case locks_cases[] = {
	KUNIT_CASE_PARAM(every_step_finds_its_locks_held, rig_kinds),
	{}
};

static struct kunit_suite locks_suite = {
	.name = "iommu-dirty-locks",
	.init = rig_init,
	.test_cases = locks_cases,
};

kunit_test_suite(locks_suite);
