/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that the CPU has executed, in user space and in the kernel. It is the
 * time: of a QEMU that runs with -icount shift=0, where each instruction takes one
 * nanosecond, and with a counter of 1 GHz.
 */
#ifndef TOOLS_INSTRUCTIONS_H
#define TOOLS_INSTRUCTIONS_H

#include <linux/types.h>

static inline __u64 instructions(void)
{
#if defined(__x86_64__)
	__u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (__u64)high << 32 | low;
#elif defined(__aarch64__)
	__u64 count;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");
	return count;
#else
#error "which register counts?"
#endif
}

/* A loop of two instructions, @times times. */
static inline void two_instructions(__u64 times)
{
#if defined(__x86_64__)
	asm volatile("1: dec %0; jnz 1b" : "+r" (times) : : "cc");
#elif defined(__aarch64__)
	asm volatile("1: subs %0, %0, #1; b.ne 1b" : "+r" (times) : : "cc");
#endif
}

#endif
