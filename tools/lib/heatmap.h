/* SPDX-License-Identifier: GPL-2.0-only */
/* The address space in a terminal: expected beside reported, at most 78 columns. */
#ifndef TOOLS_HEATMAP_H
#define TOOLS_HEATMAP_H

#include "layout.h"

struct heatmap {
	bool colour;
	bool in_place;	/* draw over the last one */
	int lines;	/* of the last one, and what was printed below it */
};

/*
 * Both bitmaps run over the layout's pages. A cell is as hot as the share of its
 * pages that is dirty; a cell of the right half that differs from its twin is
 * marked with '!'.
 */
void heatmap_draw(struct heatmap *map, const struct layout *l,
		  const __u8 *expected, const __u8 *reported);

#endif
