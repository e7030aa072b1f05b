// SPDX-License-Identifier: GPL-2.0-only
/* DMA while the bitmap is read: what has to hold then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "guarded.h"
#include "race.h"
#include "rng.h"

static __u64 leaf_pages(const struct region *r)
{
	return r->leaf / SZ_4K;
}

static __u64 region_leaves(const struct region *r)
{
	return r->len / r->leaf;
}

static void race_fail(struct race *race, int rc)
{
	pthread_mutex_lock(&race->lock);
	if (!race->rc)
		race->rc = rc;
	pthread_mutex_unlock(&race->lock);
}

int race_init(struct race *race, struct space *s)
{
	memset(race, 0, sizeof(*race));
	race->s = s;
	pthread_mutex_init(&race->lock, NULL);
	for (int i = 0; i < s->layout.regions; i++) {
		race->leaf[i] = calloc(region_leaves(&s->layout.region[i]),
				       sizeof(*race->leaf[i]));
		if (!race->leaf[i])
			return -ENOMEM;
	}
	return 0;
}

int race_write(struct race *race, int dev, const struct transfer *t, bool alone)
{
	struct edu *edu = &race->s->rig->edu[dev];
	const struct region *r = t->region;
	int index = r - race->s->layout.region;
	__u64 page = (t->iova - r->iova) / SZ_4K;
	__u64 last = (t->iova + t->len - 1 - r->iova) / SZ_4K;
	int rc;

	pthread_mutex_lock(&race->lock);
	for (; page <= last; page++) {
		struct race_leaf *leaf = &race->leaf[index][page / leaf_pages(r)];

		leaf->writes++;
		leaf->written_after = race->reads[index];
	}
	pthread_mutex_unlock(&race->lock);

	rc = edu_write(edu, t->iova, t->len, t->offset);
	if (!rc && alone)
		rc = dma_landed(edu, t);
	return rc;
}

/* Note what a read reported; a leaf is reported as a whole or not at all. */
static void note(struct race *race, int index, const __u8 *bits, struct tally *t)
{
	const struct region *r = &race->s->layout.region[index];
	__u64 pages = leaf_pages(r);

	for (__u64 i = 0; i < region_leaves(r); i++) {
		struct race_leaf *leaf = &race->leaf[index][i];

		if (!bits_any(bits, i * pages, pages))
			continue;
		for (__u64 page = i * pages; page < (i + 1) * pages; page++)
			if (!bit_test(bits, page))
				tally_wrong(t, r->iova + page * SZ_4K, true);
		leaf->reports++;
		leaf->reported_by = race->reads[index];
		if (leaf->reports > leaf->writes)
			tally_wrong(t, r->iova + i * r->leaf, false);
	}
}

int race_read(struct race *race, struct tally *t)
{
	struct space *s = race->s;
	int rc = 0;

	for (int i = 0; i < s->layout.regions && !rc; i++) {
		const struct region *r = &s->layout.region[i];
		struct guarded g;

		rc = guarded_alloc(&g, bit_bytes(region_pages(r)), 0);
		if (rc)
			break;
		rc = hwpt_get_dirty(s->rig->iommufd, s->hwpt, r->iova, r->len,
				    SZ_4K, g.bits, 0);
		pthread_mutex_lock(&race->lock);
		race->reads[i]++;
		note(race, i, g.bits, t);
		pthread_mutex_unlock(&race->lock);
		t->overwritten += guarded_overwritten(&g);
		t->errors += !!rc;
		guarded_free(&g);
	}
	return rc;
}

void race_finish(struct race *race, struct tally *t)
{
	for (int i = 0; i < race->s->layout.regions; i++) {
		const struct region *r = &race->s->layout.region[i];
		__u64 pages = leaf_pages(r);

		for (__u64 n = 0; n < region_leaves(r); n++) {
			struct race_leaf *leaf = &race->leaf[i][n];
			bool lost = leaf->writes &&
				    leaf->reported_by <= leaf->written_after;

			t->expected += leaf->writes ? pages : 0;
			t->reported += leaf->reports && !lost ? pages : 0;
			for (__u64 page = 0; lost && page < pages; page++)
				tally_wrong(t, r->iova + n * r->leaf + page * SZ_4K,
					    true);
		}
		free(race->leaf[i]);
	}
	pthread_mutex_destroy(&race->lock);
}

static void *run(void *arg)
{
	struct race_writer *w = arg;
	struct layout *l = &w->race->s->layout;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		int i = rng_below(&w->seed, l->regions);
		struct transfer t;
		int rc;

		if (!(w->regions & (1U << i)))
			continue;
		t = dma_random(&l->region[i], &w->seed);
		rc = race_write(w->race, w->dev, &t, w->alone);
		if (rc) {
			race_fail(w->race, rc);
			break;
		}
		__atomic_fetch_add(&w->writes, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int race_start(struct race_writer *w)
{
	w->stop = 0;
	w->writes = 0;
	return -pthread_create(&w->thread, NULL, run, w);
}

int race_stop(struct race_writer *w)
{
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	pthread_join(w->thread, NULL);
	return w->race->rc;
}
