// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a trend that history's file has kept: it is passed over, or it is one that goes on.
 */
#include <stdint.h>
#include <stdlib.h>

#include "growth/trend_file.h"

#define NOW_S 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct trend_rule rule = {.least = 1024};

static void check(const struct trend *trend)
{
	if (!trend__is_sound(trend, trend->last_s))
		abort();
}

/* After a second, and after times that close buckets of every window. */
static void go_on(struct trend *trend)
{
	struct trend_slope slope;
	unsigned window;

	for (uint32_t s = 1; s < 30 * 86400; s *= 3) {
		trend__add(trend, &rule, NOW_S + s, s);
		check(trend);
	}
	trend__state(trend, &window);
	trend__slope(trend, window, &slope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct growers growers = {};
	struct trend_entry entry = {};

	buf__puts(&entry.name, "process 7 100");
	buf__add(&entry.value, data, size);
	trend_file__restore(&growers, &entry, NOW_S);
	if (growers.kept) {
		check(&growers.kept->trend);
		go_on(&growers.kept->trend);
	}
	growers__free(&growers);
	buf__free(&entry.name);
	buf__free(&entry.value);
	return 0;
}
