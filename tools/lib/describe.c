// SPDX-License-Identifier: GPL-2.0-only
/* What IOMMU_DIRTY_QUERY answers, in words. */
#include <string.h>

#include "compiler.h"
#include "describe.h"

static const char *name_of(const char * const *names, size_t n, __u32 value)
{
	return value < n ? names[value] : "unknown";
}

const char *mode_name(__u32 mode)
{
	static const char * const names[] = {
		[IOMMU_DIRTY_MODE_OFF] = "off",
		[IOMMU_DIRTY_MODE_EXACT] = "exact",
		[IOMMU_DIRTY_MODE_ALL_DIRTY] = "all-dirty",
	};

	return name_of(names, ARRAY_SIZE(names), mode);
}

const char *reason_name(__u32 reason)
{
	static const char * const names[] = {
		[IOMMU_DIRTY_REASON_NONE] = "none",
		[IOMMU_DIRTY_REASON_DEVICE] = "device",
		[IOMMU_DIRTY_REASON_FLUSH] = "flush",
		[IOMMU_DIRTY_REASON_BACKEND] = "backend",
		[IOMMU_DIRTY_REASON_TABLE] = "table",
	};

	return name_of(names, ARRAY_SIZE(names), reason);
}

const char *policy_name(__u32 policy)
{
	static const char * const names[] = {
		[IOMMU_DIRTY_POLICY_PLAIN] = "plain",
		[IOMMU_DIRTY_POLICY_STRICT] = "strict",
		[IOMMU_DIRTY_POLICY_DEGRADE] = "degrade",
	};

	return name_of(names, ARRAY_SIZE(names), policy);
}

const char *verdict_name(__u32 verdict)
{
	static const char * const names[] = {
		[IOMMU_DIRTY_VERDICT_ATTACHES] = "attaches",
		[IOMMU_DIRTY_VERDICT_REFUSED] = "refused",
		[IOMMU_DIRTY_VERDICT_FOREIGN] = "foreign",
		[IOMMU_DIRTY_VERDICT_CPU] = "cpu",
		[IOMMU_DIRTY_VERDICT_UNTRACKED] = "untracked",
	};

	return name_of(names, ARRAY_SIZE(names), verdict);
}

static void append(char *buf, size_t len, const char *word, const char *between)
{
	if (*buf)
		strncat(buf, between, len - strlen(buf) - 1);
	strncat(buf, word, len - strlen(buf) - 1);
}

char *caps_names(__u32 caps, char *buf, size_t len)
{
	static const char * const names[] = {
		"record", "split", "merge", "table-access", "born-dirty", "ats-dirty",
	};

	*buf = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (caps & (1U << i))
			append(buf, len, names[i], " ");
	if (!*buf)
		append(buf, len, "none", "");
	return buf;
}

static char *size_name(int shift, char *buf, size_t len)
{
	static const char units[] = "BKMGTPE";

	snprintf(buf, len, "%d%c", 1 << (shift % 10), units[shift / 10]);
	return buf;
}

char *sizes_names(__u64 sizes, char *buf, size_t len)
{
	char name[16];

	*buf = 0;
	for (int i = 0; i < 64; i++) {
		bool run = i && sizes & (1ULL << (i - 1));

		if (!(sizes & (1ULL << i)))
			continue;
		if (run && i < 63 && sizes & (1ULL << (i + 1)))
			continue;
		append(buf, len, size_name(i, name, sizeof(name)),
		       run ? ".." : " ");
	}
	if (!*buf)
		append(buf, len, "none", "");
	return buf;
}

void describe_state(FILE *out, const char *prefix, const struct iommu_dirty_query *q)
{
	char caps[128], sizes[128];

	fprintf(out, "%sbackend %.*s, stage %u, mode %s, %u attached\n", prefix,
		IOMMU_DIRTY_BACKEND_NAME_LEN,
		q->out_backend[0] ? (const char *)q->out_backend : "none",
		q->out_stage, mode_name(q->out_mode), q->out_attached);
	fprintf(out, "%scaps %s; leaf sizes %s\n", prefix,
		caps_names(q->out_caps, caps, sizeof(caps)),
		sizes_names(q->out_leaf_sizes, sizes, sizeof(sizes)));
}

void describe_cost(FILE *out, const char *prefix, const struct iommu_dirty_query *q)
{
	char sizes[128];

	fprintf(out, "%s%llu reads in %llu.%03llu ms, leaves met %s\n", prefix,
		q->out_reads, q->out_time_ns / 1000000, q->out_time_ns / 1000 % 1000,
		sizes_names(q->out_seen_leaf_sizes, sizes, sizeof(sizes)));
	fprintf(out, "%s%llu leaves read, %llu dirty, %llu cleared; %llu flushes\n",
		prefix, q->out_leaves, q->out_dirty, q->out_cleared, q->out_flushes);
}
