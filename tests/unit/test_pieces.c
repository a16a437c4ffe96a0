// SPDX-License-Identifier: BSD-2-Clause
/* A copied stack of two pieces: what is one, and where an address is in it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collect/decode.h"
#include "wire/fp.h"

#define SP    0x7fff1000ULL
#define OTHER 0xc000010000ULL

struct record {
	struct mp_event_mmap mmap;
	struct mp_stack stack;
	struct mp_stack_copy copy;
	uint64_t words[16];
};

/* Ten words of the one, six of the other. */
static struct record two_pieces(void)
{
	struct record r = {
		.mmap = {.head = {.type = MP_EVENT_MMAP, .tgid = 7, .tid = 7},
			 .addr = 0x10000,
			 .len = 4096},
		.stack = {.kind = MP_STACK_COPY, .bytes = sizeof(r.copy) + sizeof(r.words)},
		.copy = {.other = {.at = OTHER, .len = 6 * 8}},
	};

	r.mmap.head.stack_bytes = sizeof(r.stack) + r.stack.bytes;
	r.copy.regs[MACHINE_SP] = SP;
	for (size_t i = 0; i < 16; i++)
		r.words[i] = i;
	return r;
}

static int decode(const struct record *r)
{
	const union mp_event *event;

	return event__decode(r, sizeof(*r), &event);
}

static void hostile_records(void **state)
{
	static const struct {
		uint32_t len;
		uint64_t below;
		int result;
	} cases[] = {
		{6 * 8, 0, 0},
		{0, 0, 0},
		{16 * 8, 0, 0}, /* nothing of its own stack could be read */
		{17 * 8, 0, -EBADMSG},
		{6 * 8 - 1, 0, -EBADMSG},
		{UINT32_MAX - 7, 0, -EBADMSG},
		{6 * 8, MP_STACK_BELOW, 0},
		{6 * 8, 8, -EBADMSG},
		{6 * 8, UINT64_MAX, -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct record r = two_pieces();

		r.copy.other.len = cases[i].len;
		r.copy.below = cases[i].below;
		if (decode(&r) != cases[i].result)
			fail_msg("case %zu", i);
	}
}

/* Each has a limit of its own. */
static void sizes(void **state)
{
	static const struct {
		size_t own;
		size_t other;
		bool whole;
	} cases[] = {
		{MP_STACK_MAX, MP_OTHER_MAX, true},
		{MP_STACK_MAX + 8, 0, false},
		{MP_STACK_MAX + 8, MP_OTHER_MAX, false},
		{0, MP_OTHER_MAX + 8, false},
		{0, MP_OTHER_MAX, true},
		{4, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mp_stack_copy copy = {.other.len = cases[i].other};

		if (pieces__are_whole(&copy, sizeof(copy) + cases[i].own + cases[i].other) !=
		    cases[i].whole)
			fail_msg("case %zu", i);
	}
	assert_false(
		pieces__are_whole(&(struct mp_stack_copy){}, sizeof(struct mp_stack_copy) - 8));
}

static void addresses(void **state)
{
	static const struct {
		uint64_t address;
		bool is_in;
		uint32_t offset;
		int word; /* -1: none begins there */
	} cases[] = {
		{SP - 16, true, 0, 0},
		{SP, true, 16, 2},
		{SP + 7 * 8, true, 72, 9},
		{SP + 8 * 8, true, 80, -1}, /* where it ends */
		{SP + 8 * 8 + 1, false, 0, -1},
		{SP - 17, false, 0, -1},
		{OTHER, true, PIECES_OTHER, 10},
		{OTHER + 5 * 8, true, PIECES_OTHER + 40, 15},
		{OTHER + 6 * 8, true, PIECES_OTHER + 48, -1},
		{OTHER - 1, false, 0, -1},
		{0, false, 0, -1},
		{UINT64_MAX, false, 0, -1},
	};
	struct record r = two_pieces();
	struct copied_stack stack;
	uint32_t read[16], offset;
	uint64_t word;
	size_t n = 0;

	r.copy.below = MP_STACK_BELOW;
	copied_stack__begin(&stack, &r.stack, read);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_in = copied_stack__offset(&stack, cases[i].address, &offset);

		if (is_in != cases[i].is_in || (is_in && offset != cases[i].offset))
			fail_msg("case %zu", i);
		if (copied_stack__read(&stack, cases[i].address, 8, &word) != (cases[i].word >= 0))
			fail_msg("case %zu", i);
		if (cases[i].word < 0)
			continue;
		assert_int_equal(word, cases[i].word);
		assert_int_equal(read[n++], cases[i].offset);
	}
	assert_int_equal(stack.n_words, n);
}

/* From one piece to the other a frame pointer may lead down, too; back it never leads. */
static void frame_pointers(void **state)
{
	struct record r = two_pieces();
	struct machine machine = {}, caller;
	struct copied_stack stack;
	uint32_t read[16];
	uint64_t pc, fp;

	r.copy.other.at = SP - 0x10000;
	r.words[1] = SP - 0x10000 + 16; /* a frame at the second word, */
	r.words[2] = 0x401000;
	r.words[12] = SP + 3 * 8; /* one of the other stack, and one that leads back */
	r.words[13] = 0x402000;
	copied_stack__begin(&stack, &r.stack, read);
	machine__set(&machine, MACHINE_SP, SP);
	machine__set(&machine, MACHINE_FP, SP + 8);
	assert_true(fp__step(&machine, &stack, &caller, &pc));
	assert_int_equal(pc, 0x401000);
	machine = caller;
	assert_true(fp__step(&machine, &stack, &caller, &pc));
	assert_int_equal(pc, 0x402000);
	assert_true(machine__get(&caller, &stack, MACHINE_FP, &fp));
	assert_int_equal(fp, SP + 3 * 8);
	assert_false(fp__step(&caller, &stack, &machine, &pc));
}

#if defined(__aarch64__)
/* Go's functions keep it below the stack pointer. */
static void below(void **state)
{
	struct record r = two_pieces();
	struct machine machine = {}, caller;
	struct copied_stack stack;
	uint32_t read[16];
	uint64_t pc;

	r.copy.below = MP_STACK_BELOW;
	r.words[2] = 0x401000;
	copied_stack__begin(&stack, &r.stack, read);
	machine__set(&machine, MACHINE_SP, SP);
	machine__set(&machine, MACHINE_FP, SP - 8);
	assert_true(fp__step(&machine, &stack, &caller, &pc));
	assert_int_equal(pc, 0x401000);
	machine__set(&machine, MACHINE_FP, SP - 16);
	assert_false(fp__step(&machine, &stack, &caller, &pc));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_records),
		cmocka_unit_test(sizes),
		cmocka_unit_test(addresses),
		cmocka_unit_test(frame_pointers),
#if defined(__aarch64__)
		cmocka_unit_test(below),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
