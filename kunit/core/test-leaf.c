// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leaves that the other suites never map. Devices may write some that they cannot read:
 * who takes the permission to read for "this is a leaf" passes over them.
 */
#include "rig.h"

static void what_can_only_be_written_is_tracked(struct kunit *test)
{
	struct rig *rig = test->priv;
	const unsigned long at[] = {
		rig->at.small, rig_page(rig, 500), rig_page(rig, 501),
		rig->at.medium, rig->at.medium + rig->medium + rig->page,
		rig->at.large + 3 * rig->page,
		rig->at.large + rig->large + 9 * rig->page, rig->at.after,
		rig->at.tail + rig->page,
	};
	unsigned int i, round;

	rig->hd->write_only = true;
	rig_map_layout(rig);
	hwm_write(rig->dev, rig->at.small + 5 * rig->page);
	KUNIT_ASSERT_EQ(test, rig_start(rig->hd, test), 0);
	KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
	KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty, 0);

	/* The same ones again: they were made clean, and flushed */
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < ARRAY_SIZE(at); i++)
			KUNIT_EXPECT_EQ(test, hwm_write(rig->dev, at[i]), 0);
		KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).dirty,
				round * ARRAY_SIZE(at));
		KUNIT_EXPECT_EQ(test, rig_query(rig->hd).cleared,
				round * ARRAY_SIZE(at));
		KUNIT_EXPECT_EQ(test, rig_read_mapped(rig, 0), 0);
	}
}

static struct kunit_case leaf_cases[] = {
	KUNIT_CASE_PARAM(what_can_only_be_written_is_tracked,
			 rig_write_only_kinds),
	{}
};

static struct kunit_suite leaf_suite = {
	.name = "iommu-dirty-leaf",
	.init = rig_init,
	.test_cases = leaf_cases,
};

kunit_test_suite(leaf_suite);
