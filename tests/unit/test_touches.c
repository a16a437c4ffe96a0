// SPDX-License-Identifier: BSD-2-Clause
/* Samples of first touches, held against an array that does the same, one page at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../property/rng.h"
#include "model/account.h"
#include "model/touches.h"

#define PAGE  4096ULL
#define PAGES 600 /* of the shadow */
#define SETS  4

struct shadow {
	struct touch at[PAGES]; /* trace NULL: none */
};

struct fixture {
	struct budget *budget;
	struct account *account;
	struct trace *traces[3];
	struct touches sets[SETS];
	struct shadow shadows[SETS];
	uint64_t random;
	uint64_t now;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->budget = budget__new(1 << 30);
	f->account = account__new(f->budget, 1);
	for (int i = 0; i < 3; i++)
		f->traces[i] = trace__new();
	for (int i = 0; i < SETS; i++)
		f->sets[i].account = f->account;
	f->random = 14;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SETS; i++)
		touches__free(&f->sets[i]);
	assert_int_equal(account__bytes(f->account, BUDGET_TOUCHES), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(trace__is_sole(f->traces[i]));
		trace__unref(f->traces[i]);
	}
	account__unref(f->account);
	budget__unref(f->budget);
	free(f);
	return 0;
}

static unsigned below(struct fixture *f, unsigned n)
{
	return rng__below(&f->random, n);
}

struct comparison {
	const struct shadow *shadow;
	size_t reached;
	size_t n;
};

static int compare(const struct touch *touch, void *ctx)
{
	struct comparison *c = ctx;
	size_t page = touch->addr / PAGE;

	for (; c->reached < page; c->reached++)
		assert_null(c->shadow->at[c->reached].trace);
	assert_memory_equal(touch, &c->shadow->at[page], sizeof(*touch));
	c->reached++;
	c->n++;
	return 0;
}

static void assert_equal(const struct touches *touches, const struct shadow *shadow)
{
	struct comparison c = {.shadow = shadow};

	assert_int_equal(touches__each(touches, 0, UINT64_MAX, compare, &c), 0);
	for (; c.reached < PAGES; c.reached++)
		assert_null(shadow->at[c.reached].trace);
	assert_int_equal(touches__count(touches), c.n);
}

static void add(struct fixture *f, unsigned set, unsigned page, uint64_t since)
{
	struct touch touch = {.addr = page * PAGE,
			      .trace = f->traces[below(f, 3)],
			      .when_ns = ++f->now,
			      .faults = 1 + below(f, 5)};
	struct touch *shadow = &f->shadows[set].at[page];

	touches__add(&f->sets[set], &touch, since);
	if (!shadow->trace || shadow->when_ns < since)
		*shadow = touch;
}

static void erase(struct fixture *f, unsigned set, unsigned lo, unsigned hi, uint64_t until)
{
	touches__erase(&f->sets[set], lo * PAGE, hi * PAGE, until);
	for (unsigned page = lo; page < hi; page++) {
		if (f->shadows[set].at[page].when_ns <= until)
			f->shadows[set].at[page] = (struct touch){};
	}
}

static void move(struct fixture *f, unsigned set, unsigned lo, unsigned hi, unsigned to)
{
	struct touches before = touches__copy(&f->sets[set]);
	struct shadow was = f->shadows[set];
	unsigned n = to + (hi - lo) > PAGES ? PAGES - to : hi - lo;

	erase(f, set, lo, lo + n, UINT64_MAX);
	erase(f, set, to, to + n, UINT64_MAX);
	touches__move(&f->sets[set], &before, lo * PAGE, (lo + n) * PAGE,
		      ((uint64_t)to - lo) * PAGE);
	touches__free(&before);
	for (unsigned i = 0; i < n; i++) {
		f->shadows[set].at[to + i] = was.at[lo + i];
		f->shadows[set].at[to + i].addr = was.at[lo + i].trace ? (to + i) * PAGE : 0;
	}
}

static void do_something(struct fixture *f)
{
	unsigned set = below(f, SETS), a = below(f, PAGES), b = below(f, PAGES), other;
	unsigned lo = a < b ? a : b, hi = a < b ? b : a;

	switch (below(f, 40)) {
	case 0: /* fork, or a report's snapshot */
		other = below(f, SETS);
		if (other == set)
			break;
		touches__free(&f->sets[other]);
		f->sets[other] = touches__copy(&f->sets[set]);
		f->shadows[other] = f->shadows[set];
		break;
	case 1:
		erase(f, set, lo, hi, UINT64_MAX);
		break;
	case 2:
		erase(f, set, lo, hi, f->now - below(f, 300));
		break;
	case 3:
		move(f, set, lo, hi, below(f, PAGES));
		break;
	case 4:
		add(f, set, a, f->now); /* a copy of a page that was the parent's */
		break;
	default:
		add(f, set, a, 0);
	}
}

static void test_any_sequence_gives_what_an_array_gives(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 60000; i++) {
		do_something(f);
		if (i % 8 == 0)
			assert_equal(&f->sets[i / 8 % SETS], &f->shadows[i / 8 % SETS]);
	}
}

static int add_up(const struct touch *touch, void *ctx)
{
	uint64_t(*sums)[2] = ctx;

	(*sums)[(uintptr_t)touch->addr / PAGE % 4 == 0] += touch->faults;
	return 0;
}

