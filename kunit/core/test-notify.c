// SPDX-License-Identifier: GPL-2.0-only
/*
 * Being told: every change once it is so, with what is so, and whatever the listener
 * does in its callback or holds when it calls.
 */
#include <linux/completion.h>
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/syscalls.h>

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

/* Of an unmap, say, while nobody reads */
static void a_flush_that_fails_elsewhere_is_told(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig);

	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	reinit_completion(&ear->told);
	iommu_dirty_flush_failed(&rig->hd->domain);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&ear->told, 20 * HZ),
			0);
	KUNIT_EXPECT_EQ(test, (int)ear->info.mode,
			IOMMU_DIRTY_MODE_ALL_DIRTY);
	KUNIT_EXPECT_EQ(test, (int)ear->info.reason, IOMMU_DIRTY_REASON_FLUSH);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
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
	iommu_dirty_notifier_sync(&ear->nb);
	other->events = 0;
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_told(other, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	KUNIT_EXPECT_EQ(test, leave(other), 0);
	iommu_dirty_notifier_sync(&ear->nb);
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
	iommu_dirty_notifier_sync(&ear->nb);
}

static void a_callback_may_unregister_another(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig), *other = ear_listening(rig);

	ear->act = send_away;
	ear->other = other;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	iommu_dirty_notifier_sync(&ear->nb);
	other->calls = 0;
	KUNIT_ASSERT_EQ(test, rig_stop(rig->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, other->calls, 0);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	iommu_dirty_notifier_sync(&ear->nb);
}

/* Not even in the round that is under way */
static void nobody_is_called_once_unregistered(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_listening(rig), *next = ear_listening(rig);
	struct ear *last = ear_listening(rig);

	ear->act = send_away;
	ear->other = next;
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	expect_told(last, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, ear->calls, 1);
	KUNIT_EXPECT_EQ(test, next->calls, 0);
	KUNIT_EXPECT_EQ(test, leave(next), -ENOENT);
	KUNIT_EXPECT_EQ(test, leave(last), 0);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	iommu_dirty_notifier_sync(&last->nb);
	iommu_dirty_notifier_sync(&ear->nb);
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
	iommu_dirty_notifier_sync(&ear->nb);
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
	iommu_dirty_notifier_sync(&ear->nb);
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
	iommu_dirty_notifier_sync(&ear->nb);
	ear->calls = 0;
	KUNIT_EXPECT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_FALSE(test,
			   wait_for_completion_timeout(&ear->told, HZ / 10));
	KUNIT_EXPECT_EQ(test, ear->calls, 0);
}

struct waiter {
	struct work_struct work;
	struct ear *ear;
	struct completion done;
};

static void wait_for_ear(struct work_struct *work)
{
	struct waiter *waiter = container_of(work, struct waiter, work);

	iommu_dirty_notifier_sync(&waiter->ear->nb);
	complete(&waiter->done);
}

static struct waiter *waiter_new(struct ear *ear)
{
	struct kunit *test = ear->rig->hw->test;
	struct waiter *waiter = kunit_kzalloc(test, sizeof(*waiter),
					      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, waiter);
	waiter->ear = ear;
	init_completion(&waiter->done);
	INIT_WORK(&waiter->work, wait_for_ear);
	queue_work(system_unbound_wq, &waiter->work);
	return waiter;
}

/* One whose callback takes its time holds up itself, and whoever waits for it */
static void nobody_waits_for_another_listener(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct rig *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	struct ear *slow = ear_new(rig), *ear;
	DECLARE_COMPLETION_ONSTACK(hold);
	struct waiter *first, *second;

	KUNIT_ASSERT_NOT_NULL(test, other);
	*other = *rig;
	other->hd = hwm_domain_new(rig->hw);
	slow->hold = &hold;
	KUNIT_ASSERT_EQ(test, listen(slow), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&slow->told, 20 * HZ),
			0);
	KUNIT_EXPECT_EQ(test, leave(slow), 0);

	ear = ear_listening(other);
	KUNIT_ASSERT_EQ(test, rig_start(other->hd, test), 0);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	first = waiter_new(ear);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&first->done, HZ), 0);

	second = waiter_new(slow);
	KUNIT_EXPECT_EQ(test,
			wait_for_completion_timeout(&second->done, HZ / 10), 0);
	complete_all(&hold);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&second->done, HZ),
			0);
	flush_work(&first->work);
	flush_work(&second->work);
}

