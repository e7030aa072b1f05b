// SPDX-License-Identifier: GPL-2.0-only
/*
 * Being told: every change once it is so, with what is so, and whatever the listener
 * does in its callback or holds when it calls.
 */
#include <linux/completion.h>

#include "rig.h"

/**
 * struct ear - a listener
 * @nb: registered
 * @rig: whose domain
 * @events: told so far
 * @calls: how often
 * @info: what was told last
 * @told: completed by each call
 * @lock: taken by each call
 * @act: done in each call, if there is anything to do
 * @other: for @act
 * @hold: lets calls return; NULL if they do anyway
 */
struct ear {
	struct notifier_block nb;
	struct rig *rig;
	unsigned long events;
	unsigned int calls;
	struct iommu_dirty_info info;
	struct completion told;
	struct mutex lock; /* the consumer's own */
	void (*act)(struct ear *ear);
	struct ear *other;
	struct completion *hold;
};

static int hear(struct notifier_block *nb, unsigned long events, void *info)
{
	struct ear *ear = container_of(nb, struct ear, nb);

	scoped_guard(mutex, &ear->lock) {
		ear->events |= events;
		ear->calls++;
		ear->info = *(const struct iommu_dirty_info *)info;
	}
	if (ear->act)
		ear->act(ear);
	complete(&ear->told);
	if (ear->hold)
		wait_for_completion(ear->hold);
	return NOTIFY_OK;
}

static struct ear *ear_new(struct rig *rig)
{
	struct kunit *test = rig->hw->test;
	struct ear *ear = kunit_kzalloc(test, sizeof(*ear), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ear);
	ear->nb.notifier_call = hear;
	ear->rig = rig;
	init_completion(&ear->told);
	mutex_init(&ear->lock);
	return ear;
}

static int listen(struct ear *ear)
{
	return iommu_dirty_register_notifier(&ear->rig->hd->domain, &ear->nb);
}

static int leave(struct ear *ear)
{
	return iommu_dirty_unregister_notifier(&ear->rig->hd->domain, &ear->nb);
}

static struct ear *ear_listening(struct rig *rig)
{
	struct ear *ear = ear_new(rig);

	KUNIT_ASSERT_EQ(rig->hw->test, listen(ear), 0);
	return ear;
}

static bool heard(struct ear *ear, unsigned long events, u64 seq)
{
	guard(mutex)(&ear->lock);
	return (ear->events & events) == events && ear->info.seq >= seq;
}

/* Wait until it has been told of all of @events, and of the state as it is now */
static void expect_told(struct ear *ear, unsigned long events)
{
	struct kunit *test = ear->rig->hw->test;
	u64 seq = rig_query(ear->rig->hd).seq;

	while (!heard(ear, events, seq)) {
		if (!wait_for_completion_timeout(&ear->told, 20 * HZ)) {
			KUNIT_FAIL(test, "not told of %#lx, but of %#lx",
				   events, ear->events);
			break;
		}
	}
	KUNIT_EXPECT_EQ(test, ear->events & ~events, 0);
	KUNIT_EXPECT_EQ(test, ear->info.seq, seq);
	ear->events = 0;
}

static void every_change_is_told(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct ear *ear = ear_listening(rig);
	struct hwm_device *dev;

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, (int)ear->info.mode, IOMMU_DIRTY_MODE_EXACT);

	KUNIT_ASSERT_EQ(test,
			iommu_dirty_set_policy(domain, test,
					       IOMMU_DIRTY_POLICY_DEGRADE),
			0);
	expect_told(ear, IOMMU_DIRTY_EVENT_POLICY);
	KUNIT_EXPECT_EQ(test, (int)ear->info.policy,
			IOMMU_DIRTY_POLICY_DEGRADE);

	dev = rig_device(rig, rig->hd);
	expect_told(ear, IOMMU_DIRTY_EVENT_ATTACH);
	KUNIT_EXPECT_EQ(test, ear->info.attached, 2);
	hwm_device_free(dev);
	expect_told(ear, IOMMU_DIRTY_EVENT_DETACH);
	KUNIT_EXPECT_EQ(test, ear->info.attached, 1);

	dev = hwm_device_new(rig->hw);
	dev->caps = 0;
	KUNIT_ASSERT_EQ(test, rig_attach(rig->hd, dev), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_ATTACH | IOMMU_DIRTY_EVENT_CAPS |
				 IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, (int)ear->info.mode, IOMMU_DIRTY_MODE_ALL_DIRTY);
	KUNIT_EXPECT_EQ(test, (int)ear->info.reason, IOMMU_DIRTY_REASON_DEVICE);
	KUNIT_EXPECT_FALSE(test,
			   ear->info.caps.flags & IOMMU_DIRTY_CAP_RECORD);

	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
}

