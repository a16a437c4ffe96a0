// SPDX-License-Identifier: BSD-2-Clause
/* Frames of Java: child/hotspot.h, over the memory of a process that is made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "hotspot_image.h"
#include "util/cleanup.h"

#define WORDS 64

struct fixture {
	struct image image;
	struct remote remote;
	struct hotspot hotspot;
	struct arena *arena;
	struct {
		struct mp_stack head;
		struct mp_stack_copy copy;
		uint64_t words[WORDS];
	} __attribute__((packed, aligned(8))) stack;
	struct copied_stack copied;
	uint32_t read[WORDS];
	struct made_frame frame;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	image__make(&f->image);
	f->arena = arena__new();
	f->remote.fetch = image__fetch;
	f->remote.ctx = &f->image;
	remote__begin(&f->remote, 1, clock__boot_ns());
	f->stack.head.kind = MP_STACK_COPY;
	f->stack.head.bytes = sizeof(f->stack) - sizeof(f->stack.head);
	f->stack.copy.regs[MACHINE_SP] = IMAGE_SP;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	arena__free(f->arena);
	free(f);
	return 0;
}

static bool read_layout(struct fixture *f)
{
	f->hotspot.looked = true;
	f->hotspot.known = hotspot_layout__read(&f->remote, f->image.symbols, &f->hotspot.layout);
	return f->hotspot.known;
}

/* The frame there, with its frame pointer at a word of the stack. */
static bool cross(struct fixture *f, uint64_t ip, bool has_called, unsigned fp)
{
	struct hotspot_question question = {
		.enter = image__no_file, .remote = &f->remote, .arena = f->arena};
	struct found_frame frame = {.ip = ip, .pc = ip - has_called, .made = true};
	struct machine machine = {};

	copied_stack__begin(&f->copied, &f->stack.head, f->read);
	machine__set(&machine, MACHINE_SP, IMAGE_SP);
	machine__set(&machine, MACHINE_FP, IMAGE_SP + fp * 8);
	machine__set(&machine, MACHINE_PC, ip);
	return hotspot__frame(&f->hotspot, &question, &frame, &machine, &f->copied, &f->frame);
}

static void assert_symbol(const struct fixture *f, size_t i, const char *function, const char *file,
			  unsigned line, bool inlined)
{
	const struct symbol *symbol = &f->frame.symbols[i];

	assert_true(i < f->frame.n);
	assert_string_equal(symbol->function, function);
	assert_int_equal(symbol->language, FRAME_OF_JAVA);
	assert_int_equal(symbol->line, line);
	assert_int_equal(symbol->inlined, inlined);
	if (file)
		assert_string_equal(symbol->file, file);
	else
		assert_null(symbol->file);
}

static void assert_caller(struct fixture *f, uint64_t pc, unsigned sp, unsigned fp_at)
{
	struct machine *caller = &f->frame.caller;
	uint64_t value;

	assert_true(f->frame.has_caller);
	assert_true(machine__get(caller, &f->copied, MACHINE_PC, &value));
	assert_int_equal(value, pc);
	assert_true(machine__get(caller, &f->copied, MACHINE_SP, &value));
	assert_int_equal(value, IMAGE_SP + 8 * sp);
	assert_true(machine__get(caller, &f->copied, MACHINE_FP, &value));
	assert_int_equal(value, f->stack.words[fp_at]);
}

/* --- frames --------------------------------------------------------------------------------- */

static void test_compiled(void **state)
{
	struct fixture *f = *state;
	uint64_t code = image__code(IMAGE_COMPILED);

	assert_true(read_layout(f));
	f->stack.words[IMAGE_WORDS - 2] = 0x1234;
	f->stack.words[IMAGE_WORDS - 1] = 0x5678;
	assert_true(cross(f, code + IMAGE_CALL, true, 40));
	assert_int_equal(f->frame.n, 2);
	assert_symbol(f, 0, "com.acme.Cache.grow", "Cache.java", 12, true);
	assert_symbol(f, 1, "com.acme.Cache.put", "Cache.java", 300, false);
	assert_caller(f, 0x5678, IMAGE_WORDS, IMAGE_WORDS - 2);
	/* Of an instruction between two that were told of, it is the next. */
	assert_true(cross(f, code + IMAGE_CALL + 4, false, 40));
	assert_int_equal(f->frame.n, 1);
	assert_symbol(f, 0, "com.acme.Cache.put", "Cache.java", 300, false);
	/* Behind all of them only the method is known. */
	assert_true(cross(f, code + IMAGE_HANDLER + 8, false, 40));
	assert_symbol(f, 0, "com.acme.Cache.put", "Cache.java", 0, false);
}

