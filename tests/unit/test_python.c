// SPDX-License-Identifier: BSD-2-Clause
/* Frames of CPython: texts, lines, offsets, and where they stand among native frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "child/python_layout.h"
#include "child/python_text.h"
#include "child/reply_parts.h"
#include "util/cleanup.h"
#include "wire/python_frames.h"

/* --- texts --------------------------------------------------------------------------------- */

static void test_texts_become_utf8(void **state)
{
	static const struct {
		unsigned kind;
		uint32_t characters[4];
		size_t n;
		const char *utf8;
	} cases[] = {
		{1, {'a', '_', '1'}, 3, "a_1"},
		{1, {'g', 0xf6}, 2, "g\303\266"},
		{2, {0x65e5, 0x672c}, 2, "\346\227\245\346\234\254"},
		{2, {0xd800, 'a'}, 2, "\357\277\275a"}, /* half of a pair */
		{4, {0x1f40d}, 1, "\360\237\220\215"},
		{4, {0x110000, 0xffffffff}, 2, "\357\277\275\357\277\275"},
		{1, {0, 'a'}, 2, "\357\277\275a"},
	};
	struct arena *arena = arena__new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t bytes[16];
		struct python_text text = {bytes, cases[i].n * cases[i].kind, cases[i].kind};

		for (size_t k = 0; k < cases[i].n; k++)
			memcpy(bytes + k * text.kind, &cases[i].characters[k], text.kind);
		assert_string_equal(python_text__utf8(&text, arena), cases[i].utf8);
	}
	assert_null(python_text__utf8(&(struct python_text){}, arena));
	arena__free(arena);
}

/* --- lines --------------------------------------------------------------------------------- */

/*
 * Of CPython 3.11.2, what co_linetable and co_positions() have of
 *
 *	1  def f(a):
 *	2      try:
 *	3          g(a,
 *	4            1)
 *	5      except E:
 *	6          return [
 *	7              x for x in a]
 */
static const uint8_t recorded[] = {
	0x80, 0x00, 0xf0, 0x02, 0x05, 0x05, 0x1a, 0xdd, 0x08, 0x09, 0x88, 0x21, 0xd8, 0x0a,
	0x0b, 0xf1, 0x03, 0x01, 0x09, 0x0d, 0xf4, 0x00, 0x01, 0x09, 0x0d, 0xf0, 0x00, 0x01,
	0x09, 0x0d, 0xf0, 0x00, 0x01, 0x09, 0x0d, 0xf0, 0x00, 0x01, 0x09, 0x0d, 0xf8, 0xe5,
	0x0b, 0x0c, 0xf0, 0x00, 0x02, 0x05, 0x1a, 0xf0, 0x00, 0x02, 0x05, 0x1a, 0xf0, 0x00,
	0x02, 0x05, 0x1a, 0xf0, 0x02, 0x01, 0x10, 0x1a, 0xf0, 0x00, 0x01, 0x10, 0x1a, 0xd8,
	0x17, 0x18, 0xf0, 0x03, 0x01, 0x10, 0x1a, 0xf1, 0x00, 0x01, 0x10, 0x1a, 0xf4, 0x00,
	0x01, 0x10, 0x1a, 0xf0, 0x00, 0x01, 0x09, 0x1a, 0xf0, 0x00, 0x01, 0x09, 0x1a, 0xf0,
	0x00, 0x01, 0x09, 0x1a, 0xf0, 0x03, 0x02, 0x05, 0x1a, 0xf8, 0xf8, 0xf8};
static const uint32_t recorded_lines[] = {1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3,
					  3, 3, 3, 3, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6,
					  7, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 0, 0, 0};

static void test_a_recorded_table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded_lines); i++)
		assert_int_equal(python_lines__find(recorded, sizeof(recorded), 1, (int32_t)i * 2),
				 recorded_lines[i]);
	/* It has not begun; behind the end; nowhere. */
	assert_int_equal(python_lines__find(recorded, sizeof(recorded), 1, -2), 1);
	assert_int_equal(
		python_lines__find(recorded, sizeof(recorded), 1, ARRAY_SIZE(recorded_lines) * 2),
		0);
	assert_int_equal(python_lines__find(recorded, sizeof(recorded), 1, MP_PYTHON_NO_INSTR), 0);
	assert_int_equal(python_lines__find(NULL, 0, 1, 0), 0);
}

