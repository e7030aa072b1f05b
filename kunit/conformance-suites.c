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

	while (target->ops)
		target++;
	if (WARN_ON(target == targets + MAX_TARGETS))
		return;
	*target = (struct conf_target){ .name = name, .ops = ops, .data = data };
}

/* By the name of a backend or of a format */
static const char *vendor_of(const char *name)
{
	if (strstarts(name, "arm") || strstarts(name, "lpae"))
		return "arm";
	return strstarts(name, "amd") ? "amd" : "intel";
}

static struct conf_target *targets_of(const char *name, unsigned int stage)
{
	const char *vendor = vendor_of(name);

	if (!strcmp(vendor, "amd"))
		return amd_2;
	if (!strcmp(vendor, "arm"))
		return stage == 1 ? arm_1 : arm_2;
	return stage == 1 ? intel_1 : intel_2;
}

static void add_model(const struct hwm_kind *kind)
{
	add_target(targets_of(kind->fmt->name, kind->fmt->stage), kind->name,
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

/* Which of them ran with a driver, and if none, why */
static void a_driver_is_there(struct kunit *test)
{
	const struct conf_driver *driver = conf_driver_find();
	char found[16];

	if (!driver->stage && !driver_suite_name)
		kunit_skip(test, "%s", driver->why);
	KUNIT_ASSERT_NE_MSG(test, driver->stage, 0, "%s", driver->why);
	snprintf(found, sizeof(found), "%s-%u",
		 vendor_of(driver->backend), driver->stage);
	kunit_info(test, "%s, stage %u\n", driver->backend, driver->stage);
	if (driver_suite_name)
		KUNIT_EXPECT_STREQ(test, found, driver_suite_name);
}

static struct kunit_case driver_cases[] = {
	KUNIT_CASE(a_driver_is_there),
	{}
};

static struct kunit_suite driver_suite = {
	.name = "conformance.driver",
	.test_cases = driver_cases,
};

kunit_test_suite(driver_suite);
