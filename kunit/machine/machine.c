// SPDX-License-Identifier: GPL-2.0-only
/* The random machine's steps */
#include <linux/slab.h>

#include "machine.h"

#define RECORD IOMMU_DIRTY_CAP_RECORD

static const struct ref_domain domains[MACHINE_DOMAINS] = {
	[MACHINE_PLAIN] = { .name = "plain", .kind = REF_BACKEND },
	[MACHINE_CHILD] = { .name = "child", .kind = REF_CHILD },
	[MACHINE_SECOND] = { .name = "second", .kind = REF_BACKEND },
	[MACHINE_WANTED] = { .name = "wanted", .kind = REF_BACKEND },
	[MACHINE_POOR] = { .name = "poor", .kind = REF_BACKEND },
	[MACHINE_OTHER] = { .name = "other", .kind = REF_OTHER },
	[MACHINE_DMA_API] = { .name = "dma", .kind = REF_UNTRACKED },
	[MACHINE_BLOCKED] = { .name = "blocked", .kind = REF_UNTRACKED },
	[MACHINE_SHARED] = { .name = "shared", .kind = REF_SHARED },
};

static const ioasid_t pasids[REF_SLOTS] = { IOMMU_NO_PASID, 7, 8 };

static struct iommu_ops other_ops;

static u32 pick(struct machine *m, u32 below)
{
	return prandom_u32_state(&m->rnd) % below;
}

static bool one_in(struct machine *m, u32 n)
{
	return !pick(m, n);
}

/* Say what the step is */
static __printf(2, 3) void note(struct machine *m, const char *fmt, ...)
{
	char *at = m->notes[m->step % MACHINE_HISTORY];
	va_list args;
	size_t len;

	len = strlen(at);
	va_start(args, fmt);
	vsnprintf(at + len, MACHINE_NOTE_LEN - len, fmt, args);
	va_end(args);
}

static void expect_ret(struct machine *m, int ret, int want)
{
	if (ret != want)
		KUNIT_FAIL(m->test, "%s: returns %d, not %d",
			   m->notes[m->step % MACHINE_HISTORY], ret, want);
}

static void expect_same(struct machine *m, int domain, const char *what,
			u64 is, u64 want)
{
	if (is != want)
		KUNIT_FAIL(m->test, "%s: %s of %s is %#llx, not %#llx",
			   m->notes[m->step % MACHINE_HISTORY], what,
			   domains[domain].name, is, want);
}

#define ANY_CHANGE                                                       \
	(IOMMU_DIRTY_EVENT_MODE | IOMMU_DIRTY_EVENT_CAPS |               \
	 IOMMU_DIRTY_EVENT_ATTACH | IOMMU_DIRTY_EVENT_DETACH)

static unsigned long events_between(const struct ref_view *a,
				    const struct ref_view *b)
{
	unsigned long events = 0;
	int slot;

	if (a->mode != b->mode || a->reason != b->reason)
		events |= IOMMU_DIRTY_EVENT_MODE;
	if (a->flags != b->flags)
		events |= IOMMU_DIRTY_EVENT_CAPS;
	if (a->policy != b->policy)
		events |= IOMMU_DIRTY_EVENT_POLICY;
	for (slot = 0; slot < REF_SLOTS; slot++) {
		if (b->pairs[slot] & ~a->pairs[slot])
			events |= IOMMU_DIRTY_EVENT_ATTACH;
		if (a->pairs[slot] & ~b->pairs[slot])
			events |= IOMMU_DIRTY_EVENT_DETACH;
	}
	return events;
}

/* Is what the query says what the reference says? */
static void compare(struct machine *m, int domain,
		    const struct iommu_dirty_info *info)
{
	struct ref_view view = ref_view(&m->ref, domain);
	struct ref_view *seen = &m->seen[domain];
	int table = m->ref.domains[domain].table;
	u64 seq = m->seq[domain];

	expect_same(m, domain, "mode", info->mode, view.mode);
	expect_same(m, domain, "reason", info->reason, view.reason);
	expect_same(m, domain, "policy", info->policy, view.policy);
	expect_same(m, domain, "number of pairs", info->attached,
		    view.attached);
	expect_same(m, domain, "capability", info->caps.flags, view.flags);
	expect_same(m, domain, "stage", info->caps.stage, view.stage);
	expect_same(m, domain, "leaf sizes", info->caps.leaf_sizes,
		    view.leaf_sizes);

	if (info->seq < seq ||
	    (info->seq == seq && !ref_same(&view, seen)) ||
	    (info->seq > seq && ref_same(&view, seen) &&
	     !(m->churn & BIT(table))))
		KUNIT_FAIL(m->test, "%s: seq of %s goes from %llu to %llu",
			   m->notes[m->step % MACHINE_HISTORY], domains[domain].name,
			   seq, info->seq);
	m->ears[domain].must |= events_between(seen, &view);
	if (m->churn & BIT(table))
		m->ears[domain].may |= ANY_CHANGE;
	*seen = view;
	m->seq[domain] = info->seq;
}

static bool heard(struct machine_ear *ear, unsigned long events, u64 seq)
{
	bool all;

	spin_lock(&ear->lock);
	all = (ear->events & events) == events && ear->seq >= seq;
	spin_unlock(&ear->lock);
	return all;
}

/* Wait until the listener knows all that has happened */
static void expect_told(struct machine *m, int domain, unsigned long must)
{
	struct machine_ear *ear = &m->ears[domain];
	unsigned long told;

	must |= ear->must;
	while (!heard(ear, must, m->seq[domain])) {
		if (wait_for_completion_timeout(&ear->told, 20 * HZ))
			continue;
		expect_same(m, domain, "what is told", ear->events, must);
		expect_same(m, domain, "last seq told", ear->seq,
			    m->seq[domain]);
		break;
	}
	scoped_guard(spinlock, &ear->lock) {
		told = ear->events;
		ear->events = 0;
	}
	expect_same(m, domain, "news", told & ~(must | ear->may), 0);
	ear->must = 0;
	ear->may = 0;
}

