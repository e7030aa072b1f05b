// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every format that the hardware model runs for all tests: the code under test for it, and
 * the tables that are made of it. A new one gets its lines here. What hardware sees in its
 * entries is in a file of its own, with bit definitions of its own.
 */
#include "load-point.h"

#include "../../fmt-amdv1.h"
#include "../../fmt-lpae.h"
#include "../../fmt-vtd-ss.h"
#include "../../fmt-x86.h"
#include "hw-model.h"

/* Where a walk starts, unless the code under test finds that out itself */
struct iommu_dirty_root hwm_root(const struct hwm_domain *hd)
{
	const struct hwm_kind *kind = hd->hw->kind;

	return (struct iommu_dirty_root){
		.table = hd->root,
		.level = kind->levels,
		.bits = kind->root_bits ?: kind->fmt->level_bits,
	};
}

HWM_WALKER(vtd_ss, hwm_root);
HWM_WALKER(x86, hwm_root);
HWM_WALKER(amdv1, hwm_root);

/* Arm: the code under test finds out itself where the walk starts */
static struct lpae_geometry geometry_of(const struct hwm_domain *hd)
{
	const struct hwm_kind *kind = hd->hw->kind;

	return (struct lpae_geometry){
		.stage = kind->fmt->stage,
		.granule_shift = kind->fmt->granule_shift,
		.ia_bits = kind->ia_bits,
		.sl0 = kind->sl0,
	};
}

static int arm_walk(const struct hwm_domain *hd,
		    struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last)
{
	struct lpae_geometry geo = geometry_of(hd);
	struct iommu_dirty_root root = lpae_root(&geo, hd->root);

	return lpae_walk(&geo, &root, chunk, iova, last);
}

static int arm_clear(const struct hwm_domain *hd,
		     struct iommu_dirty_chunk *chunk)
{
	struct lpae_geometry geo = geometry_of(hd);
	struct iommu_dirty_root root = lpae_root(&geo, hd->root);

	return lpae_clear(&geo, &root, chunk);
}

static const struct hwm_walker lpae_s1_4k_walker = {
	arm_walk, arm_clear, &lpae_s1_4k_format
};

static const struct hwm_walker lpae_s1_16k_walker = {
	arm_walk, arm_clear, &lpae_s1_16k_format
};

static const struct hwm_walker lpae_s1_64k_walker = {
	arm_walk, arm_clear, &lpae_s1_64k_format
};

static const struct hwm_walker lpae_s2_4k_walker = {
	arm_walk, arm_clear, &lpae_s2_4k_format
};

static const struct hwm_walker lpae_s2_16k_walker = {
	arm_walk, arm_clear, &lpae_s2_16k_format
};

static const struct hwm_walker lpae_s2_64k_walker = {
	arm_walk, arm_clear, &lpae_s2_64k_format
};

/*
 * Arm: levels and roots as the architecture manual tabulates them for an input
 * address size and, in stage 2, a starting level; the code under test is told
 * TxSZ and SL0. Leaf sizes that no single entry has are runs of entries.
 */
