// SPDX-License-Identifier: BSD-2-Clause
/* Whose stacks are unwound next: user/live/stack_queue.c, with this as its only thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "live/sources.h"
#include "live/stack_queue.h"
#include "util/clock.h"

#include "events.h"

struct fixture {
	struct budget *budget;
	struct cpu_limit *limit;
	struct stack_queue *queue;
	struct model *model;
	const struct pending *pending[32]; /* of the processes from TGID on */
	uint64_t start_ticks;		   /* of the last */
	uint64_t start_ns;
	uint64_t page;
	bool taken;
	bool as_touch; /* what comes next */
	struct batch batch;
};

static bool take(const struct raw_stack *raw, void *ctx)
{
	struct fixture *f = ctx;
	struct raw_stack taken = *raw;

	taken.is_touch = f->as_touch;
	f->pending[raw->tgid - TGID] = raw->pending;
	f->start_ticks = raw->start_ticks;
	f->taken = stack_queue__take(f->queue, &taken);
	return f->taken;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct model_config config = {.page_size = PAGE, .on_stack = take, .stack_ctx = &f};

	*state = &f;
	f = (struct fixture){
		.start_ns = START_NS,
		.page = 16,
		.budget = budget__new(2 << 20),
		.limit = cpu_limit__new(10),
	};
	f.queue = stack_queue__new(f.budget, f.limit);
	f.model = model__new(&config);
	/* A turn that does not come is a failure. */
	alarm(20);
	return f.model && f.queue ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	stack_queue__free(f->queue);
	model__free(f->model);
	budget__unref(f->budget);
	cpu_limit__free(f->limit);
	return 0;
}

/* With a stack that nothing else has; true when the queue took it. */
static bool map_something(struct fixture *f, pid_t tgid)
{
	struct {
		struct mp_event_mmap mmap;
		struct mp_stack head;
		uint64_t ips[2];
	} e = {.mmap = event_mmap(1, START_NS, f->page, 1).mmap,
	       .head = {.kind = MP_STACK_FP, .bytes = sizeof(e.ips)},
	       .ips = {0x1000, f->page * 16}};

	f->page += 2;
	e.mmap.head.tgid = tgid;
	e.mmap.head.start_ns = f->start_ns;
	e.mmap.head.stack_bytes = sizeof(e.head) + sizeof(e.ips);
	model__apply(f->model, (const union mp_event *)&e);
	return f->taken;
}

/* The process whose turn it is; blocks until it is one's. */
static pid_t take_turn(struct fixture *f)
{
	const atomic_bool stop = false;

	assert_true(stack_queue__take_turn(f->queue, &stop, &f->batch));
	stack_queue__take_batch(f->queue, f->model, &f->batch);
	return f->batch.tgid;
}

static void unwind_batch(struct fixture *f)
{
	for (size_t i = 0; i < f->batch.n; i++)
		model__stack_was_unwound(f->model, &f->batch.stacks[i]->raw, &(struct unwound){},
					 NULL);
	stack_queue__end_batch(f->queue, &f->batch);
}

static size_t end_turn(struct fixture *f)
{
	size_t n = f->batch.n;

	unwind_batch(f);
	assert_false(stack_queue__end_turn(f->queue, &f->batch));
	return n;
}

/* A request that comes while some of the process's stacks are being unwound waits for the rest. */
static void one_being_served_is_hurried(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < MAX_BATCH + 1; i++)
		assert_true(map_something(f, TGID));
	assert_int_equal(take_turn(f), TGID);
	assert_true(map_something(f, TGID + 1));
	stack_queue__hurry(f->queue, f->pending[1], TGID + 1);
	stack_queue__hurry(f->queue, f->pending[0], TGID);
	end_turn(f);
	assert_int_equal(take_turn(f), TGID);
	assert_int_equal(end_turn(f), 1);
	assert_int_equal(take_turn(f), TGID + 1);
	end_turn(f);
}

/* It waits for no stack of the one before it, which may wait for long. */
static void next_process_of_a_number_is_another(void **state)
{
	struct fixture *f = *state;
	struct process_end end = {.tgid = TGID, .shared = true};

	assert_true(map_something(f, TGID));
	end.start_ticks = f->start_ticks;
	stack_queue__hurry(f->queue, f->pending[0], TGID);
	stack_queue__leave(f->queue, f->model, &end);
	f->start_ns += 1000000000;
	assert_true(map_something(f, TGID));
	assert_int_not_equal(f->start_ticks, end.start_ticks);
	take_turn(f);
	assert_int_equal(f->batch.start_ticks, end.start_ticks);
	assert_int_equal(f->batch.n, 1);
	unwind_batch(f);
	assert_true(stack_queue__end_turn(f->queue, &f->batch));
	stack_queue__forget(f->queue, &f->batch);
}