static void a_flush_that_fails_is_told(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	hwm_write(rig->dev, rig_page(rig, 1));
	hwm_fail(rig->hw, BIT(HWM_FLUSH), 1, false, -EIO);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->chunk - 1, 0), -EIO);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, (int)ear->info.reason, IOMMU_DIRTY_REASON_FLUSH);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
}

static void what_changes_nothing_is_not_told(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig);

	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), -EALREADY);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_set_policy(&rig->hd->domain, test,
					       IOMMU_DIRTY_POLICY_PLAIN),
			0);
	KUNIT_EXPECT_EQ(test, rig_read(rig, 0, rig->chunk - 1, 0), -EINVAL);
	/* Nor what happens to another domain */
	rig_device(rig, hwm_domain_new(rig->hw));
	KUNIT_EXPECT_FALSE(test,
			   wait_for_completion_timeout(&ear->told, HZ / 10));
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
}

static void a_listener_is_registered_once(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *child = hwm_domain_child(rig->hd);
	struct hwm_domain *dma = hwm_domain_new(rig->hw);
	struct ear *ear = ear_new(rig);

	dma->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_EQ(test, leave(ear), -ENOENT);
	KUNIT_EXPECT_EQ(test, listen(ear), 0);
	KUNIT_EXPECT_EQ(test, listen(ear), -EEXIST);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	KUNIT_EXPECT_EQ(test, leave(ear), -ENOENT);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_register_notifier(&child->domain, &ear->nb),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test,
			iommu_dirty_register_notifier(&dma->domain, &ear->nb),
			-EOPNOTSUPP);
	KUNIT_EXPECT_PTR_EQ(test, dma->domain.dirty, NULL);
}

/* From a callback: come, go, ask, change */

static void bring_another(struct ear *ear)
{
	if (ear->calls == 1)
		KUNIT_EXPECT_EQ(ear->rig->hw->test, listen(ear->other), 0);
}

static void leave_alone(struct ear *ear)
{
	KUNIT_EXPECT_EQ(ear->rig->hw->test, leave(ear), 0);
}

static void send_away(struct ear *ear)
{
	if (ear->calls == 1)
		KUNIT_EXPECT_EQ(ear->rig->hw->test, leave(ear->other), 0);
}

static void stop_tracking(struct ear *ear)
{
	if (ear->info.mode == IOMMU_DIRTY_MODE_EXACT)
		KUNIT_EXPECT_EQ(ear->rig->hw->test,
				rig_stop(ear->rig->hd, ear->rig->hw->test), 0);
}

static void a_callback_may_register(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig), *other = ear_new(rig);

	ear->act = bring_another;
	ear->other = other;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	iommu_dirty_notifier_sync();
	other->events = 0;
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_told(other, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	KUNIT_EXPECT_EQ(test, leave(other), 0);
	iommu_dirty_notifier_sync();
}

static void a_callback_may_unregister_itself(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *once = ear_listening(rig), *ear = ear_listening(rig);

	once->act = leave_alone;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(once, IOMMU_DIRTY_EVENT_MODE);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, once->calls, 1);
	KUNIT_EXPECT_EQ(test, leave(once), -ENOENT);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	iommu_dirty_notifier_sync();
}

static void a_callback_may_unregister_another(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig), *other = ear_listening(rig);

	ear->act = send_away;
	ear->other = other;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	iommu_dirty_notifier_sync();
	other->calls = 0;
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, other->calls, 0);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	iommu_dirty_notifier_sync();
}

static void a_callback_may_use_the_domain(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig);
	unsigned int n = 0;

	ear->act = stop_tracking;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	while (rig_query(rig->hd).mode != IOMMU_DIRTY_MODE_OFF && n++ < 20)
		wait_for_completion_timeout(&ear->told, HZ);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, (int)ear->info.mode, IOMMU_DIRTY_MODE_OFF);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	iommu_dirty_notifier_sync();
}

/*
 * The consumer's lock is taken in the callback and held around its calls: lockdep
 * sees both orders, if there are two, and a wait for the callback would not end.
 */
static void a_consumer_may_hold_its_lock(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_new(rig);
	struct hwm_device *dev;

	scoped_guard(mutex, &ear->lock)
		KUNIT_ASSERT_EQ(test, listen(ear), 0);
	scoped_guard(mutex, &ear->lock) {
		KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
		dev = rig_device(rig, rig->hd);
		/* The call has begun, and waits for the lock */
		schedule_timeout_uninterruptible(HZ / 50);
		KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	}
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE | IOMMU_DIRTY_EVENT_ATTACH);
	scoped_guard(mutex, &ear->lock) {
		hwm_device_free(dev);
		schedule_timeout_uninterruptible(HZ / 50);
		KUNIT_EXPECT_EQ(test, leave(ear), 0);
	}
	iommu_dirty_notifier_sync();
}

