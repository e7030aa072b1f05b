/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names for a few things that user space has no names for. */
#ifndef TOOLS_COMPILER_H
#define TOOLS_COMPILER_H

#include <linux/types.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define BIT_ULL(nr) ((__u64)1 << (nr))

#endif