/* With a sample behind each, as long as there is room for it. */
static size_t fill(struct fixture *f)
{
	size_t n = 0;

	for (; map_something(f, TGID); n++) {
		f->as_touch = true;
		map_something(f, TGID);
		f->as_touch = false;
	}
	return n;
}

/* Each that has much leaves as much free as it has; many of them leave nothing. */
static void a_little_finds_room(void **state)
{
	struct fixture *f = *state;

	for (pid_t tgid = TGID; tgid < TGID + 20; tgid++) {
		while (map_something(f, tgid))
			;
	}
	assert_true(map_something(f, TGID + 20));
	assert_false(map_something(f, TGID));
}

/* Samples wait until all else has been unwound, and what went before them leaves its room. */
static void samples_hold_on_to_no_room(void **state)
{
	struct fixture *f = *state;
	size_t n = fill(f), unwound = 0;

	assert_true(n > MAX_BATCH);
	while (unwound < n) {
		take_turn(f);
		unwound += end_turn(f);
	}
	assert_int_equal(fill(f), n);
}

/* Nor for that of the process at which the thread is. */
static void interpreters_do_not_wait_for_a_turn(void **state)
{
	struct fixture *f = *state;
	struct interpreter first = {.tgid = TGID, .addr = 1},
			   second = {.tgid = TGID + 1, .addr = 2};
	struct interpreter found, many = {.tgid = TGID + 2};
	const atomic_bool stop = false;
	size_t n = 0;

	assert_false(stack_queue__take_interpreter(f->queue, &found));
	stack_queue__look_at(f->queue, &first);
	stack_queue__look_at(f->queue, &second);
	assert_true(stack_queue__take_turn(f->queue, &stop, &f->batch));
	assert_null(f->batch.source);
	assert_true(stack_queue__take_interpreter(f->queue, &found));
	assert_int_equal(found.addr, 1);
	assert_true(stack_queue__take_interpreter(f->queue, &found));
	assert_int_equal(found.addr, 2);
	assert_false(stack_queue__take_interpreter(f->queue, &found));
	/* A batch that is nobody's is put back nowhere. */
	stack_queue__put_back(f->queue, &f->batch);
	for (int i = 0; i < 1000; i++)
		stack_queue__look_at(f->queue, &many);
	while (stack_queue__take_interpreter(f->queue, &found))
		n++;
	assert_in_range(n, 1, 100);
}

/* One that no event told of is looked for once in a program. */
static void a_program_is_looked_at_once(void **state)
{
	struct fixture *f = *state;
	struct process_end exec = {.tgid = TGID, .lives_on = true};
	struct interpreter found;

	for (int programs = 0; programs < 2; programs++) {
		assert_true(map_something(f, TGID));
		stack_queue__hurry(f->queue, f->pending[0], TGID);
		assert_int_equal(take_turn(f), TGID);
		assert_true(stack_queue__is_unseen(f->queue, &f->batch, &found));
		assert_int_equal(found.tgid, TGID);
		assert_int_equal(found.start_ticks, f->start_ticks);
		assert_int_equal(found.space_id, f->batch.stacks[0]->raw.space_id);
		assert_int_equal(found.addr, 0);
		assert_false(stack_queue__is_unseen(f->queue, &f->batch, &found));
		end_turn(f);
		exec.start_ticks = f->start_ticks;
		stack_queue__leave(f->queue, f->model, &exec);
	}
}

/* What no request waits for does, until it can be paid. */
static void without_cpu_time_only_requests_are_served(void **state)
{
	struct fixture *f = *state;
	uint64_t now = clock__boot_ns(), due;

	assert_true(map_something(f, TGID));
	assert_null(stack_queue__next_turn(f->queue, &due));
	assert_in_range(due, now, now + 2 * NSEC_PER_SEC);
	cpu_limit__spend(f->limit, CPU_STACKS, now, 3600 * NSEC_PER_SEC);
	assert_null(stack_queue__next_turn(f->queue, &due));
	assert_in_range(due, now + 5 * NSEC_PER_SEC, now + 20 * NSEC_PER_SEC);
	assert_true(map_something(f, TGID + 1));
	stack_queue__hurry(f->queue, f->pending[1], TGID + 1);
	assert_int_equal(take_turn(f), TGID + 1);
	assert_true(f->batch.wanted);
	end_turn(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_being_served_is_hurried),
		TEST(next_process_of_a_number_is_another),
		TEST(samples_hold_on_to_no_room),
		TEST(interpreters_do_not_wait_for_a_turn),
		TEST(a_program_is_looked_at_once),
		TEST(a_little_finds_room),
		TEST(without_cpu_time_only_requests_are_served),
	};

	return cmocka_run_group_tests_name("stack queue", tests, NULL, NULL);
}
