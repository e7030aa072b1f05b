// SPDX-License-Identifier: GPL-2.0-only
/* Make the emulated SMMUv3 fail: its registers for that. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compiler.h"
#include "smmu.h"
#include "vfio.h"

#define FAIL_ATC	0xe08
#define FAIL_ATC_ON	BIT_ULL(31)
#define FAIL_CMD	0xe0c

static __u32 reg_read(struct smmu *smmu, unsigned int reg)
{
	return __atomic_load_n((__u32 *)((char *)smmu->regs + reg), __ATOMIC_ACQUIRE);
}

static void reg_write(struct smmu *smmu, unsigned int reg, __u32 value)
{
	__atomic_store_n((__u32 *)((char *)smmu->regs + reg), value, __ATOMIC_RELEASE);
}

static __u32 stream_id(const char *pci_name)
{
	unsigned int bus, slot, function;

	if (sscanf(pci_name, "%*x:%x:%x.%x", &bus, &slot, &function) != 3)
		return 0;
	return bus << 8 | slot << 3 | function;
}

bool smmu_open(struct smmu *smmu, const char *pci_name)
{
	static const char prefix[] = "smmu3.";
	struct pci_name name;
	void *regs;
	int fd;

	if (!pci_iommu(pci_name, &name) || strncmp(name.name, prefix, strlen(prefix)))
		return false;
	fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return false;
	regs = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    strtoull(name.name + strlen(prefix), NULL, 16));
	close(fd);
	if (regs == MAP_FAILED)
		return false;
	smmu->regs = regs;
	reg_write(smmu, FAIL_ATC, 1);
	if (reg_read(smmu, FAIL_ATC) != 1)
		return false;
	reg_write(smmu, FAIL_ATC, 0);
	return true;
}

void smmu_set_answers(struct smmu *smmu, const char *pci_name, bool answers)
{
	reg_write(smmu, FAIL_ATC, answers ? 0 : FAIL_ATC_ON | stream_id(pci_name));
}

void smmu_fail(struct smmu *smmu, enum smmu_command command, enum smmu_fault fault)
{
	reg_write(smmu, FAIL_CMD, fault << 8 | command);
}

bool smmu_failed(struct smmu *smmu)
{
	return !reg_read(smmu, FAIL_CMD);
}
