// SPDX-License-Identifier: GPL-2.0-only
/* The DMA engine: QEMU's "edu" PCI device (docs/specs/edu.rst in QEMU). */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "edu.h"

#define REG_SRC		0x80
#define REG_DST		0x88
#define REG_COUNT	0x90
#define REG_COMMAND	0x98
#define REG_TROUBLE	0xa8
#define REG_FAIL	0xb0	/* stock QEMU has none, and ignores it */
#define REG_RESULT	0xa0	/* stock QEMU has none and reads as all ones */

#define CMD_RUN		1ULL
#define CMD_TO_MEMORY	2ULL
#define BUFFER_BASE	0x40000ULL

#define TIMEOUT_S	10

/* Plain 64-bit accesses that the compiler neither splits nor drops. */
static __u64 reg_read(struct edu *edu, unsigned int reg)
{
	return __atomic_load_n((__u64 *)((char *)edu->bar + reg), __ATOMIC_ACQUIRE);
}

static void reg_write(struct edu *edu, unsigned int reg, __u64 value)
{
	__atomic_store_n((__u64 *)((char *)edu->bar + reg), value, __ATOMIC_RELEASE);
}

static int transfer(struct edu *edu, __u64 src, __u64 dst, unsigned int len,
		    __u64 command)
{
	struct timespec now, end = {};
	__u64 result;

	reg_write(edu, REG_SRC, src);
	reg_write(edu, REG_DST, dst);
	reg_write(edu, REG_COUNT, len);
	reg_write(edu, REG_COMMAND, command | CMD_RUN);
	edu->transfers++;
	for (unsigned int spins = 1; reg_read(edu, REG_COMMAND) & CMD_RUN; spins++) {
		if (spins % 64)
			continue;
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!end.tv_sec)
			end.tv_sec = now.tv_sec + TIMEOUT_S;
		else if (now.tv_sec > end.tv_sec)
			return -ETIMEDOUT;
	}
	result = reg_read(edu, REG_RESULT);
	return result && result != ~0ULL ? -EIO : 0;
}

void edu_init(struct edu *edu, void *bar)
{
	memset(edu, 0, sizeof(*edu));
	edu->bar = bar;
	/* Whoever had it before may have ended early. */
	edu_fail(edu, EDU_FAIL_NONE, 0, false);
}

int edu_read(struct edu *edu, __u64 iova, unsigned int len, unsigned int offset,
	     const void *mem)
{
	int rc = transfer(edu, iova, BUFFER_BASE + offset, len, 0);

	if (!rc)
		memcpy(edu->buffer + offset, mem, len);
	return rc;
}

int edu_write(struct edu *edu, __u64 iova, unsigned int len, unsigned int offset)
{
	return transfer(edu, BUFFER_BASE + offset, iova, len, CMD_TO_MEMORY);
}

void edu_misbehave(struct edu *edu, __u64 how)
{
	reg_write(edu, REG_TROUBLE, how);
}

void edu_fail(struct edu *edu, enum edu_fail how, unsigned int count, bool gone)
{
	reg_write(edu, REG_FAIL, how | (__u64)count << 8 | (__u64)gone << 32);
}