#define ENTRY(kind, units) (0x80 | (kind) << 3 | ((units)-1))

static void test_each_kind_of_entry(void **state)
{
	static const uint8_t table[] = {
		ENTRY(0, 1),  0x12,	       /* the same line */
		ENTRY(10, 2), 1,	 2,    /* the same */
		ENTRY(12, 1), 1,	 2,    /* + 2 */
		ENTRY(13, 1), 0x41,	 0x02, /* - (1 << 5 + …): a number of two bytes */
		ENTRY(13, 1), 0x40 | 20, 4,    /* + 138 */
		ENTRY(15, 8),		       /* none */
		ENTRY(14, 1), 6,	 0x41, 0x01, 3, 4, /* + 3 */
	};
	static const uint32_t lines[] = {100, 100, 100, 102, 38, 176, 0, 0, 0, 0, 0, 0, 0, 0, 179};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(python_lines__find(table, sizeof(table), 100, (int32_t)i * 2),
				 lines[i]);
	/* Lines that cannot be. */
	assert_int_equal(python_lines__find(table, sizeof(table), 1, 8), 0);
	assert_int_equal(python_lines__find(table, sizeof(table), -1, 0), 0);
	/* Cut anywhere, it says less. */
	for (size_t len = 0; len < sizeof(table); len++) {
		uint8_t *copy = malloc(len + 1);

		memcpy(copy, table, len);
		python_lines__find(copy, len, 100, 28);
		free(copy);
	}
}

/* --- offsets ------------------------------------------------------------------------------- */

#define FINAL(minor) (3UL << 24 | (minor) << 16 | 0x2f0)

static void test_versions(void **state)
{
	static const uint64_t unknown[] = {
		0,
		FINAL(10),
		FINAL(13), /* does not say its offsets */
		FINAL(99),
		2UL << 24 | 11 << 16 | 0xf0,
		3UL << 24 | 11 << 16 | 0xa5, /* alpha */
		0x100000000UL | FINAL(11),
	};
	struct mp_python_layout layout = {}, none = {};

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_false(python_layout__of(unknown[i], (const uint8_t *)"", 0, &layout));
		assert_memory_equal(&layout, &none, sizeof(none));
	}
	assert_true(python_layout__of(FINAL(11), NULL, 0, &layout));
	assert_int_equal(layout.tstate_current, 576);
	assert_int_equal(layout.code_instrs, 184);
	assert_true(python_layout__of(3UL << 24 | 12 << 16 | 0xc1, NULL, 0, &layout));
	assert_int_equal(layout.code_instrs, 192);
	assert_int_equal(layout.frame_owner, 70);
}

#define WORDS 128

/* What CPython 3.13 (x86-64) says of itself, as far as it is read. */
static void fill_13(uint64_t words[WORDS])
{
	static const uint64_t said[][2] = {
		{1, FINAL(13)}, {5, 632},  {8, 7184}, {9, 7248}, {21, 8},   {23, 72},
		{25, 152},	{29, 8},   {30, 0},   {31, 56},	 {33, 70},  {35, 112},
		{36, 120},	{37, 128}, {38, 136}, {39, 68},	 {43, 192}, {65, 16},
		{66, 32},	{67, 64},  {68, 32},  {69, 16},	 {70, 40},
	};

	memset(words, 0, WORDS * sizeof(*words));
	memcpy(words, "xdebugpy", 8);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		words[said[i][0]] = said[i][1];
}

static bool read_13(const uint64_t words[WORDS], struct mp_python_layout *ret)
{
	return python_layout__of(FINAL(13), (const uint8_t *)words, WORDS * sizeof(*words), ret);
}

