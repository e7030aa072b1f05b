// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attach and detach: what the attached pairs can do together, who is refused, and
 * that devices which come and go are recorded.
 */
#include <linux/completion.h>
#include <linux/workqueue.h>

#include "rig.h"

#define PASID 7

#define RECORD IOMMU_DIRTY_CAP_RECORD
#define SPLIT IOMMU_DIRTY_CAP_SPLIT
#define ATS IOMMU_DIRTY_CAP_ATS_DIRTY
#define ABILITIES IOMMU_DIRTY_CAP_ABILITIES

static int read_all(struct rig *rig)
{
	return rig_read(rig, rig->at.small, rig->at.medium - 1, 0);
}

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
	return 0;
}

static struct hwm_device *device_with(struct rig *rig, u32 caps)
{
	struct hwm_device *dev = hwm_device_new(rig->hw);

	dev->caps = caps;
	return dev;
}

static u32 flags_of(struct hwm_domain *hd)
{
	return rig_query(hd).caps.flags;
}

static unsigned int attached_to(struct hwm_domain *hd)
{
	return rig_query(hd).attached;
}

static int set_pasid(struct hwm_domain *hd, struct hwm_device *dev,
		     struct hwm_domain *old)
{
	return iommu_dirty_set_dev_pasid(&hd->domain, &dev->dev, PASID,
					 old ? &old->domain : NULL);
}

static void remove_pasid(struct hwm_domain *hd, struct hwm_device *dev)
{
	iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, &dev->dev, PASID,
				     &hd->domain);
}

static void expect_recorded(struct rig *rig, struct hwm_device *dev,
			    ioasid_t pasid)
{
	struct kunit *test = rig->hw->test;
	u64 dirty = rig_query(rig->hd).dirty;

	KUNIT_EXPECT_EQ(test, hwm_dma(dev, pasid, rig_page(rig, 40), 1, true),
			0);
	KUNIT_EXPECT_EQ(test, hwm_dma(dev, pasid, rig_page(rig, 600), 1, true),
			0);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, dirty + 2);
}

/* A snapshot is large, and a test of many has no room for all */
static noinline_for_stack u64 seq_of(struct hwm_domain *hd)
{
	return rig_query(hd).seq;
}

static void abilities_are_what_all_have_caveats_what_any_has(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd;
	struct hwm_device *a, *b;
	u64 seq;

	rig->hw->caps = ABILITIES;
	hd = hwm_domain_new(rig->hw);
	KUNIT_EXPECT_EQ(test, flags_of(hd), ABILITIES);

	a = device_with(rig, RECORD | SPLIT | ATS);
	b = device_with(rig, RECORD | IOMMU_DIRTY_CAP_MERGE);
	seq = seq_of(hd);
	KUNIT_ASSERT_EQ(test, rig_attach(hd, a), 0);
	KUNIT_EXPECT_EQ(test, flags_of(hd), RECORD | SPLIT | ATS);
	KUNIT_EXPECT_GT(test, seq_of(hd), seq);

	seq = seq_of(hd);
	KUNIT_ASSERT_EQ(test, rig_attach(hd, b), 0);
	KUNIT_EXPECT_EQ(test, flags_of(hd), RECORD | ATS);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 2);
	KUNIT_EXPECT_GT(test, seq_of(hd), seq);

	/* One leaves for another domain, and takes its caveat along */
	seq = seq_of(hd);
	KUNIT_ASSERT_EQ(test, rig_attach(rig->hd, a), 0);
	KUNIT_EXPECT_EQ(test, flags_of(hd), RECORD | IOMMU_DIRTY_CAP_MERGE);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 1);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 2);
	KUNIT_EXPECT_GT(test, seq_of(hd), seq);

	hwm_device_free(b);
	KUNIT_EXPECT_EQ(test, flags_of(hd), ABILITIES);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 0);
}

static void every_pasid_counts(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);

	KUNIT_EXPECT_EQ(test, set_pasid(hd, rig->dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 1);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	KUNIT_EXPECT_EQ(test, set_pasid(rig->hd, rig->dev, hd), 0);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 2);

	/* Once more where it is already */
	KUNIT_EXPECT_EQ(test, set_pasid(rig->hd, rig->dev, rig->hd), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 2);

	/* The device's own requests go elsewhere; its PASID stays */
	KUNIT_EXPECT_EQ(test, rig_attach(hd, rig->dev), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	remove_pasid(rig->hd, rig->dev);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 0);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 1);
}

