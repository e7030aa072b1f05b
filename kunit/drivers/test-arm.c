// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which domains a failed command of an SMMUv3's queue concerns: a queue in plain memory,
 * as the driver and the hardware leave it when they stop at an error.
 */
#include <kunit/test.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>

#include "../../arm-failures.h"

#define SHIFT	8
#define SIZE	BIT(SHIFT)

#define ASID	7
#define VMID	9

struct arm {
	struct iommu_dirty_arm_failures failures;
	struct arm_smmu_queue q;
	u32 prod;
};

static int arm_init(struct kunit *test)
{
	struct arm *arm = kunit_kzalloc(test, sizeof(*arm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, arm);
	arm->q.base = kunit_kcalloc(test, SIZE, CMDQ_ENT_DWORDS * sizeof(u64),
				    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, arm->q.base);
	arm->q.ent_dwords = CMDQ_ENT_DWORDS;
	arm->q.llq.max_n_shift = SHIFT;
	test->priv = arm;
	return 0;
}

static u32 put(struct arm *arm, u64 quad)
{
	__le64 *entry = (__le64 *)Q_ENT(&arm->q, arm->prod);
	u32 at = arm->prod;

	entry[0] = cpu_to_le64(quad);
	entry[1] = 0;
	arm->prod = (arm->prod + 1) & (2 * SIZE - 1);
	arm->q.llq.prod = arm->prod;
	return at;
}

static u32 put_sync(struct arm *arm)
{
	return put(arm, CMDQ_OP_CMD_SYNC);
}

static u64 atc(u32 sid)
{
	return CMDQ_OP_ATC_INV | FIELD_PREP(CMDQ_ATC_0_SID, sid);
}

static u64 tlbi(u32 asid)
{
	return CMDQ_OP_TLBI_NH_VA | FIELD_PREP(CMDQ_TLBI_0_ASID, asid);
}

static void stop(struct arm *arm, u32 at, u32 error)
{
	arm_note_error(&arm->failures, &arm->q,
		       at | FIELD_PREP(CMDQ_CONS_ERR, error));
}

static void expect_noted(struct kunit *test, u64 n, u32 about, u32 id)
{
	struct arm *arm = test->priv;
	struct iommu_dirty_arm_failure f = arm_noted(&arm->failures, n);

	KUNIT_EXPECT_EQ(test, f.about, about);
	KUNIT_EXPECT_EQ(test, f.id, id);
}

static void an_atc_timeout_is_about_the_devices_of_its_sync(struct kunit *test)
{
	struct arm *arm = test->priv;
	u32 at;

	put(arm, atc(1));
	put_sync(arm);
	put(arm, tlbi(ASID));
	put(arm, atc(2));
	put(arm, atc(3));
	at = put_sync(arm);
	put(arm, atc(4));
	put_sync(arm);
	stop(arm, at, CMDQ_ERR_CERROR_ATC_INV_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 2);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_STREAM, 3);
	expect_noted(test, 1, IOMMU_DIRTY_ARM_STREAM, 2);
}

/* One CPU's commands, so many that they have no CMD_SYNC yet; then another's */
static void an_atc_timeout_found_by_another_cpu(struct kunit *test)
{
	struct arm *arm = test->priv;
	u32 at, n;

	put_sync(arm);
	for (n = 0; n < CMDQ_BATCH_ENTRIES; n++)
		put(arm, atc(2));
	put(arm, tlbi(ASID));
	at = put_sync(arm);
	stop(arm, at, CMDQ_ERR_CERROR_ATC_INV_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, CMDQ_BATCH_ENTRIES);
	for (n = 0; n < CMDQ_BATCH_ENTRIES; n++)
		expect_noted(test, n, IOMMU_DIRTY_ARM_STREAM, 2);
}

static void a_sync_that_ended_with_an_msi_is_one(struct kunit *test)
{
	struct arm *arm = test->priv;
	u32 at;

	put(arm, atc(1));
	put(arm, 0);
	put(arm, atc(2));
	at = put_sync(arm);
	stop(arm, at, CMDQ_ERR_CERROR_ATC_INV_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 1);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_STREAM, 2);
}