/* However many changes: one is being told, the others wait to be told together */
static void changes_do_not_pile_up(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct ear *ear = ear_new(rig);
	DECLARE_COMPLETION_ONSTACK(hold);
	unsigned int i;
	u64 seq;

	ear->hold = &hold;
	KUNIT_ASSERT_EQ(test, listen(ear), 0);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&ear->told, 20 * HZ),
			0);
	seq = rig_query(rig->hd).seq;
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test,
				iommu_dirty_set_policy(&rig->hd->domain, test,
						       i % 2 ?
						       IOMMU_DIRTY_POLICY_PLAIN :
						       IOMMU_DIRTY_POLICY_DEGRADE),
				0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).seq, seq + 1000);
	KUNIT_EXPECT_EQ(test, ear->calls, 1);
	complete_all(&hold);
	expect_told(ear, IOMMU_DIRTY_EVENT_MODE | IOMMU_DIRTY_EVENT_POLICY);
	KUNIT_EXPECT_EQ(test, ear->calls, 2);
	KUNIT_EXPECT_EQ(test, leave(ear), 0);
	iommu_dirty_notifier_sync(&ear->nb);
}

/*
 * Eventfds. They are made by a system call, which has a name in the kernel where no
 * wrapper is needed; elsewhere dirty-e2e has to do.
 */
/* At once, not when the kernel finds the time */
static void close_eventfd(int fd)
{
	struct file *file = file_close_fd(fd);

	if (file)
		__fput_sync(file);
}

static void close_action(void *fd)
{
	close_eventfd((long)fd);
}

static int make_eventfd(struct kunit *test)
{
	int fd = -EOPNOTSUPP;

#ifndef CONFIG_ARCH_HAS_SYSCALL_WRAPPER
	fd = sys_eventfd2(0, EFD_NONBLOCK);
#endif
	if (fd == -EOPNOTSUPP)
		kunit_skip(test, "no eventfd can be made here");
	KUNIT_ASSERT_GE(test, fd, 0);
	return fd;
}

/* One that is closed when the test ends */
static int new_eventfd(struct kunit *test)
{
	long fd = make_eventfd(test);

	KUNIT_ASSERT_EQ(test,
			kunit_add_action_or_reset(test, close_action, (void *)fd),
			0);
	return fd;
}

/*
 * Is an eventfd gone for good when its file is closed? Each has a number, the lowest
 * that is free.
 */
