// SPDX-License-Identifier: BSD-2-Clause
/* The sampler's pure parts: which process comes first, and which was seen when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sampler/rank.h"
#include "sampler/table.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define MS 1000000ULL

/* --- the order -------------------------------------------------------------------------------- */

static void who_is_due(void **state)
{
	static const struct {
		struct candidate c;
		bool due;
	} table[] = {
		{{.is_new = true}, true},
		{{.age_ns = 5 * NSEC_PER_SEC, .cost_ns = MS / 10}, false},
		{{.age_ns = 5 * NSEC_PER_SEC, .cost_ns = MS / 10, .changed = 1}, true},
		{{.age_ns = 5 * NSEC_PER_SEC, .cost_ns = MS / 10, .events = 1}, true},
		{{.age_ns = 5 * NSEC_PER_SEC, .cost_ns = MS / 10, .unsettled = true}, true},
		/* A large one: not yet. */
		{{.age_ns = 19 * NSEC_PER_SEC, .cost_ns = 20 * MS, .changed = 9999}, false},
		{{.age_ns = 20 * NSEC_PER_SEC, .cost_ns = 20 * MS, .changed = 9999}, true},
		{{.age_ns = RANK_REFRESH_NS + 1, .cost_ns = MS}, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (candidate__is_due(&table[i].c) != table[i].due)
			fail_msg("row %zu", i);
	}
}

static void who_comes_first(void **state)
{
	struct candidate candidates[] = {
		{.pid = 6, .age_ns = 5 * NSEC_PER_SEC},
		{.pid = 5, .age_ns = 9 * NSEC_PER_SEC},
		{.pid = 4, .age_ns = 9 * NSEC_PER_SEC, .changed = 10},
		{.pid = 3, .age_ns = 5 * NSEC_PER_SEC, .changed = 15, .events = 5},
		{.pid = 2, .age_ns = 900 * NSEC_PER_SEC, .events = 1},
		{.pid = 1, .is_new = true},
	};

	candidates__sort(candidates, ARRAY_SIZE(candidates));
	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++)
		assert_int_equal(candidates[i].pid, i + 1);
}

/* --- the table -------------------------------------------------------------------------------- */

static struct sample *make(pid_t pid, uint64_t start_ticks, uint64_t exec_space, uint64_t rss,
			   uint64_t taken_ns)
{
	struct sample *sample = calloc(1, sizeof(*sample));

	assert_non_null(sample);
	sample->refs = 1;
	sample->pid = pid;
	sample->start_ticks = start_ticks;
	sample->exec_space = exec_space;
	sample->rss = rss;
	sample->taken_ns = taken_ns;
	return sample;
}

static void assert_first(struct table *table, uint64_t exec_space, uint64_t rss, uint64_t ns)
{
	struct sighting first = {12345, 999};

	assert_true(table__first(table, 7, 100, exec_space, &first));
	assert_int_equal(first.rss, rss);
	assert_int_equal(first.ns, ns);
}

static void assert_newest(struct table *table, pid_t pid, uint64_t start_ticks, uint64_t taken_ns)
{
	struct sample *sample = table__get(table, pid, start_ticks);

	assert_int_equal(sample ? sample->taken_ns : 0, taken_ns);
	sample__unref(sample);
}

static void the_first_and_the_newest(void **state)
{
	struct table *table = table__new();

	assert_newest(table, 7, 100, 0);
	table__put(table, make(7, 100, 1, 1000, 10));
	table__put(table, make(7, 100, 1, 3000, 30));
	table__put(table, make(7, 100, 1, 2000, 20)); /* another thread was slow */
	assert_newest(table, 7, 100, 30);
	assert_newest(table, 7, 101, 0); /* its number may be another's */
	assert_first(table, 1, 1000, 10);
	assert_first(table, 0, 1000, 10); /* which program is not known at times */
	/* Another program: it begins anew. */
	table__put(table, make(7, 100, 2, 500, 40));
	assert_first(table, 2, 500, 40);
	/* Another process of that number. */
	table__put(table, make(7, 200, 2, 600, 50));
	assert_newest(table, 7, 100, 0);
	assert_newest(table, 7, 200, 50);
	table__free(table);
}

static void who_is_gone_is_forgotten(void **state)
{
	struct table *table = table__new();
	struct sample *held;

	for (pid_t pid = 1; pid <= 3; pid++)
		table__put(table, make(pid, 100, 1, 1000, pid));
	held = table__get(table, 1, 100);
	table__forget(table, 1, 99); /* an older one of that number */
	assert_newest(table, 1, 100, 1);
	table__forget(table, 1, 100);
	assert_newest(table, 1, 100, 0);
	assert_int_equal(held->rss, 1000);
	sample__unref(held);

	table__begin_census(table);
	table__mark(table, 2, 100);
	table__put(table, make(4, 100, 1, 1000, 4)); /* came meanwhile */
	table__end_census(table);
	assert_newest(table, 2, 100, 2);
	assert_newest(table, 3, 100, 0);
	assert_newest(table, 4, 100, 4);
	table__free(table);
}

/* A sample of this age is looked at once in so many rounds, others in other rounds. */
static void what_rests_is_left_alone(void **state)
{
	for (uint64_t age = 0; age < 20; age++) {
		uint64_t every = !age ? 1 : age < RANK_LONGEST ? age : RANK_LONGEST;
		unsigned first_round = 0;

		for (pid_t pid = 1; pid <= 840; pid++) {
			unsigned looks = 0;

			for (uint64_t round = 100; round < 100 + every; round++)
				looks += rank__has_a_look(pid, age, round);
			assert_int_equal(looks, 1);
			first_round += rank__has_a_look(pid, age, 100);
		}
		assert_int_equal(first_round, 840 / every);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_due),
		cmocka_unit_test(who_comes_first),
		cmocka_unit_test(the_first_and_the_newest),
		cmocka_unit_test(who_is_gone_is_forgotten),
		cmocka_unit_test(what_rests_is_left_alone),
	};

	return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
