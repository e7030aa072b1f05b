// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufd as a consumer: what its ioctls do with an I/O page table whose areas the test
 * has made, one that is being mapped among them, and a domain of the model's.
 */
#include <linux/interval_tree.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "../../../iommufd/io_pagetable.h"
#include "../../../iommufd/iommufd_private.h"
#include "../../iommufd-dirty.h"
#include "rig.h"

#define CHUNK_PAGES 64
#define NR_AREAS 3

/**
 * struct ioas - an I/O page table with three adjacent areas of 64 pages
 * @iopt: it
 * @area: writable, writable, and read-only as far as iommufd says
 * @bits: a bitmap in user memory
 */
struct ioas {
	struct io_pagetable iopt;
	struct iopt_area area[NR_AREAS];
	unsigned long bits;
};

static struct ioas *ioas_new(struct rig *rig)
{
	struct kunit *test = rig->hw->test;
	struct ioas *ioas = kunit_kzalloc(test, sizeof(*ioas), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, ioas);
	init_rwsem(&ioas->iopt.iova_rwsem);
	ioas->iopt.area_itree = RB_ROOT_CACHED;
	for (i = 0; i < NR_AREAS; i++) {
		struct iopt_area *area = &ioas->area[i];

		area->node.start = rig_page(rig, i * CHUNK_PAGES);
		area->node.last = rig_page(rig, (i + 1) * CHUNK_PAGES) - 1;
		area->iommu_prot = IOMMU_READ | (i < 2 ? IOMMU_WRITE : 0);
		/* Not looked at */
		area->pages = (struct iopt_pages *)ioas;
		interval_tree_insert(&area->node, &ioas->iopt.area_itree);
	}
	ioas->bits = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
				   PROT_READ | PROT_WRITE,
				   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (!ioas->bits || IS_ERR_VALUE(ioas->bits))
		kunit_skip(test, "no user memory in this kernel's tests");
	return ioas;
}

/* The thread's end gives back one reference of the two that the bitmap took */
static void ioas_done(void)
{
	struct mm_struct *mm = current->mm;

	kthread_unuse_mm(mm);
	mmput(mm);
}

static int track(struct rig *rig, struct ioas *ioas, bool enable)
{
	return iommufd_dirty_set_tracking(&ioas->iopt, &rig->hd->domain,
					  enable);
}

/* Read pages @first to @last; how many bits are set, the first 64 in @map */
static int get(struct rig *rig, struct ioas *ioas, unsigned int first,
	       unsigned int last, unsigned int pages_a_bit, unsigned long flags,
	       u64 *map, unsigned int *count)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.iova = rig_page(rig, first),
		.length = (u64)(last - first + 1) * rig->page,
		.page_size = pages_a_bit * rig->page,
		.data = ioas->bits,
	};
	struct kunit *test = rig->hw->test;
	u64 words[NR_AREAS] = {};
	unsigned int i;
	int ret;

	ret = clear_user((void __user *)ioas->bits, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ret = iommufd_dirty_get_bitmap(&ioas->iopt, &rig->hd->domain, flags,
				       &cmd);
	KUNIT_ASSERT_EQ(test,
			copy_from_user(words, (void __user *)ioas->bits,
				       sizeof(words)),
			0);
	*map = words[0];
	*count = 0;
	for (i = 0; i < NR_AREAS; i++)
		*count += hweight64(words[i]);
	return ret;
}

static void expect_bits(struct rig *rig, struct ioas *ioas, unsigned int first,
			unsigned int last, unsigned int pages_a_bit,
			unsigned long flags, u64 want, unsigned int many)
{
	struct kunit *test = rig->hw->test;
	unsigned int count;
	u64 map;

	KUNIT_EXPECT_EQ(test,
			get(rig, ioas, first, last, pages_a_bit, flags, &map,
			    &count),
			0);
	KUNIT_EXPECT_EQ(test, map, want);
	KUNIT_EXPECT_EQ(test, count, many);
}

static void asking_twice_succeeds(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ioas *ioas = ioas_new(rig);
	struct iommu_domain *domain = &rig->hd->domain;
	unsigned int count;
	u64 map;

	KUNIT_EXPECT_EQ(test, track(rig, ioas, false), 0);
	KUNIT_EXPECT_EQ(test, get(rig, ioas, 0, 63, 1, 0, &map, &count),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, track(rig, ioas, true), 0);
	hwm_write(rig->dev, rig_page(rig, 3));
	KUNIT_EXPECT_EQ(test, track(rig, ioas, true), 0);
	expect_bits(rig, ioas, 0, 63, 1, 0, BIT(3), 1);
	/* It is the I/O page table's */
	KUNIT_EXPECT_EQ(test, iommu_dirty_stop(domain, test), -EBUSY);
	KUNIT_EXPECT_EQ(test, track(rig, ioas, false), 0);
	KUNIT_EXPECT_EQ(test, track(rig, ioas, false), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_OFF, IOMMU_DIRTY_REASON_NONE);
	ioas_done();
}