static void test_what_it_says_of_itself(void **state)
{
	struct mp_python_layout layout;
	uint64_t words[WORDS];

	fill_13(words);
	assert_true(read_13(words, &layout));
	assert_int_equal(layout.interpreters, 632);
	assert_int_equal(layout.interpreter_next, 7184);
	assert_int_equal(layout.threads, 7248);
	assert_int_equal(layout.thread_next, 8);
	assert_int_equal(layout.thread_frame, 72);
	assert_int_equal(layout.thread_id, 152);
	assert_int_equal(layout.through, 0);
	assert_int_equal(layout.frame_size, 72);
	assert_int_equal(layout.frame_owner, 70);
	assert_int_equal(layout.code_name, 128);
	assert_int_equal(layout.code_size, 144);
	assert_int_equal(layout.code_instrs, 192);
	assert_int_equal(layout.text_ascii, 40);
	assert_int_equal(layout.text_other, 56);
	assert_int_equal(layout.bytes_data, 32);
}

static void test_what_cannot_be(void **state)
{
	struct mp_python_layout layout;
	uint64_t words[WORDS];

	/* No cookie; another version; without a GIL. */
	for (size_t i = 0; i < 3; i++) {
		fill_13(words);
		words[i] ^= 1ULL << (i == 1 ? 16 : 0);
		assert_false(read_13(words, &layout));
	}
	/* An offset that is no structure's, in each of those that are read. */
	fill_13(words);
	for (size_t i = 3; i < WORDS; i++) {
		uint64_t was = words[i];

		if (!was || i == 36)
			continue;
		words[i] = 1ULL << 32 | was;
		assert_false(read_13(words, &layout));
		words[i] = was;
	}
	words[31] = MP_PYTHON_FRAME_MAX;
	assert_false(read_13(words, &layout));
	fill_13(words);
	assert_false(python_layout__of(FINAL(13), (const uint8_t *)words, 70 * 8, &layout));
	assert_true(python_layout__of(FINAL(13), (const uint8_t *)words, 71 * 8, &layout));
}

/* --- what BPF sends ------------------------------------------------------------------------ */

struct block {
	struct mp_python python;
	struct mp_python_frame frames[4];
	uint8_t text[64];
};

static struct block block_of_three(void)
{
	return (struct block){
		.python = {.n = 4},
		.frames =
			{
				{.code = 1,
				 .name_len = 5,
				 .file_len = 1,
				 .lines_len = 2,
				 .name_kind = 1,
				 .file_kind = 1,
				 .first_line = 7},
				{.code = 2,
				 .name_len = 5,
				 .file_len = 0,
				 .name_kind = 1,
				 .file_kind = MP_PYTHON_SAME,
				 .at = 1,
				 .instr = -2},
				{.code = 1, .name_len = 0, .name_kind = MP_PYTHON_SAME, .instr = 4},
				{.code = 3, .at = 2},
			},
		.text = "innerF\x80\x12outer",
	};
}

static void test_the_frames_of_a_stack(void **state)
{
	struct block block = block_of_three();
	const struct python_frame *frame;
	struct python_cursor cursor;

	assert_true(python__is_whole(&block.python, sizeof(block)));
	python_cursor__begin(&cursor, &block.python);
	frame = python_cursor__next(&cursor);
	assert_memory_equal(frame->name.bytes, "inner", 5);
	assert_int_equal(frame->lines_len, 2);
	frame = python_cursor__next(&cursor);
	assert_memory_equal(frame->name.bytes, "outer", 5);
	assert_memory_equal(frame->file.bytes, "F", 1);
	assert_null(frame->lines);
	/* The same code, elsewhere in it. */
	frame = python_cursor__next(&cursor);
	assert_memory_equal(frame->name.bytes, "inner", 5);
	assert_int_equal(frame->raw.first_line, 7);
	assert_int_equal(frame->raw.instr, 4);
	assert_int_equal(frame->lines_len, 2);
	frame = python_cursor__next(&cursor);
	assert_int_equal(frame->name.kind, 0);
	assert_null(python_cursor__next(&cursor));
}

