// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls that overlap, what each must answer, and the states in which they begin.
 * A new call gets a function that makes it, a rule, and a line or two in the tables.
 */
#include <linux/cleanup.h>

#include "pairs.h"

static void call_start(struct pair_run *r, const struct pair_call *c,
		       struct pair_answer *ans)
{
	ans->ret = pair_start(r, c->owner);
}

static const void *owner_of(struct pair_outlook *o, const struct pair_call *c)
{
	return o->owners + c->owner;
}

static void rule_start(struct pair_outlook *o, const struct pair_call *c,
		       const struct pair_answer *real, struct pair_answer *want)
{
	want->ret = ref_start(&o->ref, PAIR_TRACKED, owner_of(o, c),
			      real->hit ? c->err : 0);
}

static void call_stop(struct pair_run *r, const struct pair_call *c,
		      struct pair_answer *ans)
{
	ans->ret = pair_stop(r, c->owner);
}

static void rule_stop(struct pair_outlook *o, const struct pair_call *c,
		      const struct pair_answer *real, struct pair_answer *want)
{
	want->ret = ref_stop(&o->ref, PAIR_TRACKED, owner_of(o, c),
			     real->hit ? c->err : 0);
}

static void call_read(struct pair_run *r, const struct pair_call *c,
		      struct pair_answer *ans)
{
	ans->ret = pair_read(r, c->owner, c->arg);
}

static void rule_read(struct pair_outlook *o, const struct pair_call *c,
		      const struct pair_answer *real, struct pair_answer *want)
{
	want->ret = ref_read(&o->ref, PAIR_TRACKED, owner_of(o, c));
	/* Off is off, whatever else is the matter */
	if (want->ret == -EOPNOTSUPP && real->ret == -EINVAL)
		want->ret = -EINVAL;
	if (want->ret || !real->hit)
		return;
	want->ret = c->err;
	if (c->fails & BIT(HWM_FLUSH))
		ref_flush_failed(&o->ref, PAIR_TRACKED);
}

static void call_query(struct pair_run *r, const struct pair_call *c,
		       struct pair_answer *ans)
{
	ans->says = pair_query(r);
}

static void rule_query(struct pair_outlook *o, const struct pair_call *c,
		       const struct pair_answer *real, struct pair_answer *want)
{
	struct ref_view v = ref_view(&o->ref, PAIR_TRACKED);

	want->says = pair_view(v.mode, v.reason, v.policy, v.attached, v.flags);
}

static void call_policy(struct pair_run *r, const struct pair_call *c,
			struct pair_answer *ans)
{
	ans->ret = iommu_dirty_set_policy(&r->hd->domain,
					  pair_owner(r, c->owner), c->arg);
}

static void rule_policy(struct pair_outlook *o, const struct pair_call *c,
			const struct pair_answer *real,
			struct pair_answer *want)
{
	want->ret = ref_set_policy(&o->ref, PAIR_TRACKED, owner_of(o, c),
				   c->arg);
}

static u64 forecast_view(const struct iommu_dirty_forecast *forecast)
{
	return forecast->verdict | forecast->mode << 4 | forecast->reason << 8 |
	       (u64)forecast->caps.flags << 32;
}

static void call_can_attach(struct pair_run *r, const struct pair_call *c,
			    struct pair_answer *ans)
{
	struct iommu_dirty_forecast forecast;

	ans->ret = iommu_dirty_can_attach(&r->hd->domain, &r->dev[c->arg]->dev,
					  &forecast);
	ans->says = forecast_view(&forecast);
}

static void rule_can_attach(struct pair_outlook *o, const struct pair_call *c,
			    const struct pair_answer *real,
			    struct pair_answer *want)
{
	struct iommu_dirty_forecast forecast =
		ref_forecast(&o->ref, c->arg, PAIR_TRACKED);

	if (forecast.verdict == IOMMU_DIRTY_VERDICT_REFUSED)
		want->ret = -EINVAL;
	want->says = forecast_view(&forecast);
}

/* What the IOMMU core calls, it calls with the device's group locked */
static void call_attach(struct pair_run *r, const struct pair_call *c,
			struct pair_answer *ans)
{
	guard(mutex)(&r->group[c->arg]);
	ans->ret = rig_attach(r->hd, r->dev[c->arg]);
}

static void rule_attach(struct pair_outlook *o, const struct pair_call *c,
			const struct pair_answer *real,
			struct pair_answer *want)
{
	want->ret = ref_attach(&o->ref, c->arg, 0, PAIR_TRACKED, false, 0);
}