static void check_told(struct machine *m)
{
	int d;

	for (d = 0; d < MACHINE_SHARED; d++)
		if (m->ref.domains[d].kind == REF_BACKEND ||
		    m->ref.domains[d].kind == REF_OTHER)
			expect_told(m, d, 0);
}

static int hear(struct notifier_block *nb, unsigned long events, void *data)
{
	struct machine_ear *ear = container_of(nb, struct machine_ear, nb);
	const struct iommu_dirty_info *info = data;

	scoped_guard(spinlock, &ear->lock) {
		ear->events |= events;
		if (info->seq > ear->seq || events & IOMMU_DIRTY_EVENT_GONE)
			ear->seq = info->seq;
	}
	complete(&ear->told);
	return NOTIFY_OK;
}

static void listen(struct machine *m, int domain)
{
	struct machine_ear *ear = &m->ears[domain];

	memset(ear, 0, sizeof(*ear));
	ear->nb.notifier_call = hear;
	ear->seq = m->seq[domain];
	spin_lock_init(&ear->lock);
	init_completion(&ear->told);
	KUNIT_EXPECT_EQ(m->test,
			iommu_dirty_register_notifier(&m->hd[domain]->domain,
						      &ear->nb),
			0);
}

static struct iommu_dirty_info shared_info(struct machine *m)
{
	return rig_query(m->hd[MACHINE_SHARED]);
}

/* What can be said of the shared domain: that it fits what this machine has in it */
static void check_shared(struct machine *m)
{
	struct iommu_dirty_info info = shared_info(m), *seen = &m->shared_seen;
	struct ref_view own = ref_view(&m->ref, MACHINE_SHARED);
	bool exact = info.mode == IOMMU_DIRTY_MODE_EXACT;
	int device = IOMMU_DIRTY_REASON_DEVICE;

	/* No flush fails, and the backend does not either */
	expect_same(m, MACHINE_SHARED, "reason", info.reason,
		    info.mode == IOMMU_DIRTY_MODE_ALL_DIRTY ? device : 0);
	expect_same(m, MACHINE_SHARED, "lack of pairs",
		    info.attached < own.attached, 0);
	expect_same(m, MACHINE_SHARED, "claim to be able to",
		    info.caps.flags & ~own.flags & IOMMU_DIRTY_CAP_ABILITIES,
		    0);
	expect_same(m, MACHINE_SHARED, "silence about",
		    own.flags & ~info.caps.flags & IOMMU_DIRTY_CAP_CAVEATS, 0);
	expect_same(m, MACHINE_SHARED, "pretence",
		    exact && !(info.caps.flags & RECORD), 0);
	if (m->owns_shared)
		expect_same(m, MACHINE_SHARED, "being off", !info.mode, 0);

	if (info.seq < seen->seq)
		KUNIT_FAIL(m->test, "seq goes back");
	if (info.seq == seen->seq &&
	    (info.mode != seen->mode || info.reason != seen->reason ||
	     info.policy != seen->policy || info.attached != seen->attached ||
	     info.caps.flags != seen->caps.flags))
		KUNIT_FAIL(m->test, "%s: seq stays %llu and the rest does not",
			   m->notes[m->step % MACHINE_HISTORY], info.seq);
	*seen = info;
}

static void check(struct machine *m)
{
	int d;

	if (m->crew)
		check_shared(m);
	for (d = 0; d < MACHINE_SHARED; d++) {
		struct iommu_dirty_info info = {};
		int ret = iommu_dirty_query(&m->hd[d]->domain, &info);

		if (m->ref.domains[d].kind == REF_UNTRACKED)
			expect_ret(m, ret, -EOPNOTSUPP);
		else if (ret)
			expect_ret(m, ret, 0);
		else
			compare(m, d, &info);
	}
	m->churn = 0;
}

static void may_churn(struct machine *m, int domain)
{
	m->churn |= BIT(m->ref.domains[domain].table);
}

static const char *name_of(int domain)
{
	return domain == REF_NOWHERE ? "nothing" : domains[domain].name;
}

/* Let the backend fail to say what a device, or a table, can do; during this step */
static void mute_someone(struct machine *m, int dev)
{
	int table;

	if (m->crew)
		return;
	switch (pick(m, 24)) {
	case 0:
		note(m, ", the device mute");
		m->ref.mute_device = dev;
		m->rig.hw->mute = m->dev[dev];
		break;
	case 1:
		table = m->ref.domains[pick(m, MACHINE_POOR + 1)].table;
		note(m, ", %s mute", domains[table].name);
		m->ref.mute_domain = table;
		m->rig.hw->mute = m->hd[table];
		break;
	}
}

static void unmute(struct machine *m)
{
	if (m->crew)
		return;
	m->ref.mute_device = REF_NOWHERE;
	m->ref.mute_domain = REF_NOWHERE;
	m->rig.hw->mute = NULL;
}

static int call_attach(struct machine *m, int dev, int slot, int to, bool must)
{
	struct iommu_domain *domain = &m->hd[to]->domain;
	int from = m->ref.devices[dev].at[slot];

	if (!slot)
		return iommu_dirty_attach_dev(domain, &m->dev[dev]->dev, must);
	return iommu_dirty_set_dev_pasid(domain, &m->dev[dev]->dev,
					 pasids[slot],
					 from == REF_NOWHERE ?
						 NULL :
						 &m->hd[from]->domain);
}

