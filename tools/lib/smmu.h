/* SPDX-License-Identifier: GPL-2.0-only */
/* Make the emulated SMMUv3 fail: its registers for that (qemu/README.rst, x-fail). */
#ifndef TOOLS_SMMU_H
#define TOOLS_SMMU_H

#include <linux/types.h>
#include <stdbool.h>

struct smmu {
	void *regs;
};

/* Commands, as the specification numbers them. */
enum smmu_command {
	SMMU_CFGI_STE = 0x03,
	SMMU_TLBI_NH_VA = 0x12,
	SMMU_TLBI_S2_IPA = 0x2a,
	SMMU_CMD_SYNC = 0x46,
};

/* What happens to the next command of a type, once. */
enum smmu_fault {
	SMMU_ILLEGAL = 1,	/* CERROR_ILL */
	SMMU_ABORT = 2,		/* CERROR_ABT: it could not be fetched */
	SMMU_LOST = 3,		/* the CMD_SYNC after it does not complete in time */
	SMMU_SYNC_LOST = 4,	/* the next CMD_SYNC does not */
};

/* The SMMU that serves a PCI device; false if it is none, or cannot be told to fail. */
bool smmu_open(struct smmu *smmu, const char *pci_name);

/* Does the device answer when its translations are invalidated? */
void smmu_set_answers(struct smmu *smmu, const char *pci_name, bool answers);
void smmu_fail(struct smmu *smmu, enum smmu_command command, enum smmu_fault fault);
/* Has it come to that? */
bool smmu_failed(struct smmu *smmu);

#endif
