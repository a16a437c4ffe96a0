// SPDX-License-Identifier: BSD-2-Clause
/* Which parts a report shows first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "reconcile/largest.h"
#include "util/cleanup.h"

#define PARTS 100

static int by_order(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->rss != y->rss)
		return x->rss < y->rss ? 1 : -1;
	return (x->start > y->start) - (x->start < y->start);
}

static void make(struct part *parts, size_t n, unsigned values, unsigned *seed)
{
	memset(parts, 0, n * sizeof(*parts));
	for (size_t i = 0; i < n; i++) {
		parts[i].start = (i + 1) << 12;
		parts[i].rss = rand_r(seed) % values;
		parts[i].kinds = page_kinds_unknown;
	}
}

static void are_those_of_a_sorted_list(void **state)
{
	struct part parts[PARTS], sorted[PARTS], moved[PARTS];
	unsigned seed = 17;

	for (size_t round = 0; round < 2000; round++) {
		size_t n = rand_r(&seed) % PARTS, wanted = rand_r(&seed) % (n + 2), kept;
		_cleanup_free_ size_t *places = NULL;

		make(parts, n, round % 2 ? 4 : 1000, &seed);
		memcpy(sorted, parts, sizeof(parts));
		memcpy(moved, parts, sizeof(parts));
		qsort(sorted, n, sizeof(*sorted), by_order);
		assert_int_equal(parts__largest(parts, n, wanted, &places, &kept), 0);
		assert_int_equal(kept, n < wanted ? n : wanted);
		assert_int_equal(parts__move_largest(moved, n, wanted), 0);
		for (size_t i = 0; i < kept; i++) {
			assert_int_equal(parts[places[i]].start, sorted[i].start);
			assert_int_equal(moved[i].start, sorted[i].start);
		}
		/* The others are all there. */
		qsort(moved, n, sizeof(*moved), by_order);
		assert_memory_equal(moved, sorted, n * sizeof(*moved));
	}
}

/* Huge pages of hugetlb are held, and not in rss. */
static void what_is_held_counts(void **state)
{
	struct part parts[2] = {{.start = 4096, .rss = 8192}, {.start = 8192, .rss = 4096}};
	_cleanup_free_ size_t *places = NULL;
	size_t n;

	parts[1].kinds.bytes[PAGES_HUGETLB] = 2 << 20;
	assert_int_equal(parts__largest(parts, 2, 1, &places, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(places[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_those_of_a_sorted_list),
		cmocka_unit_test(what_is_held_counts),
	};

	return cmocka_run_group_tests_name("largest", tests, NULL, NULL);
}
