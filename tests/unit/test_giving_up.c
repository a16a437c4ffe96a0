// SPDX-License-Identifier: BSD-2-Clause
/* Processes that take all that the model can keep, or do, and one that takes little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "events.h"
#include "model/model.h"

#define LIMIT	     (8u << 20)
#define QUIET	     TGID
#define QUIET_RANGES 20
#define MANY	     20000
#define ATTACKERS    50

struct fixture {
	struct budget *budget;
	struct model *model;
	uint64_t now;
	size_t found;  /* what on_memory_short finds */
	size_t wanted; /* by the last on_memory_short */
	unsigned asked;
	struct raw_stack raw; /* the last stack; its trace NULL: there was none */
};

static size_t find_stacks(struct model *model, size_t bytes, void *ctx)
{
	struct fixture *f = ctx;
	size_t found = f->found;

	f->asked++;
	f->wanted = bytes;
	budget__put(f->budget, BUDGET_WAITING_STACKS, found);
	f->found = 0;
	return found;
}

static bool take_stack(const struct raw_stack *raw, void *ctx)
{
	struct fixture *f = ctx;

	f->raw = *raw;
	trace__ref(raw->trace);
	return true;
}

static int set_up_with(void **state, uint64_t limit)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->budget = budget__new(limit);
	f->model = model__new(&(struct model_config){.page_size = PAGE,
						     .budget = f->budget,
						     .on_memory_short = find_stacks,
						     .on_stack = take_stack,
						     .stack_ctx = f});
	f->now = START_NS;
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, LIMIT);
}

static int set_up_large(void **state)
{
	return set_up_with(state, 64 * LIMIT);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct budget_stats stats;

	model__free(f->model);
	budget__stats(f->budget, &stats);
	for (int use = 0; use < BUDGET_USES; use++)
		assert_int_equal(stats.used[use], 0);
	budget__unref(f->budget);
	free(f);
	return 0;
}

static void apply(struct fixture *f, unsigned tgid, union mp_event e)
{
	e = by(e, tgid, START_NS);
	e.head.time_ns = ++f->now;
	model__apply(f->model, &e);
}

static void begin(struct fixture *f, unsigned tgid)
{
	apply(f, tgid, event_exec(0, 0));
}

/* One-page mappings, each a creation of its own. */
static void map(struct fixture *f, unsigned tgid, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		apply(f, tgid, event_mmap(1, 0, at + i, 1));
}

static size_t ranges(struct fixture *f, unsigned tgid, enum knowledge *ret)
{
	struct view view;
	size_t n;

	assert_int_equal(model__view(f->model, tgid, &view), 0);
	n = ledger__count(&view.ledger);
	*ret = view.knowledge;
	assert_int_equal(view.lost_events != 0, view.knowledge == KNOWS_RESYNCED);
	view__free(&view);
	return n;
}

static void assert_quiet_is_known(struct fixture *f)
{
	enum knowledge knowledge;

	assert_int_equal(ranges(f, QUIET, &knowledge), QUIET_RANGES);
	assert_int_equal(knowledge, KNOWS_ALL);
}

static struct budget_stats stats(struct fixture *f)
{
	struct budget_stats stats;

	budget__stats(f->budget, &stats);
	return stats;
}

/* Each of fifty has more ranges than the tables can hold, and then more again. */
static void test_the_largest_lose(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET);
	map(f, QUIET, 1000, QUIET_RANGES);
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 1; i <= ATTACKERS; i++) {
			if (!round)
				begin(f, QUIET + i);
			map(f, QUIET + i, 1000000 * (round + 1), MANY);
			assert_int_equal(budget__tables_over(f->budget), 0);
		}
		assert_quiet_is_known(f);
	}
	assert_true(stats(f).given_up[GIVE_UP_SPACES] >= ATTACKERS);
	assert_true(ranges(f, QUIET + 1, &knowledge) < 2 * MANY);
	assert_int_equal(knowledge, KNOWS_RESYNCED);
	/* What is new is known again. */
	apply(f, QUIET + 1, event_mmap(1, 0, 5000000, 1));
	assert_true(ranges(f, QUIET + 1, &knowledge) > 0);
}

