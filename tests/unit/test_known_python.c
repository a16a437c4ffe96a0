// SPDX-License-Identifier: BSD-2-Clause
/* Which stacks with frames of Python are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "known_stacks_fixture.h"
#include "util/cleanup.h"

/* Frames of Python behind a stack, as BPF puts them there. */
struct python_stack {
	struct stack native;
	struct mp_python python;
	struct mp_python_frame frames[2];
	char text[8];
};

static struct python_stack two_frames(void)
{
	struct python_stack s = {
		.python.n = 2,
		.frames = {{.code = 0x1000,
			    .at = SP + 24,
			    .instr = 4,
			    .first_line = 1,
			    .name_len = 1,
			    .lines_len = 2,
			    .name_kind = 1},
			   {.code = 0x2000, .at = SP + 64, .name_len = 1, .name_kind = 1}},
		.text = "fxyg",
	};

	fill(&s.native, SP);
	s.native.head.python = (sizeof(s) - offsetof(struct python_stack, python)) / 8;
	return s;
}

static void learn_python(struct fixture *f, const struct python_stack *s, struct trace *trace)
{
	learn(f, &s->native, trace);
}

/* The same native stack with other frames is another one: also with the same addresses, where other
 * code has come to lie. */
static void test_frames_of_python_count(void **state)
{
	struct fixture *f = *state;
	struct python_stack whole = two_frames(), s;

#define OTHER(what)                                                                                \
	do {                                                                                       \
		s = two_frames();                                                                  \
		what;                                                                              \
		assert_null(find(f, &s.native.head));                                              \
	} while (0)
	learn_python(f, &whole, f->a);
	s = two_frames();
	assert_ptr_equal(find(f, &s.native.head), f->a);
	OTHER(s.frames[0].code++);
	OTHER(s.frames[0].instr += 2);
	OTHER(s.frames[0].first_line++);
	OTHER(s.frames[0].at += 8);
	OTHER(s.frames[0].at = 0);
	OTHER(s.frames[1].code++);
	OTHER(s.text[0]++); /* a name */
	OTHER(s.text[2]++); /* a line */
	OTHER(s.text[3]++);
	OTHER(s.python.cut = 1);
	OTHER(s.python.n = 1);
	OTHER(s.native.head.python = 0);
	OTHER(s.native.words[0]++);
	/* Each of them beside the other. */
	s = two_frames();
	s.text[0]++;
	learn_python(f, &s, f->b);
	assert_ptr_equal(find(f, &s.native.head), f->b);
	assert_ptr_equal(find(f, &whole.native.head), f->a);
	/* A stack without any, which is otherwise the same. */
	s.native.head.python = 0;
	assert_null(find(f, &s.native.head));
	learn_python(f, &s, f->b);
	assert_ptr_equal(find(f, &s.native.head), f->b);
	assert_ptr_equal(find(f, &whole.native.head), f->a);
}

/* Another thread's stack lies elsewhere, and so do the evaluations in it. */
static void test_frames_of_python_in_another_thread(void **state)
{
	struct fixture *f = *state;
	struct python_stack whole = two_frames(), s = two_frames();

	learn_python(f, &whole, f->a);
	fill(&s.native, SP + 0x100000);
	s.native.head.python = whole.native.head.python;
	s.frames[0].at += 0x100000;
	s.frames[1].at += 0x100000;
	assert_ptr_equal(find(f, &s.native.head), f->a);
}

static void test_frames_of_python_behind_a_chain(void **state)
{
	struct fixture *f = *state;
	struct {
		struct mp_stack head;
		uint64_t ips[1];
		struct mp_python python;
		struct mp_python_frame frames[1];
	} chain = {.head = {.kind = MP_STACK_FP, .bytes = 8, .python = 5},
		   .ips = {7},
		   .python.n = 1,
		   .frames = {{.code = 1, .instr = 2}}};
	struct unwound none = {0};

	learn_as(f, &chain.head, &none, f->a);
	assert_ptr_equal(find(f, &chain.head), f->a);
	chain.frames[0].instr++;
	assert_null(find(f, &chain.head));
	learn_as(f, &chain.head, &none, f->b);
	assert_ptr_equal(find(f, &chain.head), f->b);
	chain.head.python = 0;
	assert_null(find(f, &chain.head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames_of_python_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frames_of_python_in_another_thread, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_frames_of_python_behind_a_chain, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("known_python", tests, NULL, NULL);
}
