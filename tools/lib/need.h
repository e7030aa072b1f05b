/* SPDX-License-Identifier: GPL-2.0-only */
/* Set-up that must work: one line that says what did not, and out. */
#ifndef TOOLS_NEED_H
#define TOOLS_NEED_H

#define EXIT_SETUP 2

/* Exit with the message and the error if @rc is a negative errno. */
[[gnu::format(printf, 2, 3)]]
void need(int rc, const char *what, ...);

/* The name of an errno, "EINVAL"; @err may be negative. */
const char *errno_name(int err);

#endif
