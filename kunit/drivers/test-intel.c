// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel's driver, with structures of its own and hardware of ours: who learns of an
 * error that stops the invalidation queue, and whether SSADE is known to be on wherever
 * a domain is: for devices and PASIDs, its own and those of nested children.
 *
 * The hardware is a thread that fetches descriptors. Registers are memory: bit 0 of the
 * fault status stands beside an error until software writes there.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/kthread.h>

#include "../../intel-slade.h"
#include "../../../intel/pasid.h"

#define FIRST_SLOT 10
#define REJECTED (QI_ABORT + 1)
#define NOBODY 0x1234	/* the requester ID of no device */

struct unit {
	struct kunit *test;
	struct intel_iommu iommu;
	struct q_inval queue;
	int free;	/* where the next submission of ours goes */
};

static struct qi_desc *desc_at(struct unit *unit, int slot)
{
	return unit->queue.desc + (slot << qi_shift(&unit->iommu));
}

static u32 get_slot(struct unit *unit, int reg)
{
	return readl(unit->iommu.reg + reg) >> qi_shift(&unit->iommu);
}

static void set_slot(struct unit *unit, int reg, int slot)
{
	writel(slot << qi_shift(&unit->iommu), unit->iommu.reg + reg);
}

static int init(struct kunit *test)
{
	struct unit *unit = kunit_kzalloc(test, sizeof(*unit), GFP_KERNEL);
	struct intel_iommu *iommu;

	KUNIT_ASSERT_NOT_NULL(test, unit);
	test->priv = unit;
	unit->test = test;
	iommu = &unit->iommu;
	iommu->reg = (void __iomem __force *)kunit_kzalloc(test, PAGE_SIZE,
							   GFP_KERNEL);
	unit->queue.desc = kunit_kcalloc(test, QI_LENGTH,
					 sizeof(struct qi_desc), GFP_KERNEL);
	unit->queue.desc_status = kunit_kcalloc(test, QI_LENGTH, sizeof(int),
						GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)iommu->reg);
	KUNIT_ASSERT_NOT_NULL(test, unit->queue.desc);
	KUNIT_ASSERT_NOT_NULL(test, unit->queue.desc_status);
	raw_spin_lock_init(&unit->queue.q_lock);
	unit->queue.free_cnt = QI_LENGTH;
	iommu->qi = &unit->queue;
	spin_lock_init(&iommu->lock);
	spin_lock_init(&iommu->device_rbtree_lock);
	iommu->device_rbtree = RB_ROOT;
	/* Coherent; scalable mode; SLADS, second stage, SMPWC */
	iommu->ecap = BIT_ULL(0) | BIT_ULL(43) | BIT_ULL(45) | BIT_ULL(46) |
		      BIT_ULL(48);
	snprintf(iommu->name, sizeof(iommu->name), "kunit");
	unit->free = FIRST_SLOT;
	return 0;
}

/* What qi_submit_sync() leaves in the queue; returns the first slot */
static int put(struct unit *unit, int n, const u64 *types)
{
	int first = unit->free, i;

	for (i = 0; i <= n; i++) {
		int slot = (first + i) % QI_LENGTH;
		struct qi_desc *desc = desc_at(unit, slot);

		*desc = (struct qi_desc){ .qw0 = i < n ? types[i] : QI_IWD_TYPE };
		if (i == n) {
			desc->qw0 |= QI_IWD_STATUS_DATA(QI_DONE) |
				     QI_IWD_STATUS_WRITE;
			desc->qw1 = virt_to_phys(&unit->queue.desc_status[slot]);
		}
		unit->queue.desc_status[slot] = QI_IN_USE;
	}
	unit->free = (first + n + 1) % QI_LENGTH;
	set_slot(unit, DMAR_IQT_REG, unit->free);
	return first;
}

/* Carry out one descriptor: only waits have effects here */
static void run_desc(struct unit *unit, int slot)
{
	const struct qi_desc *desc = desc_at(unit, slot);

	if ((desc->qw0 & GENMASK_ULL(3, 0)) == QI_IWD_TYPE)
		WRITE_ONCE(*(int *)phys_to_virt(desc->qw1), desc->qw0 >> 32);
}

static void run_to(struct unit *unit, int slot)
{
	int head = get_slot(unit, DMAR_IQH_REG);

	for (; head != slot; head = (head + 1) % QI_LENGTH)
		run_desc(unit, head);
	set_slot(unit, DMAR_IQH_REG, slot);
}

static void stop_with(struct unit *unit, u32 fault, int head)
{
	set_slot(unit, DMAR_IQH_REG, head);
	writel(fault | 1, unit->iommu.reg + DMAR_FSTS_REG);
}