static void the_queue_goes_round(struct kunit *test)
{
	struct arm *arm = test->priv;
	u32 at, n;

	for (n = 0; n < SIZE - 2; n++)
		put(arm, tlbi(ASID));
	put_sync(arm);
	put(arm, atc(2));
	put(arm, atc(3));
	at = put_sync(arm);
	KUNIT_ASSERT_EQ(test, at, SIZE + 1);
	stop(arm, at, CMDQ_ERR_CERROR_ATC_INV_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 2);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_STREAM, 3);
	expect_noted(test, 1, IOMMU_DIRTY_ARM_STREAM, 2);
}

/* Others have claimed the places of what was consumed */
static void what_was_overwritten_is_about_all(struct kunit *test)
{
	struct arm *arm = test->priv;
	u32 at, n;

	put_sync(arm);
	put(arm, atc(2));
	put(arm, atc(3));
	at = put_sync(arm);
	for (n = 0; n < SIZE - 2; n++)
		put(arm, tlbi(ASID));
	stop(arm, at, CMDQ_ERR_CERROR_ATC_INV_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 2);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_STREAM, 3);
	expect_noted(test, 1, IOMMU_DIRTY_ARM_ALL, 0);
}

static void an_illegal_command_is_about_whom_it_names(struct kunit *test)
{
	const struct {
		u64 quad;
		u32 about, id;
	} cases[] = {
		{ CMDQ_OP_TLBI_NH_VA | FIELD_PREP(CMDQ_TLBI_0_ASID, ASID),
		  IOMMU_DIRTY_ARM_ASID, ASID },
		{ CMDQ_OP_TLBI_NH_ASID | FIELD_PREP(CMDQ_TLBI_0_ASID, ASID),
		  IOMMU_DIRTY_ARM_ASID, ASID },
		{ CMDQ_OP_TLBI_EL2_VA | FIELD_PREP(CMDQ_TLBI_0_ASID, ASID),
		  IOMMU_DIRTY_ARM_ASID, ASID },
		{ CMDQ_OP_TLBI_EL2_ASID | FIELD_PREP(CMDQ_TLBI_0_ASID, ASID),
		  IOMMU_DIRTY_ARM_ASID, ASID },
		{ CMDQ_OP_TLBI_S2_IPA | FIELD_PREP(CMDQ_TLBI_0_VMID, VMID),
		  IOMMU_DIRTY_ARM_VMID, VMID },
		{ CMDQ_OP_TLBI_S12_VMALL | FIELD_PREP(CMDQ_TLBI_0_VMID, VMID),
		  IOMMU_DIRTY_ARM_VMID, VMID },
		{ CMDQ_OP_CFGI_STE | FIELD_PREP(CMDQ_CFGI_0_SID, 0x123),
		  IOMMU_DIRTY_ARM_STREAM, 0x123 },
		{ CMDQ_OP_CFGI_CD | FIELD_PREP(CMDQ_CFGI_0_SID, 0x123),
		  IOMMU_DIRTY_ARM_STREAM, 0x123 },
		{ CMDQ_OP_CFGI_CD_ALL | FIELD_PREP(CMDQ_CFGI_0_SID, 0x123),
		  IOMMU_DIRTY_ARM_STREAM, 0x123 },
		{ CMDQ_OP_ATC_INV | FIELD_PREP(CMDQ_ATC_0_SID, 0x123),
		  IOMMU_DIRTY_ARM_STREAM, 0x123 },
		{ CMDQ_OP_CFGI_ALL, IOMMU_DIRTY_ARM_ALL, 0 },
		{ CMDQ_OP_TLBI_NSNH_ALL, IOMMU_DIRTY_ARM_ALL, 0 },
		{ CMDQ_OP_CMD_SYNC, IOMMU_DIRTY_ARM_ALL, 0 },
		{ 0xff, IOMMU_DIRTY_ARM_ALL, 0 },
	};
	struct arm *arm = test->priv;
	u32 n;

	for (n = 0; n < ARRAY_SIZE(cases); n++) {
		stop(arm, put(arm, cases[n].quad), CMDQ_ERR_CERROR_ILL_IDX);
		KUNIT_EXPECT_EQ(test, arm->failures.count, n + 1);
		expect_noted(test, n, cases[n].about, cases[n].id);
	}
}

