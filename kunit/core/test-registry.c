// SPDX-License-Identifier: GPL-2.0-only
/* The registry of backends: life cycle and misuse */
#include "rig.h"

static void expect_served_by(struct hwm_domain *hd, const char *name)
{
	struct iommu_dirty_info info = rig_query(hd);

	KUNIT_EXPECT_STREQ(hd->hw->test, info.backend, name);
}

/* Take @backend out again when the test ends, should it still be in */
static void unregister_action(void *backend)
{
	iommu_dirty_unregister(backend);
}

static void expect_refused(struct kunit *test,
			   const struct iommu_dirty_backend *backend, int err)
{
	KUNIT_EXPECT_EQ(test, iommu_dirty_register(backend), err);
	if (err == -EINVAL)
		KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(backend), -ENOENT);
}

static void a_backend_without_a_callback_is_refused(struct kunit *test)
{
	struct iommu_dirty_backend whole = hwm_backend, part;

	whole.name = "partial";
	expect_refused(test, NULL, -EINVAL);
#define without(callback)                             \
	do {                                          \
		part = whole;                         \
		part.callback = NULL;                 \
		expect_refused(test, &part, -EINVAL); \
	} while (0)
	without(claims);
	without(capability);
	without(set_feature);
	without(walk);
	without(clear);
	without(flush);
#undef without
}

static void a_bad_name_is_refused(struct kunit *test)
{
	char name[IOMMU_DIRTY_BACKEND_NAME_LEN + 1] = {};
	struct iommu_dirty_backend backend = hwm_backend;

	backend.name = NULL;
	expect_refused(test, &backend, -EINVAL);
	backend.name = "";
	expect_refused(test, &backend, -EINVAL);

	memset(name, 'n', IOMMU_DIRTY_BACKEND_NAME_LEN);
	backend.name = name;
	expect_refused(test, &backend, -EINVAL);

	name[IOMMU_DIRTY_BACKEND_NAME_LEN - 1] = '\0';
	KUNIT_EXPECT_EQ(test, iommu_dirty_register(&backend), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&backend), 0);
}

static void the_same_backend_is_refused_twice(struct kunit *test)
{
	struct rig *rig = test->priv;

	expect_refused(test, &rig->hw->backend, -EEXIST);
}

static void a_second_backend_of_a_name_is_refused(struct kunit *test)
{
	struct iommu_dirty_backend other = hwm_backend;
	char name[] = "kunit-model";

	other.name = name;
	expect_refused(test, &other, -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&other), -ENOENT);
}

static void a_backend_can_come_back(struct kunit *test)
{
	struct rig *rig = test->priv;

	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&rig->hw->backend), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&rig->hw->backend),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, iommu_dirty_register(&rig->hw->backend), 0);
}

static void a_backend_in_use_stays(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *a = hwm_domain_new(rig->hw);
	struct hwm_domain *b = hwm_domain_new(rig->hw);

	rig_query(a);
	rig_query(b);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&rig->hw->backend),
			-EBUSY);
	hwm_domain_free(a);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&rig->hw->backend),
			-EBUSY);
	expect_served_by(b, "kunit-model");

	hwm_domain_free(b);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&rig->hw->backend), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_register(&rig->hw->backend), 0);
}

static void a_backend_may_come_after_the_device(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_dirty_info info;
	struct hwm_device *able, *unable;

	KUNIT_ASSERT_EQ(test, iommu_dirty_unregister(&rig->hw->backend), 0);
	rig->hd = hwm_domain_new(rig->hw);
	able = rig_device(rig, rig->hd);
	unable = hwm_device_new(rig->hw);
	unable->caps = 0;
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), 0);

	info = rig_query(rig->hd);
	KUNIT_EXPECT_STREQ(test, info.backend, "");
	KUNIT_EXPECT_EQ(test, info.attached, 2);
	KUNIT_EXPECT_EQ(test, info.caps.flags, 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EOPNOTSUPP);

	KUNIT_ASSERT_EQ(test, iommu_dirty_register(&rig->hw->backend), 0);
	info = rig_query(rig->hd);
	KUNIT_EXPECT_STREQ(test, info.backend, "kunit-model");
	KUNIT_EXPECT_EQ(test, info.caps.stage, rig->hw->kind->fmt->stage);
	KUNIT_EXPECT_EQ(test, info.caps.flags & IOMMU_DIRTY_CAP_RECORD, 0);

	/* The one that cannot leaves; what the other can is known by now */
	hwm_device_free(unable);
	info = rig_query(rig->hd);
	KUNIT_EXPECT_EQ(test, info.caps.flags, able->caps);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
}