static int eventfd_number(struct kunit *test)
{
	struct seq_file m = { .size = PAGE_SIZE };
	int fd = make_eventfd(test), number = -1;
	struct file *file = eventfd_fget(fd);
	char *at;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	m.buf = kunit_kzalloc(test, m.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	file->f_op->show_fdinfo(&m, file);
	at = strstr(m.buf, "eventfd-id: ");
	KUNIT_ASSERT_NOT_NULL(test, at);
	at += strlen("eventfd-id: ");
	KUNIT_ASSERT_EQ(test, kstrtoint(strsep(&at, "\n"), 10, &number), 0);
	fput(file);
	close_eventfd(fd);
	return number;
}

/* What a read(2) would take, 0 when it would wait */
static u64 eventfd_take(int fd)
{
	struct file *file = eventfd_fget(fd);
	loff_t pos = 0;
	u64 count = 0;

	if (!IS_ERR(file)) {
		kernel_read(file, &count, sizeof(count), &pos);
		fput(file);
	}
	return count;
}

/* Wait until it is signalled */
static u64 eventfd_wait(int fd)
{
	unsigned int n;
	u64 count = 0;

	for (n = 0; n < 20 * 50 && !count; n++) {
		count = eventfd_take(fd);
		if (!count)
			schedule_timeout_uninterruptible(HZ / 50);
	}
	return count;
}

static void a_domain_has_only_so_many_eventfds(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct hwm_domain *other = hwm_domain_new(rig->hw);
	int fd[IOMMU_DIRTY_EVENTFD_MAX + 1];
	unsigned int i;

	/* The limit of the user interface */
	KUNIT_EXPECT_EQ(test, IOMMU_DIRTY_EVENTFD_MAX, 16);
	for (i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = new_eventfd(test);
	for (i = 0; i < IOMMU_DIRTY_EVENTFD_MAX; i++)
		KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd[i]),
				0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd[i]), -ENOSPC);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd[0]), -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, fd[i]),
			-ENOENT);

	/* It counts for the domain */
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(&other->domain, fd[i]),
			0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(&other->domain, fd[i]),
			0);

	/* Each is signalled, and one that makes room is not */
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, fd[1]), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd[i]), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd[1]), -ENOSPC);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	for (i = 0; i < ARRAY_SIZE(fd); i++)
		if (i != 1)
			KUNIT_ASSERT_EQ(test, eventfd_wait(fd[i]), 1);
	KUNIT_EXPECT_EQ(test, eventfd_take(fd[1]), 0);

	for (i = 0; i < ARRAY_SIZE(fd); i++)
		KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, fd[i]),
				i == 1 ? -ENOENT : 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd[1]), 0);
}

static void an_eventfd_hears_that_the_domain_is_gone(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);
	int fd = new_eventfd(test), other = new_eventfd(test);

	KUNIT_ASSERT_EQ(test, iommu_dirty_add_eventfd(&hd->domain, fd), 0);
	KUNIT_ASSERT_EQ(test, iommu_dirty_add_eventfd(&hd->domain, other), 0);
	KUNIT_ASSERT_EQ(test, iommu_dirty_remove_eventfd(&hd->domain, other),
			0);
	hwm_domain_free(hd);
	KUNIT_EXPECT_EQ(test, eventfd_wait(fd), 1);
	KUNIT_EXPECT_EQ(test, eventfd_take(other), 0);
}

static void what_is_no_eventfd_is_refused(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct hwm_domain *child = hwm_domain_child(rig->hd);
	struct hwm_domain *dma = hwm_domain_new(rig->hw);
	int fd = new_eventfd(test);

	dma->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, -1), -EBADF);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, -1), -EBADF);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, fd), -ENOENT);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(&child->domain, fd),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(&dma->domain, fd),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(&dma->domain, fd),
			-EOPNOTSUPP);
	KUNIT_EXPECT_PTR_EQ(test, dma->domain.dirty, NULL);
}

/* Once removed, refused or gone with its domain, nobody holds on to it */
static void an_eventfd_is_let_go(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct iommu_domain *domain = &rig->hd->domain;
	struct hwm_domain *hd = hwm_domain_new(rig->hw);
	int number = eventfd_number(test), fd = make_eventfd(test), i;

	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(domain, fd), -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, fd), 0);
	KUNIT_EXPECT_EQ(test, iommu_dirty_remove_eventfd(domain, fd), -ENOENT);
	close_eventfd(fd);
	KUNIT_EXPECT_EQ(test, eventfd_number(test), number);

	fd = make_eventfd(test);
	KUNIT_EXPECT_EQ(test, iommu_dirty_add_eventfd(&hd->domain, fd), 0);
	close_eventfd(fd);
	KUNIT_EXPECT_NE(test, eventfd_number(test), number);
	hwm_domain_free(hd);
	for (i = 0; i < 20 * 50 && eventfd_number(test) != number; i++)
		schedule_timeout_uninterruptible(HZ / 50);
	KUNIT_EXPECT_EQ(test, eventfd_number(test), number);
}

