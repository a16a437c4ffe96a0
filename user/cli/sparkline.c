// SPDX-License-Identifier: BSD-2-Clause
#include "cli/sparkline.h"

#include <math.h>

#define TALLEST 7

static double figure(const json_t *figures, size_t i)
{
	return json_number_value(json_array_get(figures, i));
}

void sparkline__add(struct buf *out, const json_t *figures, size_t n)
{
	static const char *const heights[TALLEST + 1] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	size_t have = json_array_size(figures), first = have > n ? have - n : 0;
	double most = 0;

	for (size_t i = first; i < have; i++)
		most = figure(figures, i) > most ? figure(figures, i) : most;
	for (size_t i = have - first; i < n; i++)
		buf__puts(out, " ");
	for (size_t i = first; i < have; i++) {
		double share = most > 0 ? figure(figures, i) / most : 0;
		long height = lround(share * TALLEST);

		if (json_is_number(json_array_get(figures, i)))
			buf__puts(out, heights[height]);
		else
			buf__puts(out, " ");
	}
}
