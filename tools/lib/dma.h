/* SPDX-License-Identifier: GPL-2.0-only */
/* Transfers that are checked at both ends and told to the oracle. */
#ifndef TOOLS_DMA_H
#define TOOLS_DMA_H

#include "space.h"

/* A transfer; it lies in one region. */
struct transfer {
	const struct region *region;
	__u64 iova;
	unsigned int len;
	unsigned int offset;	/* in the device's buffer */
};

/*
 * 0, or an error of the device's, or -EBADMSG when the device said that it had
 * written and memory does not hold what it was to write.
 */
int dma_write(struct space *s, int dev, const struct transfer *t);
int dma_read(struct space *s, int dev, const struct transfer *t);

/* The same for one byte. */
int dma_poke(struct space *s, int dev, __u64 iova);

/* Compare memory with what the device's buffer held. */
int dma_landed(const struct edu *edu, const struct transfer *t);

/*
 * A random transfer in region @r: a byte, a few bytes that cross a page, or up
 * to a whole buffer.
 */
struct transfer dma_random(const struct region *r, __u64 *rng);

#endif
