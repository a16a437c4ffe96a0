// SPDX-License-Identifier: BSD-2-Clause
/* Which stacks are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "known_stacks_fixture.h"
#include "util/cleanup.h"

static void test_what_a_runtime_told_of_passes(void **state)
{
	struct fixture *f = *state;
	struct stack s, other;

	fill(&s, SP);
	fill(&other, SP);
	other.words[1]++;
	f->now_ns = 7 * KNOWN_STACKS_PASS_NS;
	learn_passing(f, &s, f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
	assert_null(find(f, &other.head));
	learn_passing(f, &other, f->b);
	assert_ptr_equal(find(f, &other.head), f->b);
	assert_ptr_equal(find(f, &s.head), f->a);
	/* One that was taken somewhat earlier waits. */
	f->now_ns -= KNOWN_STACKS_PASS_NS;
	assert_ptr_equal(find(f, &s.head), f->a);
	f->now_ns--;
	assert_null(find(f, &s.head));
	learn_passing(f, &s, f->b);
	assert_null(find(f, &s.head));
	f->now_ns += 2 * KNOWN_STACKS_PASS_NS + 1;
	assert_ptr_equal(find(f, &s.head), f->a);
	assert_true(known_stacks__runs_through(f->known, 0x402000 - 1, 1));
	f->now_ns++;
	assert_null(find(f, &s.head));
	/* The others go with the first one. */
	learn_passing(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	assert_null(find(f, &other.head));
	/* What lasts stays. */
	learn(f, &other, f->a);
	f->now_ns *= 2;
	assert_ptr_equal(find(f, &other.head), f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void test_the_same_again(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	assert_null(find(f, &s.head));
	learn(f, &s, f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
	/* another thread's stack, other data, other scratch registers */
	fill(&s, SP + 0x20000);
	s.words[1] = 0x7654321;
	s.words[40] = 99;
	s.copy.regs[0] = 17;
	s.copy.regs[REG_BX] = 0xdeadbeef;
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void test_whatever_decides_tells_apart(void **state)
{
	/* Each word that the way out hangs on, changed to another of its kind. */
	static const struct {
		unsigned word;
		uint64_t value;
	} changes[] = {
		{0, 0x402008}, {2, 0x403008},  {5, SP + 22 * 8},
		{6, 0x404008}, {21, 0x405008}, {2, 0},
	};
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		fill(&s, SP);
		s.words[changes[i].word] = changes[i].value;
		assert_null(find(f, &s.head));
	}
	fill(&s, SP);
	s.copy.regs[REG_IP] += 1;
	assert_null(find(f, &s.head));
	fill(&s, SP);
	s.copy.regs[REG_BP] = SP + 16; /* may be what a frame begins at */
	assert_null(find(f, &s.head));
}

static void test_two_stacks_part(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	fill(&s, SP);
	s.words[5] = SP + 30 * 8;
	s.words[31] = 0x406000;
	learn(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	fill(&s, SP);
	assert_ptr_equal(find(f, &s.head), f->a);
}

/* The second half is another stack, which the frame at word 5 begins on: it may lie anywhere,
 * behind any length of the first. */
static void test_another_stack(void **state)
{
	enum { OWN = 12 };
	struct fixture *f = *state;
	struct path path;
	struct unwound unwound;
	struct stack s;

	for (uint64_t other = 0xc000001000, cut = 0; other < 0xc000004000; other += 0x1000, cut++) {
		fill(&s, SP);
		s.copy.other = (struct mp_stack_other){
			.at = other, .sp = other, .pc = 0x407000, .len = (WORDS - OWN) * 8};
		s.words[5] = other + 16;
		s.words[OWN + 2] = 0;
		s.words[OWN + 3] = 0x405000;
		if (!cut) {
			unwound = walk(&s, &path);
			path.words[path.n_words++] = (struct stack_word){
				.offset = PIECES_OTHER + 24, .value = s.words[OWN + 3]};
			path.frames[path.n++].ip = s.words[OWN + 3];
			unwound.n = path.n;
			unwound.n_words = path.n_words;
			learn_as(f, &s.head, &unwound, f->a);
		}
		/* Of the first, what nobody reads is missing. */
		memmove(&s.words[OWN - cut], &s.words[OWN], (WORDS - OWN) * 8);
		s.head.bytes -= cut * 8;
		assert_ptr_equal(find(f, &s.head), f->a);
		s.words[OWN - cut + 3]++;
		assert_null(find(f, &s.head));
		s.words[OWN - cut + 3]--;
		s.copy.other.pc++;
		assert_null(find(f, &s.head));
	}
}

#if defined(__aarch64__)
/* As functions sign the addresses that they return to: with the stack pointer. */
static void sign(struct stack *s)
{
	static const unsigned words[] = {0, 2, 6, 21};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		s->words[words[i]] |= (s->copy.regs[REG_SP] / 16 + i) << 48;
}

/* Frames are told without the signatures: of two callers, one is not taken for the other. */
static void test_signed_addresses(void **state)
{
	struct fixture *f = *state;
	struct path path;
	struct unwound unwound;
	struct stack s;

	fill(&s, SP);
	unwound = walk(&s, &path);
	sign(&s);
	for (size_t i = 0; i < path.n_words; i++)
		path.words[i].value = s.words[path.words[i].offset / 8];
	learn_as(f, &s.head, &unwound, f->a);
	assert_ptr_equal(find(f, &s.head), f->a);
	fill(&s, SP + 0x20000);
	sign(&s);
	assert_ptr_equal(find(f, &s.head), f->a);
	s.words[6] += 8;
	assert_null(find(f, &s.head));
}
#endif

/* A register that was saved may point into the stack in one caller and elsewhere in the next: the
 * return address behind it tells them apart first. */
static void test_saved_registers_of_several_callers(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	fill(&s, SP);
	s.words[1] = SP + 64;
	s.words[2] = 0x403333;
	learn(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	fill(&s, SP);
	assert_ptr_equal(find(f, &s.head), f->a);
}

/* A distance is the register's that has it. */
static void test_which_registers_point_into_the_stack(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	s.copy.regs[REG_BP] = SP + 16;
	learn(f, &s, f->a);
	s.copy.regs[REG_BP] = 0;
	s.copy.regs[REG_BX] = SP + 16;
	assert_null(find(f, &s.head));
	learn(f, &s, f->b);
	assert_ptr_equal(find(f, &s.head), f->b);
	s.copy.regs[REG_BP] = SP + 16;
	assert_null(find(f, &s.head));
	s.copy.regs[REG_BX] = 1;
	assert_ptr_equal(find(f, &s.head), f->a);
}

static void test_a_shorter_copy(void **state)
{
	struct fixture *f = *state;
	struct stack s;

	fill(&s, SP);
	learn(f, &s, f->a);
	s.head.bytes = sizeof(s.copy) + 10 * 8; /* it ends before the last frame */
	assert_null(find(f, &s.head));
	s.head.bytes = sizeof(s.copy);
	assert_null(find(f, &s.head));
}

static void test_by_frame_pointers(void **state)
{
	struct fixture *f = *state;
	struct {
		struct mp_stack head;
		uint64_t ips[3];
	} chain = {{.kind = MP_STACK_FP, .bytes = sizeof(chain.ips)}, {1, 2, 3}};
	struct unwound none = {0};

	assert_null(find(f, &chain.head));
	learn_as(f, &chain.head, &none, f->a);
	assert_ptr_equal(find(f, &chain.head), f->a);
	chain.ips[2]++;
	assert_null(find(f, &chain.head));
	chain.ips[2]--;
	chain.head.bytes -= 8;
	assert_null(find(f, &chain.head));
}

/* A stack can be the inner part of another one. */
static void test_chains_of_all_lengths(void **state)
{
	struct fixture *f = *state;
	struct {
		struct mp_stack head;
		uint64_t ips[MP_FP_MAX];
	} chain = {.head.kind = MP_STACK_FP};
	struct unwound none = {0};

	for (unsigned n = 0; n <= MP_FP_MAX; n++) {
		chain.head.bytes = n * sizeof(chain.ips[0]);
		learn_as(f, &chain.head, &none, n % 2 ? f->a : f->b);
	}
	for (unsigned n = 0; n <= MP_FP_MAX; n++) {
		chain.head.bytes = n * sizeof(chain.ips[0]);
		assert_ptr_equal(find(f, &chain.head), n % 2 ? f->a : f->b);
	}
}

static void test_pages_it_runs_through(void **state)
{
	static const uint64_t ips[] = {0x405001, 0x402001, 0x409000, 0x402fff, 0x403000};
	static const struct {
		uint64_t addr;
		uint64_t len;
		bool known;
	} ranges[] = {
		{0x402000, 0x1000, true},
		{0x402fff, 1, true},
		{0x403000, 0x2000, false},
		{0x401000, 0x1000, false},
		{0x405000, 1, true},
		{0x408000, 0x1000, true},
		{0x409000, 0x1000, false},
		{0, 0x402000, false},
		{0, 0x402001, true},
		{0x406000, 0x2000, false},
		{0x409000, -0x409000ULL, false},
		{0, UINT64_MAX, true},
		{0x402000, 0, false},
		{0x402000, UINT64_MAX, false},
	};
	struct fixture *f = *state;
	struct frame frames[ARRAY_SIZE(ips)] = {};
	struct unwound unwound = {.frames = frames, .n = ARRAY_SIZE(ips)};
	struct mp_stack none = {.kind = MP_STACK_FP};

	for (size_t i = 0; i < ARRAY_SIZE(ips); i++)
		frames[i].ip = ips[i];
	assert_false(known_stacks__runs_through(f->known, 0, UINT64_MAX));
	learn_as(f, &none, &unwound, f->a);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		assert_int_equal(
			known_stacks__runs_through(f->known, ranges[i].addr, ranges[i].len),
			ranges[i].known);
}

static void learn_more(struct fixture *f, unsigned first)
{
	struct stack s;

	for (unsigned i = first; i < first + KNOWN_STACKS_MAX_NODES; i++) {
		fill(&s, SP);
		s.words[0] += i;
		learn(f, &s, f->a);
	}
}

static void test_it_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct stack s;
	size_t bytes;

	learn_more(f, 0);
	bytes = f->pool.bytes;
	assert_true(bytes < KNOWN_STACKS_MAX_BYTES);
	learn_more(f, KNOWN_STACKS_MAX_NODES);
	assert_int_equal(f->pool.bytes, bytes);
	fill(&s, SP);
	assert_ptr_equal(find(f, &s.head), f->a);
}

int main(void)
{
	const struct CMUnitTest tests[] =
	{ cmocka_unit_test_setup_teardown(test_the_same_again, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_whatever_decides_tells_apart, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_what_a_runtime_told_of_passes, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_two_stacks_part, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_another_stack, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_saved_registers_of_several_callers, setup, teardown),
#if defined(__aarch64__)
	  cmocka_unit_test_setup_teardown(test_signed_addresses, setup, teardown),
#endif
	  cmocka_unit_test_setup_teardown(test_which_registers_point_into_the_stack, setup,
					  teardown),
	  cmocka_unit_test_setup_teardown(test_a_shorter_copy, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_by_frame_pointers, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_chains_of_all_lengths, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_pages_it_runs_through, setup, teardown),
	  cmocka_unit_test_setup_teardown(test_it_is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests_name("known_stacks", tests, NULL, NULL);
}