/* Forking gains nothing: a program and its forks lose together. */
static void test_forks_have_one_account(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET);
	map(f, QUIET, 1000, QUIET_RANGES);
	begin(f, QUIET + 1);
	map(f, QUIET + 1, 1000000, MANY);
	for (unsigned i = 2; i < 4; i++) {
		union mp_event e =
			by(event_fork(++f->now, QUIET + i, START_NS, false), QUIET + 1, START_NS);

		model__apply(f->model, &e);
		map(f, QUIET + i, 2000000, MANY);
	}
	assert_int_equal(budget__tables_over(f->budget), 0);
	assert_quiet_is_known(f);
	ranges(f, QUIET + 1, &knowledge);
	assert_int_equal(knowledge, KNOWS_RESYNCED);
	ranges(f, QUIET + 2, &knowledge);
	assert_int_equal(knowledge, KNOWS_RESYNCED);
}

/* By what was unwound of it, as the symbolizer tells. */
static void belongs_to(struct fixture *f, unsigned tgid, uint64_t tenant)
{
	struct {
		struct mp_event_mmap mmap;
		struct mp_stack head;
		uint64_t ips[2];
	} e = {.mmap = event_mmap(1, ++f->now, 10, 1).mmap,
	       .head = {.kind = MP_STACK_FP, .bytes = sizeof(e.ips)},
	       .ips = {0x1000, tgid * 16}};

	e.mmap.head.tgid = tgid;
	e.mmap.head.start_ns = START_NS;
	e.mmap.head.stack_bytes = sizeof(e.head) + sizeof(e.ips);
	model__apply(f->model, (const union mp_event *)&e);
	model__stack_was_unwound(f->model, &f->raw, &(struct unwound){.tenant = tenant}, NULL);
	trace__unref(f->raw.trace);
}

/* Running many programs gains nothing, nor does running one after the other. */
static void test_a_tenant_loses_as_a_whole(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET);
	belongs_to(f, QUIET, 1);
	map(f, QUIET, 1000, MANY / 8);
	for (unsigned i = 1; i <= 200; i++) {
		begin(f, QUIET + i);
		belongs_to(f, QUIET + i, 2);
		begin(f, QUIET + i);
		map(f, QUIET + i, 1000000, MANY / 40);
	}
	assert_int_equal(budget__tables_over(f->budget), 0);
	assert_true(stats(f).given_up[GIVE_UP_SPACES] > 50);
	ranges(f, QUIET, &knowledge);
	assert_int_equal(knowledge, KNOWS_ALL);
}

/* Stacks that wait go before anything that is known. */
static void test_waiting_stacks_go_first(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET + 1);
	f->found = budget__tables_max(f->budget) / 2;
	budget__take(f->budget, BUDGET_WAITING_STACKS, f->found);
	map(f, QUIET + 1, 1000000, MANY);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->found, 0);
	assert_true(f->wanted > 0);
	assert_int_equal(ranges(f, QUIET + 1, &knowledge), MANY);
	assert_int_equal(knowledge, KNOWS_ALL);
}

/* A report that reads what was given up does not make others lose, event by event. */
static void test_a_snapshot_holds_on(void **state)
{
	struct fixture *f = *state;
	struct view view;
	uint64_t before;

	begin(f, QUIET + 1);
	map(f, QUIET + 1, 1000000, MANY);
	assert_int_equal(model__view(f->model, QUIET + 1, &view), 0);
	begin(f, QUIET + 2);
	map(f, QUIET + 2, 1000000, MANY);
	before = stats(f).given_up[GIVE_UP_SPACES];
	assert_true(before > 0);
	begin(f, QUIET);
	map(f, QUIET, 1000, QUIET_RANGES);
	assert_quiet_is_known(f);
	assert_int_equal(ledger__count(&view.ledger), MANY);
	view__free(&view);
}

/* --- work ------------------------------------------------------------------------------------- */