/* Whoever polls has let the queue go on */
static void expect_released(struct unit *unit, u32 fault)
{
	KUNIT_EXPECT_EQ(unit->test, readl(unit->iommu.reg + DMAR_FSTS_REG),
			fault);
	writel(0, unit->iommu.reg + DMAR_FSTS_REG);
}

static int poll(struct unit *unit, int wait)
{
	return iommu_dirty_intel_queue_poll(&unit->iommu, wait);
}

static int result(struct unit *unit, int first, int n)
{
	return iommu_dirty_intel_queue_result(&unit->iommu, first,
					      (first + n) % QI_LENGTH);
}

static const u64 leaves[] = { QI_IOTLB_TYPE, QI_IOTLB_TYPE, QI_IOTLB_TYPE };
static const u64 with_device[] = { QI_IOTLB_TYPE,
				   QI_DIOTLB_TYPE | QI_DEV_IOTLB_SID(NOBODY) };

/* Whichever of its descriptors it is, and whoever polls */
static void a_rejected_descriptor_is_its_submitters(struct kunit *test)
{
	struct unit *unit = test->priv;
	int bad, poller;

	for (bad = 0; bad < 3; bad++) {
		for (poller = 0; poller < 3; poller++) {
			int before = put(unit, 1, leaves);
			int mine = put(unit, 3, leaves);
			int behind = put(unit, 2, leaves);
			const int wait[] = { before + 1, mine + 3, behind + 2 };

			set_slot(unit, DMAR_IQH_REG, before);
			run_to(unit, mine + bad);
			stop_with(unit, DMA_FSTS_IQE, mine + bad);
			KUNIT_EXPECT_EQ(test, poll(unit, wait[poller]), 0);
			expect_released(unit, DMA_FSTS_IQE);
			run_to(unit, unit->free);
			KUNIT_EXPECT_EQ(test, result(unit, before, 1), 0);
			KUNIT_EXPECT_EQ(test, result(unit, mine, 3), -EINVAL);
			KUNIT_EXPECT_EQ(test, result(unit, behind, 2), 0);
		}
	}
}