/* Would the shared domain, in this state, refuse a device that cannot record? */
static bool refuses(const struct iommu_dirty_info *info)
{
	return info->policy == IOMMU_DIRTY_POLICY_STRICT ||
	       (info->policy == IOMMU_DIRTY_POLICY_PLAIN &&
		info->mode == IOMMU_DIRTY_MODE_EXACT);
}

/* Has nobody changed the shared domain since? */
static bool unchanged(struct machine *m, const struct iommu_dirty_info *before)
{
	return shared_info(m).seq == before->seq;
}

/* What others do to the domain meanwhile decides, unless they do nothing */
static void attach_shared(struct machine *m, int dev, int slot, bool must)
{
	struct iommu_dirty_info before = shared_info(m);
	struct ref_device *d = &m->ref.devices[dev];
	int ret = call_attach(m, dev, slot, MACHINE_SHARED, must);

	if (ret == -EINVAL && !must && !(d->flags & RECORD) &&
	    d->at[slot] != MACHINE_SHARED) {
		if (unchanged(m, &before) && !refuses(&before))
			expect_ret(m, ret, 0);
		return;
	}
	expect_ret(m, ret, 0);
	ref_attach(&m->ref, dev, slot, MACHINE_SHARED, true, 0);
	expect_same(m, MACHINE_SHARED, "standing still",
		    unchanged(m, &before), 0);
}

static void attach(struct machine *m, int dev, int slot, int to, bool must,
		   int err)
{
	int from = m->ref.devices[dev].at[slot];
	int ret;

	if (to == MACHINE_SHARED) {
		attach_shared(m, dev, slot, must);
		return;
	}
	if (err)
		hwm_fail(m->rig.hw, BIT(HWM_ATTACH), 1, false, err);
	ret = call_attach(m, dev, slot, to, must);
	if (err)
		hwm_fail(m->rig.hw, 0, 0, false, 0);
	expect_ret(m, ret, ref_attach(&m->ref, dev, slot, to, must, err));
	/* To where it was it goes, and comes back */
	if (!ret && from != REF_NOWHERE &&
	    m->ref.domains[from].table == m->ref.domains[to].table)
		may_churn(m, from);
}

/*
 * The driver gives up half-way: the IOMMU core puts the device back where it was, or
 * where it can do no harm.
 */
static void attach_half(struct machine *m, int dev, int to)
{
	int back = m->ref.devices[dev].at[0];
	int ret, want;

	want = ref_attach(&m->ref, dev, 0, to, false, -EBUSY);
	hwm_fail(m->rig.hw, BIT(HWM_ATTACH), 1, true, -EBUSY);
	ret = call_attach(m, dev, 0, to, false);
	hwm_fail(m->rig.hw, 0, 0, false, 0);
	expect_ret(m, ret, want);
	check(m);

	if (back == REF_NOWHERE)
		back = MACHINE_BLOCKED;
	note(m, ", half, back to %s", name_of(back));
	attach(m, dev, 0, back, true, 0);
}

static int pick_domain(struct machine *m, int dev)
{
	int d;

	do {
		d = pick(m, m->ref.nr_domains);
		if (m->crew && one_in(m, 3))
			d = MACHINE_SHARED;
	} while (!ref_fits(&m->ref, dev, d));
	return d;
}

/* Something that fails on purpose, when nobody else is disturbed */
static int driver_error(struct machine *m)
{
	return !m->crew && one_in(m, 10) ? -ENODEV : 0;
}

static void step_attach(struct machine *m)
{
	int dev = pick(m, MACHINE_DEVICES), to = pick_domain(m, dev);
	bool must = one_in(m, 3);
	int err = driver_error(m);

	note(m, "%s device %d of %#x to %s, error %d", must ? "put" : "attach",
	     dev, m->ref.devices[dev].flags, domains[to].name, err);
	if (!m->crew && one_in(m, 20)) {
		attach_half(m, dev, to);
		return;
	}
	mute_someone(m, dev);
	attach(m, dev, 0, to, must, err);
	unmute(m);
}

static void remove_pasid(struct machine *m, int dev, int slot)
{
	int from = m->ref.devices[dev].at[slot];

	iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, &m->dev[dev]->dev,
				     pasids[slot], &m->hd[from]->domain);
	ref_detach(&m->ref, dev, slot);
}

/* A PASID is not set again where it is: the IOMMU core sees to that */
static void step_pasid(struct machine *m)
{
	int dev = pick(m, MACHINE_DEVICES), to = pick_domain(m, dev);
	int slot = 1 + pick(m, REF_SLOTS - 1);
	int from = m->ref.devices[dev].at[slot];
	int err = driver_error(m);

	note(m, "PASID %u of device %d of %#x, at %s, ", pasids[slot], dev,
	     m->ref.devices[dev].flags, name_of(from));
	if (from != REF_NOWHERE &&
	    (one_in(m, 2) ||
	     m->ref.domains[from].table == m->ref.domains[to].table)) {
		note(m, "removed");
		mute_someone(m, dev);
		remove_pasid(m, dev, slot);
	} else {
		note(m, "to %s, error %d", domains[to].name, err);
		mute_someone(m, dev);
		attach(m, dev, slot, to, false, err);
	}
	unmute(m);
}

static void crew_lock(struct machine *m)
{
	if (m->crew)
		mutex_lock(&m->crew->lock);
}

static void crew_unlock(struct machine *m)
{
	if (m->crew)
		mutex_unlock(&m->crew->lock);
}

static void free_device(struct machine *m, int dev)
{
	crew_lock(m);
	hwm_device_free(m->dev[dev]);
	crew_unlock(m);
}