static void a_pasid_is_recorded_from_its_first_write(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, set_pasid(rig->hd, dev, NULL), 0);
	expect_recorded(rig, dev, PASID);
	expect_recorded(rig, dev, PASID);
	remove_pasid(rig->hd, dev);
	KUNIT_EXPECT_EQ(test, hwm_dma(dev, PASID, rig_page(rig, 0), 1, true),
			-EFAULT);
}

static void a_pasid_of_an_incapable_device_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = device_with(rig, 0);
	struct hwm_domain *plain = hwm_domain_new(rig->hw);

	KUNIT_ASSERT_EQ(test, set_pasid(plain, dev, NULL), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, set_pasid(rig->hd, dev, plain), -EINVAL);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	KUNIT_EXPECT_EQ(test, attached_to(plain), 1);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
}

static void a_pasid_that_moves_to_an_untracked_domain_is_forgotten(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *dma = hwm_domain_new(rig->hw);

	dma->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_ASSERT_EQ(test, set_pasid(rig->hd, rig->dev, NULL), 0);
	KUNIT_ASSERT_EQ(test, attached_to(rig->hd), 2);
	KUNIT_ASSERT_EQ(test, set_pasid(dma, rig->dev, rig->hd), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
}

static void a_device_attached_later_is_recorded_from_its_first_write(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *late;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	late = rig_device(rig, rig->hd);
	expect_recorded(rig, late, IOMMU_NO_PASID);
	/* Each device's caches are flushed */
	expect_recorded(rig, late, IOMMU_NO_PASID);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
	expect_recorded(rig, late, IOMMU_NO_PASID);
}

static void a_device_with_ats_is_recorded(struct kunit *test)
{
	struct rig *rig = test->priv;

	rig->dev->ats = true;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
}

static void a_tracked_domain_refuses_an_incapable_device(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *home = hwm_domain_new(rig->hw);
	struct hwm_device *unable = device_with(rig, 0);
	u64 seq;

	KUNIT_ASSERT_EQ(test, rig_attach(home, unable), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	seq = rig_query(rig->hd).seq;
	rig->hw->calls[HWM_ATTACH] = 0;
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_ATTACH], 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq);
	KUNIT_EXPECT_EQ(test, attached_to(home), 1);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);

	/* What it can do cannot be found out: that is the same */
	unable->caps = rig->hw->caps;
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), 0);

	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, device_with(rig, 0)), 0);
}

static void a_domain_made_to_be_tracked_refuses_before_it_is(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);
	struct hwm_device *unable = device_with(rig, 0);
	struct hwm_device *able = hwm_device_new(rig->hw);

	/* Not for a device that cannot, and that changes nothing */
	KUNIT_EXPECT_EQ(test, iommu_dirty_domain_require(&hd->domain, &unable->dev),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, rig_attach(hd, unable), 0);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), 0);

	KUNIT_ASSERT_EQ(test, iommu_dirty_domain_require(&hd->domain, &able->dev),
			0);
	KUNIT_EXPECT_EQ(test, rig_attach(hd, device_with(rig, 0)), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig_attach(hd, able), 0);
	KUNIT_EXPECT_EQ(test, attached_to(hd), 1);
}

static void a_domain_made_to_be_tracked_needs_a_backend(struct kunit *test)
{
	static const struct iommu_ops others;
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);

	/* What the backend says reaches the caller */
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 2, true, -EIO);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_domain_require(&hd->domain, &rig->dev->dev),
			-EIO);
	KUNIT_EXPECT_EQ(test, (int)rig_query(hd).policy,
			IOMMU_DIRTY_POLICY_PLAIN);
	hd = hwm_domain_new(rig->hw);
	hd->domain.owner = &others;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_domain_require(&hd->domain, &rig->dev->dev),
			-EOPNOTSUPP);
	hd = hwm_domain_new(rig->hw);
	hd->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_domain_require(&hd->domain, &rig->dev->dev),
			-EOPNOTSUPP);
}

static void an_attach_that_must_not_fail_makes_all_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *unable = device_with(rig, 0);
	u64 seq;

	rig_map(rig, rig->at.ro, rig->at.ro_size, rig->page, false);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	seq = rig_query(rig->hd).seq;
	KUNIT_EXPECT_EQ(test, rig_attach_must(rig->hd, unable), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	KUNIT_EXPECT_GT(test, rig_query(rig->hd).seq, seq);

	/* It reports what is writable, again and again, and walks no table */
	rig->hw->calls[HWM_WALK] = 0;
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->chunk - 1, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->chunk - 1, 0), 0);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_WALK], 0);

	/* One-way until the consumer starts again */
	hwm_device_free(unable);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
}

