// SPDX-License-Identifier: GPL-2.0-only
/* One I/O address space: IOAS, HWPT, what is mapped and what was written. */
#include <errno.h>
#include <string.h>

#include "space.h"

int space_open(struct space *s, struct rig *rig, __u32 hwpt_flags)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->rig = rig;
	layout_init(&s->layout, rig->leaf_sizes);
	rc = ioas_alloc(rig->iommufd, &s->ioas);
	if (rc)
		return rc;
	rc = hwpt_alloc(rig->iommufd, rig->dev[0].dev_id, s->ioas, hwpt_flags,
			&s->hwpt);
	if (rc)
		iommufd_destroy(rig->iommufd, s->ioas);
	return rc;
}

static bool taken(struct layout *l, __u64 iova, __u64 len)
{
	for (int i = 0; i < l->regions; i++) {
		const struct region *r = &l->region[i];

		if (iova < r->iova + r->len && r->iova < iova + len)
			return true;
	}
	return false;
}

__u64 space_room(struct space *s, __u64 iova, __u64 len, __u64 step)
{
	for (int tries = 0; tries < 256; tries++, iova += step)
		if (!taken(&s->layout, iova, len) &&
		    ioas_allows(s->rig->iommufd, s->ioas, iova, len) == 1)
			return iova;
	return ~0ULL;
}

struct region *space_add(struct space *s, const struct region_spec *spec)
{
	struct region_spec moved = *spec;

	/* Whole GiB: the leaves are those that the caller has in mind. */
	moved.iova = space_room(s, spec->iova, spec->len, SZ_1G);
	if (moved.iova == ~0ULL) {
		errno = ENOSPC;
		return NULL;
	}
	return layout_add(&s->layout, &moved);
}

int space_map(struct space *s)
{
	for (int i = 0; i < s->layout.regions; i++) {
		int rc = region_map(&s->layout.region[i], s->rig->iommufd, s->ioas);

		if (rc)
			return rc;
	}
	return oracle_init(&s->oracle, &s->layout);
}

int space_map_one(struct space *s, struct region *r)
{
	return region_map(r, s->rig->iommufd, s->ioas);
}

int space_unmap_one(struct space *s, struct region *r)
{
	int rc = region_unmap(r, s->rig->iommufd, s->ioas);

	if (!rc)
		oracle_forget(&s->oracle, r);
	return rc;
}

void space_close(struct space *s)
{
	for (int i = 0; i < s->rig->devices; i++)
		vfio_detach(&s->rig->dev[i]);
	iommufd_destroy(s->rig->iommufd, s->hwpt);
	iommufd_destroy(s->rig->iommufd, s->ioas);
	oracle_free(&s->oracle);
	layout_free(&s->layout);
}

int space_attach(struct space *s, int dev)
{
	return vfio_attach(&s->rig->dev[dev], s->hwpt);
}

int space_detach(struct space *s, int dev)
{
	return vfio_detach(&s->rig->dev[dev]);
}

int space_start(struct space *s)
{
	int rc = hwpt_set_dirty(s->rig->iommufd, s->hwpt, true);

	if (!rc)
		oracle_reset(&s->oracle);
	return rc;
}

int space_stop(struct space *s)
{
	return hwpt_set_dirty(s->rig->iommufd, s->hwpt, false);
}