/* Where it would have returned to is in the frame. */
static void test_a_frame_that_is_deoptimised(void **state)
{
	struct fixture *f = *state;
	uint64_t code = image__code(IMAGE_COMPILED);

	assert_true(read_layout(f));
	f->stack.words[IMAGE_ORIG / 8] = code + IMAGE_CALL;
	f->stack.words[IMAGE_WORDS - 1] = 0x5678;
	assert_true(cross(f, code + IMAGE_HANDLER, true, 40));
	assert_int_equal(f->frame.n, 2);
	assert_symbol(f, 0, "com.acme.Cache.grow", "Cache.java", 12, true);
	assert_caller(f, 0x5678, IMAGE_WORDS, IMAGE_WORDS - 2);
}

#if defined(__x86_64__)
/* Interrupted before its frame is made: the return address is on top, or behind the frame pointer.
 */
static void test_a_frame_that_is_not_made_yet(void **state)
{
	struct fixture *f = *state;
	uint64_t code = image__code(IMAGE_COMPILED);

	assert_true(read_layout(f));
	f->stack.words[0] = code + IMAGE_CALL;
	f->stack.words[40] = 0x9abc;
	assert_true(cross(f, code, false, 40));
	assert_true(f->frame.has_caller);
	assert_int_equal(f->frame.caller.regs[MACHINE_PC], code + IMAGE_CALL);
	assert_int_equal(f->frame.caller.regs[MACHINE_SP], IMAGE_SP + 8);
	f->stack.words[0] = IMAGE_SP + 40 * 8;
	f->stack.words[1] = code + IMAGE_CALL;
	assert_true(cross(f, code + 1, false, 40));
	assert_caller(f, code + IMAGE_CALL, 2, 0);
}
#endif

static void fill_interpreted(struct fixture *f, unsigned fp)
{
	f->stack.words[fp - 1] = IMAGE_SP + 8 * (fp + 6);
	f->stack.words[fp - 3] = f->image.put;
#if defined(__x86_64__)
	f->stack.words[fp - 8] = f->image.bytecodes + 4;
#else
	f->stack.words[fp - 9] = f->image.bytecodes + 4;
#endif
	f->stack.words[fp] = 0x1234;
	f->stack.words[fp + 1] = 0x5678;
}

static void test_interpreted(void **state)
{
	struct fixture *f = *state;
	uint64_t code = image__code(IMAGE_INTERPRETER);
	size_t counting = 0;

	assert_true(read_layout(f));
	fill_interpreted(f, 12);
	assert_true(cross(f, code + 32, true, 12));
	assert_int_equal(f->frame.n, 1);
	assert_symbol(f, 0, "com.acme.Cache.put", "Cache.java", 12, false);
	assert_false(f->frame.is_once);
	assert_caller(f, 0x5678, 12 + 6, 12);
	/* The method and the bytecode tell it from another. */
	for (size_t i = 0; i < f->copied.n_words; i++)
		counting += f->copied.words[i] >> 31;
	assert_int_equal(counting, 2);
	/* A register that no known stack tells has the bytecode while it runs. */
	assert_true(cross(f, code + 32, false, 12));
	assert_true(f->frame.is_once);
}

static void test_stubs(void **state)
{
	struct fixture *f = *state;

	assert_true(read_layout(f));
	f->stack.words[20] = 0x1234;
	f->stack.words[21] = 0x5678;
	assert_true(cross(f, f->image.call_stub, true, 20));
	assert_symbol(f, 0, "~StubRoutines::call_stub", NULL, 0, false);
	assert_caller(f, 0x5678, 22, 20);
	f->stack.words[2] = 0x1234;
	f->stack.words[3] = 0x5678;
	assert_true(cross(f, image__code(IMAGE_RUNTIME) + 32, true, 40));
	assert_symbol(f, 0, "~resolve_static_call", NULL, 0, false);
	assert_caller(f, 0x5678, 4, 2);
	assert_true(cross(f, f->image.call_stub + 16, true, 20));
	assert_symbol(f, 0, "~StubRoutines", NULL, 0, false);
}

static void test_what_is_none(void **state)
{
	struct fixture *f = *state;

	assert_true(read_layout(f));
	assert_false(cross(f, IMAGE_AT + IMAGE_CODE + IMAGE_FREE * 64 + 8, true, 40));
	assert_false(cross(f, IMAGE_AT + 100, true, 40));
	assert_false(cross(f, IMAGE_AT + IMAGE_CODE + 8, false, 40)); /* a header */
	/* A frame that leads out of what was copied. */
	assert_true(cross(f, image__code(IMAGE_INTERPRETER) + 32, true, WORDS + 100));
	assert_false(f->frame.has_caller);
}