static void an_error_of_the_core_is_told(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ioas *ioas = ioas_new(rig);
	unsigned int count;
	u64 map;

	hwm_fail(rig->hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, track(rig, ioas, true), -EIO);
	KUNIT_EXPECT_EQ(test, track(rig, ioas, true), 0);
	hwm_write(rig->dev, rig_page(rig, 3));
	hwm_fail(rig->hw, BIT(HWM_WALK), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, get(rig, ioas, 0, 63, 1, 0, &map, &count), -EIO);
	expect_bits(rig, ioas, 0, 63, 1, 0, BIT(3), 1);
	ioas_done();
}

static void only_a_read_that_may_clears(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ioas *ioas = ioas_new(rig);
	const unsigned long no_clear = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR;

	KUNIT_ASSERT_EQ(test, track(rig, ioas, true), 0);
	hwm_write(rig->dev, rig_page(rig, 7));
	hwm_write(rig->dev, rig_page(rig, 130));
	expect_bits(rig, ioas, 0, 191, 1, no_clear, BIT(7), 2);
	expect_bits(rig, ioas, 0, 191, 1, no_clear, BIT(7), 2);
	expect_bits(rig, ioas, 0, 191, 1, 0, BIT(7), 2);
	expect_bits(rig, ioas, 0, 191, 1, 0, 0, 0);
	ioas_done();
}

/* From the middle of one area to the middle of another, and not beyond */
static void a_read_goes_from_its_first_page_to_its_last(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ioas *ioas = ioas_new(rig);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, track(rig, ioas, true), 0);
	for (i = 0; i < 192; i++)
		hwm_write(rig->dev, rig_page(rig, i));
	expect_bits(rig, ioas, 40, 140, 1, 0, ~0ULL, 101);
	expect_bits(rig, ioas, 38, 142, 1, 0, BIT(0) | BIT(1), 4);
	/* Those before, and those after; two pages to a bit */
	expect_bits(rig, ioas, 0, 191, 2, 0, BIT(19) - 1, 19 + 25);
	expect_bits(rig, ioas, 0, 191, 1, 0, 0, 0);
	ioas_done();
}

/* It is being mapped or unmapped, and its tables may be going */
static void an_area_without_pages_is_left_out(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ioas *ioas = ioas_new(rig);
	struct iopt_pages *pages = ioas->area[1].pages;

	KUNIT_ASSERT_EQ(test, track(rig, ioas, true), 0);
	hwm_write(rig->dev, rig_page(rig, 10));
	hwm_write(rig->dev, rig_page(rig, 70));
	hwm_write(rig->dev, rig_page(rig, 140));
	ioas->area[1].pages = NULL;
	expect_bits(rig, ioas, 0, 191, 1, 0, BIT(10), 2);
	expect_bits(rig, ioas, 0, 191, 1, 0, 0, 0);
	ioas->area[1].pages = pages;
	expect_bits(rig, ioas, 0, 191, 1, 0, 0, 1);

	/* Nor is it made clean by a start */
	hwm_write(rig->dev, rig_page(rig, 70));
	KUNIT_ASSERT_EQ(test, track(rig, ioas, false), 0);
	ioas->area[1].pages = NULL;
	KUNIT_ASSERT_EQ(test, track(rig, ioas, true), 0);
	ioas->area[1].pages = pages;
	expect_bits(rig, ioas, 0, 191, 1, 0, 0, 1);
	ioas_done();
}

static void all_dirty_is_what_devices_may_write(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ioas *ioas = ioas_new(rig);
	struct hwm_device *unable = hwm_device_new(rig->hw);

	unable->caps = 0;
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(&rig->hd->domain, &ioas->iopt,
					       IOMMU_DIRTY_POLICY_DEGRADE),
			0);
	KUNIT_ASSERT_EQ(test, rig_attach(rig->hd, unable), 0);
	KUNIT_ASSERT_EQ(test, track(rig, ioas, true), 0);
	rig_expect_mode(rig, IOMMU_DIRTY_MODE_ALL_DIRTY,
			IOMMU_DIRTY_REASON_DEVICE);
	expect_bits(rig, ioas, 0, 191, 1, 0, ~0ULL, 128);
	expect_bits(rig, ioas, 100, 191, 1, 0, BIT(28) - 1, 28);
	ioas_done();
}

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
	return 0;
}

static struct kunit_case iommufd_cases[] = {
	KUNIT_CASE(asking_twice_succeeds),
	KUNIT_CASE(an_error_of_the_core_is_told),
	KUNIT_CASE(only_a_read_that_may_clears),
	KUNIT_CASE(a_read_goes_from_its_first_page_to_its_last),
	KUNIT_CASE(an_area_without_pages_is_left_out),
	KUNIT_CASE(all_dirty_is_what_devices_may_write),
	{}
};

static struct kunit_suite iommufd_suite = {
	.name = "iommu-dirty-iommufd",
	.init = init,
	.test_cases = iommufd_cases,
};

kunit_test_suite(iommufd_suite);
