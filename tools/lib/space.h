/* SPDX-License-Identifier: GPL-2.0-only */
/* One I/O address space: IOAS, HWPT, what is mapped and what was written. */
#ifndef TOOLS_SPACE_H
#define TOOLS_SPACE_H

#include "oracle.h"
#include "rig.h"

struct space {
	struct rig *rig;
	__u32 ioas, hwpt;
	struct layout layout;
	struct oracle oracle;
};

/*
 * An empty space, with no device attached. 0 or a negative errno. Regions are
 * added to s->layout, and then mapped all at once by space_map().
 */
int space_open(struct space *s, struct rig *rig, __u32 hwpt_flags);
int space_map(struct space *s);
/* Detaches every device of the rig. */
void space_close(struct space *s);

int space_attach(struct space *s, int dev);
int space_detach(struct space *s, int dev);

/* Start makes what is mapped clean. */
int space_start(struct space *s);
int space_stop(struct space *s);

#endif