/* It is asked about devices that are there already, and fails */
static void a_backend_that_comes_late_may_fail(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev;

	KUNIT_ASSERT_EQ(test, iommu_dirty_unregister(&rig->hw->backend), 0);
	rig->hd = hwm_domain_new(rig->hw);
	dev = rig_device(rig, rig->hd);
	/* The first question is about the table */
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 2, true, -EIO);
	KUNIT_ASSERT_EQ(test, iommu_dirty_register(&rig->hw->backend), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).caps.flags, 0);
	KUNIT_EXPECT_TRUE(test, rig->hw->fault.hit);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), -EOPNOTSUPP);
	hwm_device_free(dev);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
}

static void a_domain_that_nobody_claims_cannot_be_tracked(struct kunit *test)
{
	static const struct iommu_ops others;
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);

	hd->domain.owner = &others;
	expect_served_by(hd, "");
	KUNIT_EXPECT_EQ(test, rig_start(hd, test), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, rig_stop(hd, test), -EOPNOTSUPP);
	rig->hd = hd;
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->chunk - 1, 0), -EOPNOTSUPP);
}

/* Of a domain that nothing knows yet, and of one that nobody serves */
static void a_query_changes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);
	unsigned int asked;

	KUNIT_EXPECT_EQ(test, rig_query(hd).seq, 0);
	KUNIT_EXPECT_EQ(test, rig_query(hd).caps.flags, rig->hw->caps);
	asked = rig->hw->calls[HWM_CAPABILITY];
	KUNIT_EXPECT_EQ(test, rig_query(hd).seq, 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CAPABILITY], asked);
	hwm_domain_free(hd);

	KUNIT_ASSERT_EQ(test, iommu_dirty_unregister(&rig->hw->backend), 0);
	hd = hwm_domain_new(rig->hw);
	expect_served_by(hd, "");
	KUNIT_EXPECT_EQ(test, rig_query(hd).seq, 0);
	/* It is served when there is a backend, without being asked anything */
	KUNIT_ASSERT_EQ(test, iommu_dirty_register(&rig->hw->backend), 0);
	KUNIT_EXPECT_EQ(test, rig_query(hd).seq, 1);
	expect_served_by(hd, "kunit-model");
	KUNIT_EXPECT_EQ(test, rig_query(hd).seq, 1);
}

static void domains_go_to_the_backend_that_claims_them(struct kunit *test)
{
	static const struct iommu_ops others;
	struct rig *rig = test->priv;
	struct iommu_dirty_backend second = hwm_backend;
	struct hwm_domain *hd;

	second.name = "second";
	KUNIT_ASSERT_EQ(test, iommu_dirty_register(&second), 0);
	KUNIT_ASSERT_EQ(test,
			kunit_add_action_or_reset(test, unregister_action,
						  &second),
			0);
	hd = hwm_domain_new(rig->hw);
	expect_served_by(hd, "kunit-model");
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(&second), 0);

	hd = hwm_domain_new(rig->hw);
	hd->domain.owner = &others;
	expect_served_by(hd, "");
}

static void a_device_is_capable_when_its_backend_says_so(struct kunit *test)
{
	static const struct iommu_ops others;
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);
	unsigned int late;

	KUNIT_EXPECT_EQ(test, iommu_dirty_device_capable(&dev->dev), 1);
	dev->caps = IOMMU_DIRTY_CAP_SPLIT;
	KUNIT_EXPECT_EQ(test, iommu_dirty_device_capable(&dev->dev), 0);

	dev->caps = IOMMU_DIRTY_CAP_RECORD;
	for (late = 0; late < 2; late++) {
		hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, late, -EIO);
		KUNIT_EXPECT_EQ(test, iommu_dirty_device_capable(&dev->dev), 0);
		KUNIT_EXPECT_TRUE(test, rig->hw->fault.hit);
	}

	dev->iommu_dev.ops = &others;
	KUNIT_EXPECT_EQ(test, iommu_dirty_device_capable(&dev->dev), -ENODEV);
	dev->iommu_dev.ops = &hwm_iommu_ops;
}

static struct kunit_case registry_cases[] = {
	KUNIT_CASE(a_backend_without_a_callback_is_refused),
	KUNIT_CASE(a_bad_name_is_refused),
	KUNIT_CASE(the_same_backend_is_refused_twice),
	KUNIT_CASE(a_second_backend_of_a_name_is_refused),
	KUNIT_CASE(a_backend_can_come_back),
	KUNIT_CASE(a_backend_in_use_stays),
	KUNIT_CASE(a_backend_may_come_after_the_device),
	KUNIT_CASE(a_backend_that_comes_late_may_fail),
	KUNIT_CASE(a_domain_that_nobody_claims_cannot_be_tracked),
	KUNIT_CASE(a_query_changes_nothing),
	KUNIT_CASE(domains_go_to_the_backend_that_claims_them),
	KUNIT_CASE(a_device_is_capable_when_its_backend_says_so),
	{}
};

static struct kunit_suite registry_suite = {
	.name = "iommu-dirty-registry",
	.init = rig_init_bare,
	.test_cases = registry_cases,
};

kunit_test_suite(registry_suite);
