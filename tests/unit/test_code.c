// SPDX-License-Identifier: BSD-2-Clause
/* Stacks that wait while code comes and goes: model/code.h, model/raw_stacks.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "events.h"
#include "model/model.h"

#define CODE 50 /* the page that the stack runs through */

struct fixture {
	struct model *model;
	struct raw_stack waiting[16];
	size_t n;
};

/* An event with the one stack there is: of a call from the first page of CODE. */
struct with_stack {
	struct mp_event_mmap mmap;
	struct mp_stack head;
	uint64_t ips[2];
};

static bool keep_stack(const struct raw_stack *raw, void *ctx)
{
	struct fixture *f = ctx;
	struct mp_stack *copy = malloc(sizeof(*copy) + raw->bytes);

	memcpy(copy, raw->stack, sizeof(*copy) + raw->bytes);
	f->waiting[f->n] = *raw;
	f->waiting[f->n].stack = copy;
	trace__ref(raw->trace);
	f->n++;
	return true;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->model = model__new(&(struct model_config){
		.page_size = PAGE, .attached_ns = 1, .on_stack = keep_stack, .stack_ctx = f});
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	model__free(f->model);
	for (size_t i = 0; i < f->n; i++) {
		free((void *)f->waiting[i].stack);
		trace__unref(f->waiting[i].trace);
	}
	free(f);
	return 0;
}

static void apply(struct fixture *f, union mp_event e)
{
	model__apply(f->model, &e);
}

static void map_code(struct fixture *f, uint64_t now, uint64_t at, uint32_t flags)
{
	union mp_event e = event_mmap(1, now, at, 1);

	e.mmap.prot = PROT_READ | PROT_EXEC;
	e.mmap.flags = flags;
	apply(f, e);
}

/* How many stacks wait after this one. */
static size_t take_stack(struct fixture *f, uint64_t now)
{
	struct with_stack e = {.mmap = event_mmap(1, now, 1000 + now, 1).mmap,
			       .head = {.kind = MP_STACK_FP, .bytes = sizeof(e.ips)},
			       .ips = {CODE * PAGE + 16, CODE * PAGE + 32}};

	e.mmap.head.stack_bytes = sizeof(e.head) + sizeof(e.ips);
	model__apply(f->model, (const union mp_event *)&e);
	return f->n;
}

static struct unwound by_map_of(uint64_t read_ns)
{
	static struct frame frames[2] = {{.ip = CODE * PAGE + 16}, {.ip = CODE * PAGE + 32}};

	return (struct unwound){.source = STACK_SOURCE_FP,
				.frames = frames,
				.n = 2,
				.map_read_ns = read_ns,
				.map_end_ns = read_ns + 1};
}

/* Whether it has a call site then. */
static bool answer(struct fixture *f, size_t i, uint64_t read_ns)
{
	struct unwound unwound = by_map_of(read_ns);
	struct callsite *site = calloc(1, sizeof(*site));
	const struct trace *trace = f->waiting[i].trace;

	site->refs = 1;
	model__stack_was_unwound(f->model, &f->waiting[i], &unwound, site);
	callsite__unref(site);
	assert_true(trace__is_answered(trace));
	return trace__site(trace);
}

static bool was_stale(struct fixture *f, size_t i, uint64_t read_ns)
{
	struct unwound unwound = by_map_of(read_ns);

	return model__map_was_stale(f->model, &f->waiting[i], &unwound);
}

/* .NET and plugin hosts map code by the thousand. */
static void test_added_code_makes_nothing_stale(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	assert_int_equal(take_stack(f, 20), 1);
	map_code(f, 30, CODE + 1, 0);
	assert_int_equal(take_stack(f, 40), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(f->waiting[i].map_since_ns, 0);
		assert_int_equal(f->waiting[i].code_added_ns, i ? 30 : 10);
		assert_false(was_stale(f, i, 15));
	}
	assert_true(answer(f, 0, 50));
	/* The other one is the same. */
	assert_true(model__stack_is_known(f->model, &f->waiting[1]));
	assert_ptr_equal(trace__site(f->waiting[1].trace), trace__site(f->waiting[0].trace));
	map_code(f, 60, CODE + 2, MAP_FIXED);
	assert_int_equal(take_stack(f, 70), 2);
}

/* The map shows what was there before: with a newer one the stack can be unwound. */
static void test_a_map_from_before_the_code(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	apply(f, event_munmap(20, CODE, 1));
	map_code(f, 30, CODE, 0);
	take_stack(f, 40);
	assert_true(was_stale(f, 0, 15));
	assert_true(was_stale(f, 0, 25));
	assert_false(was_stale(f, 0, 35));
	assert_true(answer(f, 0, 35));
}

/* Whatever way the code was replaced that a stack runs through, it gets no name of what came. */
static void test_code_that_came_later(void **state)
{
	for (int how = 0; how < 3; how++) {
		struct fixture *f;

		set_up((void **)&f);
		map_code(f, 10, CODE, 0);
		take_stack(f, 20);
		if (how == 0)
			apply(f, event_munmap(30, CODE, 1));
		if (how < 2) {
			map_code(f, 40, CODE, how ? MAP_FIXED : 0);
		} else {
			map_code(f, 30, 90, 0);
			apply(f, event_mremap_enter(1, 35, 90, 1));
			apply(f, event_mremap(1, 40, 90, 1, CODE, 1, MREMAP_FIXED));
		}
		take_stack(f, 50);
		/* The later one is right, and the same word by word. */
		assert_false(was_stale(f, 1, 60));
		assert_true(answer(f, 1, 60));
		assert_false(model__stack_is_known(f->model, &f->waiting[0]));
		assert_false(was_stale(f, 0, 60));
		assert_false(answer(f, 0, 60));
		tear_down((void **)&f);
	}
}

