/* SPDX-License-Identifier: GPL-2.0-only */
/* An eventfd that a HWPT's changes are announced on. */
#ifndef TOOLS_EVENTS_H
#define TOOLS_EVENTS_H

#include <linux/types.h>
#include <stdbool.h>

/* A new eventfd, added to the HWPT, or a negative errno. */
int events_open(int iommufd, __u32 hwpt);

/*
 * How often it was signalled since the last call. Signals come soon, not at once:
 * wait for the first if one is @expected, and then until it is quiet.
 */
__u64 events_take(int fd, bool expected);

#endif
