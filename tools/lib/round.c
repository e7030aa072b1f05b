// SPDX-License-Identifier: GPL-2.0-only
/* One round: a device reads and writes at random, then the bitmap is compared. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bits.h"
#include "dma.h"
#include "race.h"
#include "rng.h"
#include "round.h"

#define RANDOM_WRITES	400
#define RANDOM_READS	200
#define SEQUENCE	512	/* pages in a row */
#define PIECES		64
#define RACE_READS	12

static int failed(struct rounds *rs, int rc, const char *what)
{
	if (rc && !rs->rc) {
		rs->rc = rc;
		rs->failed = what;
	}
	return rc;
}

static struct region *random_region(struct rounds *rs)
{
	struct layout *l = &rs->s->layout;

	return &l->region[rng_below(&rs->rng, l->regions)];
}

/*
 * One leaf of a gigabyte would be dirty in every round: regions of few leaves
 * are written in one of two.
 */
static bool rests(const struct region *r, unsigned int n)
{
	return !r->writable || (r->len / r->leaf < 8 && n % 2);
}

static struct region *writable_region(struct rounds *rs, unsigned int n)
{
	struct region *r;

	do
		r = random_region(rs);
	while (rests(r, n));
	return r;
}

void rounds_init(struct rounds *rs, struct space *s, int dev, __u64 seed)
{
	memset(rs, 0, sizeof(*rs));
	rs->s = s;
	rs->dev = dev;
	rs->rng = seed;
	for (int i = 0; i < ROUND_HOT; i++) {
		struct region *r = writable_region(rs, 1);

		rs->hot[i] = r->iova + rng_below(&rs->rng, r->len);
	}
}

static int write_one(struct rounds *rs, const struct transfer *t)
{
	rs->writes++;
	return failed(rs, dma_write(rs->s, rs->dev, t), "the device's write");
}

static int write_random(struct rounds *rs, unsigned int n, unsigned int count)
{
	int rc = 0;

	while (count-- && !rc) {
		struct transfer t = dma_random(writable_region(rs, n), &rs->rng);

		rc = write_one(rs, &t);
	}
	return rc;
}

int round_writes(struct rounds *rs, unsigned int count)
{
	return write_random(rs, 0, count);
}

static int write_hot(struct rounds *rs)
{
	int rc = 0;

	for (int i = 0; i < ROUND_HOT && !rc; i++) {
		rs->writes++;
		rc = failed(rs, dma_poke(rs->s, rs->dev, rs->hot[i]),
			    "the device's write");
	}
	return rc;
}

/* A run of pages, or every so many, across a good part of a region. */
static int write_sequence(struct rounds *rs, unsigned int n)
{
	const struct region *r = writable_region(rs, n);
	__u64 stride = SZ_4K << rng_below(&rs->rng, 3);
	__u64 pages = r->len / stride;
	__u64 count = pages / 2 < SEQUENCE ? pages / 2 : SEQUENCE;
	__u64 first = rng_below(&rs->rng, pages - count);
	int rc = 0;

	for (__u64 i = first; i < first + count && !rc; i++) {
		struct transfer t = {
			.region = r,
			.iova = r->iova + i * stride,
			.len = EDU_BUFFER,
		};

		rc = write_one(rs, &t);
	}
	return rc;
}

static int read_random(struct rounds *rs)
{
	int rc = 0;

	for (int i = 0; i < RANDOM_READS && !rc; i++) {
		struct transfer t = dma_random(random_region(rs), &rs->rng);

		rs->reads++;
		rc = failed(rs, dma_read(rs->s, rs->dev, &t), "the device's read");
	}
	return rc;
}

/* Cut a region at random and read the pieces in random order. */
static int check_pieces(struct rounds *rs, const struct region *r, struct tally *t)
{
	__u64 unit = rs->whole_leaves || rng_below(&rs->rng, 2) ?
		     r->leaf : layout_smallest(&rs->s->layout);
	__u64 cut[PIECES + 1] = {}, units = r->len / unit;
	int order[PIECES], pieces = 0, rc = 0;

	while (cut[pieces] < units) {
		__u64 n = 1 + rng_below(&rs->rng, 2 * units / (PIECES / 2) + 1);

		if (n > units - cut[pieces] || pieces == PIECES - 1)
			n = units - cut[pieces];
		order[pieces] = pieces;
		cut[pieces + 1] = cut[pieces] + n;
		pieces++;
	}
	for (int i = pieces - 1; i > 0; i--) {
		int j = rng_below(&rs->rng, i + 1), tmp = order[i];

		order[i] = order[j];
		order[j] = tmp;
	}
	for (int i = 0; i < pieces && !rc; i++) {
		__u64 from = cut[order[i]], to = cut[order[i] + 1];

		rc = check_read(rs->s, r, r->iova + from * unit, (to - from) * unit,
				0, rng_below(&rs->rng, 70), t);
	}
	return rc;
}

static int check_all_pieces(struct rounds *rs, struct tally *t)
{
	int rc = 0;

	for (int i = 0; i < rs->s->layout.regions && !rc; i++)
		rc = check_pieces(rs, &rs->s->layout.region[i], t);
	return rc;
}

/* Read again and again while the device writes; once more when it has stopped. */
static int check_race(struct rounds *rs, struct tally *t)
{
	struct race_writer w = {
		.dev = rs->dev,
		.seed = rng_next(&rs->rng),
		.alone = true,
	};
	struct layout *l = &rs->s->layout;
	struct race race;
	int rc, err;

	/* Large leaves are dirty all the time then, so keep to the smaller ones. */
	for (int i = 0; i < l->regions; i++)
		if (l->region[i].writable && l->region[i].leaf <= SZ_2M)
			w.regions |= 1U << i;
	rc = race_init(&race, rs->s);
	if (rc)
		return rc;
	w.race = &race;
	rc = race_start(&w);
	if (rc)
		return rc;
	for (int i = 0; i < RACE_READS && !rc; i++) {
		usleep(rng_below(&rs->rng, 4000));
		rc = race_read(&race, t);
	}
	err = race_stop(&w);
	rc = rc ? rc : race_read(&race, t);
	race_finish(&race, t);
	rs->writes += w.writes;
	if (err)
		return failed(rs, err, "the device's write");
	return failed(rs, rc, "reading the bitmap");
}

int round_run(struct rounds *rs, unsigned int n, struct tally *t)
{
	int rc;

	rc = write_hot(rs);
	rc = rc ? rc : read_random(rs);
	rc = rc ? rc : write_random(rs, n, RANDOM_WRITES);
	rc = rc ? rc : write_sequence(rs, n);
	if (rc)
		return rc;
	switch (n % 4) {
	case 1:
		rc = check_all(rs->s, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, t);
		rc = rc ? rc : check_all(rs->s, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, t);
		break;
	case 2:
		rc = check_all_pieces(rs, t);
		/* The clean part of it must stay clean, the rest is read below. */
		rc = rc ? rc : write_hot(rs);
		break;
	case 3:
		rc = check_all(rs->s, 0, t);
		rc = rc ? rc : check_race(rs, t);
		break;
	}
	rc = rc ? rc : check_all(rs->s, 0, t);
	return failed(rs, rc, "reading the bitmap");
}
