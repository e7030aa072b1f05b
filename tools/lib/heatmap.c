// SPDX-License-Identifier: GPL-2.0-only
/* The address space in a terminal: expected beside reported. */
#include <stdio.h>
#include <string.h>

#include "bits.h"
#include "heatmap.h"

#define CELLS	34	/* in a row of one half */
#define ROWS	14	/* for all regions */
#define LEVELS	5

static const char plain[LEVELS + 1] = { '.', '-', '+', '*', '#', '@' };
/* Background colours of the 256-colour palette, cold to hot. */
static const int palette[LEVELS + 1] = { 236, 22, 34, 226, 208, 196 };

/* Rows go to whoever has most leaves left for each of its rows. */
static void share_rows(const struct layout *l, int *rows)
{
	for (int i = 0; i < l->regions; i++)
		rows[i] = 1;
	for (int left = ROWS - l->regions; left > 0; left--) {
		__u64 most = CELLS;
		int best = -1;

		for (int i = 0; i < l->regions; i++) {
			__u64 each = l->region[i].len / l->region[i].leaf / rows[i];

			/* A big region must not crowd out the others. */
			if (each > most && rows[i] < ROWS / 2 - 1 &&
			    l->region[i].writable) {
				most = each;
				best = i;
			}
		}
		if (best < 0)
			break;
		rows[best]++;
	}
}

static void draw_cell(const struct heatmap *map, __u64 dirty, __u64 pages, bool wrong)
{
	int level = dirty ? 1 + (dirty * LEVELS - 1) / pages : 0;

	if (level > LEVELS)
		level = LEVELS;
	if (map->colour)
		printf("\033[48;5;%dm%c", palette[level], wrong ? '!' : ' ');
	else
		putchar(wrong ? '!' : plain[level]);
}

static void draw_half(const struct heatmap *map, const struct region *r, int row,
		      int rows, const __u8 *bits, const __u8 *twin)
{
	__u64 cells = (__u64)rows * CELLS, pages = region_pages(r);

	for (int i = 0; i < CELLS; i++) {
		__u64 cell = (__u64)row * CELLS + i;
		__u64 first = cell * pages / cells;
		__u64 n = (cell + 1) * pages / cells - first;
		__u64 dirty;
		bool wrong = false;

		if (!n) {
			n = 1;
			first = first < pages ? first : pages - 1;
		}
		first += r->page0;
		dirty = bits_count(bits, first, n);
		for (__u64 page = first; twin && !wrong && page < first + n; page++)
			wrong = bit_test(bits, page) != bit_test(twin, page);
		draw_cell(map, dirty, n, wrong);
	}
	if (map->colour)
		printf("\033[0m");
}

void heatmap_draw(struct heatmap *map, const struct layout *l,
		  const __u8 *expected, const __u8 *reported)
{
	int rows[LAYOUT_REGIONS];

	share_rows(l, rows);
	if (map->in_place && map->lines)
		printf("\033[%dA", map->lines);
	map->lines = 1;
	printf("%6s %-*s  %s\n", "leaf", CELLS, "expected", "reported");
	for (int i = 0; i < l->regions; i++) {
		const struct region *r = &l->region[i];

		for (int row = 0; row < rows[i]; row++) {
			printf("%6s ", row ? "" : r->name);
			draw_half(map, r, row, rows[i], expected, NULL);
			printf("  ");
			draw_half(map, r, row, rows[i], reported, expected);
			printf("\n");
			map->lines++;
		}
	}
}