static void an_attach_that_must_not_fail_is_harmless_if_capable(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_attach_must(rig->hd, dev), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
	expect_recorded(rig, dev, IOMMU_NO_PASID);
}

static void an_attach_that_fails_changes_nothing(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *other = hwm_domain_new(rig->hw);
	u64 seq, other_seq;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	seq = rig_query(rig->hd).seq;
	other_seq = rig_query(other).seq;

	hwm_fail(rig->hw, BIT(HWM_ATTACH), 1, false, -ENODEV);
	KUNIT_EXPECT_EQ(test, rig_attach(other, rig->dev), -ENODEV);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	KUNIT_EXPECT_EQ(test, attached_to(other), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq);
	KUNIT_EXPECT_EQ(test, rig_query(other).seq, other_seq);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);

	hwm_fail(rig->hw, BIT(HWM_ATTACH), 1, false, -ENODEV);
	KUNIT_EXPECT_EQ(test, set_pasid(other, rig->dev, NULL), -ENODEV);
	KUNIT_EXPECT_EQ(test, attached_to(other), 0);
	/* The core puts it back where it was, and that is one attachment */
	KUNIT_EXPECT_EQ(test, rig_attach_must(rig->hd, rig->dev), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
}

/* Its driver gave up when it was live already, and it wrote */
static void a_failed_attach_of_what_cannot_record_makes_all_dirty(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *able = hwm_device_new(rig->hw);
	struct hwm_device *unable = device_with(rig, 0);

	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(&rig->hd->domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);

	/* It does not fit, so it was never live; and one whose writes are recorded */
	hwm_fail(rig->hw, BIT(HWM_ATTACH), 1, false, -EINVAL);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), -EINVAL);
	hwm_fail(rig->hw, BIT(HWM_ATTACH), 1, true, -EBUSY);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, able), -EBUSY);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_EXACT, IOMMU_DIRTY_REASON_NONE);
	hwm_device_free(able);

	hwm_fail(rig->hw, BIT(HWM_ATTACH), 1, true, -EBUSY);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, unable), -EBUSY);
	KUNIT_EXPECT_EQ(test, hwm_write(unable, rig_page(rig, 3)), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);

	/* A PASID alike */
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_fail(rig->hw, BIT(HWM_ATTACH), 1, true, -EBUSY);
	KUNIT_EXPECT_EQ(test, set_pasid(rig->hd, unable, NULL), -EBUSY);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	hwm_device_free(unable);
}

static void a_device_that_moves_is_in_one_place(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *dma = hwm_domain_new(rig->hw);
	struct hwm_domain *other = hwm_domain_new(rig->hw);

	dma->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_EQ(test, rig_attach(other, rig->dev), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 0);
	KUNIT_EXPECT_EQ(test, attached_to(other), 1);
	KUNIT_EXPECT_EQ(test, rig_attach(dma, rig->dev), 0);
	KUNIT_EXPECT_EQ(test, attached_to(other), 0);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&rig->dev->dev.iommu->dirty));
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, rig->dev), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
}

static void a_device_that_is_released_is_forgotten(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = rig_device(rig, rig->hd);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	iommu_dirty_release_device(&hwm_iommu_ops, &dev->dev);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&dev->dev.iommu->dirty));
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	KUNIT_EXPECT_EQ(test, hwm_write(dev, rig_page(rig, 0)), -EFAULT);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
}

/* Nobody removed its PASIDs, of a domain and of a nested child. Its driver must. */
static void a_device_that_goes_leaves_no_pasid_to_its_driver(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *child = hwm_domain_child(rig->hd);
	struct hwm_device *dev = rig_device(rig, rig->hd);

	KUNIT_ASSERT_EQ(test, set_pasid(child, dev, NULL), 0);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_dev_pasid(&rig->hd->domain, &dev->dev,
						  PASID + 1, NULL), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 4);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	iommu_dirty_release_device(&hwm_iommu_ops, &dev->dev);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&dev->dev.iommu->dirty));
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	KUNIT_EXPECT_EQ(test, hwm_dma(dev, PASID, rig_page(rig, 0), 1, true),
			-EFAULT);
	expect_recorded(rig, rig->dev, IOMMU_NO_PASID);
	hwm_domain_free(child);
}

