// SPDX-License-Identifier: BSD-2-Clause
/* Stacks of real programs through a real child: user/symbolize. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/child.h"
#include "symbolize/symbolizer.h"
#include "symbolizer_fixture.h"
#include "traced.h"

/* The functions named, from the innermost. "?" is any one, "..." any number: what the C library
 * calls its own depends on whether its debug files are there. */
static void check_chain(const struct unwound *unwound, const char *const *chain)
{
	size_t at = 0;
	bool gap = false;

	for (; *chain; chain++) {
		if (!strcmp(*chain, "...")) {
			gap = true;
			continue;
		}
		if (!strcmp(*chain, "?")) {
			at++;
			continue;
		}
		while (gap && at < unwound->n &&
		       (!unwound->frames[at].function ||
			strcmp(unwound->frames[at].function, *chain)))
			at++;
		if (at == unwound->n || !unwound->frames[at].function ||
		    strcmp(unwound->frames[at].function, *chain)) {
			print(unwound);
			fail_msg("no %s at frame %zu", *chain, at);
		}
		gap = false;
		at++;
	}
	if (!gap && at != unwound->n) {
		print(unwound);
		fail_msg("frames beyond %zu", at);
	}
}

static void known_stacks(void **state)
{
#define CHAIN(...)                                                                                 \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
	static const struct {
		const char *mode;
		const char *chain[16];
	} cases[] = {
		{"chain",
		 CHAIN("...", "innermost", "third", "second", "first", "main", "...", "_start")},
		{"noreturn", CHAIN("...", "innermost", "third", "never_returns", "calls_last",
				   "main", "...", "_start")},
		{"signal", CHAIN("...", "innermost", "third", "second", "on_signal", "...", "raise",
				 "interrupted", "handle", "main", "...", "_start")},
		{"thread", CHAIN("...", "innermost", "third", "second", "first", "thread", "...")},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = {STACKS, (char *)cases[i].mode, NULL};
		struct traced traced = traced__start(argv, MP_STACK_MAX);
		struct unwound unwound = unwind(fixture, &traced);

		check_chain(&unwound, cases[i].chain);
		assert_false(unwound.truncated);
		assert_int_equal(unwound.source, STACK_SOURCE_CFI);
		traced__end(&traced);
	}
}

/* The stack that a handler on another one interrupted was not copied. */
static void another_stack(void **state)
{
	static const char *const chain[] =
		CHAIN("...", "innermost", "third", "second", "on_signal", "...");
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "altstack", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwound unwound = unwind(fixture, &traced);

	check_chain(&unwound, chain);
	assert_true(unwound.truncated);
	/* The interrupted instruction itself is in the signal's frame. */
	assert_string_equal(basename(unwound.frames[unwound.n - 1].module), "libc.so.6");
	traced__end(&traced);
}

/* Deeper than what is kept: the innermost ones, and no more than there is room for. */
static void deep_stack(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "deep", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwound unwound = unwind(fixture, &traced);

	assert_int_equal(unwound.n, FRAMES_MAX);
	assert_true(unwound.truncated);
	assert_string_equal(unwound.frames[FRAMES_MAX - 1].function, "deep");
	traced__end(&traced);
}

/* Every length of the copy: never a frame that is not in the whole one, and truncated. */
static void cut_copies(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, 2048);
	struct unwound whole = unwind(fixture, &traced), cut;
	size_t full = traced.stack->bytes;

	assert_false(whole.truncated);
	for (size_t bytes = sizeof(struct mp_stack_copy); bytes < full; bytes += 8) {
		traced.stack->bytes = bytes;
		cut = unwind(fixture, &traced);
		assert_true(cut.n >= 1 && cut.n <= whole.n);
		for (size_t i = 0; i < cut.n; i++)
			assert_int_equal(cut.frames[i].ip, whole.frames[i].ip);
		assert_int_equal(cut.truncated, cut.n < whole.n);
		assert_int_equal(cut.source, STACK_SOURCE_CFI);
	}
	traced__end(&traced);
}

/* What was read is enough to follow the same frames again: everything else may be other bytes. */
static void words_that_matter(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "signal", NULL};
	struct traced traced = traced__start(argv, 8192);
	struct mp_stack_copy *copy = (void *)traced.stack->data;
	size_t len = traced.stack->bytes - sizeof(*copy);
	struct unwound whole = unwind(fixture, &traced), again;

	memset(copy->bytes, 0x5a, len);
	for (size_t i = 0; i < whole.n_words; i++) {
		assert_true(whole.words[i].offset + 8 <= len);
		memcpy(copy->bytes + whole.words[i].offset, &whole.words[i].value, 8);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(whole.words[i].offset, whole.words[j].offset);
	}
	again = unwind(fixture, &traced);
	assert_int_equal(again.n, whole.n);
	for (size_t i = 0; i < again.n; i++)
		assert_int_equal(again.frames[i].ip, whole.frames[i].ip);
	assert_int_equal(again.n_words, whole.n_words);
	traced__end(&traced);
}

/* A list of instruction pointers, as frame pointers gave them: names for those that are code. */
static void lists(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = {STACKS, "chain", NULL};
	struct traced traced = traced__start(argv, MP_STACK_MAX);
	struct unwound whole = unwind(fixture, &traced), list;
	struct mp_stack *stack = calloc(1, sizeof(*stack) + 16 * 8);
	uint64_t *ips = (void *)stack->data;
	size_t n = 0;

	for (size_t i = 0; i < whole.n; i++) {
		if (!whole.frames[i].inlined)
			ips[n++] = whole.frames[i].ip;
	}
	stack->kind = MP_STACK_FP;
	stack->bytes = n * 8;
	free(traced.stack);
	traced.stack = stack;
	list = unwind(fixture, &traced);
	assert_int_equal(list.source, STACK_SOURCE_FP);
	/* These functions set up no frame pointers, so following one would leave some out. */
	assert_true(list.truncated);
	assert_true(list.n >= 1 && list.n < whole.n);
	for (size_t i = 0; i < list.n; i++)
		assert_string_equal(list.frames[i].function, whole.frames[i].function);
	/* Nor is what is no code at all a frame. */
	ips[0] = 0x1234;
	list = unwind(fixture, &traced);
	assert_true(list.truncated);
	assert_int_equal(list.n, 0);
	traced__end(&traced);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_stacks),	     cmocka_unit_test(another_stack),
		cmocka_unit_test(deep_stack),	     cmocka_unit_test(cut_copies),
		cmocka_unit_test(words_that_matter), cmocka_unit_test(lists),
	};

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
