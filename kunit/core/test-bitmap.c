// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bitmaps: the edges of the pieces in which bits are published, and bitmaps in user
 * memory. Page sizes and alignments are conformance.c's.
 */
#include <linux/bitmap.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "rig.h"

/* IOVA in one piece of a bitmap */
static unsigned long publish_span(const struct rig *rig)
{
	return 4096 * 8 * rig->page;
}

static int init(struct kunit *test)
{
	rig_init(test);
	rig_map_layout(test->priv);
	KUNIT_ASSERT_EQ(test,
			rig_start(((struct rig *)test->priv)->hd, test), 0);
	return 0;
}

static void edges_of_what_is_published_at_once(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long base = 4 * rig->chunk, off;
	unsigned long last = base + 3 * publish_span(rig) - 1;

	rig_map(rig, base, 3 * publish_span(rig), rig->page, true);
	hwm_dma(rig->dev, IOMMU_NO_PASID, base, rig->page, false);
	/* The first bit at each place of a word; pieces start at a word */
	for (off = 0; off <= 66; off += rig_rounds(11, 33)) {
		unsigned long first = base + off * rig->page;
		unsigned long edge = first + publish_span(rig), word;

		for (word = 0; word < 2; word++) {
			edge -= word * 64 * rig->page;
			hwm_dma(rig->dev, IOMMU_NO_PASID, edge - rig->page,
				2 * rig->page, true);
			hwm_write(rig->dev,
				  first + publish_span(rig) - rig->page);
			hwm_write(rig->dev, first + 2 * publish_span(rig));
			hwm_write(rig->dev, first);
			KUNIT_EXPECT_EQ(test, rig_read(rig, first, last, 0), 0);
		}
	}
}

static void one_run_through_several_pieces(struct kunit *test)
{
	struct rig *rig = test->priv;
	unsigned long base = 4 * rig->chunk;
	unsigned long last = base + 2 * publish_span(rig) - 1;

	rig_map(rig, base, 2 * publish_span(rig), rig->page, true);
	hwm_dma(rig->dev, IOMMU_NO_PASID, base, 2 * publish_span(rig), true);
	KUNIT_EXPECT_EQ(test,
			rig_read(rig, base + rig->page,
				 last - rig->page, 0),
			0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, base, last, 0), 0);
}

static void bits_that_are_set_stay_set(struct kunit *test)
{
	struct rig *rig = test->priv;
	const unsigned long nbits = rig->at.small_size / rig->page;
	struct rig_ranges mapped = rig_ranges(rig->hd);
	struct rig_bitmap bm = {};
	struct iommu_dirty_read rd = {
		.iova = rig->at.small,
		.last = rig->at.small + rig->at.small_size - 1,
		.page_size = rig->page,
		.mapped = &mapped.ranges,
		.sink = &bm.sink,
	};
	unsigned long bit;

	KUNIT_ASSERT_EQ(test, rig_bitmap_init(&bm, rig->hw, nbits, 3), 0);
	memset(bm.data, 0x55, bm.bytes);
	hwm_dma(rig->dev, IOMMU_NO_PASID, rig_page(rig, 200), 100 * rig->page,
		true);

	down_read(&rig->hd->map_lock);
	KUNIT_EXPECT_EQ(test, iommu_dirty_read(&rig->hd->domain, test, &rd), 0);
	up_read(&rig->hd->map_lock);
	rig_bitmap_intact(&bm);
	for (bit = 0; bit < nbits; bit++) {
		bool want = !(bit % 2) || (bit >= 200 && bit < 300);

		if (test_bit(bit, bm.bits) != want)
			KUNIT_FAIL(test, "bit %lu", bit);
	}
	rig_bitmap_free(&bm);
}

/*
 * A bitmap in user memory, with pages on both sides that belong to the test
 */
struct user_bitmap {
	struct rig_bitmap bm;
	struct iommu_dirty_user_sink user;
	unsigned long area;
	size_t size;
	unsigned long at;
};

static void user_fetch(struct rig_bitmap *bm)
{
	struct user_bitmap *ub = container_of(bm, struct user_bitmap, bm);
	size_t i, before = ub->at - ub->area;
	u8 byte;

	/* What cannot be read was not written either */
	for (i = 0; i < ub->size; i++) {
		if (copy_from_user(&byte, (void __user *)(ub->area + i), 1))
			continue;
		if (i >= before && i < before + bm->bytes)
			bm->data[i - before] = byte;
		else if (byte)
			KUNIT_FAIL(bm->hw->test, "byte %zd of the bitmap is %#x",
				   (ssize_t)(i - before), byte);
		if (byte && clear_user((void __user *)(ub->area + i), 1))
			KUNIT_FAIL(bm->hw->test, "a page cannot be written");
	}
}