/* Its listener hears that as the last of it; it may hear of the mode as well */
static void free_domain(struct machine *m, int d)
{
	enum ref_kind kind = m->ref.domains[d].kind;

	crew_lock(m);
	hwm_domain_free(m->hd[d]);
	crew_unlock(m);
	if (kind != REF_BACKEND && kind != REF_OTHER)
		return;
	m->ears[d].may |= IOMMU_DIRTY_EVENT_MODE;
	expect_told(m, d, IOMMU_DIRTY_EVENT_GONE);
	iommu_dirty_notifier_sync(&m->ears[d].nb);
}

static void new_device(struct machine *m, int dev)
{
	static const u32 flags[] = { IOMMU_DIRTY_CAP_SPLIT,
				     IOMMU_DIRTY_CAP_MERGE,
				     IOMMU_DIRTY_CAP_TABLE_ACCESS,
				     IOMMU_DIRTY_CAP_BORN_DIRTY,
				     IOMMU_DIRTY_CAP_ATS_DIRTY };
	struct hwm_device *new;
	unsigned int i;

	crew_lock(m);
	new = hwm_device_new(m->rig.hw);
	crew_unlock(m);
	new->caps = one_in(m, 4) ? 0 : RECORD;
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (one_in(m, 3))
			new->caps |= flags[i];
	new->ats = one_in(m, 3);
	if (dev == MACHINE_DEVICES - 1)
		new->iommu_dev.ops = &other_ops;
	m->dev[dev] = new;
	m->ref.devices[dev].flags = new->caps;
}

static void step_release(struct machine *m)
{
	int slot, dev = pick(m, MACHINE_DEVICES);

	note(m, "device %d goes, another comes", dev);
	hwm_device_release(m->dev[dev]);
	for (slot = REF_SLOTS - 1; slot >= 0; slot--)
		ref_detach(&m->ref, dev, slot);
	check(m);
	free_device(m, dev);
	new_device(m, dev);
}

static void shared_forecast(struct machine *m, int dev)
{
	struct iommu_domain *domain = &m->hd[MACHINE_SHARED]->domain;
	struct iommu_dirty_info before = shared_info(m);
	struct ref_device *d = &m->ref.devices[dev];
	struct iommu_dirty_forecast forecast;
	bool may_refuse, may_attach;
	int ret;

	note(m, "can device %d of %#x go to shared", dev, d->flags);
	ret = iommu_dirty_can_attach(domain, &m->dev[dev]->dev, &forecast);
	may_refuse = d->other ||
		     (!(d->flags & RECORD) && d->at[0] != MACHINE_SHARED);
	may_attach = !d->other;
	if (may_refuse && may_attach && unchanged(m, &before)) {
		may_refuse = refuses(&before);
		may_attach = !may_refuse;
	}
	if (ret == -EINVAL ? !may_refuse : ret || !may_attach)
		expect_ret(m, ret, ret ? 0 : -EINVAL);
}

static void step_forecast(struct machine *m)
{
	int dev = pick(m, MACHINE_DEVICES), d = pick(m, m->ref.nr_domains);
	int at = m->ref.devices[dev].at[0], ret;
	struct iommu_dirty_forecast forecast, want;

	/* Where it is, sometimes */
	if (at != REF_NOWHERE && one_in(m, 3))
		d = at;
	if (d == MACHINE_SHARED) {
		shared_forecast(m, dev);
		return;
	}
	note(m, "can device %d of %#x go to %s", dev,
	     m->ref.devices[dev].flags, domains[d].name);
	/* A pair that is there is not asked before it is attached again */
	if (!m->crew && !ref_at(&m->ref, dev, 0, d) && one_in(m, 8)) {
		note(m, ", mute");
		m->ref.mute_device = dev;
		m->rig.hw->mute = m->dev[dev];
	}
	want = ref_forecast(&m->ref, dev, d);
	ret = iommu_dirty_can_attach(&m->hd[d]->domain, &m->dev[dev]->dev,
				     &forecast);
	expect_same(m, d, "verdict", forecast.verdict, want.verdict);
	expect_ret(m, ret,
		   want.verdict == IOMMU_DIRTY_VERDICT_REFUSED ||
				   want.verdict == IOMMU_DIRTY_VERDICT_FOREIGN ?
			   -EINVAL :
			   0);
	check(m);
	if (want.verdict == IOMMU_DIRTY_VERDICT_ATTACHES ||
	    want.verdict == IOMMU_DIRTY_VERDICT_REFUSED) {
		expect_same(m, d, "mode to be", forecast.mode, want.mode);
		expect_same(m, d, "reason to be", forecast.reason, want.reason);
		/* Who did not say what it can is asked again by an attach */
		if (ref_asked(&m->ref, d))
			expect_same(m, d, "capability to be", forecast.caps.flags,
				    want.caps.flags);
		expect_same(m, d, "leaf sizes to be", forecast.caps.leaf_sizes,
			    want.caps.leaf_sizes);
		if (one_in(m, 2))
			attach(m, dev, 0, d, false, 0);
	}
	unmute(m);
}

/* Nothing is to fail any more */
static void calm(struct machine *m)
{
	if (!m->crew)
		hwm_fail(m->rig.hw, 0, 0, false, 0);
}

/* A view of the rig for what works on a domain */
static struct rig *look_at(struct machine *m, int domain)
{
	m->rig.hd = m->hd[domain];
	m->rig.skew = pick(m, 8);
	return &m->rig;
}

static int pick_tracked(struct machine *m)
{
	int d = pick(m, m->ref.nr_domains), i;

	if (m->crew && one_in(m, 2))
		return MACHINE_SHARED;

	/* One that is on, if it can be found */
	for (i = 0; i < 6; i++) {
		if (m->ref.domains[d].mode != IOMMU_DIRTY_MODE_OFF)
			break;
		d = pick(m, m->ref.nr_domains);
	}
	return d;
}

/*
 * Steps on the shared domain as the owner that all are. What must come out, crew.c
 * knows; here it is what can come out at all.
 */
