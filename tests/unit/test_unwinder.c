// SPDX-License-Identifier: BSD-2-Clause
/* Stacks that wait, when their process ends: user/live/unwinder.c. Its thread does not run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "child/child.h"
#include "live/unwinder.h"

#include "events.h"

struct fixture {
	struct unwinder *unwinder;
	struct model *model;
	struct raw_stack raw; /* the last, with a reference to its trace */
};

static bool take(const struct raw_stack *raw, void *ctx)
{
	struct fixture *f = ctx;

	trace__ref(raw->trace);
	f->raw = *raw;
	return unwinder__take(raw, f->unwinder);
}

static int set_up(void **state)
{
	static struct fixture f;
	struct symbolizer_config symbolizer = {.proc = "/proc",
					       .child_memory = 512 << 20,
					       .timeout_ms = 10000,
					       .launcher_capabilities = UINT64_MAX};
	struct model_config model = {.page_size = PAGE, .on_stack = take, .stack_ctx = &f};

	*state = &f;
	f.model = model__new(&model);
	return f.model ? unwinder__new(&symbolizer, NULL, NULL, &f.unwinder) : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	trace__unref(f->raw.trace);
	unwinder__free(f->unwinder);
	model__free(f->model);
	return 0;
}

static void map_something(struct fixture *f)
{
	struct {
		struct mp_event_mmap mmap;
		struct mp_stack head;
		uint64_t ips[2];
	} e = {.mmap = event_mmap(1, START_NS, 10, 1).mmap,
	       .head = {.kind = MP_STACK_FP, .bytes = sizeof(e.ips)},
	       .ips = {0x1000, 0x2000}};

	e.mmap.head.stack_bytes = sizeof(e.head) + sizeof(e.ips);
	model__apply(f->model, (const union mp_event *)&e);
	assert_false(f->raw.trace->answered);
}

static void end_process(struct fixture *f, bool shared)
{
	struct process_end end = {
		.tgid = f->raw.tgid, .start_ticks = f->raw.start_ticks, .shared = shared};

	unwinder__leave(f->model, &end, f->unwinder);
}

/* Nothing is left to read of it, and nothing tries. */
static void short_lived_processes_are_given_up(void **state)
{
	struct fixture *f = *state;

	map_something(f);
	end_process(f, true);
	assert_true(f->raw.trace->answered);
	assert_null(f->raw.trace->site);
}

/* Its map may have been read while it lived. */
static void what_others_inherited_is_tried(void **state)
{
	struct fixture *f = *state;

	map_something(f);
	unwinder__hurry(f->raw.pending, f->raw.tgid, f->unwinder);
	end_process(f, true);
	assert_false(f->raw.trace->answered);
}

static void what_was_its_own_is_given_up(void **state)
{
	struct fixture *f = *state;

	map_something(f);
	unwinder__hurry(f->raw.pending, f->raw.tgid, f->unwinder);
	end_process(f, false);
	assert_true(f->raw.trace->answered);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(short_lived_processes_are_given_up),
		TEST(what_others_inherited_is_tried),
		TEST(what_was_its_own_is_given_up),
	};

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	return cmocka_run_group_tests_name("unwinder", tests, NULL, NULL);
}