const struct hwm_kind hwm_kinds[] = {
	{
		.name = "vtd-ss, 4 levels",
		.fmt = &hwm_vtd_ss, .walker = &vtd_ss_walker,
		.levels = 4,
		.medium = SZ_2M, .large = SZ_1G,
	},
	{
		.name = "vtd-ss, 5 levels",
		.fmt = &hwm_vtd_ss, .walker = &vtd_ss_walker,
		.levels = 5,
		.medium = SZ_2M, .large = SZ_1G,
		.sampled = true,
	},
	{
		.name = "x86, 4 levels",
		.fmt = &hwm_x86, .walker = &x86_walker,
		.levels = 4,
		.medium = SZ_2M, .large = SZ_1G,
	},
	{
		.name = "x86, 5 levels",
		.fmt = &hwm_x86, .walker = &x86_walker,
		.levels = 5,
		.medium = SZ_2M, .large = SZ_1G,
		.sampled = true,
	},
	{
		.name = "amd v1, 4 levels",
		.fmt = &hwm_amdv1, .walker = &amdv1_walker,
		.levels = 4,
		.medium = SZ_2M, .large = SZ_1G,
	},
	{
		.name = "amd v1, 3 levels, copies",
		.fmt = &hwm_amdv1, .walker = &amdv1_walker,
		.levels = 3,
		.medium = SZ_64K, .large = SZ_256M,
	},
	{
		.name = "amd v1, 5 levels, copies",
		.fmt = &hwm_amdv1, .walker = &amdv1_walker,
		.levels = 5,
		.medium = SZ_2M, .large = SZ_256M,
		.sampled = true,
	},
	{
		.name = "arm s1 4K, 48 bits",
		.fmt = &hwm_lpae_s1_4k, .walker = &lpae_s1_4k_walker,
		.levels = 4,
		.ia_bits = 48,
		.medium = SZ_2M, .large = SZ_1G,
	},
	{
		.name = "arm s1 4K, 39 bits, runs",
		.fmt = &hwm_lpae_s1_4k, .walker = &lpae_s1_4k_walker,
		.levels = 3,
		.ia_bits = 39,
		.medium = SZ_2M, .large = SZ_32M,
		.sampled = true,
	},
	{
		/* The root has 2 entries */
		.name = "arm s1 4K, 40 bits, runs",
		.fmt = &hwm_lpae_s1_4k, .walker = &lpae_s1_4k_walker,
		.levels = 4, .root_bits = 1,
		.ia_bits = 40,
		.medium = SZ_64K, .large = SZ_2M,
		.sampled = true,
	},
	{
		.name = "arm s1 16K, 47 bits, runs",
		.fmt = &hwm_lpae_s1_16k, .walker = &lpae_s1_16k_walker,
		.levels = 3,
		.ia_bits = 47,
		.medium = SZ_2M, .large = SZ_32M,
		.sampled = true,
	},
	{
		/* The root has 64 entries */
		.name = "arm s1 64K, 48 bits, runs",
		.fmt = &hwm_lpae_s1_64k, .walker = &lpae_s1_64k_walker,
		.levels = 3, .root_bits = 6,
		.ia_bits = 48,
		.medium = SZ_2M, .large = SZ_512M,
		.sampled = true,
	},
	{
		/* 2 tables in a row */
		.name = "arm s2 4K, 40 bits",
		.fmt = &hwm_lpae_s2_4k, .walker = &lpae_s2_4k_walker,
		.levels = 3, .root_bits = 10,
		.ia_bits = 40, .sl0 = 1,
		.medium = SZ_2M, .large = SZ_1G,
		.sampled = true,
	},
	{
		/* 16 tables in a row */
		.name = "arm s2 4K, 43 bits, runs",
		.fmt = &hwm_lpae_s2_4k, .walker = &lpae_s2_4k_walker,
		.levels = 3, .root_bits = 13,
		.ia_bits = 43, .sl0 = 1,
		.medium = SZ_64K, .large = SZ_32M,
	},
	{
		/* 2 tables in a row */
		.name = "arm s2 16K, 48 bits, runs",
		.fmt = &hwm_lpae_s2_16k, .walker = &lpae_s2_16k_walker,
		.levels = 3, .root_bits = 12,
		.ia_bits = 48, .sl0 = 2,
		.medium = SZ_2M, .large = SZ_1G,
		.sampled = true,
	},
	{
		/* 16 tables in a row; the root is of level 2 */
		.name = "arm s2 64K, 46 bits, runs",
		.fmt = &hwm_lpae_s2_64k, .walker = &lpae_s2_64k_walker,
		.levels = 2, .root_bits = 17,
		.ia_bits = 46, .sl0 = 1,
		.medium = SZ_2M, .large = 16UL * SZ_1G,
		.sampled = true,
	},
};

const unsigned int hwm_nr_kinds = ARRAY_SIZE(hwm_kinds);