static void a_rejected_wait_is_over(struct kunit *test)
{
	struct unit *unit = test->priv;
	int mine = put(unit, 1, leaves), behind = put(unit, 1, leaves);

	set_slot(unit, DMAR_IQH_REG, mine);
	run_to(unit, mine + 1);
	stop_with(unit, DMA_FSTS_IQE, mine + 1);
	KUNIT_EXPECT_EQ(test, poll(unit, behind + 1), 0);
	expect_released(unit, DMA_FSTS_IQE);
	run_to(unit, unit->free);
	KUNIT_EXPECT_EQ(test, poll(unit, mine + 1), -EAGAIN);
	KUNIT_EXPECT_EQ(test, result(unit, mine, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, result(unit, behind, 1), 0);
}

/* All that was fetched is submitted again, but for what is for a device that is gone */
static void a_timeout_is_for_the_device_that_is_gone(struct kunit *test)
{
	struct unit *unit = test->priv;
	int fetched, poller;

	/* How far the hardware has come in the submission behind: not at all, partly */
	for (fetched = 0; fetched < 3; fetched++) {
		for (poller = 0; poller < 3; poller++) {
			int gone = put(unit, 2, with_device);
			int next = put(unit, 1, leaves);
			int last = put(unit, 3, leaves);
			const int wait[] = { gone + 2, next + 1, last + 3 };

			stop_with(unit, DMA_FSTS_ITE, last + fetched);
			poll(unit, wait[poller]);
			expect_released(unit, DMA_FSTS_ITE);
			KUNIT_EXPECT_EQ(test, poll(unit, gone + 2), -EAGAIN);
			KUNIT_EXPECT_EQ(test, poll(unit, next + 1), -EAGAIN);
			KUNIT_EXPECT_EQ(test, poll(unit, last + 3), 0);
			run_to(unit, unit->free);
			KUNIT_EXPECT_EQ(test, result(unit, gone, 2), -ETIMEDOUT);
			KUNIT_EXPECT_EQ(test, result(unit, next, 1), -EAGAIN);
			KUNIT_EXPECT_EQ(test, result(unit, last, 3),
					fetched ? -EAGAIN : 0);
			memset(unit->queue.desc_status, 0,
			       QI_LENGTH * sizeof(int));
		}
	}
}

/* The wait is carried out in the end, and says nothing of what was before it */
static void a_wait_that_the_queue_stopped_at_proves_nothing(struct kunit *test)
{
	struct unit *unit = test->priv;
	int mine = put(unit, 2, with_device), behind = put(unit, 1, leaves);

	stop_with(unit, DMA_FSTS_ITE, mine + 2);
	KUNIT_EXPECT_EQ(test, poll(unit, behind + 1), 0);
	expect_released(unit, DMA_FSTS_ITE);
	KUNIT_EXPECT_EQ(test, poll(unit, mine + 2), 0);
	run_to(unit, unit->free);
	KUNIT_EXPECT_EQ(test, unit->queue.desc_status[mine + 2], QI_DONE);
	KUNIT_EXPECT_EQ(test, result(unit, mine, 2), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, result(unit, behind, 1), 0);
}

/* Where the queue begins anew, and when all of it has been fetched */
static void a_timeout_goes_round_the_ring(struct kunit *test)
{
	struct unit *unit = test->priv;
	int at;

	for (at = QI_LENGTH - 3; at < QI_LENGTH + 1; at++) {
		int first, second;

		unit->free = at % QI_LENGTH;
		first = put(unit, 1, leaves);
		second = put(unit, 2, with_device);
		stop_with(unit, DMA_FSTS_ITE, unit->free);
		poll(unit, (first + 1) % QI_LENGTH);
		expect_released(unit, DMA_FSTS_ITE);
		KUNIT_EXPECT_EQ(test, poll(unit, (first + 1) % QI_LENGTH),
				-EAGAIN);
		KUNIT_EXPECT_EQ(test, result(unit, first, 1), -EAGAIN);
		KUNIT_EXPECT_EQ(test, result(unit, second, 2), -ETIMEDOUT);
		memset(unit->queue.desc_status, 0, QI_LENGTH * sizeof(int));
	}
}

static void an_answer_that_nobody_waits_for_fails_nothing(struct kunit *test)
{
	struct unit *unit = test->priv;
	int mine = put(unit, 1, leaves);

	stop_with(unit, DMA_FSTS_ICE, mine);
	KUNIT_EXPECT_EQ(test, poll(unit, mine + 1), 0);
	expect_released(unit, DMA_FSTS_ICE);
	run_to(unit, unit->free);
	KUNIT_EXPECT_EQ(test, result(unit, mine, 1), 0);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(a_rejected_descriptor_is_its_submitters),
	KUNIT_CASE(a_rejected_wait_is_over),
	KUNIT_CASE(a_timeout_is_for_the_device_that_is_gone),
	KUNIT_CASE(a_wait_that_the_queue_stopped_at_proves_nothing),
	KUNIT_CASE(a_timeout_goes_round_the_ring),
	KUNIT_CASE(an_answer_that_nobody_waits_for_fails_nothing),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "iommu-dirty-intel-queue",
	.init = init,
	.test_cases = queue_cases,
};

/*
 * A parent domain and a child nested on it, each with a device and with a PASID of
 * another. PASID 0 is a device's own requests.
 */
#define ENTRIES 4
#define PARENT_DID 7
#define CHILD_DID 9

static const struct {
	unsigned int dev;
	bool child;
	u32 pasid;
} entry_is[ENTRIES] = {
	{ 0, false, 0 }, { 1, false, 5 }, { 2, true, 0 }, { 1, true, 6 },
};

struct machine {
	struct unit *unit;
	struct device *dev[3];
	struct dev_iommu dev_iommu[3];
	struct device_domain_info info[3];
	struct pasid_table table[3];
	struct dev_pasid_info dev_pasid[ENTRIES];
	struct dmar_domain parent, child;
	struct iommu_domain_info parent_did, child_did;
	struct task_struct *hardware;
	int count;		/* invalidations so far */
	int reject;		/* the one that is rejected */
	bool entry_forgotten[ENTRIES], leaves_forgotten[ENTRIES];
};

static struct pasid_entry *entry_of(struct machine *m, unsigned int i)
{
	struct pasid_dir_entry *dir = m->table[entry_is[i].dev].table;

	return get_pasid_table_from_pde(&dir[0]) + entry_is[i].pasid;
}

static bool ssade(struct machine *m, unsigned int i)
{
	return READ_ONCE(entry_of(m, i)->val[0]) & BIT(9);
}

/* What the invalidation makes the hardware forget, now that SSADE is as it is */
static void carry_out(struct machine *m, const struct qi_desc *desc)
{
	u16 did = desc->qw0 >> 16;
	u32 pasid = desc->qw0 >> 32 & GENMASK(19, 0);
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		if (did != (entry_is[i].child ? CHILD_DID : PARENT_DID) ||
		    !ssade(m, i))
			continue;
		switch (desc->qw0 & GENMASK_ULL(3, 0)) {
		case QI_PC_TYPE:
			if (pasid == entry_is[i].pasid)
				m->entry_forgotten[i] = true;
			break;
		case QI_IOTLB_TYPE:
			/* What comes back is made from the entry */
			m->leaves_forgotten[i] = m->entry_forgotten[i];
			break;
		}
	}
}