static void commands_that_nobody_relies_on(struct kunit *test)
{
	struct arm *arm = test->priv;

	stop(arm, put(arm, CMDQ_OP_PREFETCH_CFG), CMDQ_ERR_CERROR_ILL_IDX);
	stop(arm, put(arm, CMDQ_OP_PRI_RESP), CMDQ_ERR_CERROR_ILL_IDX);
	stop(arm, put(arm, CMDQ_OP_RESUME), CMDQ_ERR_CERROR_ILL_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 0);
}

static void an_aborted_fetch_loses_nothing(struct kunit *test)
{
	struct arm *arm = test->priv;

	stop(arm, put(arm, tlbi(ASID)), CMDQ_ERR_CERROR_ABT_IDX);
	stop(arm, put(arm, tlbi(ASID)), CMDQ_ERR_CERROR_NONE_IDX);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 0);
}

static void an_unknown_error_is_about_all(struct kunit *test)
{
	struct arm *arm = test->priv;

	stop(arm, put(arm, tlbi(ASID)), CMDQ_ERR_CERROR_ATC_INV_IDX + 1);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 1);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_ALL, 0);
}

/* All that they are about, and each only once in a row */
static void a_timeout_is_about_the_commands_waited_for(struct kunit *test)
{
	const u64 cmds[] = {
		tlbi(ASID), 0x1000, tlbi(ASID), 0x2000, atc(2), 0, tlbi(ASID), 0,
	};
	struct arm *arm = test->priv;

	arm_note_commands(&arm->failures, cmds, 4);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 3);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_ASID, ASID);
	expect_noted(test, 1, IOMMU_DIRTY_ARM_STREAM, 2);
	expect_noted(test, 2, IOMMU_DIRTY_ARM_ASID, ASID);
	/* The same again is one more */
	arm_note_commands(&arm->failures, cmds, 1);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 4);
	arm_note_commands(&arm->failures, NULL, 0);
	KUNIT_EXPECT_EQ(test, arm->failures.count, 4);
}

static void what_is_forgotten_is_about_all(struct kunit *test)
{
	struct arm *arm = test->priv;
	u64 cmd[CMDQ_ENT_DWORDS] = { atc(2) };
	u32 n;

	for (n = 0; n <= IOMMU_DIRTY_ARM_FAILURES; n++)
		arm_note_commands(&arm->failures, cmd, 1);
	expect_noted(test, 0, IOMMU_DIRTY_ARM_ALL, 0);
	expect_noted(test, 1, IOMMU_DIRTY_ARM_STREAM, 2);
	expect_noted(test, n - 1, IOMMU_DIRTY_ARM_STREAM, 2);
}

static struct kunit_case arm_cases[] = {
	KUNIT_CASE(an_atc_timeout_is_about_the_devices_of_its_sync),
	KUNIT_CASE(an_atc_timeout_found_by_another_cpu),
	KUNIT_CASE(a_sync_that_ended_with_an_msi_is_one),
	KUNIT_CASE(the_queue_goes_round),
	KUNIT_CASE(what_was_overwritten_is_about_all),
	KUNIT_CASE(an_illegal_command_is_about_whom_it_names),
	KUNIT_CASE(commands_that_nobody_relies_on),
	KUNIT_CASE(an_aborted_fetch_loses_nothing),
	KUNIT_CASE(an_unknown_error_is_about_all),
	KUNIT_CASE(a_timeout_is_about_the_commands_waited_for),
	KUNIT_CASE(what_is_forgotten_is_about_all),
	{}
};

static struct kunit_suite arm_suite = {
	.name = "iommu-dirty-arm",
	.init = arm_init,
	.test_cases = arm_cases,
};

kunit_test_suite(arm_suite);