/* Map @pages of user memory; 0 when this kernel cannot do so in a test */
static unsigned long user_pages(struct kunit *test, unsigned int pages)
{
	unsigned long addr;

	addr = kunit_vm_mmap(test, NULL, 0, pages * PAGE_SIZE,
			     PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE,
			     0);
	if (!addr || IS_ERR_VALUE(addr))
		kunit_skip(test, "no user memory in this kernel's tests: %ld",
			   (long)addr);
	return addr;
}

/* The thread's end gives back one reference of the two that user_pages() took */
static void release_user_pages(void)
{
	struct mm_struct *mm = current->mm;

	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Make page @nr of the area read-only, or take it away */
static void spoil(struct kunit *test, unsigned long area, unsigned int nr,
		  bool hole)
{
	unsigned long addr = area + nr * PAGE_SIZE;

	if (hole)
		KUNIT_ASSERT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);
	else
		KUNIT_ASSERT_EQ(test,
				vm_mmap(NULL, addr, PAGE_SIZE, PROT_READ,
					MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED,
					0),
				addr);
}

static int read_user(struct rig *rig, unsigned long area, size_t size,
		     unsigned long at, unsigned long iova, unsigned long last)
{
	struct user_bitmap ub = { .area = area, .size = size, .at = at };
	int ret;

	KUNIT_ASSERT_EQ(rig->hw->test,
			rig_bitmap_init(&ub.bm, rig->hw,
					(last - iova + 1) / rig->page, 0),
			0);
	iommu_dirty_user_sink_init(&ub.user, (void __user *)at);
	ub.bm.target = &ub.user.sink;
	ub.bm.fetch = user_fetch;
	ret = rig_read_to(rig, rig->hw->test, &ub.bm, iova, last, rig->page, 0);
	rig_bitmap_free(&ub.bm);
	return ret;
}

static void a_user_bitmap_may_have_any_address(struct kunit *test)
{
	static const unsigned int at[] = {
		0, 1, 3, 7, 8, 13, PAGE_SIZE - 1, PAGE_SIZE - 7, PAGE_SIZE - 64,
	};
	struct rig *rig = test->priv;
	unsigned long area = user_pages(test, 4);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		unsigned long first = rig_page(rig, i);

		hwm_dma(rig->dev, IOMMU_NO_PASID, rig_page(rig, 5),
			90 * rig->page, true);
		hwm_dma(rig->dev, IOMMU_NO_PASID, rig->at.small,
			rig->at.small_size, true);
		KUNIT_EXPECT_EQ(test,
				read_user(rig, area, 4 * PAGE_SIZE,
					  area + at[i], first,
					  first + 133 * rig->page - 1),
				0);
		KUNIT_EXPECT_EQ(test,
				read_user(rig, area, 4 * PAGE_SIZE,
					  area + at[i], 0,
					  4096 * rig->page - 1),
				0);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	}
	release_user_pages();
}

static void a_user_page_that_cannot_be_written(struct kunit *test, bool hole)
{
	struct rig *rig = test->priv;
	unsigned long base = 4 * rig->chunk, size = 3 * publish_span(rig);
	unsigned long area = user_pages(test, 4);
	unsigned int skew;

	/* A bitmap of three pages; the second is bad */
	rig_map(rig, base, size, rig->page, true);
	hwm_dma(rig->dev, IOMMU_NO_PASID, base, rig->page, false);
	KUNIT_EXPECT_EQ(test, rig_read(rig, base, base + size - 1, 0), 0);
	spoil(test, area, 1, hole);
	for (skew = 0; skew < 64; skew += 21) {
		unsigned long bad =
			base + publish_span(rig) - skew * 8 * rig->page;

		/* Nothing dirty there: the page is not needed */
		hwm_write(rig->dev, base);
		hwm_write(rig->dev, bad + publish_span(rig));
		KUNIT_EXPECT_EQ(test,
				read_user(rig, area, 4 * PAGE_SIZE, area + skew,
					  base, base + size - 1),
				0);

		hwm_write(rig->dev, base);
		hwm_write(rig->dev, bad);
		hwm_write(rig->dev, bad + publish_span(rig));
		KUNIT_EXPECT_EQ(test,
				read_user(rig, area, 4 * PAGE_SIZE, area + skew,
					  base, base + size - 1),
				-EFAULT);
		KUNIT_EXPECT_EQ(test, rig_read(rig, base, base + size - 1, 0),
				0);
		/* A large leaf of which a part cannot be reported */
		hwm_write(rig->dev, rig->at.large);
		KUNIT_EXPECT_EQ(test,
				read_user(rig, area, 4 * PAGE_SIZE, area + skew,
					  rig->at.large,
					  rig->at.large + size - 1),
				-EFAULT);
		KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	}
	release_user_pages();
}