/* Nobody sees a register between what software writes there and what comes of it */
static void hardware_step(struct machine *m)
{
	struct unit *unit = m->unit;
	void __iomem *fsts = unit->iommu.reg + DMAR_FSTS_REG;
	u32 head = get_slot(unit, DMAR_IQH_REG);
	struct qi_desc *desc = desc_at(unit, head);

	/* Software has written there: cleared */
	if (!(readl(fsts) & 1))
		writel(0, fsts);
	if (readl(fsts) || head == get_slot(unit, DMAR_IQT_REG))
		return;
	if ((desc->qw0 & GENMASK_ULL(3, 0)) != QI_IWD_TYPE) {
		if (m->count++ == m->reject) {
			writel(DMA_FSTS_IQE | 1, fsts);
			return;
		}
		carry_out(m, desc);
	}
	run_desc(unit, head);
	set_slot(unit, DMAR_IQH_REG, (head + 1) % QI_LENGTH);
}

static int hardware(void *arg)
{
	struct machine *m = arg;

	while (!kthread_should_stop()) {
		scoped_guard(raw_spinlock_irqsave, &m->unit->queue.q_lock)
			hardware_step(m);
		cond_resched();
	}
	return 0;
}

/* The driver's, which drops the result */
static void flush_iotlb(struct intel_iommu *iommu, u16 did, u64 addr,
			unsigned int size_order, u64 type)
{
	qi_flush_iotlb(iommu, did, addr, size_order, type);
}

static void init_domain(struct machine *m, struct dmar_domain *dmar,
			struct iommu_domain_info *did, u16 id)
{
	struct kunit *test = m->unit->test;

	INIT_LIST_HEAD(&dmar->devices);
	INIT_LIST_HEAD(&dmar->dev_pasids);
	spin_lock_init(&dmar->lock);
	spin_lock_init(&dmar->cache_lock);
	xa_init(&dmar->iommu_array);
	did->did = id;
	KUNIT_ASSERT_EQ(test, xa_err(xa_store(&dmar->iommu_array, 0, did,
					      GFP_KERNEL)), 0);
}

static int init_machine(struct kunit *test)
{
	static const char *const names[] = { "vtd-0", "vtd-1", "vtd-2" };
	struct machine *m;
	unsigned int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "the hardware needs a processor of its own");
	init(test);
	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	m->unit = test->priv;
	test->priv = m;
	m->reject = -1;
	m->unit->iommu.flush.flush_iotlb = flush_iotlb;
	init_domain(m, &m->parent, &m->parent_did, PARENT_DID);
	m->parent.domain.type = IOMMU_DOMAIN_UNMANAGED;
	m->parent.nested_parent = 1;
	spin_lock_init(&m->parent.s1_lock);
	INIT_LIST_HEAD(&m->parent.s1_domains);
	init_domain(m, &m->child, &m->child_did, CHILD_DID);
	m->child.domain.type = IOMMU_DOMAIN_NESTED;
	m->child.s2_domain = &m->parent;
	list_add(&m->child.s2_link, &m->parent.s1_domains);

	for (i = 0; i < ARRAY_SIZE(m->dev); i++) {
		struct pasid_dir_entry *dir;
		void *entries;

		m->dev[i] = kunit_device_register(test, names[i]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, m->dev[i]);
		dir = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
		entries = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, dir);
		KUNIT_ASSERT_NOT_NULL(test, entries);
		dir->val = virt_to_phys(entries) | PASID_PTE_PRESENT;
		m->table[i].table = dir;
		m->table[i].max_pasid = 64;
		m->info[i].dev = m->dev[i];
		m->info[i].iommu = &m->unit->iommu;
		m->info[i].pasid_table = &m->table[i];
		m->dev_iommu[i].priv = &m->info[i];
		m->dev[i]->iommu = &m->dev_iommu[i];
	}
	for (i = 0; i < ENTRIES; i++) {
		struct dmar_domain *dmar = entry_is[i].child ? &m->child : &m->parent;
		u64 pgtt = entry_is[i].child ? PASID_ENTRY_PGTT_NESTED :
					       PASID_ENTRY_PGTT_SL_ONLY;

		entry_of(m, i)->val[0] = PASID_PTE_PRESENT | pgtt << 6;
		entry_of(m, i)->val[1] = entry_is[i].child ? CHILD_DID : PARENT_DID;
		if (!entry_is[i].pasid) {
			list_add(&m->info[entry_is[i].dev].link, &dmar->devices);
			continue;
		}
		m->dev_pasid[i].dev = m->dev[entry_is[i].dev];
		m->dev_pasid[i].pasid = entry_is[i].pasid;
		list_add(&m->dev_pasid[i].link_domain, &dmar->dev_pasids);
	}
	m->hardware = kthread_run(hardware, m, "kunit-vtd");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, m->hardware);
	return 0;
}