static void call_put(struct pair_run *r, const struct pair_call *c,
		     struct pair_answer *ans)
{
	guard(mutex)(&r->group[c->arg]);
	ans->ret = rig_attach_must(r->hd, r->dev[c->arg]);
}

static void rule_put(struct pair_outlook *o, const struct pair_call *c,
		     const struct pair_answer *real, struct pair_answer *want)
{
	want->ret = ref_attach(&o->ref, c->arg, 0, PAIR_TRACKED, true, 0);
}

static void call_detach(struct pair_run *r, const struct pair_call *c,
			struct pair_answer *ans)
{
	guard(mutex)(&r->group[c->arg]);
	if (r->gone)
		ans->ret = -ENODEV;
	else
		ans->ret = rig_attach(r->away, r->dev[c->arg]);
}

static void rule_detach(struct pair_outlook *o, const struct pair_call *c,
			const struct pair_answer *real,
			struct pair_answer *want)
{
	if (o->gone)
		want->ret = -ENODEV;
	else
		want->ret = ref_attach(&o->ref, c->arg, 0, PAIR_AWAY, false, 0);
}

static void call_release(struct pair_run *r, const struct pair_call *c,
			 struct pair_answer *ans)
{
	guard(mutex)(&r->group[c->arg]);
	ans->ret = r->gone ? -ENODEV : 0;
	if (!r->gone)
		hwm_device_release(r->dev[c->arg]);
	r->gone = true;
}

static void rule_release(struct pair_outlook *o, const struct pair_call *c,
			 const struct pair_answer *real,
			 struct pair_answer *want)
{
	want->ret = o->gone ? -ENODEV : 0;
	o->gone = true;
	ref_detach(&o->ref, c->arg, 0);
}

/* The IOMMU core does not set a PASID twice, nor remove what is not set */
static void call_pasid(struct pair_run *r, const struct pair_call *c,
		       struct pair_answer *ans)
{
	struct device *dev = &r->dev[PAIR_STEADY]->dev;
	bool set = c->arg == PAIR_SLOT_FREE;

	guard(mutex)(&r->group[PAIR_STEADY]);
	if (r->pasid[c->arg] == set)
		ans->ret = set ? -EBUSY : -ENOENT;
	else if (set)
		ans->ret = iommu_dirty_set_dev_pasid(&r->hd->domain, dev,
						     c->arg, NULL);
	else
		iommu_dirty_remove_dev_pasid(&hwm_iommu_ops, dev, c->arg,
					     &r->hd->domain);
	r->pasid[c->arg] = set;
}

static void rule_pasid(struct pair_outlook *o, const struct pair_call *c,
		       const struct pair_answer *real, struct pair_answer *want)
{
	bool set = c->arg == PAIR_SLOT_FREE;

	if (ref_at(&o->ref, PAIR_STEADY, c->arg, PAIR_TRACKED) == set)
		want->ret = set ? -EBUSY : -ENOENT;
	else if (set)
		want->ret = ref_attach(&o->ref, PAIR_STEADY, c->arg,
				       PAIR_TRACKED, false, 0);
	else
		ref_detach(&o->ref, PAIR_STEADY, c->arg);
}

static void call_map(struct pair_run *r, const struct pair_call *c,
		     struct pair_answer *ans)
{
	pair_map(r, c->arg, ans);
}

static void rule_map(struct pair_outlook *o, const struct pair_call *c,
		     const struct pair_answer *real, struct pair_answer *want)
{
	if (c->arg) {
		want->ret = o->extra ? -EEXIST : 0;
		o->extra = true;
	} else {
		want->ret = o->old ? 0 : -ENOENT;
		o->old = false;
	}
}

static void call_listen(struct pair_run *r, const struct pair_call *c,
			struct pair_answer *ans)
{
	ans->ret = iommu_dirty_register_notifier(&r->hd->domain,
						 r->ears[c->arg]);
}

static void rule_listen(struct pair_outlook *o, const struct pair_call *c,
			const struct pair_answer *real,
			struct pair_answer *want)
{
	want->ret = o->listens[c->arg] ? -EEXIST : 0;
	o->listens[c->arg] = true;
}

static void call_leave(struct pair_run *r, const struct pair_call *c,
		       struct pair_answer *ans)
{
	ans->ret = iommu_dirty_unregister_notifier(&r->hd->domain,
						   r->ears[c->arg]);
}

static void rule_leave(struct pair_outlook *o, const struct pair_call *c,
		       const struct pair_answer *real, struct pair_answer *want)
{
	want->ret = o->listens[c->arg] ? 0 : -ENOENT;
	o->listens[c->arg] = false;
}