/* So many times a name for all of them fits into what may be done. */
#define TIMES (ACCOUNT_WORK_MAX / MANY)

static void test_names_of_many_ranges(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET);
	map(f, QUIET, 1000000, MANY);
	map(f, QUIET, 1000, QUIET_RANGES);
	for (unsigned i = 0; i < TIMES; i++)
		apply(f, QUIET, event_name(0, 1000000, MANY, i % 2 ? "odd" : "even"));
	assert_int_equal(ranges(f, QUIET, &knowledge), MANY + QUIET_RANGES);
	assert_int_equal(knowledge, KNOWS_ALL);
	apply(f, QUIET, event_name(0, 1000000, MANY, "once too often"));
	assert_int_equal(stats(f).given_up[GIVE_UP_WORK], 1);
	assert_int_equal(ranges(f, QUIET, &knowledge), QUIET_RANGES);
	assert_int_equal(knowledge, KNOWS_RESYNCED);
	/* A little may be done at any time. */
	apply(f, QUIET, event_name(0, 1000, 1, "few"));
	assert_int_equal(stats(f).given_up[GIVE_UP_WORK], 1);
}

static void test_moves_of_many_ranges(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET);
	map(f, QUIET, 1000000, MANY);
	for (unsigned i = 0; i < TIMES; i++)
		apply(f, QUIET,
		      event_mremap(1, 0, 1000000 * (i + 1), MANY, 1000000 * (i + 2), MANY,
				   MREMAP_MAYMOVE));
	assert_int_equal(ranges(f, QUIET, &knowledge), MANY);
	apply(f, QUIET, event_mremap(1, 0, 1000000 * (TIMES + 1), MANY, 100, MANY, MREMAP_MAYMOVE));
	assert_int_equal(stats(f).given_up[GIVE_UP_WORK], 1);
	assert_int_equal(ranges(f, QUIET, &knowledge), 0);
	assert_int_equal(knowledge, KNOWS_RESYNCED);
}

/* A fork is one call, too: its child has not the right to as much again. */
static void test_work_of_forks(void **state)
{
	struct fixture *f = *state;
	enum knowledge knowledge;

	begin(f, QUIET);
	map(f, QUIET, 1000000, MANY);
	for (unsigned i = 1; i <= TIMES + 1; i++) {
		union mp_event e = event_fork(++f->now, QUIET + i, START_NS, false);

		model__apply(f->model, &e);
		apply(f, QUIET + i, event_name(0, 1000000, MANY, "mine"));
	}
	assert_int_equal(stats(f).given_up[GIVE_UP_WORK], 1);
	ranges(f, QUIET + TIMES, &knowledge);
	assert_int_equal(knowledge, KNOWS_ALL);
	ranges(f, QUIET + TIMES + 1, &knowledge);
	assert_int_equal(knowledge, KNOWS_RESYNCED);
}

/* A thread's name is its stack's, which may be said to lie over everything. */
static void test_stacks_of_many_ranges(void **state)
{
	struct fixture *f = *state;

	begin(f, QUIET);
	apply(f, QUIET, event_mmap(1, 0, 1000000, MANY));
	for (unsigned i = 0; i < MANY; i += 2)
		apply(f, QUIET, event_name(0, 1000000 + i, 1, "cut"));
	apply(f, QUIET, event_thread(0, 7, 1000000, 1000000 + MANY));
	for (unsigned i = 0; i < TIMES; i++)
		apply(f, QUIET, event_comm(0, 7, i % 2 ? "odd" : "even"));
	assert_int_equal(stats(f).given_up[GIVE_UP_WORK], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_largest_lose, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forks_have_one_account, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_tenant_loses_as_a_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waiting_stacks_go_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_snapshot_holds_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_of_many_ranges, set_up_large, tear_down),
		cmocka_unit_test_setup_teardown(test_moves_of_many_ranges, set_up_large, tear_down),
		cmocka_unit_test_setup_teardown(test_work_of_forks, set_up_large, tear_down),
		cmocka_unit_test_setup_teardown(test_stacks_of_many_ranges, set_up_large,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
