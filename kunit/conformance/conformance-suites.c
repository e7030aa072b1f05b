// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suites of the vendors' backends, and what each runs with: the hardware model in
 * every geometry that it has, and the vendor's own driver where this machine has the
 * hardware.
 */
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "conformance.h"
#include "hw-model.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "iommu_dirty_kunit."

#define MAX_TARGETS 16
#define SUITE_NAME_LEN 32

static char *driver_suite_name;
module_param_named(driver, driver_suite_name, charp, 0444);
MODULE_PARM_DESC(driver, "Suite that must have found a driver: intel-2, for example");

static struct conf_target intel_1[MAX_TARGETS + 1];
static struct conf_target intel_2[MAX_TARGETS + 1];
static struct conf_target amd_2[MAX_TARGETS + 1];
static struct conf_target adapter[MAX_TARGETS + 1];
static struct conf_target arm_1[MAX_TARGETS + 1];
static struct conf_target arm_2[MAX_TARGETS + 1];

static void add_target(struct conf_target *targets, const char *name,
		       const struct conf_ops *ops, const void *data)
{
	struct conf_target *target = targets;

	if (!target)
		return;
	while (target->ops)
		target++;
	if (WARN_ON(target == targets + MAX_TARGETS))
		return;
	*target = (struct conf_target){ .name = name, .ops = ops, .data = data };
}

static const struct {
	const char *name;
	struct conf_target *targets;
} suites[] = {
	{ "intel-1", intel_1 },
	{ "intel-2", intel_2 },
	{ "amd-2", amd_2 },
	{ "arm-1", arm_1 },
	{ "arm-2", arm_2 },
};

/* @vendor may be a backend's name, which begins with the vendor's */
static void name_suite(char *name, const char *vendor, unsigned int stage)
{
	snprintf(name, SUITE_NAME_LEN, "%.*s-%u", (int)strcspn(vendor, "-"),
		 vendor, stage);
}

static struct conf_target *targets_of(const char *vendor, unsigned int stage)
{
	char name[SUITE_NAME_LEN];
	unsigned int i;

	name_suite(name, vendor, stage);
	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		if (!strcmp(suites[i].name, name))
			return suites[i].targets;
	}
	WARN(1, "no conformance suite is called %s\n", name);
	return NULL;
}

static void add_model(const struct hwm_kind *kind)
{
	add_target(targets_of(kind->fmt->vendor, kind->fmt->stage), kind->name,
		   &conf_model_ops, kind);
}

static void add_driver(void)
{
	const struct conf_driver *driver = conf_driver_find();

	if (driver->stage)
		add_target(targets_of(driver->backend, driver->stage), "driver",
			   &conf_driver_ops, NULL);
}

/* KUnit runs after all initcalls; devices are there before the last ones */
static int __init add_targets(void)
{
	unsigned int i;

	for (i = 0; i < hwm_nr_kinds; i++)
		add_model(&hwm_kinds[i]);
	for (i = 0; i < hwm_nr_drivers; i++)
		add_target(adapter, hwm_drivers[i].name, &conf_adapter_ops,
			   &hwm_drivers[i]);
	if (kunit_enabled())
		add_driver();
	return 0;
}
late_initcall_sync(add_targets);

CONFORMANCE_SUITE(intel_1, "intel-1", intel_1);
CONFORMANCE_SUITE(intel_2, "intel-2", intel_2);
CONFORMANCE_SUITE(amd_2, "amd-2", amd_2);
CONFORMANCE_SUITE(adapter, "adapter", adapter);
CONFORMANCE_SUITE(arm_1, "arm-1", arm_1);
CONFORMANCE_SUITE(arm_2, "arm-2", arm_2);

/* The suite that must have a driver does not run without */
int conf_suite_init(struct kunit_suite *suite)
{
	const char *name = suite->name + strlen(CONF_SUITE_PREFIX);
	const struct conf_driver *driver = conf_driver_find();
	char found[SUITE_NAME_LEN];

	if (!driver_suite_name || strcmp(name, driver_suite_name))
		return 0;
	if (!driver->stage) {
		kunit_err(suite, "no driver: %s\n", driver->why);
		return -ENODEV;
	}
	name_suite(found, driver->backend, driver->stage);
	if (!strcmp(name, found))
		return 0;
	kunit_err(suite, "the driver is one for %s\n", found);
	return -ENODEV;
}

/* Which of them ran with a driver, and if none, why */
static void a_driver_is_there(struct kunit *test)
{
	const struct conf_driver *driver = conf_driver_find();
	char found[SUITE_NAME_LEN];

	if (!driver->stage && !driver_suite_name)
		kunit_skip(test, "%s", driver->why);
	KUNIT_ASSERT_NE_MSG(test, driver->stage, 0, "%s", driver->why);
	name_suite(found, driver->backend, driver->stage);
	kunit_info(test, "%s, stage %u\n", driver->backend, driver->stage);
	if (driver_suite_name)
		KUNIT_EXPECT_STREQ(test, found, driver_suite_name);
}

static struct kunit_case driver_cases[] = {
	KUNIT_CASE(a_driver_is_there),
	{}
};

static struct kunit_suite driver_suite = {
	.name = CONF_SUITE_PREFIX "driver",
	.test_cases = driver_cases,
};

kunit_test_suite(driver_suite);
