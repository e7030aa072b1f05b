// SPDX-License-Identifier: GPL-2.0-only
/* Transfers that are checked at both ends and told to the oracle. */
#include <errno.h>
#include <string.h>

#include "dma.h"
#include "rng.h"

int dma_landed(const struct edu *edu, const struct transfer *t)
{
	unsigned int done, n;

	/* Page by page: memory that is mapped repeatedly wraps round. */
	for (done = 0; done < t->len; done += n) {
		n = SZ_4K - (t->iova + done) % SZ_4K;
		if (n > t->len - done)
			n = t->len - done;
		if (memcmp(region_mem(t->region, t->iova + done),
			   edu->buffer + t->offset + done, n))
			return -EBADMSG;
	}
	return 0;
}

int dma_write(struct space *s, int dev, const struct transfer *t)
{
	struct edu *edu = &s->rig->edu[dev];
	int rc;

	oracle_wrote(&s->oracle, t->region, t->iova, t->len);
	rc = edu_write(edu, t->iova, t->len, t->offset);
	return rc ? rc : dma_landed(edu, t);
}

int dma_read(struct space *s, int dev, const struct transfer *t)
{
	return edu_read(&s->rig->edu[dev], t->iova, t->len, t->offset,
			region_mem(t->region, t->iova));
}

int dma_poke(struct space *s, int dev, __u64 iova)
{
	struct transfer t = {
		.region = layout_find(&s->layout, iova),
		.iova = iova,
		.len = 1,
	};

	return t.region ? dma_write(s, dev, &t) : -EFAULT;
}

struct transfer dma_random(const struct region *r, __u64 *rng)
{
	struct transfer t = { .region = r, .len = 1 };
	__u64 page = r->iova + rng_below(rng, region_pages(r) - 1) * SZ_4K;

	switch (rng_below(rng, 4)) {
	case 0:
		t.iova = page + rng_below(rng, SZ_4K);
		break;
	case 1: /* the last bytes of a page and the first ones of the next */
		t.len = 2 + rng_below(rng, 62);
		t.iova = page + SZ_4K - 1 - rng_below(rng, t.len - 1);
		break;
	case 2:
		t.iova = page;
		t.len = EDU_BUFFER;
		break;
	default:
		t.iova = page + rng_below(rng, SZ_4K);
		t.len = 1 + rng_below(rng, EDU_BUFFER);
		break;
	}
	/* It may reach into the page after, which exists: see page. */
	t.offset = rng_below(rng, EDU_BUFFER - t.len + 1);
	return t;
}