static void unregistering_waits_for_no_call_sync_does(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_new(rig);
	DECLARE_COMPLETION_ONSTACK(hold);

	ear->hold = &hold;
	KUNIT_ASSERT_EQ(test, listen(ear), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&ear->told, 20 * HZ),
			0);
	/* The call goes on, and changes do too */
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	KUNIT_EXPECT_EQ(test, rig_stop(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, listen(ear), 0);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	complete_all(&hold);
	iommu_dirty_notifier_sync();
	ear->calls = 0;
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_FALSE(test,
			   wait_for_completion_timeout(&ear->told, HZ / 10));
	KUNIT_EXPECT_EQ(test, ear->calls, 0);
}

/* The domain is freed during a call, and goes on to exist for those who are told */
static void the_last_call_says_that_it_is_gone(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = rig->hd, *home = hwm_domain_new(rig->hw);
	struct ear *ear = ear_new(rig), *second = ear_listening(rig);
	DECLARE_COMPLETION_ONSTACK(hold);
	unsigned int n = 0;

	ear->hold = &hold;
	KUNIT_ASSERT_EQ(test, listen(ear), 0);
	KUNIT_ASSERT_EQ(test, rig_start(hd, test), 0);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&ear->told, 20 * HZ),
			0);
	KUNIT_ASSERT_EQ(test, rig_attach(home, rig->dev), 0);
	hwm_domain_free(hd);
	rig->hd = home;
	complete_all(&hold);
	while (!(READ_ONCE(second->events) & IOMMU_DIRTY_EVENT_GONE) &&
	       n++ < 20)
		wait_for_completion_timeout(&second->told, HZ);
	iommu_dirty_notifier_sync();
	KUNIT_EXPECT_TRUE(test, ear->events & IOMMU_DIRTY_EVENT_GONE);
	KUNIT_EXPECT_TRUE(test, second->events & IOMMU_DIRTY_EVENT_GONE);
	KUNIT_EXPECT_EQ(test, (int)second->info.mode, IOMMU_DIRTY_MODE_OFF);
	KUNIT_EXPECT_STREQ(test, second->info.backend, "");
	KUNIT_EXPECT_EQ(test, second->info.attached, 0);
}

/* A backend may go, with its strings, while a listener looks at what it was told */
static void what_was_told_outlives_the_backend(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *home = hwm_domain_new(rig->hw), *hd;
	struct iommu_dirty_backend *backend = &rig->hw->backend;
	const char *name = backend->name;
	char loaded[] = "kunit-loaded";
	struct ear *ear = ear_new(rig);
	DECLARE_COMPLETION_ONSTACK(hold);

	KUNIT_ASSERT_EQ(test, rig_attach(home, rig->dev), 0);
	hwm_domain_free(rig->hd);
	hwm_device_free(rig->dev);
	hwm_domain_free(home);
	KUNIT_ASSERT_EQ(test, iommu_dirty_unregister(backend), 0);
	backend->name = loaded;
	KUNIT_ASSERT_EQ(test, iommu_dirty_register(backend), 0);

	hd = hwm_domain_new(rig->hw);
	rig->hd = hd;
	ear->hold = &hold;
	KUNIT_ASSERT_EQ(test, listen(ear), 0);
	KUNIT_ASSERT_EQ(test, rig_start(hd, test), 0);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&ear->told, 20 * HZ),
			0);
	hwm_domain_free(hd);
	KUNIT_EXPECT_EQ(test, iommu_dirty_unregister(backend), 0);
	memset(loaded, 'x', sizeof(loaded) - 1);
	KUNIT_EXPECT_STREQ(test, ear->info.backend, "kunit-loaded");

	backend->name = name;
	KUNIT_EXPECT_EQ(test, iommu_dirty_register(backend), 0);
	complete_all(&hold);
	iommu_dirty_notifier_sync();
}

static int init(struct kunit *test)
{
	struct rig *rig;

	rig_init(test);
	rig = test->priv;
	rig_map(rig, rig->at.small, rig->at.small_size, rig->page, true);
	return 0;
}

static struct kunit_case notify_cases[] = {
	KUNIT_CASE(every_change_is_told),
	KUNIT_CASE(a_flush_that_fails_is_told),
	KUNIT_CASE(what_changes_nothing_is_not_told),
	KUNIT_CASE(a_listener_is_registered_once),
	KUNIT_CASE(a_callback_may_register),
	KUNIT_CASE(a_callback_may_unregister_itself),
	KUNIT_CASE(a_callback_may_unregister_another),
	KUNIT_CASE(a_callback_may_use_the_domain),
	KUNIT_CASE(a_consumer_may_hold_its_lock),
	KUNIT_CASE(unregistering_waits_for_no_call_sync_does),
	KUNIT_CASE(the_last_call_says_that_it_is_gone),
	KUNIT_CASE(what_was_told_outlives_the_backend),
	{}
};

static struct kunit_suite notify_suite = {
	.name = "iommu-dirty-notify",
	.init = init,
	.test_cases = notify_cases,
};

kunit_test_suite(notify_suite);