static void expect_any(struct machine *m, int ret, int a, int b)
{
	if (ret != a && ret != b && ret != -EBUSY && ret != -EOPNOTSUPP)
		expect_ret(m, ret, a);
}

static void all_start(struct machine *m)
{
	int ret = crew_start(m);

	note(m, "start shared for all, which returns %d", ret);
	expect_any(m, ret, 0, -EALREADY);
}

static void all_stop(struct machine *m)
{
	int ret = crew_stop(m);

	note(m, "stop shared for all, which returns %d", ret);
	expect_any(m, ret, 0, -EALREADY);
}

static void all_read(struct machine *m, unsigned long first, unsigned long last,
		     u32 flags)
{
	int ret = crew_read(m, first, last, flags);

	note(m, ", for all, which returns %d", ret);
	expect_any(m, ret, 0, -EINVAL);
	if (one_in(m, 3))
		crew_take(m);
}

/*
 * Steps on the shared domain, as the first owner. Others may do the same, so that
 * what must come out is known only if they did not, or if this machine owns it.
 */
static void shared_start(struct machine *m)
{
	struct hwm_domain *hd = m->hd[MACHINE_SHARED];
	struct iommu_dirty_info before = shared_info(m);
	bool able = before.caps.flags & RECORD ||
		    before.policy == IOMMU_DIRTY_POLICY_DEGRADE;
	int ret = rig_start(hd, m->owners);

	note(m, "start shared, which returns %d", ret);
	if (m->owns_shared)
		expect_ret(m, ret, -EALREADY);
	else if (!ret)
		m->owns_shared = true;
	else if (unchanged(m, &before))
		expect_ret(m, ret,
			   before.mode ? -EBUSY : able ? 0 : -EOPNOTSUPP);
	else if (ret != -EBUSY)
		expect_ret(m, ret, -EOPNOTSUPP);
}

static void shared_stop(struct machine *m)
{
	struct iommu_dirty_info before = shared_info(m);
	int ret = rig_stop(m->hd[MACHINE_SHARED], m->owners);

	note(m, "stop shared, which returns %d", ret);
	if (m->owns_shared)
		expect_ret(m, ret, 0);
	else if (unchanged(m, &before))
		expect_ret(m, ret, before.mode ? -EBUSY : -EALREADY);
	else if (ret != -EBUSY)
		expect_ret(m, ret, -EALREADY);
	m->owns_shared = false;
}

static void shared_policy(struct machine *m, enum iommu_dirty_policy policy)
{
	struct iommu_domain *domain = &m->hd[MACHINE_SHARED]->domain;
	struct iommu_dirty_info before = shared_info(m);
	bool strict = policy == IOMMU_DIRTY_POLICY_STRICT;
	bool can = !strict || before.caps.flags & RECORD;
	int ret = iommu_dirty_set_policy(domain, m->owners, policy);

	note(m, "policy %d of shared, which returns %d", policy, ret);
	if (policy > IOMMU_DIRTY_POLICY_DEGRADE)
		expect_ret(m, ret, -EOPNOTSUPP);
	else if (ret == -EBUSY && !m->owns_shared)
		expect_same(m, MACHINE_SHARED, "being another's",
			    unchanged(m, &before) && !before.mode, 0);
	else if (unchanged(m, &before))
		expect_ret(m, ret, can ? 0 : -EOPNOTSUPP);
	else if (ret)
		expect_ret(m, ret, strict ? -EOPNOTSUPP : 0);
}

static void shared_read(struct machine *m, unsigned long first,
			unsigned long last, unsigned long page_size, u32 flags)
{
	int ret = rig_read_as(look_at(m, MACHINE_SHARED), m->owners, first,
			      last, page_size, flags);

	if (m->owns_shared || !ret)
		expect_ret(m, ret, m->owns_shared ? 0 : -EBUSY);
	else if (ret != -EBUSY && ret != -EOPNOTSUPP)
		expect_ret(m, ret, -EINVAL);
}

/* The owner, mostly; anybody when there is none */
static const void *pick_owner(struct machine *m, int domain)
{
	const void *owner = m->ref.domains[domain].owner;

	return owner && !one_in(m, 8) ? owner : &m->owners[pick(m, 2)];
}

static void step_start(struct machine *m)
{
	struct hwm_fault *fault = &m->rig.hw->fault;
	int ret, err = 0, d = pick(m, m->ref.nr_domains);
	const void *owner = pick_owner(m, d);

	if (m->crew && (d == MACHINE_SHARED || one_in(m, 2))) {
		if (m->owns_shared || one_in(m, 3))
			shared_start(m);
		else
			all_start(m);
		return;
	}
	note(m, "start %s as %zu", domains[d].name,
	     (const char *)owner - m->owners);
	if (!m->crew && one_in(m, 5)) {
		static const enum hwm_step ways[] = { HWM_SET_FEATURE,
						      HWM_CLEAR, HWM_FLUSH };
		enum hwm_step way = ways[pick(m, ARRAY_SIZE(ways))];

		note(m, ", step %d fails", way);
		hwm_fail(m->rig.hw, BIT(way), 1 + pick(m, 2),
			 way != HWM_SET_FEATURE && one_in(m, 2), -EIO);
		may_churn(m, d);
	}
	ret = rig_start(m->hd[d], owner);
	if (fault->hit)
		err = fault->err;
	calm(m);
	expect_ret(m, ret, ref_start(&m->ref, d, owner, err));
}