/* Nothing is guessed of a version that no table here has. */
static void test_versions(void **state)
{
	static const struct {
		unsigned version;
		bool known;
	} cases[] = {{8, false},  {11, false}, {16, false}, {17, true},
		     {18, false}, {21, true},  {25, false}, {26, false}};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* The first of the static fields. */
		image__set(&f->image, IMAGE_AT + 64, cases[i].version, 4);
		remote__begin(&f->remote, 1, clock__boot_ns());
		if (read_layout(f) != cases[i].known)
			fail_msg("version %u", cases[i].version);
	}
}

/* --- numbers -------------------------------------------------------------------------------- */

/* One written by 17's CompressedWriteStream, and by UNSIGNED5 since 20: each byte is one more. */
static void test_numbers(void **state)
{
	static const struct {
		uint8_t bytes[5];
		size_t n;
		uint32_t number;
	} cases[] = {
		{{0}, 1, 0},
		{{191}, 1, 191},
		{{192, 0}, 2, 192},
		{{255, 191}, 2, 255 + 191 * 64},
		{{192, 192, 1}, 3, 192 + 192 * 64 + 4096},
		{{255, 255, 255, 255, 255},
		 5,
		 255U + 255U * 64 + 255U * 4096 + 255U * 262144 + 255U * 16777216},
	};
	struct fixture *f = *state;
	struct hotspot_layout layout = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t at = IMAGE_AT;
		uint32_t number;

		memcpy(f->image.bytes, cases[i].bytes, cases[i].n);
		remote__begin(&f->remote, 1, clock__boot_ns());
		layout.excluded = 0;
		assert_true(hotspot__number(&f->remote, &layout, &at, &number));
		assert_int_equal(number, cases[i].number);
		assert_int_equal(at, IMAGE_AT + cases[i].n);
	}
	/* 190 and 191 by the later one: (191), (192, 1). Zero is no byte of it. */
	layout.excluded = 1;
	for (unsigned i = 190; i < 192; i++) {
		uint64_t at = IMAGE_AT;
		uint32_t number;

		f->image.bytes[0] = i + 1;
		f->image.bytes[1] = 1;
		remote__begin(&f->remote, 1, clock__boot_ns());
		assert_true(hotspot__number(&f->remote, &layout, &at, &number));
		assert_int_equal(number, i);
	}
	f->image.bytes[0] = 0;
	remote__begin(&f->remote, 1, clock__boot_ns());
	assert_false(hotspot__number(&f->remote, &layout, &(uint64_t){IMAGE_AT}, &(uint32_t){0}));
}

/* --- lies ----------------------------------------------------------------------------------- */

/* 20,000 times some bytes are others: whatever is made of it, it ends, within its bounds. */
static void test_bytes_that_are_others(void **state)
{
	const uint64_t pcs[] = {image__code(IMAGE_COMPILED) + IMAGE_CALL,
				image__code(IMAGE_INTERPRETER) + 32, image__code(IMAGE_STUBS) + 40,
				image__code(IMAGE_RUNTIME) + 8, image__code(IMAGE_VTABLE) + 8};
	struct fixture *f = *state;
	unsigned crossed = 0;

	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		image__make(&f->image);
		fill_interpreted(f, 12);
		for (int flips = rand() % 8; flips >= 0; flips--)
			f->image.bytes[rand() % IMAGE_LEN] = rand();
		remote__begin(&f->remote, 1, clock__boot_ns());
		if (!read_layout(f))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(pcs); i++) {
			f->frame.n = 0;
			crossed += cross(f, pcs[i], rand() % 2, 12);
			assert_true(f->frame.n <= SYMBOLS_MAX);
		}
		assert_true(f->remote.fetches <= REMOTE_FETCHES_MAX);
		arena__free(f->arena);
		f->arena = arena__new();
	}
	assert_true(crossed > 20000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_compiled),
		TEST(test_a_frame_that_is_deoptimised),
#if defined(__x86_64__)
		TEST(test_a_frame_that_is_not_made_yet),
#endif
		TEST(test_interpreted),
		TEST(test_stubs),
		TEST(test_what_is_none),
		TEST(test_versions),
		TEST(test_numbers),
		TEST(test_bytes_that_are_others),
	};

	return cmocka_run_group_tests_name("hotspot", tests, NULL, NULL);
}