static const struct pair_op op_start = { call_start, rule_start };
static const struct pair_op op_stop = { call_stop, rule_stop };
static const struct pair_op op_read = { call_read, rule_read };
static const struct pair_op op_query = { call_query, rule_query };
static const struct pair_op op_policy = { call_policy, rule_policy };
static const struct pair_op op_can_attach = { call_can_attach, rule_can_attach };
static const struct pair_op op_attach = { call_attach, rule_attach };
static const struct pair_op op_put = { call_put, rule_put };
static const struct pair_op op_detach = { call_detach, rule_detach };
static const struct pair_op op_release = { call_release, rule_release };
static const struct pair_op op_pasid = { call_pasid, rule_pasid };
static const struct pair_op op_map = { call_map, rule_map };
static const struct pair_op op_listen = { call_listen, rule_listen };
static const struct pair_op op_leave = { call_leave, rule_leave };

static const struct pair_call start_a = {
	.name = "start by A",
	.op = &op_start,
	.owner = OWNER_A,
};

static const struct pair_call start_b = {
	.name = "start by B",
	.op = &op_start,
	.owner = OWNER_B,
};

static const struct pair_call start_without_switch = {
	.name = "start by A that cannot switch",
	.op = &op_start,
	.owner = OWNER_A,
	.fails = BIT(HWM_SET_FEATURE),
	.nth = 1,
	.err = -EIO,
};

static const struct pair_call start_without_clear = {
	.name = "start by A that cannot clear",
	.op = &op_start,
	.owner = OWNER_A,
	.fails = BIT(HWM_CLEAR),
	.nth = 2,
	.err = -EIO,
};

static const struct pair_call start_without_flush = {
	.name = "start by A that cannot flush",
	.op = &op_start,
	.owner = OWNER_A,
	.fails = BIT(HWM_FLUSH),
	.nth = 2,
	.err = -EIO,
};

static const struct pair_call stop_a = {
	.name = "stop by A",
	.op = &op_stop,
	.owner = OWNER_A,
};

static const struct pair_call stop_b = {
	.name = "stop by B",
	.op = &op_stop,
	.owner = OWNER_B,
};

static const struct pair_call stop_without_switch = {
	.name = "stop by A that cannot switch",
	.op = &op_stop,
	.owner = OWNER_A,
	.fails = BIT(HWM_SET_FEATURE),
	.nth = 1,
	.err = -EIO,
};

static const struct pair_call read_a = {
	.name = "read by A",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_CLEARS,
};

static const struct pair_call read_b = {
	.name = "read by B",
	.op = &op_read,
	.owner = OWNER_B,
	.arg = PAIR_CLEARS,
};

static const struct pair_call read_part = {
	.name = "read of a part by A",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_CLEARS_PART,
};

static const struct pair_call read_alone = {
	.name = "read by A to its own bitmap",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_CLEARS_ALONE,
};

static const struct pair_call peek_a = {
	.name = "read by A without clearing",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_PEEKS,
};

static const struct pair_call read_without_publish = {
	.name = "read by A that cannot publish",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_CLEARS,
	.fails = BIT(HWM_PUBLISH),
	.nth = 2,
	.err = -EFAULT,
};

static const struct pair_call read_without_clear = {
	.name = "read by A that cannot clear",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_CLEARS,
	.fails = BIT(HWM_CLEAR),
	.nth = 2,
	.err = -EIO,
};

static const struct pair_call read_without_flush = {
	.name = "read by A that cannot flush",
	.op = &op_read,
	.owner = OWNER_A,
	.arg = PAIR_CLEARS,
	.fails = BIT(HWM_FLUSH),
	.nth = 1,
	.err = -EIO,
};

static const struct pair_call query = {
	.name = "query",
	.op = &op_query,
};

static const struct pair_call plain_a = {
	.name = "policy plain by A",
	.op = &op_policy,
	.owner = OWNER_A,
	.arg = IOMMU_DIRTY_POLICY_PLAIN,
};

static const struct pair_call strict_a = {
	.name = "policy strict by A",
	.op = &op_policy,
	.owner = OWNER_A,
	.arg = IOMMU_DIRTY_POLICY_STRICT,
};

static const struct pair_call degrade_a = {
	.name = "policy degrade by A",
	.op = &op_policy,
	.owner = OWNER_A,
	.arg = IOMMU_DIRTY_POLICY_DEGRADE,
};

static const struct pair_call degrade_b = {
	.name = "policy degrade by B",
	.op = &op_policy,
	.owner = OWNER_B,
	.arg = IOMMU_DIRTY_POLICY_DEGRADE,
};