/* Some drivers have nothing to do when a device goes */
static void a_driver_without_release_is_not_asked_later(struct kunit *test)
{
	struct iommu_ops ops = hwm_iommu_ops;
	struct rig *rig = test->priv;
	struct hwm_device *dev = rig_device(rig, rig->hd);

	ops.release_device = NULL;
	iommu_dirty_release_device(&ops, &dev->dev);
	dev->gone = true;
	KUNIT_EXPECT_TRUE(test, hlist_empty(&dev->dev.iommu->dirty));
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
	/* What all can do together is found out again */
	hwm_device_free(rig_device(rig, rig->hd));
	hwm_context_detach(hwm_context(dev, IOMMU_NO_PASID));
}

/* What could not be found out when it came is asked again, but not when it is gone */
static void a_device_that_is_gone_is_not_asked_about(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev = hwm_device_new(rig->hw);
	struct hwm_device *other;

	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, true, -EIO);
	KUNIT_ASSERT_EQ(test, rig_attach(rig->hd, dev), 0);
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, true, -EIO);
	KUNIT_ASSERT_EQ(test, set_pasid(rig->hd, dev, NULL), 0);
	KUNIT_EXPECT_TRUE(test, flags_of(rig->hd) & RECORD);

	/* All of its pairs are unknown when it goes */
	rig->hw->mute = dev;
	KUNIT_ASSERT_EQ(test, rig_attach_must(rig->hd, dev), 0);
	other = rig_device(rig, rig->hd);
	KUNIT_EXPECT_FALSE(test, flags_of(rig->hd) & RECORD);
	iommu_dirty_release_device(&hwm_iommu_ops, &dev->dev);
	rig->hw->mute = NULL;
	hwm_device_free(other);
	KUNIT_EXPECT_TRUE(test, flags_of(rig->hd) & RECORD);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
}

/* A backend says the stage or not; it is asked about a pair once */
static void what_is_known_is_not_asked_again(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned int asked;

	rig->hw->calls[HWM_CAPABILITY] = 0;
	hwm_device_free(rig_device(rig, rig->hd));
	/* About the new pair, and about the table when it comes and when it goes */
	asked = rig->hw->calls[HWM_CAPABILITY];
	KUNIT_EXPECT_EQ(test, asked, 3);
}

/* A device goes while another domain flushes, which may take its time */
struct departure {
	struct work_struct work;
	struct hwm_device *dev;
	struct completion done;
};

static void depart(struct work_struct *work)
{
	struct departure *d = container_of(work, struct departure, work);

	iommu_dirty_release_device(&hwm_iommu_ops, &d->dev->dev);
	complete(&d->done);
}

static void wait_for_departure(struct hwm_model *hw, enum hwm_step step,
			       bool after)
{
	struct departure *d = hw->data;

	if (step != HWM_FLUSH || after || !d)
		return;
	hw->data = NULL;
	queue_work(system_unbound_wq, &d->work);
	KUNIT_EXPECT_NE(hw->test, wait_for_completion_timeout(&d->done, HZ), 0);
}

static void a_device_that_goes_waits_for_no_other_domain(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *home = hwm_domain_new(rig->hw);
	struct departure d = { .dev = rig_device(rig, home) };

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 4));
	init_completion(&d.done);
	INIT_WORK_ONSTACK(&d.work, depart);
	rig->hw->data = &d;
	rig->hw->watch = wait_for_departure;
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
	rig->hw->watch = NULL;
	flush_work(&d.work);
	destroy_work_on_stack(&d.work);
	KUNIT_EXPECT_EQ(test, attached_to(home), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
}

static void a_nested_child_counts_for_its_parent(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *child = hwm_domain_child(rig->hd);
	struct hwm_device *dev = rig_device(rig, child);
	struct hwm_device *unable = device_with(rig, 0);

	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 2);
	KUNIT_EXPECT_EQ(test, rig_start(child, test), -EOPNOTSUPP);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_read(&child->domain, test,
					       &(struct iommu_dirty_read){}),
			-EOPNOTSUPP);
	expect_recorded(rig, dev, IOMMU_NO_PASID);
	expect_recorded(rig, dev, IOMMU_NO_PASID);
	KUNIT_EXPECT_EQ(test, rig_attach(child, unable), -EINVAL);

	/* From the child to the parent and back, and in a PASID */
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, dev), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 2);
	KUNIT_EXPECT_EQ(test, rig_attach(child, dev), 0);
	KUNIT_EXPECT_EQ(test, set_pasid(child, dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 3);
	expect_recorded(rig, dev, PASID);
	remove_pasid(child, dev);

	KUNIT_EXPECT_EQ(test, rig_attach_must(child, unable), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	hwm_device_free(unable);
	hwm_device_free(dev);
	hwm_domain_free(child);
	KUNIT_EXPECT_EQ(test, attached_to(rig->hd), 1);
}

static void a_capability_that_is_lost_loses_no_write(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *other = rig_device(rig, rig->hd);
	struct iommu_dirty_caps caps = rig_query(rig->hd).caps;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 3));
	/* What the table can do is asked again when a device goes */
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, false, -EIO);
	hwm_device_free(other);
	hwm_fail(rig->hw, 0, 0, false, 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_BACKEND);
	/* The table is still what it was */
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).caps.leaf_sizes,
			caps.leaf_sizes);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).caps.stage, caps.stage);
	hwm_write(rig->dev, rig_page(rig, 700));
	KUNIT_EXPECT_EQ(test, read_all(rig), 0);
}

