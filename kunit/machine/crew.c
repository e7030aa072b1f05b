// SPDX-License-Identifier: GPL-2.0-only
/*
 * What random machines that run at the same time do as one owner: they start, read to
 * one bitmap, and stop, and a user takes bits out of it while reads run. What the user
 * took is copied when the reads that were under way then have returned, as anybody must
 * do: a page whose bit is there may still be written unseen until its read returns.
 *
 * A read that returns 0 has reported all that was stale when it began: it has been
 * copied, or is in the bitmap, or has been taken out and is to be copied. And in the
 * end nothing is stale.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "machine.h"

static struct crew_user *user_of(struct machine *m)
{
	return &m->crew->user;
}

static void with_oracle(struct crew *crew, const unsigned long *copied,
			unsigned long *stale)
{
	struct hwm_domain *hd = crew->shared;

	guard(hwm_lock)(&hd->hw->lock);
	if (stale)
		oracle_stale(&hd->oracle, stale, crew->user.nbits);
	else
		oracle_copied(&hd->oracle, copied, crew->user.nbits);
}

/* No read is under way that may have more to do with what was taken */
static void copy_taken(struct crew *crew)
{
	struct crew_user *u = &crew->user;

	lockdep_assert_held(&u->lock);
	if (u->readers || bitmap_empty(u->taken, u->nbits))
		return;
	u->copies += bitmap_weight(u->taken, u->nbits);
	with_oracle(crew, u->taken, NULL);
	bitmap_zero(u->taken, u->nbits);
}

/* Take out what is there: with atomic exchanges, at any time */
void crew_take(struct machine *m)
{
	struct crew_user *u = user_of(m);
	unsigned long i;

	guard(hwm_lock)(&u->lock);
	for (i = 0; i < BITS_TO_LONGS(u->nbits); i++)
		if (READ_ONCE(u->bits[i]))
			u->taken[i] |= xchg(&u->bits[i], 0);
	copy_taken(m->crew);
}

bool crew_is_on(struct crew *crew)
{
	guard(hwm_lock)(&crew->user.lock);
	return crew->user.on;
}

static void expect_ret(struct machine *m, const char *what, int ret, int want)
{
	if (ret != want)
		KUNIT_FAIL(m->test, "%s for all returns %d, not %d", what, ret,
			   want);
}

/* Whoever is told that it is on copies everything then */
int crew_start(struct machine *m)
{
	struct rig_ranges mapped = rig_ranges(m->crew->shared);
	struct crew_user *u = user_of(m);
	bool on, stopping, stands;
	unsigned int stops;
	int ret;

	guard(rwsem_read)(&m->crew->shared->map_lock);
	scoped_guard(hwm_lock, &u->lock) {
		on = u->on;
		stops = u->stops;
		stopping = u->stopping;
	}
	ret = iommu_dirty_start(&m->crew->shared->domain, &u->owner,
				&mapped.ranges);
	scoped_guard(hwm_lock, &u->lock) {
		stands = !stopping && stops == u->stops;
		if (stands && (!ret || ret == -EALREADY)) {
			u->on = true;
			with_oracle(m->crew, NULL, NULL);
		}
	}
	if (on && stands)
		expect_ret(m, "a start", ret, -EALREADY);
	return ret;
}

int crew_stop(struct machine *m)
{
	struct crew_user *u = user_of(m);
	int ret;

	scoped_guard(hwm_lock, &u->lock) {
		u->stops++;
		u->stopping++;
		u->on = false;
	}
	ret = rig_stop(m->crew->shared, &u->owner);
	guard(hwm_lock)(&u->lock);
	u->stopping--;
	return ret;
}

struct crew_sink {
	struct iommu_dirty_sink sink;
	struct crew_user *user;
	size_t skip;	/* words */
};