static void step_stop(struct machine *m)
{
	int ret, err = 0, d = pick_tracked(m);
	const void *owner = pick_owner(m, d);

	if (d == MACHINE_SHARED) {
		if (m->owns_shared || !crew_is_on(m->crew) || one_in(m, 4))
			shared_stop(m);
		else
			all_stop(m);
		return;
	}
	note(m, "stop %s as %zu", domains[d].name,
	     (const char *)owner - m->owners);
	if (!m->crew && one_in(m, 5)) {
		note(m, ", fails");
		hwm_fail(m->rig.hw, BIT(HWM_SET_FEATURE), 1, false, -EIO);
	}
	ret = rig_stop(m->hd[d], owner);
	if (m->rig.hw->fault.hit)
		err = -EIO;
	calm(m);
	expect_ret(m, ret, ref_stop(&m->ref, d, owner, err));
}

static void step_policy(struct machine *m)
{
	int d = pick(m, m->ref.nr_domains);
	const void *owner = pick_owner(m, d);
	enum iommu_dirty_policy policy = pick(m, 13) % 4;

	if (d == MACHINE_SHARED) {
		shared_policy(m, policy);
		return;
	}
	note(m, "policy %d of %s as %zu", policy, domains[d].name,
	     (const char *)owner - m->owners);
	expect_ret(m,
		   iommu_dirty_set_policy(&m->hd[d]->domain, owner, policy),
		   ref_set_policy(&m->ref, d, owner, policy));
}

/* Anything mapped or that may be, with a liking for few pages of it */
static unsigned long pick_iova(struct machine *m, int domain)
{
	struct machine_place *p = &m->mapped[domain][pick(m, MACHINE_PLACES)];
	unsigned long pages;

	if (!p->size || one_in(m, 10))
		p = &m->places[pick(m, MACHINE_PLACES)];
	pages = p->size / m->rig.page;
	if (one_in(m, 2))
		pages = min(pages, 8UL);
	return p->iova + pick(m, pages) * m->rig.page;
}

static bool accessible(struct machine *m, int domain, unsigned long iova,
		       unsigned long len, bool write)
{
	struct oracle *o = &m->hd[domain]->oracle;
	unsigned long last = iova + len - 1;

	while (iova <= last) {
		struct oracle_span *span = oracle_find(o, iova, iova);

		if (!span || (write && !span->writable))
			return false;
		iova = span->last + 1;
	}
	return true;
}

static void dma(struct machine *m)
{
	int dev = pick(m, MACHINE_DEVICES), slot = pick(m, REF_SLOTS);
	int at = m->ref.devices[dev].at[slot];
	int table = at == REF_NOWHERE ? MACHINE_PLAIN : m->ref.domains[at].table;
	unsigned long iova = pick_iova(m, table);
	unsigned long len = m->rig.page * (1 + pick(m, one_in(m, 8) ? 100 : 4));
	bool write = !one_in(m, 4), may;
	int ret;

	/* Without recording, leaves may have to be dirty already */
	if (!m->crew)
		m->rig.hw->may_refuse = !(m->dev[dev]->caps & RECORD);
	ret = hwm_dma(m->dev[dev], pasids[slot], iova, len, write);
	/* The others map and unmap there */
	if (at == MACHINE_SHARED || !(m->dev[dev]->caps & RECORD))
		return;
	may = at != REF_NOWHERE && accessible(m, table, iova, len, write);
	if (ret != (may ? 0 : -EFAULT))
		KUNIT_FAIL(m->test, "device %d in %s, %#lx + %#lx: returns %d",
			   dev, name_of(at), iova, len, ret);
}

static void step_dma(struct machine *m)
{
	unsigned int i, nr = 1 + pick(m, 6);

	note(m, "DMA");
	for (i = 0; i < nr; i++)
		dma(m);
}

/* In the middle of a read, the backend's steps seen from outside */
static void act(struct hwm_model *hw, enum hwm_step step, bool after)
{
	struct machine *m = hw->data;

	if (!(BIT(step) & HWM_READ_STEPS) || one_in(m, 2))
		return;
	/* Where no lock is held, and nothing is going to fail */
	if (step == HWM_PUBLISH && one_in(m, 3)) {
		int dev = pick(m, MACHINE_DEVICES), to = pick_domain(m, dev);

		note(m, "; device %d to %s", dev, domains[to].name);
		attach(m, dev, 0, to, one_in(m, 3), 0);
		check(m);
	}
	dma(m);
}

static void pick_range(struct machine *m, int d, unsigned long *first,
		       unsigned long *last, unsigned long *page_size)
{
	*page_size = m->rig.page;
	if (one_in(m, 3))
		*page_size <<= pick(m, 12);
	*first = one_in(m, 4) ? 0 : pick_iova(m, d);
	*last = one_in(m, 4) ? m->rig.at.last : pick_iova(m, d);
	if (*first > *last)
		swap(*first, *last);
	*first &= ~(*page_size - 1);
	*last |= *page_size - 1;
}

static void step_read(struct machine *m)
{
	static const enum hwm_step ways[] = { HWM_SYNC, HWM_WALK, HWM_PUBLISH,
					      HWM_CLEAR, HWM_FLUSH };
	u32 flags = one_in(m, 5) ? IOMMU_DIRTY_READ_NO_CLEAR : 0;
	enum hwm_step way = ways[pick(m, ARRAY_SIZE(ways))];
	struct hwm_model *hw = m->rig.hw;
	unsigned long first, last, page_size;
	int ret, want, d = pick_tracked(m);
	const void *owner;

	if (m->ref.domains[d].kind == REF_UNTRACKED)
		d = MACHINE_PLAIN;
	owner = pick_owner(m, d);
	pick_range(m, d, &first, &last, &page_size);
	note(m, "read %s as %zu, %#lx-%#lx by %#lx", domains[d].name,
	     (const char *)owner - m->owners, first, last, page_size);
	if (d == MACHINE_SHARED) {
		if (m->owns_shared || one_in(m, 4))
			shared_read(m, first, last, page_size, flags);
		else
			all_read(m, first, last, flags);
		return;
	}
	want = ref_read(&m->ref, d, owner);
	switch (m->crew ? 2 : pick(m, 5)) {
	case 0:
		note(m, ", step %d fails", way);
		hwm_fail(hw, BIT(way), 1 + pick(m, 3), one_in(m, 2), -EIO);
		break;
	case 1:
		hw->data = m;
		hw->watch = act;
		break;
	}
	ret = rig_read_as(look_at(m, d), owner, first, last, page_size, flags);
	if (!m->crew)
		hw->watch = NULL;
	if (hw->fault.hit) {
		want = hw->fault.err;
		if (way == HWM_FLUSH)
			ref_flush_failed(&m->ref, d);
	}
	calm(m);
	expect_ret(m, ret, want);
}