/* A backend that has filled in something, and then fails */
static void what_a_backend_says_before_it_fails_does_not_count(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *able = hwm_device_new(rig->hw);
	struct iommu_dirty_forecast forecast;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, true, -EIO);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, able), -EINVAL);
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, true, -EIO);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_can_attach(&rig->hd->domain, &able->dev,
					       &forecast), -EINVAL);
	KUNIT_EXPECT_EQ(test, (int)forecast.verdict, IOMMU_DIRTY_VERDICT_REFUSED);
	/* What the table can do is asked again when a device comes */
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 2, true, -EIO);
	KUNIT_EXPECT_EQ(test, rig_attach(rig->hd, able), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_BACKEND);
	KUNIT_EXPECT_EQ(test, flags_of(rig->hd), 0);
}

static void a_domain_that_is_freed_leaves_no_state(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);

	KUNIT_ASSERT_EQ(test, rig_attach(hd, rig->dev), 0);
	KUNIT_ASSERT_EQ(test, rig_start(hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_attach(rig->hd, rig->dev), 0);
	iommu_dirty_domain_free(&hd->domain);
	KUNIT_EXPECT_PTR_EQ(test, hd->domain.dirty, NULL);

	/* It starts from nothing when it is used again */
	KUNIT_EXPECT_EQ(test, (int)rig_query(hd).mode, IOMMU_DIRTY_MODE_OFF);
	KUNIT_EXPECT_EQ(test, rig_query(hd).reads, 0);
}

static struct kunit_case attach_cases[] = {
	KUNIT_CASE(abilities_are_what_all_have_caveats_what_any_has),
	KUNIT_CASE(every_pasid_counts),
	KUNIT_CASE_PARAM(a_pasid_is_recorded_from_its_first_write, rig_kinds),
	KUNIT_CASE(a_pasid_of_an_incapable_device_is_refused),
	KUNIT_CASE(a_pasid_that_moves_to_an_untracked_domain_is_forgotten),
	KUNIT_CASE_PARAM(a_device_attached_later_is_recorded_from_its_first_write,
			 rig_kinds),
	KUNIT_CASE_PARAM(a_device_with_ats_is_recorded, rig_kinds),
	KUNIT_CASE(a_tracked_domain_refuses_an_incapable_device),
	KUNIT_CASE(a_domain_made_to_be_tracked_refuses_before_it_is),
	KUNIT_CASE(a_domain_made_to_be_tracked_needs_a_backend),
	KUNIT_CASE_PARAM(an_attach_that_must_not_fail_makes_all_dirty,
			 rig_kinds),
	KUNIT_CASE(an_attach_that_must_not_fail_is_harmless_if_capable),
	KUNIT_CASE(an_attach_that_fails_changes_nothing),
	KUNIT_CASE(a_failed_attach_of_what_cannot_record_makes_all_dirty),
	KUNIT_CASE(a_device_that_moves_is_in_one_place),
	KUNIT_CASE(a_device_that_is_released_is_forgotten),
	KUNIT_CASE_PARAM(a_device_that_goes_leaves_no_pasid_to_its_driver,
			 rig_kinds),
	KUNIT_CASE(a_driver_without_release_is_not_asked_later),
	KUNIT_CASE(a_device_that_is_gone_is_not_asked_about),
	KUNIT_CASE(what_is_known_is_not_asked_again),
	KUNIT_CASE(a_device_that_goes_waits_for_no_other_domain),
	KUNIT_CASE_PARAM(a_nested_child_counts_for_its_parent, rig_kinds),
	KUNIT_CASE(a_capability_that_is_lost_loses_no_write),
	KUNIT_CASE(what_a_backend_says_before_it_fails_does_not_count),
	KUNIT_CASE(a_domain_that_is_freed_leaves_no_state),
	{}
};

static struct kunit_suite attach_suite = {
	.name = "iommu-dirty-attach",
	.init = init,
	.test_cases = attach_cases,
};

kunit_test_suite(attach_suite);