static void exit_machine(struct kunit *test)
{
	struct machine *m = test->priv;
	unsigned int i;

	if (!m || !m->unit)
		return;
	if (!IS_ERR_OR_NULL(m->hardware))
		kthread_stop(m->hardware);
	for (i = 0; i < ARRAY_SIZE(m->dev); i++)
		if (!IS_ERR_OR_NULL(m->dev[i]))
			m->dev[i]->iommu = NULL;
	xa_destroy(&m->parent.iommu_array);
	xa_destroy(&m->child.iommu_array);
}

static int record(struct machine *m, bool value)
{
	m->count = 0;
	memset(m->entry_forgotten, 0, sizeof(m->entry_forgotten));
	memset(m->leaves_forgotten, 0, sizeof(m->leaves_forgotten));
	return iommu_dirty_intel_backend.set_feature(&m->parent.domain,
						     IOMMU_DIRTY_FEATURE_RECORD,
						     value);
}

static void expect_on_everywhere(struct machine *m)
{
	struct kunit *test = m->unit->test;
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		KUNIT_EXPECT_TRUE_MSG(test, ssade(m, i), "entry %u", i);
		KUNIT_EXPECT_TRUE_MSG(test, m->leaves_forgotten[i],
				      "entry %u, invalidation %d rejected", i,
				      m->reject);
	}
	KUNIT_EXPECT_TRUE(test, m->parent.dirty_tracking);
}

static void expect_off_everywhere(struct machine *m)
{
	struct kunit *test = m->unit->test;
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		KUNIT_EXPECT_FALSE_MSG(test, ssade(m, i), "entry %u", i);
	KUNIT_EXPECT_FALSE(test, m->parent.dirty_tracking);
}

static void ssade_is_set_for_pasids_and_nested_children(struct kunit *test)
{
	struct machine *m = test->priv;

	KUNIT_EXPECT_EQ(test, record(m, true), 0);
	expect_on_everywhere(m);
	KUNIT_EXPECT_EQ(test, record(m, false), 0);
	expect_off_everywhere(m);
}

/* Each invalidation in turn: hardware is known to see SSADE, or the call fails */
static void a_start_knows_that_hardware_sees_ssade(struct kunit *test)
{
	struct machine *m = test->priv;
	int failed = 0;

	for (m->reject = 0; m->reject < 8 * ENTRIES; m->reject++) {
		if (record(m, true)) {
			failed++;
		} else {
			expect_on_everywhere(m);
			KUNIT_EXPECT_EQ(test, record(m, false), 0);
		}
		expect_off_everywhere(m);
	}
	/* An entry and its leaves, for each: that many must be able to fail */
	KUNIT_EXPECT_EQ(test, failed, 2 * ENTRIES);
}

/* An entry in the middle has no switch: those before it are as they were */
static void a_start_that_fails_changes_nothing(struct kunit *test)
{
	struct machine *m = test->priv;
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		u64 was = entry_of(m, i)->val[0];

		entry_of(m, i)->val[0] = PASID_PTE_PRESENT |
					 PASID_ENTRY_PGTT_PT << 6;
		KUNIT_EXPECT_EQ(test, record(m, true), -EOPNOTSUPP);
		expect_off_everywhere(m);
		entry_of(m, i)->val[0] = was;
	}
}

static struct kunit_case ssade_cases[] = {
	KUNIT_CASE(ssade_is_set_for_pasids_and_nested_children),
	KUNIT_CASE_SLOW(a_start_knows_that_hardware_sees_ssade),
	KUNIT_CASE(a_start_that_fails_changes_nothing),
	{}
};

static struct kunit_suite ssade_suite = {
	.name = "iommu-dirty-intel-ssade",
	.init = init_machine,
	.exit = exit_machine,
	.test_cases = ssade_cases,
};

kunit_test_suites(&queue_suite, &ssade_suite);
