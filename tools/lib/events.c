// SPDX-License-Identifier: GPL-2.0-only
/* An eventfd that a HWPT's changes are announced on. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "events.h"
#include "iommufd.h"

#define LONGEST_MS	10000
#define QUIET_MS	30

int events_open(int iommufd, __u32 hwpt)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc;

	if (fd < 0)
		return -errno;
	rc = hwpt_eventfd(iommufd, hwpt, fd, 0);
	if (rc)
		close(fd);
	return rc ? rc : fd;
}

static __u64 take(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t count = 0;

	if (poll(&p, 1, ms) <= 0 || eventfd_read(fd, &count))
		return 0;
	return count;
}

__u64 events_take(int fd, bool expected)
{
	__u64 count = expected ? take(fd, LONGEST_MS) : 0;
	__u64 more;

	do {
		more = take(fd, QUIET_MS);
		count += more;
	} while (more);
	return count;
}