static int publish(struct iommu_dirty_sink *sink, size_t offset, const u8 *data,
		   size_t len)
{
	struct crew_sink *to = container_of(sink, struct crew_sink, sink);
	size_t at = to->skip + offset / sizeof(long);

	for (; len; at++) {
		size_t n = min(len, sizeof(long));
		unsigned long word = 0;

		memcpy(&word, data, n);
		if (word)
			atomic_long_or(word,
				       (atomic_long_t *)&to->user->bits[at]);
		data += n;
		len -= n;
	}
	return 0;
}

/*
 * What was stale when the read began and still is, and is on no way to the user: how
 * many pages, and the first one
 */
static unsigned long missing(struct machine *m, unsigned long from,
			     unsigned long to, unsigned long *at)
{
	struct crew_user *u = user_of(m);
	unsigned long bit, n = 0;

	lockdep_assert_held(&u->lock);
	u->reads++;
	with_oracle(m->crew, NULL, m->now);
	for_each_and_bit(bit, m->must, m->now, to + 1)
		if (bit >= from && !test_bit(bit, u->bits) &&
		    !test_bit(bit, u->taken) && !n++)
			*at = bit;
	return n;
}

/* Whole words of the bitmap */
int crew_read(struct machine *m, unsigned long first, unsigned long last,
	      u32 flags)
{
	struct rig_ranges mapped = rig_ranges(m->crew->shared);
	unsigned long align = m->rig.page * BITS_PER_LONG;
	struct crew_user *u = user_of(m);
	struct crew_sink sink = { .sink.publish = publish, .user = u };
	struct iommu_dirty_read rd = {
		.iova = round_down(first, align),
		.last = round_up(last + 1, align) - 1,
		.page_size = m->rig.page,
		.flags = flags,
		.mapped = &mapped.ranges,
		.sink = &sink.sink,
	};
	unsigned long lost = 0, at = 0;
	unsigned int stops;
	bool on;
	int ret;

	sink.skip = rd.iova / align;
	guard(rwsem_read)(&m->crew->shared->map_lock);
	scoped_guard(hwm_lock, &u->lock) {
		on = u->on;
		stops = u->stops;
		u->readers++;
		with_oracle(m->crew, NULL, m->must);
	}
	ret = iommu_dirty_read(&m->crew->shared->domain, &u->owner, &rd);
	scoped_guard(hwm_lock, &u->lock) {
		on = on && stops == u->stops;
		if (on)
			lost = missing(m, rd.iova / m->rig.page,
				       rd.last / m->rig.page, &at);
		u->readers--;
		copy_taken(m->crew);
	}
	if (on)
		expect_ret(m, "a read", ret, 0);
	if (lost)
		KUNIT_FAIL(m->test,
			   "a read for all of %#lx-%#lx: %lu pages are missing, the first at %#lx",
			   rd.iova, rd.last, lost, at * m->rig.page);
	return ret;
}

/* Nobody else is there any more, and devices are quiet: the user gets what is left */
void crew_settle(struct machine *m)
{
	struct crew_user *u = user_of(m);

	if (!crew_is_on(m->crew))
		return;
	KUNIT_EXPECT_EQ(m->test, crew_read(m, 0, m->rig.at.last, 0), 0);
	crew_take(m);
	with_oracle(m->crew, NULL, m->must);
	if (!bitmap_empty(m->must, u->nbits))
		KUNIT_FAIL(m->test, "the user's copy of %#lx is not the last",
			   find_first_bit(m->must, u->nbits) * m->rig.page);
	KUNIT_EXPECT_EQ(m->test, crew_stop(m), 0);
}

void crew_init(struct crew *crew, struct rig *rig)
{
	struct crew_user *u = &crew->user;

	memset(u, 0, sizeof(*u));
	spin_lock_init(&u->lock);
	u->nbits = (rig->at.last + 1) / rig->page;
	u->bits = kvcalloc(BITS_TO_LONGS(u->nbits), sizeof(long), GFP_KERNEL);
	u->taken = kvcalloc(BITS_TO_LONGS(u->nbits), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(rig->hw->test, u->bits && u->taken);
}

void crew_free(struct crew *crew)
{
	kvfree(crew->user.bits);
	kvfree(crew->user.taken);
}
