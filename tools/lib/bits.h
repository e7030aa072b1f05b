/* SPDX-License-Identifier: GPL-2.0-only */
/* Bit i of a bitmap is bit i % 8 of byte i / 8: no alignment is asked of it. */
#ifndef TOOLS_BITS_H
#define TOOLS_BITS_H

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

static inline bool bit_test(const __u8 *map, __u64 i)
{
	return map[i / 8] & (1 << (i % 8));
}

static inline void bit_set(__u8 *map, __u64 i)
{
	map[i / 8] |= 1 << (i % 8);
}

static inline void bit_clear(__u8 *map, __u64 i)
{
	map[i / 8] &= ~(1 << (i % 8));
}

static inline __u64 bit_bytes(__u64 bits)
{
	return (bits + 7) / 8;
}

/* Whole bytes at once: a 1 GiB leaf has 262144 bits. */
static inline void bits_fill(__u8 *map, __u64 first, __u64 n, bool value)
{
	for (; n && first % 8; first++, n--)
		value ? bit_set(map, first) : bit_clear(map, first);
	memset(map + first / 8, value ? 0xff : 0, n / 8);
	for (first += n & ~7ULL, n %= 8; n; first++, n--)
		value ? bit_set(map, first) : bit_clear(map, first);
}

static inline bool bits_any(const __u8 *map, __u64 first, __u64 n)
{
	for (; n; first++, n--) {
		if (first % 8 == 0)
			for (; n >= 8 && !map[first / 8]; first += 8)
				n -= 8;
		if (!n)
			return false;
		if (bit_test(map, first))
			return true;
	}
	return false;
}

static inline __u64 bits_count(const __u8 *map, __u64 first, __u64 n)
{
	__u64 count = 0;

	for (; n; first++, n--) {
		if (first % 8 == 0)
			for (; n >= 8; first += 8, n -= 8)
				count += __builtin_popcount(map[first / 8]);
		if (!n)
			break;
		count += bit_test(map, first);
	}
	return count;
}

#endif
