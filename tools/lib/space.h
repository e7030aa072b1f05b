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
 * An empty space, with no device attached. 0 or a negative errno.
 */
int space_open(struct space *s, struct rig *rig, __u32 hwpt_flags);

/*
 * A region for space_map(): at the IOVA that @spec asks for, or, where that is
 * taken or reserved, as many GiB above it as it takes. Attach devices first:
 * they narrow what may be used. NULL and errno if there is no memory or no room.
 */
struct region *space_add(struct space *s, const struct region_spec *spec);
/* That place; a multiple of @step above @iova. ~0 if there is none. */
__u64 space_room(struct space *s, __u64 iova, __u64 len, __u64 step);

/* Map all regions at once. */
int space_map(struct space *s);
/* One of them, later; unmapping forgets what was written there. */
int space_map_one(struct space *s, struct region *r);
int space_unmap_one(struct space *s, struct region *r);
/* Detaches every device of the rig. */
void space_close(struct space *s);

int space_attach(struct space *s, int dev);
int space_detach(struct space *s, int dev);

/* Start makes what is mapped clean. */
int space_start(struct space *s);
int space_stop(struct space *s);

#endif
