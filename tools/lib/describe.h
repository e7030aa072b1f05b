/* SPDX-License-Identifier: GPL-2.0-only */
/* What IOMMU_DIRTY_QUERY answers, in words. */
#ifndef TOOLS_DESCRIBE_H
#define TOOLS_DESCRIBE_H

#include <stdio.h>

#include "iommufd.h"

const char *mode_name(__u32 mode);
const char *reason_name(__u32 reason);
const char *policy_name(__u32 policy);
const char *verdict_name(__u32 verdict);
/* "record split"; a buffer of 128 bytes is enough. */
char *caps_names(__u32 caps, char *buf, size_t len);
/* "4K 2M 1G"; sizes that follow each other become "4K..1G". 128 bytes. */
char *sizes_names(__u64 sizes, char *buf, size_t len);

/* Each line starts with @prefix. */
void describe_state(FILE *out, const char *prefix, const struct iommu_dirty_query *q);
void describe_cost(FILE *out, const char *prefix, const struct iommu_dirty_query *q);

#endif
