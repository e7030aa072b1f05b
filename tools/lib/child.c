// SPDX-License-Identifier: GPL-2.0-only
/* One test in a process of its own. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "need.h"

int child_run(int (*run)(void *arg), void *arg, unsigned int seconds)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(EXIT_SETUP, "fork");
	if (!pid) {
		alarm(seconds);
		exit(run(arg));
	}
	if (waitpid(pid, &status, 0) < 0)
		err(EXIT_SETUP, "waitpid");
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