/* A quarter of the pages stays a quarter, and the sum stays what it was: 1,000,000 samples, which
 * stand for one fault each, are thinned to half again and again. Also when some are worth more. */
static void test_thinning_keeps_shares(void **state)
{
	struct fixture *f = *state;
	uint64_t sums[2] = {}, all = 0;

	for (uint64_t page = 0; page < 1000000; page++) {
		struct touch touch = {.addr = page * PAGE,
				      .trace = f->traces[0],
				      .when_ns = page,
				      .faults = page < 500000 ? 1 : 3};

		touches__add(&f->sets[0], &touch, 0);
		all += touch.faults;
		assert_in_range(touches__count(&f->sets[0]), 0, TOUCHES_MAX);
	}
	assert_true(touches__count(&f->sets[0]) > TOUCHES_MAX / 3);
	touches__each(&f->sets[0], 0, UINT64_MAX, add_up, &sums);
	/* Four standard errors: 10,000 samples tell 25 % to 0.43 %. */
	assert_in_range(sums[0] + sums[1], all - all / 25, all + all / 25);
	assert_in_range(sums[1] * 1000 / (sums[0] + sums[1]), 250 - 18, 250 + 18);
	assert_in_range(account__bytes(f->account, BUDGET_TOUCHES), 1, 3 * 32 * TOUCHES_MAX);
}

/* What has been there for long does not go because others come and go. */
static void test_thinning_takes_what_stands_for_little(void **state)
{
	struct fixture *f = *state;
	struct touch old = {.addr = PAGE, .trace = f->traces[0], .faults = 1 << 20};

	touches__add(&f->sets[0], &old, 0);
	for (uint64_t page = 2; page < 200000; page++) {
		struct touch touch = {.addr = page * PAGE, .trace = f->traces[1], .faults = 1};

		touches__add(&f->sets[0], &touch, 0);
	}
	touches__erase(&f->sets[0], 2 * PAGE, UINT64_MAX, UINT64_MAX);
	assert_int_equal(touches__count(&f->sets[0]), 1);
}

static int print(const struct touch *touch, void *ctx)
{
	char *text = ctx;

	sprintf(text + strlen(text), "%d:%u ", (int)(touch->addr / PAGE), touch->faults);
	return 0;
}

/* Pages that a child has written are copies, and what wrote them touched them; the samples
 * that were inherited stand for less by so many pages, the nearest first. */
static void test_new_pages_count_against_inherited_samples(void **state)
{
	static const struct {
		unsigned page, pages;
		const char *left;
	} cases[] = {
		{30, 0, "10:8 20:8 30:8 40:8 "},  {30, 3, "10:8 20:8 31:5 40:8 "},
		{31, 8, "10:8 20:8 40:8 "},	  {36, 10, "10:8 20:8 30:6 "},
		{48, 12, "10:8 20:8 30:8 "}, /* 30 is too far to have stood for it */
		{99, 12, "10:8 20:8 30:8 40:8 "}, {26, 20, "10:8 40:4 "},
		{25, 1000, "10:8 40:8 "},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[256] = "";

		for (unsigned page = 10; page <= 40; page += 10) {
			struct touch touch = {.addr = page * PAGE,
					      .trace = f->traces[0],
					      .when_ns = 5,
					      .faults = 8};

			touches__add(&f->sets[0], &touch, 0);
		}
		touches__debit(&f->sets[0], cases[i].page * PAGE, cases[i].pages, 6, PAGE);
		touches__each(&f->sets[0], 0, UINT64_MAX, print, text);
		assert_string_equal(text, cases[i].left);
		/* The child's own are none of these. */
		touches__debit(&f->sets[0], cases[i].page * PAGE, 1000, 5, PAGE);
		text[0] = '\0';
		touches__each(&f->sets[0], 0, UINT64_MAX, print, text);
		assert_string_equal(text, cases[i].left);
		touches__free(&f->sets[0]);
	}
}

/* A thousand children that touch a page each share the rest. */
static void test_forks_are_cheap(void **state)
{
	struct fixture *f = *state;
	struct touches children[1000];
	size_t before;

	for (uint64_t page = 0; page < 4096; page++) {
		struct touch touch = {.addr = page * PAGE, .trace = f->traces[0], .faults = 1};

		touches__add(&f->sets[0], &touch, 0);
	}
	before = account__bytes(f->account, BUDGET_TOUCHES);
	for (int i = 0; i < 1000; i++) {
		struct touch touch = {
			.addr = (5000 + i) * PAGE, .trace = f->traces[1], .faults = 1};

		children[i] = touches__copy(&f->sets[0]);
		touches__add(&children[i], &touch, 0);
	}
	assert_in_range(account__bytes(f->account, BUDGET_TOUCHES), before, before + 1000 * 4096);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(touches__count(&children[i]), 4097);
		touches__free(&children[i]);
	}
	assert_int_equal(account__bytes(f->account, BUDGET_TOUCHES), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_any_sequence_gives_what_an_array_gives, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_thinning_keeps_shares, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_thinning_takes_what_stands_for_little, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_new_pages_count_against_inherited_samples,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forks_are_cheap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
