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

#include "symbolize/child.h"
#include "symbolize/symbolizer.h"
#include "traced.h"

#define STACKS "build/workloads/stacks"

struct fixture {
	struct symbolizer *symbolizer;
	struct arena *arena;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	struct symbolizer_config config = {
		.proc = "/proc", .child_memory = 512 << 20, .timeout_ms = 5000};

	fixture.arena = arena__new();
	*state = &fixture;
	return symbolizer__new(&config, &fixture.symbolizer);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	symbolizer__free(fixture->symbolizer);
	arena__free(fixture->arena);
	return 0;
}

static struct unwound unwind(struct fixture *fixture, const struct traced *traced)
{
	struct unwind_request request = {traced->pid, traced->start_ticks, 1, traced->stack};
	struct unwound unwound;

	assert_int_equal(
		symbolizer__unwind(fixture->symbolizer, &request, fixture->arena, &unwound), 0);
	return unwound;
}

static void print(const struct unwound *unwound)
{
	for (size_t i = 0; i < unwound->n; i++)
		print_message("  %2zu %-28s %s+0x%lx %s:%u %s\n", i,
			      unwound->frames[i].function ?: "?", unwound->frames[i].module ?: "?",
			      unwound->frames[i].offset, unwound->frames[i].file ?: "?",
			      unwound->frames[i].line, unwound->frames[i].build_id ?: "");
	print_message("  source %d truncated %d words %zu\n", unwound->source, unwound->truncated,
		      unwound->n_words);
}

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
		 CHAIN("?", "innermost", "third", "second", "first", "main", "...", "_start")},
		{"noreturn", CHAIN("?", "innermost", "third", "never_returns", "calls_last", "main",
				   "...", "_start")},
		{"signal", CHAIN("?", "innermost", "third", "second", "on_signal", "...", "raise",
				 "interrupted", "handle", "main", "...", "_start")},
		{"thread", CHAIN("?", "innermost", "third", "second", "first", "thread", "...")},
		{"altstack", CHAIN("?", "innermost", "third", "second", "on_signal", "...", "raise",
				   "interrupted", "handle", "main", "...", "_start")},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = {STACKS, (char *)cases[i].mode, NULL};
		struct traced traced = traced__start(argv, MP_STACK_MAX);
		struct unwound unwound = unwind(fixture, &traced);

		print(&unwound);
		check_chain(&unwound, cases[i].chain);
		assert_false(unwound.truncated);
		assert_int_equal(unwound.source, STACK_SOURCE_CFI);
		traced__end(&traced);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_stacks, set_up, tear_down),
	};

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