static void test_frames_that_cannot_be(void **state)
{
#define BREAK(what)                                                                                \
	do {                                                                                       \
		struct block b = block_of_three();                                                 \
		what;                                                                              \
		assert_false(python__is_whole(&b.python, sizeof(b)));                              \
	} while (0)
	struct block whole = block_of_three();

	BREAK(b.python.n = 0);
	BREAK(b.python.n = MP_PYTHON_FRAMES + 1);
	BREAK(b.python.cut = 2);
	BREAK(b.frames[0].name_kind = MP_PYTHON_SAME); /* as itself */
	BREAK(b.frames[2].name_len = 2);
	BREAK(b.frames[2].name_len = UINT16_MAX);
	BREAK(b.frames[1].file_len = 1);
	BREAK(b.frames[0].name_kind = 3);
	BREAK(b.frames[0].name_kind = 2); /* five bytes are no such text */
	BREAK(b.frames[0].name_kind = 0);
	BREAK(b.frames[0].name_len = MP_PYTHON_NAME_MAX + 1);
	BREAK(b.frames[3].lines_len = MP_PYTHON_LINES_MAX + 1);
	BREAK(b.frames[3].lines_len = 60); /* more than there is */
	for (size_t len = 0; len < sizeof(whole); len++) {
		bool right = len % 8 == 0 &&
			     len >= offsetof(struct block, text) + strlen("innerF__outer");

		assert_int_equal(python__is_whole(&whole.python, len), right);
	}
}

/* --- among native frames ------------------------------------------------------------------- */

#define STACK_AT 0x7f0000001000

struct native {
	const char *function;
	uint64_t sp; /* above STACK_AT; 0: of a list */
	bool inlined;
};

/* The functions, innermost first, with a space between. *ret_all: none is missing. */
static const char *merge(const struct native *natives, size_t n, const struct mp_python *python,
			 bool *ret_all)
{
	static char text[8192];
	static uint64_t copy[1024];
	struct reply *reply = reply__new(NULL);
	struct found_stack *found = calloc(1, sizeof(*found));

	found->stack.pieces = (struct pieces){{STACK_AT, 0}, {sizeof(copy), 0}, (void *)copy};
	for (size_t i = 0; i < n; i++) {
		struct reply_frame *frame = &reply->frames[reply->n++];

		frame->function = natives[i].function;
		frame->found = found->n;
		frame->wire.row = 3;
		frame->wire.inlined = natives[i].inlined;
		found->frames[found->n].sp = natives[i].sp ? STACK_AT + natives[i].sp : 0;
		found->n += !natives[i].inlined;
	}
	*ret_all = reply__add_python(reply, found, python);
	text[0] = '\0';
	for (size_t i = 0; i < reply->n; i++) {
		const struct reply_frame *frame = &reply->frames[i];

		strcat(strcat(text, i ? " " : ""), frame->function ?: "?");
		if (frame->wire.language && frame->wire.row == WIRE_NO_ROW)
			strcat(text, "!"); /* without a module: nothing says where it belongs */
		if (frame->wire.language)
			assert_int_equal(frame->wire.language, FRAME_OF_PYTHON);
	}
	reply__free(reply);
	free(found);
	return text;
}

struct made {
	struct mp_python python;
	struct mp_python_frame frames[MP_PYTHON_FRAMES];
	char text[2 * MP_PYTHON_FRAMES];
};

/* Functions a, b, c …, where an evaluation ends at those that have an address. */
static struct made make(const uint64_t *at, size_t n)
{
	struct made made = {.python.n = n};
	char *text = (char *)(made.frames + n);

	for (size_t i = 0; i < n; i++) {
		made.frames[i] = (struct mp_python_frame){.code = i + 1,
							  .at = at[i] ? STACK_AT + at[i] : 0,
							  .name_len = 1,
							  .name_kind = 1};
		text[i] = 'a' + i % 26;
	}
	return made;
}

#define EVAL "_PyEval_EvalFrameDefault"