static const struct pair_call can_newcomer = {
	.name = "can_attach",
	.op = &op_can_attach,
	.arg = PAIR_NEWCOMER,
};

static const struct pair_call can_poor = {
	.name = "can_attach of one that cannot record",
	.op = &op_can_attach,
	.arg = PAIR_POOR,
};

static const struct pair_call attach_newcomer = {
	.name = "attach",
	.op = &op_attach,
	.arg = PAIR_NEWCOMER,
};

static const struct pair_call attach_poor = {
	.name = "attach of one that cannot record",
	.op = &op_attach,
	.arg = PAIR_POOR,
};

static const struct pair_call put_poor = {
	.name = "attach of one that cannot record and must",
	.op = &op_put,
	.arg = PAIR_POOR,
};

static const struct pair_call detach = {
	.name = "detach",
	.op = &op_detach,
	.arg = PAIR_MOVER,
};

static const struct pair_call release = {
	.name = "release of a device",
	.op = &op_release,
	.arg = PAIR_MOVER,
};

static const struct pair_call set_pasid = {
	.name = "attach of a PASID",
	.op = &op_pasid,
	.arg = PAIR_SLOT_FREE,
};

static const struct pair_call remove_pasid = {
	.name = "detach of a PASID",
	.op = &op_pasid,
	.arg = PAIR_SLOT_SET,
};

static const struct pair_call map = {
	.name = "map",
	.op = &op_map,
	.arg = true,
};

static const struct pair_call unmap = {
	.name = "unmap",
	.op = &op_map,
	.arg = false,
};

static const struct pair_call listen = {
	.name = "register a notifier",
	.op = &op_listen,
	.arg = 1,
};

static const struct pair_call leave = {
	.name = "unregister a notifier",
	.op = &op_leave,
	.arg = 0,
};

/* Several calls in a row are what one thread does while another's goes on */
const struct pair_script pair_scripts[] = {
	{ { &start_a }, PAIR_START },
	{ { &start_b }, PAIR_START },
	{ { &start_without_switch }, PAIR_START },
	{ { &start_without_clear }, PAIR_START },
	{ { &start_without_flush }, PAIR_START },
	{ { &stop_a }, PAIR_STOP },
	{ { &stop_b }, PAIR_STOP },
	{ { &stop_without_switch }, PAIR_STOP },
	{ { &stop_a, &start_a }, PAIR_STOP },
	{ { &stop_a, &start_b }, PAIR_STOP },
	{ { &read_a }, PAIR_READ },
	{ { &read_b }, PAIR_READ },
	{ { &read_part }, PAIR_READ },
	{ { &read_alone }, PAIR_READ },
	{ { &peek_a }, PAIR_READ },
	{ { &read_without_publish }, PAIR_READ },
	{ { &read_without_clear }, PAIR_READ },
	{ { &read_without_flush }, PAIR_READ },
	{ { &query }, PAIR_OTHER },
	{ { &plain_a }, PAIR_OTHER },
	{ { &strict_a }, PAIR_OTHER },
	{ { &degrade_a }, PAIR_OTHER },
	{ { &degrade_b }, PAIR_OTHER },
	{ { &can_newcomer }, PAIR_OTHER },
	{ { &can_poor }, PAIR_OTHER },
	{ { &attach_newcomer }, PAIR_DEVICE },
	{ { &attach_poor }, PAIR_DEVICE },
	{ { &put_poor }, PAIR_DEVICE },
	{ { &detach }, PAIR_DEVICE },
	{ { &release }, PAIR_DEVICE },
	{ { &set_pasid }, PAIR_DEVICE },
	{ { &remove_pasid }, PAIR_DEVICE },
	{ { &map }, PAIR_OTHER },
	{ { &unmap }, PAIR_OTHER },
	{ { &listen }, PAIR_OTHER },
	{ { &leave }, PAIR_OTHER },
};

const unsigned int pair_nr_scripts = ARRAY_SIZE(pair_scripts);

const struct pair_world pair_worlds[PAIR_WORLDS] = {
	{ .name = "off", .policy = IOMMU_DIRTY_POLICY_PLAIN },
	{ .name = "off, degrade", .policy = IOMMU_DIRTY_POLICY_DEGRADE },
	{ .name = "exact", .policy = IOMMU_DIRTY_POLICY_PLAIN, .on = true },
	{ .name = "exact, degrade", .policy = IOMMU_DIRTY_POLICY_DEGRADE,
	  .on = true },
	{ .name = "all-dirty", .policy = IOMMU_DIRTY_POLICY_DEGRADE, .on = true,
	  .poor = true },
};
