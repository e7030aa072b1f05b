/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One test in a process of its own: when it ends, however that comes about, the
 * kernel takes back its devices, mappings and HWPTs, and the next one starts clean.
 */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

/* The exit status of @run, which need not return, or minus the signal's number. */
int child_run(int (*run)(void *arg), void *arg, unsigned int seconds);

#endif
