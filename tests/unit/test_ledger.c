// SPDX-License-Identifier: BSD-2-Clause
/* The ledger against a model of it that cannot be wrong: one slot per page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "model/ledger_names.h"
#include "util/cleanup.h"

#define PAGE  4096ULL
#define PAGES 256

/* What each page of the small address space is known to be. */
struct oracle {
	struct record *record[PAGES];
	char name[PAGES][8];
};

struct check {
	const struct oracle *oracle;
	uint64_t reached; /* page */
};

static void assert_unknown(const struct oracle *oracle, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		assert_null(oracle->record[from]);
}

static int check_range(const struct ledger_range *range, void *ctx)
{
	struct check *c = ctx;

	assert_true(range->start < range->end);
	assert_int_equal(range->start % PAGE, 0);
	assert_true(range->start / PAGE >= c->reached);
	assert_unknown(c->oracle, c->reached, range->start / PAGE);
	for (uint64_t page = range->start / PAGE; page < range->end / PAGE; page++) {
		assert_ptr_equal(c->oracle->record[page], range->record);
		assert_string_equal(c->oracle->name[page], range->name ? range->name->text : "");
	}
	c->reached = range->end / PAGE;
	return 0;
}

static void assert_same(const struct ledger *ledger, const struct oracle *oracle)
{
	struct check check = {.oracle = oracle};

	assert_int_equal(ledger__each(ledger, 0, UINT64_MAX, check_range, &check), 0);
	assert_unknown(oracle, check.reached, PAGES);
}

static unsigned next_random(unsigned *seed)
{
	return *seed = *seed * 1103515245 + 12345, *seed >> 8;
}

struct pair {
	struct ledger ledger;
	struct oracle oracle;
};

/* One random change, made in both. */
static void change(struct pair *p, struct ledger_pool *pool, struct record **records, size_t n,
		   unsigned *seed, uint64_t now)
{
	static const char *const names[] = {"", "cache", "arena"};
	unsigned first = next_random(seed) % PAGES;
	unsigned last = first + 1 + next_random(seed) % (next_random(seed) % 4 ? 8 : PAGES);
	struct record *record = records[next_random(seed) % n];
	const char *text = names[next_random(seed) % ARRAY_SIZE(names)];
	unsigned kind = next_random(seed) % 4;
	struct name *name = text[0] ? name__new(NAMED_BY_PRCTL, text, NULL) : NULL;
	uint64_t lo, hi;

	if (last > PAGES)
		last = PAGES;
	lo = first * PAGE;
	hi = last * PAGE;
	if (kind < 2) {
		struct ledger_range range = {
			.start = lo, .end = hi, .record = record, .name = name, .touched_ns = now};

		assert_int_equal(ledger__put(&p->ledger, pool, &range), 0);
	} else if (kind == 2) {
		assert_int_equal(ledger__erase(&p->ledger, pool, lo, hi), 0);
	} else {
		struct ledger_naming naming = {.lo = lo,
					       .hi = hi,
					       .now = now,
					       .unknown = name ? record : NULL,
					       .name = name};

		assert_int_equal(ledger__name(&p->ledger, pool, &naming), 0);
	}
	for (unsigned page = first; page < last; page++) {
		if (kind < 2 || (kind == 3 && name && !p->oracle.record[page]))
			p->oracle.record[page] = record;
		if (kind == 2)
			p->oracle.record[page] = NULL;
		if (kind < 3 || (kind == 3 && p->oracle.record[page]))
			strcpy(p->oracle.name[page], kind == 2 ? "" : text);
	}
	name__unref(name);
}

/* Thousands of changes to a ledger and to copies of it, as forks make them: each stays right, and
 * what a snapshot showed does not change under it. */
static void test_random_changes(void **state)
{
	struct ledger_pool *pool = ledger_pool__new();
	struct record *records[6];
	unsigned seed = 20261122;

	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		records[i] = record__new(ORIGIN_MMAP, 1, NULL, NULL, NULL);
	for (int round = 0; round < 60; round++) {
		struct pair pairs[4] = {0};

		for (int step = 0; step < 300; step++) {
			unsigned i = next_random(&seed) % ARRAY_SIZE(pairs);

			if (next_random(&seed) % 20 == 0) {
				unsigned from = next_random(&seed) % ARRAY_SIZE(pairs);

				if (from != i) {
					ledger__free(&pairs[i].ledger);
					pairs[i].ledger = ledger__copy(&pairs[from].ledger);
					pairs[i].oracle = pairs[from].oracle;
				}
			}
			change(&pairs[i], pool, records, ARRAY_SIZE(records), &seed, step + 100);
			for (size_t k = 0; k < ARRAY_SIZE(pairs); k++)
				assert_same(&pairs[k].ledger, &pairs[k].oracle);
		}
		for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
			ledger__free(&pairs[i].ledger);
	}
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		assert_int_equal(records[i]->refs, 1); /* every ledger has let go of it */
		record__unref(records[i]);
	}
	ledger_pool__free(pool);
}

