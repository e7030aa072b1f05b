// SPDX-License-Identifier: GPL-2.0-only
/* What debugfs shows of a domain, word by word, in each state that it can be in */
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/uio.h>

#include "../../priv.h"
#include "rig.h"

#define PASID 11

#define RECORD IOMMU_DIRTY_CAP_RECORD
#define ATS IOMMU_DIRTY_CAP_ATS_DIRTY

static void unmount_action(void *mnt)
{
	kern_unmount(mnt);
}

/* The text of iommu_dirty/domains */
static char *show(struct kunit *test)
{
	struct vfsmount *mnt = kern_mount(get_fs_type("debugfs"));
	char *text = kunit_kzalloc(test, SZ_64K, GFP_KERNEL);
	struct kvec vec = { .iov_base = text, .iov_len = SZ_64K - 1 };
	struct kiocb iocb;
	struct iov_iter iter;
	struct path root;
	struct file *file;
	ssize_t got;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	KUNIT_ASSERT_EQ(test,
			kunit_add_action_or_reset(test, unmount_action, mnt), 0);
	KUNIT_ASSERT_NOT_NULL(test, text);
	root = (struct path){ .mnt = mnt, .dentry = mnt->mnt_root };
	file = file_open_root(&root, "iommu_dirty/domains", O_RDONLY, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	init_sync_kiocb(&iocb, file);
	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, vec.iov_len);
	do
		got = seq_read_iter(&iocb, &iter);
	while (got > 0 && iov_iter_count(&iter));
	KUNIT_EXPECT_EQ(test, got, 0);
	fput(file);
	return text;
}

/* The part that is about @hd, with its numbers replaced by what a query says */
static const char *shown(struct kunit *test, struct hwm_domain *hd)
{
	char title[32], *text = show(test), *part, *end;

	scnprintf(title, sizeof(title), "domain %u\n", hd->domain.dirty->id);
	part = strstr(text, title);
	KUNIT_ASSERT_NOT_NULL(test, part);
	part += strlen(title);
	end = strstr(part, "\ndomain ");
	if (end)
		end[1] = '\0';
	return part;
}

/**
 * expect_shown() - compare what is shown of a domain
 * @test: test
 * @hd: domain
 * @table: its backend, stage and capability
 * @state: mode, reason and policy
 * @devices: lines that follow
 */
static void expect_shown(struct kunit *test, struct hwm_domain *hd,
			 const char *table, const char *state,
			 const char *devices)
{
	struct iommu_dirty_info info = rig_query(hd);
	char *want = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, want);
	scnprintf(want, SZ_4K,
		  "  backend: %s\n"
		  "  mode: %s, change %llu\n"
		  "  reads: %llu in %llu ns, %llu flushes, leaf sizes seen %#llx\n"
		  "  leaves: %llu walked, %llu dirty, %llu cleared\n"
		  "%s",
		  table, state, info.seq, info.reads, info.time_ns,
		  info.flushes, info.seen_leaf_sizes, info.leaves, info.dirty,
		  info.cleared, devices);
	KUNIT_EXPECT_STREQ(test, shown(test, hd), want);
}

#define TABLE "kunit-model, stage 2, leaf sizes 0x40201000\n  capability:"
#define DEVICE "  device: hwm, capability"

static void set_policy(struct rig *rig, enum iommu_dirty_policy policy)
{
	KUNIT_EXPECT_EQ(rig->hw->test,
			iommu_dirty_set_policy(&rig->hd->domain, rig->hw->test,
					       policy), 0);
}

static void every_mode_and_policy_has_a_name(struct kunit *test)
{
	struct rig *rig = test->priv;

	expect_shown(test, rig->hd, TABLE " record",
		     "off, reason none, policy plain", DEVICE " record\n");
	set_policy(rig, IOMMU_DIRTY_POLICY_STRICT);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_shown(test, rig->hd, TABLE " record",
		     "exact, reason none, policy strict", DEVICE " record\n");
	set_policy(rig, IOMMU_DIRTY_POLICY_DEGRADE);
	rig->dev->caps = 0;
	KUNIT_ASSERT_EQ(test, rig_attach_must(rig->hd, rig->dev), 0);
	expect_shown(test, rig->hd, TABLE " none",
		     "all-dirty, reason device, policy degrade",
		     DEVICE " none\n");
}