/* The domain is freed during a call, and goes on to exist for those who are told */
static void the_last_call_says_that_it_is_gone(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *hd = rig->hd, *home = hwm_domain_new(rig->hw);
	struct ear *ear = ear_new(rig), *second = ear_listening(rig);
	DECLARE_COMPLETION_ONSTACK(hold);
	unsigned int n = 0;
	u64 seq;

	ear->hold = &hold;
	KUNIT_ASSERT_EQ(test, listen(ear), 0);
	KUNIT_ASSERT_EQ(test, rig_start(hd, test), 0);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&ear->told, 20 * HZ),
			0);
	KUNIT_ASSERT_EQ(test, rig_attach(home, rig->dev), 0);
	seq = rig_query(hd).seq;
	hwm_domain_free(hd);
	rig->hd = home;
	complete_all(&hold);
	while (!(READ_ONCE(second->events) & IOMMU_DIRTY_EVENT_GONE) &&
	       n++ < 20)
		wait_for_completion_timeout(&second->told, HZ);
	iommu_dirty_notifier_sync(&ear->nb);
	KUNIT_EXPECT_TRUE(test, ear->events & IOMMU_DIRTY_EVENT_GONE);
	KUNIT_EXPECT_TRUE(test, second->events & IOMMU_DIRTY_EVENT_GONE);
	/* With all that goes with it: one change, and one call more */
	KUNIT_EXPECT_TRUE(test, second->events & IOMMU_DIRTY_EVENT_MODE);
	KUNIT_EXPECT_EQ(test, second->info.seq, seq + 1);
	KUNIT_EXPECT_EQ(test, (int)second->info.mode, IOMMU_DIRTY_MODE_OFF);
	KUNIT_EXPECT_STREQ(test, second->info.backend, "");
	KUNIT_EXPECT_EQ(test, second->info.attached, 0);
}

static void what_is_off_goes_without_a_change_of_mode(struct kunit *test)
{
	struct rig *rig = test->priv;
	struct hwm_domain *home = hwm_domain_new(rig->hw);
	struct ear *ear = ear_listening(rig);
	unsigned int n = 0;

	KUNIT_ASSERT_EQ(test, rig_attach(home, rig->dev), 0);
	hwm_domain_free(rig->hd);
	rig->hd = home;
	while (!(READ_ONCE(ear->events) & IOMMU_DIRTY_EVENT_GONE) && n++ < 20)
		wait_for_completion_timeout(&ear->told, HZ);
	KUNIT_EXPECT_TRUE(test, ear->events & IOMMU_DIRTY_EVENT_GONE);
	KUNIT_EXPECT_FALSE(test, ear->events & IOMMU_DIRTY_EVENT_MODE);
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
	iommu_dirty_notifier_sync(&ear->nb);
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
	KUNIT_CASE(a_flush_that_fails_elsewhere_is_told),
	KUNIT_CASE(what_changes_nothing_is_not_told),
	KUNIT_CASE(a_listener_is_registered_once),
	KUNIT_CASE(a_callback_may_register),
	KUNIT_CASE(a_callback_may_unregister_itself),
	KUNIT_CASE(a_callback_may_unregister_another),
	KUNIT_CASE(nobody_is_called_once_unregistered),
	KUNIT_CASE(a_callback_may_use_the_domain),
	KUNIT_CASE(a_consumer_may_hold_its_lock),
	KUNIT_CASE(unregistering_waits_for_no_call_sync_does),
	KUNIT_CASE(nobody_waits_for_another_listener),
	KUNIT_CASE(changes_do_not_pile_up),
	KUNIT_CASE(a_domain_has_only_so_many_eventfds),
	KUNIT_CASE(an_eventfd_hears_that_the_domain_is_gone),
	KUNIT_CASE(what_is_no_eventfd_is_refused),
	KUNIT_CASE(an_eventfd_is_let_go),
	KUNIT_CASE(the_last_call_says_that_it_is_gone),
	KUNIT_CASE(what_is_off_goes_without_a_change_of_mode),
	KUNIT_CASE(what_was_told_outlives_the_backend),
	{}
};

static struct kunit_suite notify_suite = {
	.name = "iommu-dirty-notify",
	.init = init,
	.test_cases = notify_cases,
};

kunit_test_suite(notify_suite);