static struct machine_place *mapping(struct machine *m, int d, int n)
{
	return d == MACHINE_SHARED ? &m->crew->mapped[n] : &m->mapped[d][n];
}

static void map_place(struct machine *m, int d, int n)
{
	u64 sizes = m->hd[d]->domain.pgsize_bitmap, fit = 0;
	struct machine_place *at = &m->places[n], *to = mapping(m, d, n);
	unsigned long nr, leaf;
	unsigned int skip;

	for (; sizes; sizes &= sizes - 1) {
		leaf = BIT(__ffs64(sizes));
		if (!(at->iova % leaf) && !(at->size % leaf) &&
		    at->size / leaf <= 2048)
			fit |= leaf;
	}
	for (skip = pick(m, hweight64(fit)); skip; skip--)
		fit &= fit - 1;
	leaf = BIT(__ffs64(fit));
	nr = 1 + pick(m, at->size / leaf);
	to->size = nr * leaf;
	to->iova = at->iova + pick(m, at->size / leaf - nr + 1) * leaf;
	note(m, "map %s, %#lx + %lu * %#lx", domains[d].name, to->iova, nr,
	     leaf);
	KUNIT_EXPECT_EQ(m->test,
			hwm_map(m->hd[d], to->iova, to->size, leaf,
				!one_in(m, 6)),
			0);
}

static int pick_table(struct machine *m)
{
	if (m->crew && one_in(m, 3))
		return MACHINE_SHARED;
	return m->ref.domains[pick(m, MACHINE_OTHER + 1)].table;
}

static void step_map(struct machine *m)
{
	int d = pick_table(m), n = pick(m, MACHINE_PLACES);
	struct machine_place *p = mapping(m, d, n);

	crew_lock(m);
	if (!p->size) {
		map_place(m, d, n);
	} else {
		note(m, "unmap %s, %#lx", domains[d].name, p->iova);
		hwm_unmap(m->hd[d], p->iova, p->size);
		p->size = 0;
	}
	crew_unlock(m);
}

static void new_domain(struct machine *m, int d)
{
	struct ref_domain *ref = &m->ref.domains[d];
	struct iommu_dirty_info info = {};
	struct hwm_domain *hd;
	int n, dev;

	*ref = domains[d];
	ref->table = d;
	crew_lock(m);
	if (d == MACHINE_CHILD) {
		ref->table = MACHINE_PLAIN;
		hd = hwm_domain_child(m->hd[MACHINE_PLAIN]);
	} else {
		hd = hwm_domain_new(m->rig.hw);
	}
	crew_unlock(m);
	m->hd[d] = hd;
	hd->domain.pgsize_bitmap |= hwm_leaf_sizes(m->rig.hw->kind->fmt);
	switch (d) {
	case MACHINE_POOR:
		hd->lacks = RECORD | IOMMU_DIRTY_CAP_SPLIT;
		break;
	case MACHINE_OTHER:
		hd->domain.owner = &other_ops;
		break;
	case MACHINE_DMA_API:
		hd->domain.type = IOMMU_DOMAIN_DMA;
		hd->domain.owner = NULL;
		break;
	case MACHINE_BLOCKED:
		hd->domain.type = IOMMU_DOMAIN_BLOCKED;
		hd->domain.owner = NULL;
		break;
	}
	if (ref->kind == REF_BACKEND) {
		ref->flags = m->rig.hw->caps & ~hd->lacks;
		ref->stage = m->rig.hw->kind->fmt->stage;
		ref->leaf_sizes = hd->domain.pgsize_bitmap;
	}
	if (ref->kind == REF_UNTRACKED)
		return;

	if (d == MACHINE_WANTED) {
		dev = pick(m, MACHINE_DEVICES - 1);
		note(m, " for device %d of %#x", dev,
		     m->ref.devices[dev].flags);
		expect_ret(m,
			   iommu_dirty_domain_require(&hd->domain,
						      &m->dev[dev]->dev),
			   ref_want(&m->ref, d, dev));
	}
	KUNIT_EXPECT_EQ(m->test, iommu_dirty_query(&hd->domain, &info), 0);
	m->seq[d] = info.seq;
	m->seen[d] = ref_view(&m->ref, d);
	if (ref->kind != REF_CHILD)
		listen(m, d);
	for (n = 0; n < MACHINE_PLACES; n++)
		m->mapped[d][n].size = 0;
	if (d == MACHINE_CHILD)
		return;
	for (n = 0; n < MACHINE_PLACES; n++)
		if (one_in(m, 2))
			map_place(m, d, n);
}

/* Nothing may be attached to a domain that goes */
static void clear_out(struct machine *m, int d)
{
	int dev, slot;

	for (dev = 0; dev < MACHINE_DEVICES; dev++) {
		for (slot = 0; slot < REF_SLOTS; slot++) {
			if (m->ref.devices[dev].at[slot] != d)
				continue;
			if (slot)
				remove_pasid(m, dev, slot);
			else
				attach(m, dev, 0, MACHINE_BLOCKED, true, 0);
			check(m);
		}
	}
}

