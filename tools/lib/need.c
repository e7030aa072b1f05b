// SPDX-License-Identifier: GPL-2.0-only
/* Errors for people: set-up that must work, and names of errnos. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "need.h"

void need(int rc, const char *what, ...)
{
	va_list args;

	if (rc >= 0)
		return;
	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, what);
	vfprintf(stderr, what, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(-rc));
	exit(EXIT_SETUP);
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(abs(err));

	return name ? name : "unknown";
}