static void every_reason_has_a_name(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *other = rig_device(rig, rig->hd);
	struct hwm_domain *nobodys = hwm_domain_new(rig->hw);
	static const struct iommu_ops others;

	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 5));
	hwm_fail(rig->hw, BIT(HWM_FLUSH), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_read(rig, rig->at.small, rig->at.medium - 1,
				       0), -EIO);
	expect_shown(test, rig->hd, TABLE " record",
		     "all-dirty, reason flush, policy plain",
		     DEVICE " record\n" DEVICE " record\n");

	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_fail(rig->hw, BIT(HWM_CAPABILITY), 1, false, -EIO);
	hwm_device_free(other);
	expect_shown(test, rig->hd, TABLE " none",
		     "all-dirty, reason backend, policy plain",
		     DEVICE " record\n");

	nobodys->domain.owner = &others;
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(&nobodys->domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE), 0);
	KUNIT_ASSERT_EQ(test, rig_start(nobodys, test), 0);
	expect_shown(test, nobodys, "none, stage 0, leaf sizes 0x0\n  capability: none",
		     "all-dirty, reason table, policy degrade", "");
}

static void every_device_is_shown(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_device *dev;
	struct hwm_domain *hd;

	rig->hw->caps = IOMMU_DIRTY_CAP_ABILITIES;
	hd = hwm_domain_new(rig->hw);
	expect_shown(test, hd, TABLE " record split merge table-access",
		     "off, reason none, policy plain", "");

	dev = hwm_device_new(rig->hw);
	dev->caps = RECORD | IOMMU_DIRTY_CAP_CAVEATS;
	KUNIT_ASSERT_EQ(test, rig_attach(hd, dev), 0);
	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_dev_pasid(&hd->domain, &rig->dev->dev,
						  PASID, NULL), 0);
	expect_shown(test, hd, TABLE " record born-dirty ats-dirty",
		     "off, reason none, policy plain",
		     DEVICE " record born-dirty ats-dirty\n"
		     "  device: hwm pasid 11, capability record\n");

	/* Each domain has its own */
	expect_shown(test, rig->hd, TABLE " record",
		     "off, reason none, policy plain", DEVICE " record\n");
	hwm_device_free(rig->dev);
	hwm_domain_free(rig->hd);
	KUNIT_EXPECT_NOT_NULL(test, shown(test, hd));
}

static void every_count_is_shown(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_dirty_info info;

	rig_map_layout(rig);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	hwm_write(rig->dev, rig_page(rig, 5));
	hwm_write(rig->dev, rig->at.medium);
	hwm_write(rig->dev, rig->at.large);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last,
				       IOMMU_DIRTY_READ_NO_CLEAR), 0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->at.last, 0), 0);

	/* No two of them are the same */
	info = rig_query(rig->hd);
	KUNIT_EXPECT_EQ(test, info.reads, 2);
	KUNIT_EXPECT_EQ(test, info.dirty, 6);
	KUNIT_EXPECT_EQ(test, info.cleared, 3);
	KUNIT_EXPECT_GT(test, info.flushes, 6);
	KUNIT_EXPECT_NE(test, info.flushes, info.leaves);
	expect_shown(test, rig->hd, TABLE " record",
		     "exact, reason none, policy plain", DEVICE " record\n");
}

static struct kunit_case debugfs_cases[] = {
	KUNIT_CASE(every_mode_and_policy_has_a_name),
	KUNIT_CASE(every_reason_has_a_name),
	KUNIT_CASE(every_device_is_shown),
	KUNIT_CASE(every_count_is_shown),
	{}
};

static struct kunit_suite debugfs_suite = {
	.name = "iommu-dirty-debugfs",
	.init = rig_init,
	.test_cases = debugfs_cases,
};

kunit_test_suite(debugfs_suite);
