// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU dirty tracking: /sys/kernel/debug/iommu_dirty/domains, a view of every domain
 * that may be tracked and has been used.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/seq_file.h>

#include "core.h"

static const char *const modes[] = {
	[IOMMU_DIRTY_MODE_OFF] = "off",
	[IOMMU_DIRTY_MODE_EXACT] = "exact",
	[IOMMU_DIRTY_MODE_ALL_DIRTY] = "all-dirty",
};

static const char *const reasons[] = {
	[IOMMU_DIRTY_REASON_NONE] = "none",
	[IOMMU_DIRTY_REASON_DEVICE] = "device",
	[IOMMU_DIRTY_REASON_FLUSH] = "flush",
	[IOMMU_DIRTY_REASON_BACKEND] = "backend",
	[IOMMU_DIRTY_REASON_TABLE] = "table",
};

static const char *const policies[] = {
	[IOMMU_DIRTY_POLICY_PLAIN] = "plain",
	[IOMMU_DIRTY_POLICY_STRICT] = "strict",
	[IOMMU_DIRTY_POLICY_DEGRADE] = "degrade",
};

static const char *const abilities[] = {
	"record", "split", "merge", "table-access", "born-dirty", "ats-dirty",
};

static void show_caps(struct seq_file *m, u32 flags)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(abilities); i++)
		if (flags & BIT(i))
			seq_printf(m, " %s", abilities[i]);
	if (!flags)
		seq_puts(m, " none");
}

static void show_attachments(struct seq_file *m,
			     const struct iommu_dirty_domain *dd)
{
	const struct iommu_dirty_attachment *at;

	lockdep_assert_held(&dd->attach_lock);
	list_for_each_entry(at, &dd->attachments, node) {
		seq_printf(m, "  device: %s", dev_name(at->dev));
		if (at->pasid != IOMMU_NO_PASID)
			seq_printf(m, " pasid %u", at->pasid);
		seq_puts(m, ", capability");
		show_caps(m, at->caps.flags);
		seq_putc(m, '\n');
	}
}

static int domains_show(struct seq_file *m, void *node)
{
	struct iommu_dirty_domain *dd =
		list_entry(node, struct iommu_dirty_domain, node);
	struct iommu_dirty_info info;

	iommu_dirty_snapshot(dd, &info);
	seq_printf(m, "domain %u\n", dd->id);
	seq_printf(m, "  backend: %s, stage %u, leaf sizes %#llx\n",
		   info.backend[0] ? info.backend : "none", info.caps.stage,
		   info.caps.leaf_sizes);
	seq_puts(m, "  capability:");
	show_caps(m, info.caps.flags);
	seq_printf(m, "\n  mode: %s, reason %s, policy %s, change %llu\n",
		   modes[info.mode], reasons[info.reason],
		   policies[info.policy], info.seq);
	seq_printf(m, "  reads: %llu in %llu ns, %llu flushes, leaf sizes seen %#llx\n",
		   info.reads, info.time_ns, info.flushes, info.seen_leaf_sizes);
	seq_printf(m, "  leaves: %llu walked, %llu dirty, %llu cleared\n",
		   info.leaves, info.dirty, info.cleared);

	guard(rwsem_read)(&dd->attach_lock);
	show_attachments(m, dd);
	return 0;
}

/* A buffer's fill at a time: there may be any number of domains */
static void *domains_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&iommu_dirty_domains_lock);
	return seq_list_start(&iommu_dirty_domains, *pos);
}

static void *domains_next(struct seq_file *m, void *node, loff_t *pos)
{
	return seq_list_next(node, &iommu_dirty_domains, pos);
}

static void domains_stop(struct seq_file *m, void *node)
{
	mutex_unlock(&iommu_dirty_domains_lock);
}

static const struct seq_operations domains_sops = {
	.start = domains_start,
	.next = domains_next,
	.stop = domains_stop,
	.show = domains_show,
};
DEFINE_SEQ_ATTRIBUTE(domains);

static int __init iommu_dirty_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("iommu_dirty", NULL);

	debugfs_create_file("domains", 0400, dir, NULL, &domains_fops);
	return 0;
}
late_initcall(iommu_dirty_debugfs_init);