/* The map shows what was there for a moment: neither what the stack ran through, nor what the
 * ledger has. */
static void test_code_that_came_and_went(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	apply(f, event_munmap(30, CODE, 1));
	map_code(f, 40, CODE, 0);
	take_stack(f, 50);
	apply(f, event_munmap(60, CODE, 1));
	assert_false(was_stale(f, 0, 55));
	assert_false(answer(f, 0, 55));
	assert_true(was_stale(f, 1, 25));
	assert_false(was_stale(f, 1, 55));
	assert_true(answer(f, 1, 55));
}

/* In a child, which has the stacks that its parent leaves, too. */
static void test_code_that_went_before_a_fork(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	map_code(f, 30, CODE, MAP_FIXED);
	apply(f, event_munmap(40, CODE, 1));
	apply(f, event_fork(50, 200, START_NS + 10, false));
	f->waiting[0].tgid = 200;
	assert_false(answer(f, 0, 35));
}

/* It was there when the map was read; what comes to its place is another one. */
static void test_code_that_goes_before_the_answer(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	apply(f, event_munmap(30, CODE, 1));
	assert_true(answer(f, 0, 25));
	map_code(f, 40, CODE, 0);
	assert_int_equal(take_stack(f, 50), 2);
	assert_true(answer(f, 1, 60));
}

/* Code that goes by the thousand elsewhere takes no names, and hides nothing. */
static void test_code_that_goes_by_the_thousand(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	take_stack(f, 21);
	take_stack(f, 22);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t at = i % 2 ? i % (CODE - 1) : 1000 + 2 * i;

		map_code(f, 30 + i, at, MAP_FIXED);
		apply(f, event_munmap(10000 + i, at, 1));
	}
	assert_true(answer(f, 0, 9000));
	apply(f, event_munmap(20000, CODE, 1));
	for (uint64_t i = 0; i < 100; i++) {
		map_code(f, 20001 + i, 1000 + 2 * i, 0);
		apply(f, event_munmap(21000 + i, 1000 + 2 * i, 1));
	}
	assert_false(answer(f, 1, 22000));
	/* By a map that was read before all that. */
	assert_true(answer(f, 2, 15));
}

static void test_a_place_that_has_had_much_code(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	for (uint64_t i = 0; i < 1000; i++)
		map_code(f, 100 + i, CODE, MAP_FIXED);
	apply(f, event_munmap(2000, CODE, 1));
	assert_false(answer(f, 0, 500));
}

/* What went is not known to be there any more, neither here nor in the map. */
static void test_known_code_that_goes(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	assert_true(answer(f, 0, 25));
	apply(f, event_munmap(30, CODE, 1));
	assert_int_equal(take_stack(f, 40), 2);
	assert_int_equal(f->waiting[1].map_since_ns, 30);
	answer(f, 1, 50);
}

/* Lost events may have been those that replaced it. */
static void test_losses_where_the_code_is(void **state)
{
	struct fixture *f = *state;
	struct mp_lost_range elsewhere = {10 * PAGE, 20 * PAGE, 30, 1};
	struct mp_lost_range here = {40 * PAGE, 60 * PAGE, 60, 2};

	map_code(f, 10, CODE, 0);
	take_stack(f, 20);
	assert_true(answer(f, 0, 25));
	model__lost(f->model, TGID, &elsewhere);
	take_stack(f, 40);
	assert_int_equal(take_stack(f, 50), 1);
	model__lost(f->model, TGID, &here);
	take_stack(f, 70);
	assert_int_equal(take_stack(f, 80), 3);
	assert_int_equal(f->waiting[2].map_since_ns, 60);
	answer(f, 1, 90);
	answer(f, 2, 90);
}

/* Child and parent map different code at the same place after the fork. */
static void test_forks_part(void **state)
{
	struct fixture *f = *state;

	map_code(f, 10, CODE + 1, 0);
	take_stack(f, 20);
	assert_true(answer(f, 0, 25));
	apply(f, event_fork(30, 200, START_NS + 10, false));
	map_code(f, 40, CODE, 0);
	assert_int_equal(take_stack(f, 50), 2);
	answer(f, 1, 60);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_added_code_makes_nothing_stale),
		TEST(test_a_map_from_before_the_code),
		cmocka_unit_test(test_code_that_came_later),
		TEST(test_known_code_that_goes),
		TEST(test_code_that_came_and_went),
		TEST(test_code_that_went_before_a_fork),
		TEST(test_code_that_goes_before_the_answer),
		TEST(test_code_that_goes_by_the_thousand),
		TEST(test_a_place_that_has_had_much_code),
		TEST(test_losses_where_the_code_is),
		TEST(test_forks_part),
	};

	return cmocka_run_group_tests_name("code", tests, NULL, NULL);
}