static void step_renew(struct machine *m)
{
	int d = pick(m, MACHINE_OTHER + 1);

	note(m, "a new %s", domains[d].name);
	if (d == MACHINE_PLAIN)
		clear_out(m, MACHINE_CHILD);
	clear_out(m, d);
	if (d == MACHINE_PLAIN)
		free_domain(m, MACHINE_CHILD);
	free_domain(m, d);
	new_domain(m, d);
	if (d == MACHINE_PLAIN)
		new_domain(m, MACHINE_CHILD);
}

static void do_step(struct machine *m)
{
	m->notes[m->step % MACHINE_HISTORY][0] = '\0';
	switch (pick(m, 100)) {
	case 0 ... 29:
		step_dma(m);
		break;
	case 30 ... 44:
		step_read(m);
		break;
	case 45 ... 58:
		step_attach(m);
		break;
	case 59 ... 66:
		step_pasid(m);
		break;
	case 67 ... 72:
		step_forecast(m);
		break;
	case 73 ... 79:
		step_map(m);
		break;
	case 80 ... 86:
		step_start(m);
		break;
	case 87 ... 90:
		step_stop(m);
		break;
	case 91 ... 96:
		step_policy(m);
		break;
	case 97 ... 98:
		step_release(m);
		break;
	default:
		step_renew(m);
	}
	check(m);
}

/* In a crew's domain, what is mapped at first; the caller has made the rest */
void machine_share(struct crew *crew, struct rig *rig)
{
	mutex_init(&crew->lock);
	crew->shared = hwm_domain_new(rig->hw);
	memset(crew->mapped, 0, sizeof(crew->mapped));
	crew_init(crew, rig);
}

void machine_unshare(struct crew *crew)
{
	hwm_domain_free(crew->shared);
	crew_free(crew);
	mutex_destroy(&crew->lock);
}

void machine_init(struct machine *m, struct rig *rig, struct crew *crew)
{
	const struct rig_layout *at = &rig->at;
	const struct machine_place places[MACHINE_PLACES] = {
		{ at->small, 64 * rig->page },
		{ at->medium, at->medium_size },
		{ at->hole, 128 * rig->page },
		{ at->edge, at->edge_size },
		{ at->large, at->large_size },
		{ at->tail, at->tail_size },
		{ at->extra, at->extra_size },
	};

	other_ops = hwm_iommu_ops;
	memcpy(m->places, places, sizeof(places));
	m->test = rig->hw->test;
	m->rig = *rig;
	m->crew = crew;
}

/* Devices and domains, all new */
void machine_begin(struct machine *m, unsigned int seed)
{
	int i;

	prandom_seed_state(&m->rnd, seed);
	memset(m->notes, 0, sizeof(m->notes));
	m->step = 0;
	m->churn = 0;
	m->owns_shared = false;
	ref_init(&m->ref);
	for (i = 0; i < MACHINE_DEVICES; i++) {
		ref_add_device(&m->ref, 0, i == MACHINE_DEVICES - 1);
		new_device(m, i);
	}
	for (i = 0; i < MACHINE_SHARED; i++) {
		ref_add_domain(&m->ref, &domains[i]);
		new_domain(m, i);
	}
	if (!m->crew)
		return;
	ref_add_domain(&m->ref, &domains[MACHINE_SHARED]);
	m->ref.domains[MACHINE_SHARED].table = MACHINE_SHARED;
	m->ref.domains[MACHINE_SHARED].flags = m->rig.hw->caps;
	m->hd[MACHINE_SHARED] = m->crew->shared;
	m->shared_seen = shared_info(m);
	m->must = kvcalloc(BITS_TO_LONGS(m->crew->user.nbits), sizeof(long),
			   GFP_KERNEL);
	m->now = kvcalloc(BITS_TO_LONGS(m->crew->user.nbits), sizeof(long),
			  GFP_KERNEL);
	KUNIT_ASSERT_TRUE(m->test, m->must && m->now);
}

static bool failed(const struct machine *m)
{
	return READ_ONCE(m->test->status) == KUNIT_FAILURE;
}

/* One step; has all been well until now, also with the others? */
bool machine_step(struct machine *m)
{
	if (failed(m))
		return false;
	do_step(m);
	if (one_in(m, 50))
		check_told(m);
	m->step++;
	return !failed(m);
}

/* What it did last */
void machine_tell(struct machine *m)
{
	unsigned int i, nr = min(m->step, MACHINE_HISTORY);

	crew_lock(m);
	for (i = m->step - nr; i < m->step; i++)
		kunit_err(m->test, "%u: %s\n", i,
			  m->notes[i % MACHINE_HISTORY]);
	crew_unlock(m);
}

/* All that is attached writes */
void machine_write(struct machine *m)
{
	int dev, slot, i;

	for (dev = 0; dev < MACHINE_DEVICES; dev++)
		for (slot = 0; slot < REF_SLOTS; slot++)
			for (i = 0; i < MACHINE_PLACES; i++)
				hwm_dma(m->dev[dev], pasids[slot],
					m->places[i].iova +
						m->places[i].size / 2,
					m->rig.page, true);
}

/* Give up what others might have to wait for */
void machine_leave(struct machine *m)
{
	if (m->owns_shared)
		shared_stop(m);
}

void machine_end(struct machine *m)
{
	int i;

	kvfree(m->must);
	kvfree(m->now);
	m->must = NULL;
	m->now = NULL;

	for (i = 0; i < MACHINE_DEVICES; i++)
		free_device(m, i);
	for (i = MACHINE_SHARED - 1; i >= 0; i--) {
		m->ears[i].may |= ANY_CHANGE;
		free_domain(m, i);
	}
}
