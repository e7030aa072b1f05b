/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to an SMMUv3 that are not known to have done their work, and whom that
 * concerns. Pure: no registers, no locks.
 *
 * The driver waits for its commands and drops what came of them. So whoever finds out
 * that a command failed notes what it was about, and whoever has to rely on commands
 * looks afterwards if one of his own is among those noted since he began.
 *
 * What the specification (IHI 0070, "Command queue errors") says of an error:
 *
 * CERROR_ILL	the command that CONS points to is illegal: the driver puts a CMD_SYNC
 *		in its place, so it is never carried out.
 * CERROR_ABT	the command could not be fetched: it is fetched again. Nothing is lost.
 * CERROR_ATC_INV_SYNC
 *		CONS points to a CMD_SYNC, and a device did not answer a CMD_ATC_INV
 *		before it. The CMD_SYNC does not say which, and it may be another
 *		CPU's: the queue is shared. It waits for all commands before it; those
 *		before the last CMD_SYNC were that one's. So one of those in between
 *		is meant.
 */
#ifndef __IOMMU_DIRTY_ARM_FAILURES_H
#define __IOMMU_DIRTY_ARM_FAILURES_H

#include "../arm/arm-smmu-v3/arm-smmu-v3.h"
#include "arm-failure-log.h"

/* What a command is about, and so who relies on it */
static inline struct iommu_dirty_arm_failure
arm_failure_of(const u64 *cmd)
{
	switch (FIELD_GET(CMDQ_0_OP, cmd[0])) {
	case CMDQ_OP_TLBI_NH_ASID:
	case CMDQ_OP_TLBI_NH_VA:
	case CMDQ_OP_TLBI_EL2_ASID:
	case CMDQ_OP_TLBI_EL2_VA:
		return (struct iommu_dirty_arm_failure) {
			IOMMU_DIRTY_ARM_ASID,
			FIELD_GET(CMDQ_TLBI_0_ASID, cmd[0])
		};
	case CMDQ_OP_TLBI_S12_VMALL:
	case CMDQ_OP_TLBI_S2_IPA:
		return (struct iommu_dirty_arm_failure) {
			IOMMU_DIRTY_ARM_VMID,
			FIELD_GET(CMDQ_TLBI_0_VMID, cmd[0])
		};
	case CMDQ_OP_CFGI_STE:
	case CMDQ_OP_CFGI_CD:
	case CMDQ_OP_CFGI_CD_ALL:
		return (struct iommu_dirty_arm_failure) {
			IOMMU_DIRTY_ARM_STREAM,
			FIELD_GET(CMDQ_CFGI_0_SID, cmd[0])
		};
	case CMDQ_OP_ATC_INV:
		return (struct iommu_dirty_arm_failure) {
			IOMMU_DIRTY_ARM_STREAM,
			FIELD_GET(CMDQ_ATC_0_SID, cmd[0])
		};
	/* Nobody's translations depend on these */
	case CMDQ_OP_PREFETCH_CFG:
	case CMDQ_OP_PRI_RESP:
	case CMDQ_OP_RESUME:
		return (struct iommu_dirty_arm_failure) {
			IOMMU_DIRTY_ARM_NOBODY
		};
	}
	return (struct iommu_dirty_arm_failure) { IOMMU_DIRTY_ARM_ALL };
}

static inline void arm_note(struct iommu_dirty_arm_failures *failures,
			    struct iommu_dirty_arm_failure failure)
{
	if (failure.about == IOMMU_DIRTY_ARM_NOBODY)
		return;
	failures->last[failures->count % IOMMU_DIRTY_ARM_FAILURES] = failure;
	failures->count++;
}

/* Commands that were not seen to complete; most of a list are about the same */
static inline void arm_note_commands(struct iommu_dirty_arm_failures *failures,
				     const u64 *cmds, int n)
{
	struct iommu_dirty_arm_failure last = {}, now;
	int i;

	for (i = 0; i < n; i++) {
		now = arm_failure_of(&cmds[i * CMDQ_ENT_DWORDS]);
		if (i && now.about == last.about && now.id == last.id)
			continue;
		arm_note(failures, now);
		last = now;
	}
}

static inline void arm_read_command(const struct arm_smmu_queue *q, u32 index,
				    u64 *cmd)
{
	const __le64 *entry = (const __le64 *)Q_ENT(q, index);
	int i;

	for (i = 0; i < CMDQ_ENT_DWORDS; i++)
		cmd[i] = le64_to_cpu(READ_ONCE(entry[i]));
}

/* How many commands before that at @cons have not been overwritten by now */
static inline u32 arm_intact(const struct arm_smmu_queue *q, u32 cons)
{
	u32 size = 1U << q->llq.max_n_shift;
	u32 prod = READ_ONCE(q->llq.prod) & ~CMDQ_PROD_OWNED_FLAG;

	return size - ((prod - cons) & (2 * size - 1));
}

/*
 * The device TLB invalidations that the CMD_SYNC at @cons waited for. A CMD_SYNC that
 * has completed may have been overwritten with zeroes, where it ends with an MSI.
 */
static inline void arm_note_window(struct iommu_dirty_arm_failures *failures,
				   const struct arm_smmu_queue *q, u32 cons)
{
	u64 cmd[CMDQ_ENT_DWORDS];
	u32 n;

	for (n = 1; n <= arm_intact(q, cons); n++) {
		u64 op;

		arm_read_command(q, cons - n, cmd);
		/* Read before somebody else could claim its place? */
		smp_rmb();
		if (n > arm_intact(q, cons))
			break;
		op = FIELD_GET(CMDQ_0_OP, cmd[0]);
		if (op == CMDQ_OP_CMD_SYNC || !op)
			return;
		if (op == CMDQ_OP_ATC_INV)
			arm_note_commands(failures, cmd, 1);
	}
	arm_note(failures,
		 (struct iommu_dirty_arm_failure) { IOMMU_DIRTY_ARM_ALL });
}

/* The queue has stopped with an error; @cons is its register */
static inline void arm_note_error(struct iommu_dirty_arm_failures *failures,
				  const struct arm_smmu_queue *q, u32 cons)
{
	u64 cmd[CMDQ_ENT_DWORDS];

	switch (FIELD_GET(CMDQ_CONS_ERR, cons)) {
	case CMDQ_ERR_CERROR_NONE_IDX:
	case CMDQ_ERR_CERROR_ABT_IDX:
		return;
	case CMDQ_ERR_CERROR_ATC_INV_IDX:
		arm_note_window(failures, q, cons);
		return;
	case CMDQ_ERR_CERROR_ILL_IDX:
		arm_read_command(q, cons, cmd);
		arm_note_commands(failures, cmd, 1);
		return;
	}
	arm_note(failures,
		 (struct iommu_dirty_arm_failure) { IOMMU_DIRTY_ARM_ALL });
}

/* The @n-th that was noted; about all if it is no longer known */
static inline struct iommu_dirty_arm_failure
arm_noted(const struct iommu_dirty_arm_failures *failures, u64 n)
{
	if (failures->count - n > IOMMU_DIRTY_ARM_FAILURES)
		return (struct iommu_dirty_arm_failure) {
			IOMMU_DIRTY_ARM_ALL
		};
	return failures->last[n % IOMMU_DIRTY_ARM_FAILURES];
}

#endif /* __IOMMU_DIRTY_ARM_FAILURES_H */