static void test_where_they_stand(void **state)
{
	static const struct native natives[] = {
		{"mmap", 0x100, false},	     {"inl", 0x180, true}, {EVAL, 0x180, false},
		{"sort_in_c", 0x280, false}, {NULL, 0x2c0, false}, {"main", 0x380, false},
	};
	static const struct {
		uint64_t at[4];
		size_t n;
		const char *text;
	} cases[] = {
		/* What is inlined there stays; the function without a name is known by its place.
		 */
		{{0, 0x1a8, 0x300}, 3, "mmap inl a b sort_in_c c main"},
		{{0x1a8, 0, 0, 0x2c0}, 4, "mmap inl a sort_in_c b c d main"},
		/* Two evaluations in one function cannot be; both are put there. */
		{{0x1a8, 0x1b0}, 2, "mmap inl a b sort_in_c ? main"},
		/* None ends, or not in the stack, or where the last known frame may end. */
		{{0, 0}, 2, "mmap inl " EVAL " sort_in_c ? main a! b!"},
		{{0x1a8, 0x100000}, 2, "mmap inl a sort_in_c ? main b!"},
		{{0x1a8, 0x380}, 2, "mmap inl a sort_in_c ? main b!"},
		/* One that lies further in than the one before. */
		{{0x300, 0x1a8}, 2, "mmap inl " EVAL " sort_in_c a b main"},
	};
	bool all;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct made made = make(cases[i].at, cases[i].n);

		assert_string_equal(merge(natives, ARRAY_SIZE(natives), &made.python, &all),
				    cases[i].text);
		assert_true(all);
	}
}

/* python -X perf calls each function by a piece of code of its own, which a perf map names. */
static void test_perf_trampolines_stand_for_nothing(void **state)
{
	static const struct native natives[] = {
		{"mmap", 0x100, false},
		{EVAL, 0x180, false},
		{"py::a:/srv/app.py", 0x280, false},
		{EVAL, 0x290, false},
		{"py::b:/srv/app.py", 0x300, false},
		{"main", 0x380, false},
	};
	struct made made = make((uint64_t[]){0x1a8, 0x2a0}, 2);
	bool all;

	assert_string_equal(merge(natives, ARRAY_SIZE(natives), &made.python, &all),
			    "mmap a b main");
	assert_true(all);
}

static void test_a_list_has_names_alone(void **state)
{
	static const struct native natives[] = {{"mmap", 0, false},
						{EVAL ".cold", 0, false},
						{"sort_in_c", 0, false},
						{EVAL, 0, false},
						{"main", 0, false}};
	struct made made = make((uint64_t[]){0, 0x10, 0x20, 0x30}, 4);
	bool all;

	assert_string_equal(merge(natives, ARRAY_SIZE(natives), &made.python, &all),
			    "mmap a b sort_in_c c main d!");
	assert_string_equal(merge(natives, 1, &made.python, &all), "mmap a! b! c! d!");
	assert_true(all);
	made.python.cut = 1;
	merge(natives, 1, &made.python, &all);
	assert_false(all);
	assert_string_equal(merge(NULL, 0, &made.python, &all), "");
}

static void test_more_than_there_is_room_for(void **state)
{
	static struct native natives[FRAMES_MAX];
	static uint64_t at[MP_PYTHON_FRAMES];
	struct made made = make(at, MP_PYTHON_FRAMES);
	bool all;

	for (size_t i = 0; i < FRAMES_MAX; i++)
		natives[i].function = "n";
	made.frames[MP_PYTHON_FRAMES - 1].at = 1;
	merge(natives, FRAMES_MAX, &made.python, &all);
	assert_false(all);
	merge(natives, FRAMES_MAX - MP_PYTHON_FRAMES, &made.python, &all);
	assert_true(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_become_utf8),
		cmocka_unit_test(test_a_recorded_table),
		cmocka_unit_test(test_each_kind_of_entry),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_what_it_says_of_itself),
		cmocka_unit_test(test_what_cannot_be),
		cmocka_unit_test(test_the_frames_of_a_stack),
		cmocka_unit_test(test_frames_that_cannot_be),
		cmocka_unit_test(test_where_they_stand),
		cmocka_unit_test(test_perf_trampolines_stand_for_nothing),
		cmocka_unit_test(test_a_list_has_names_alone),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