struct fixture {
	struct ledger_pool *pool;
	struct record *a;
	struct record *b;
	struct ledger ledger;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->pool = ledger_pool__new();
	f->a = record__new(ORIGIN_MMAP, 1, NULL, NULL, NULL);
	f->b = record__new(ORIGIN_MMAP, 1, NULL, NULL, NULL);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ledger__free(&f->ledger);
	record__unref(f->a);
	record__unref(f->b);
	ledger_pool__free(f->pool);
	free(f);
	return 0;
}

static int print_range(const struct ledger_range *range, void *ctx)
{
	char *text = ctx;

	sprintf(text + strlen(text), "%llx-%llx%s%s ", (unsigned long long)(range->start / PAGE),
		(unsigned long long)(range->end / PAGE), range->name ? " " : "",
		range->name ? range->name->text : "");
	return 0;
}

static void assert_shows(const struct ledger *ledger, const char *expected)
{
	char text[4096] = "";

	ledger__each(ledger, 0, UINT64_MAX, print_range, text);
	assert_string_equal(text, expected);
}

static void put(struct fixture *f, uint64_t lo, uint64_t hi, struct record *record, uint64_t now)
{
	struct ledger_range range = {
		.start = lo * PAGE, .end = hi * PAGE, .record = record, .touched_ns = now};

	assert_int_equal(ledger__put(&f->ledger, f->pool, &range), 0);
}

static void name_pages(struct fixture *f, uint64_t lo, uint64_t hi, struct name *name,
		       struct record *unknown, uint64_t now)
{
	struct ledger_naming naming = {
		.lo = lo * PAGE, .hi = hi * PAGE, .now = now, .unknown = unknown, .name = name};

	assert_int_equal(ledger__name(&f->ledger, f->pool, &naming), 0);
}

static void test_a_hole_makes_two(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 9, f->a, 1);
	ledger__erase(&f->ledger, f->pool, 3 * PAGE, 5 * PAGE);
	assert_shows(&f->ledger, "1-3 5-9 ");
	put(f, 3, 5, f->a, 2); /* the same creation again: one range */
	assert_shows(&f->ledger, "1-9 ");
	put(f, 3, 5, f->b, 3);
	assert_shows(&f->ledger, "1-3 3-5 5-9 ");
	assert_int_equal(ledger__count(&f->ledger), 3);
}

static void test_erase_older_spares_the_new(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 4, f->a, 10);
	put(f, 4, 6, f->b, 20);
	ledger__erase_older(&f->ledger, f->pool, 0, 9 * PAGE, 10);
	assert_shows(&f->ledger, "4-6 ");
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	struct name *cache = name__new(NAMED_BY_PRCTL, "cache", NULL),
		    *again = name__new(NAMED_BY_PRCTL, "cache", NULL);

	put(f, 1, 5, f->a, 1);
	put(f, 7, 9, f->b, 1);
	name_pages(f, 3, 8, cache, NULL, 2);
	assert_shows(&f->ledger, "1-3 3-5 cache 7-8 cache 8-9 ");
	/* A gap is named too when a record is given for it, and equal names are one name. */
	name_pages(f, 1, 3, again, NULL, 3);
	assert_shows(&f->ledger, "1-5 cache 7-8 cache 8-9 ");
	name_pages(f, 5, 7, cache, f->b, 3);
	assert_shows(&f->ledger, "1-5 cache 5-8 cache 8-9 ");
	/* A name that comes late does not reach what was touched since. */
	name_pages(f, 0, 16, NULL, NULL, 2);
	assert_shows(&f->ledger, "1-5 cache 5-8 cache 8-9 ");
	name_pages(f, 0, 16, NULL, NULL, 9);
	assert_shows(&f->ledger, "1-5 5-9 ");
	name__unref(cache);
	name__unref(again);
}

/* A process that maps single pages without end. */
static void test_limit(void **state)
{
	struct fixture *f = *state;
	struct ledger_range range = {.record = f->a, .touched_ns = 1};

	for (uint64_t i = 0; i < LEDGER_MAX_RANGES; i++) {
		range.record = i % 2 ? f->a : f->b;
		range.start = i * PAGE;
		range.end = range.start + PAGE;
		if (ledger__put(&f->ledger, f->pool, &range))
			fail();
	}
	assert_int_equal(ledger__count(&f->ledger), LEDGER_MAX_RANGES);
	range.start += 2 * PAGE;
	range.end += 2 * PAGE;
	assert_int_equal(ledger__put(&f->ledger, f->pool, &range), -ENOSPC);
	assert_int_equal(ledger__count(&f->ledger), LEDGER_MAX_RANGES);
	assert_int_equal(ledger__erase(&f->ledger, f->pool, 0, UINT64_MAX), 0);
	assert_int_equal(ledger__count(&f->ledger), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test_setup_teardown(test_a_hole_makes_two, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_erase_older_spares_the_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