static void a_read_only_user_page_is_an_error_and_loses_nothing(struct kunit *test)
{
	a_user_page_that_cannot_be_written(test, false);
}

static void a_hole_in_user_memory_is_an_error_and_loses_nothing(struct kunit *test)
{
	a_user_page_that_cannot_be_written(test, true);
}

static void an_address_that_is_not_the_users_is_an_error(struct kunit *test)
{
	const unsigned long last_page = ULONG_MAX - PAGE_SIZE + 1;
	const unsigned long bad[] = {
		0,
		TASK_SIZE,
		TASK_SIZE - 125,
		BIT(BITS_PER_LONG - 1),
		last_page - PAGE_SIZE,
		last_page - 125,
		last_page,
		last_page + 1,
		ULONG_MAX - 125,
		ULONG_MAX - 124,
		ULONG_MAX - 100,
		ULONG_MAX,
	};
	struct rig *rig = test->priv;
	unsigned int i;

	user_pages(test, 1);
	/* Bit 0 of byte 125 */
	hwm_write(rig->dev, rig_page(rig, 1000));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ(test,
				read_user(rig, 0, 0, bad[i], rig->at.small,
					  rig->at.medium - 1),
				-EFAULT);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
	release_user_pages();
}

/* What would be the next piece begins where the address space does, with page 0 */
static void a_user_bitmap_does_not_wrap_around(struct kunit *test)
{
	struct iommu_dirty_user_sink user;
	u8 data[32] = {};

	user_pages(test, 1);
	iommu_dirty_user_sink_init(&user, (void __user *)(ULONG_MAX - 15));
	/* Refused for where it ends, whether or not a bit is there */
	KUNIT_EXPECT_EQ(test, user.sink.publish(&user.sink, 0, data, 17),
			-EFAULT);
	data[16] = 1;
	data[31] = 1;
	KUNIT_EXPECT_EQ(test, user.sink.publish(&user.sink, 0, data, 32),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, user.sink.publish(&user.sink, 0, data, 17),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, user.sink.publish(&user.sink, 16, data + 16, 1),
			-EFAULT);
	/* Nothing to set: not looked at */
	KUNIT_EXPECT_EQ(test, user.sink.publish(&user.sink, 0, data, 16), 0);
	release_user_pages();
}

static void kill_when_it_publishes(struct hwm_model *hw, enum hwm_step step,
				   bool after)
{
	if (step == HWM_PUBLISH && after)
		send_sig(SIGKILL, current, 1);
}

/* A leaf can be a bitmap of gigabytes */
static void a_killed_reader_does_not_publish_on(struct kunit *test)
{
	struct rig *rig = test->priv;
	int ret;

	hwm_write(rig->dev, rig->at.large);
	rig->hw->calls[HWM_PUBLISH] = 0;
	rig->hw->calls[HWM_CLEAR] = 0;
	rig->hw->watch = kill_when_it_publishes;
	allow_kernel_signal(SIGKILL);
	ret = rig_read(rig, rig->at.large, rig->at.large + rig->large - 1, 0);
	disallow_signal(SIGKILL);
	flush_signals(current);
	rig->hw->watch = NULL;
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_PUBLISH], 1);
	KUNIT_EXPECT_EQ(test, rig->hw->calls[HWM_CLEAR], 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);
}

static struct kunit_case bitmap_cases[] = {
	KUNIT_CASE(edges_of_what_is_published_at_once),
	KUNIT_CASE(one_run_through_several_pieces),
	KUNIT_CASE(bits_that_are_set_stay_set),
	KUNIT_CASE(a_user_bitmap_may_have_any_address),
	KUNIT_CASE(a_read_only_user_page_is_an_error_and_loses_nothing),
	KUNIT_CASE(a_hole_in_user_memory_is_an_error_and_loses_nothing),
	KUNIT_CASE(an_address_that_is_not_the_users_is_an_error),
	KUNIT_CASE(a_user_bitmap_does_not_wrap_around),
	KUNIT_CASE(a_killed_reader_does_not_publish_on),
	{}
};

static struct kunit_suite bitmap_suite = {
	.name = "iommu-dirty-bitmap",
	.init = init,
	.test_cases = bitmap_cases,
};

kunit_test_suite(bitmap_suite);
