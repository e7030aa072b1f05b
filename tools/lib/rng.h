/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that a seed repeats on every machine (splitmix64). */
#ifndef TOOLS_RNG_H
#define TOOLS_RNG_H

#include <linux/types.h>

static inline __u64 rng_next(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* A number below @n, which is not 0. */
static inline __u64 rng_below(__u64 *state, __u64 n)
{
	return rng_next(state) % n;
}

#endif
