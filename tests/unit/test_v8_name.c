// SPDX-License-Identifier: BSD-2-Clause
/* Names of V8's in perf maps: user/child/v8_name.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "child/v8_name.h"
#include "util/cleanup.h"

static const struct {
	const char *text;
	const char *function; /* NULL: it is none */
	const char *file;
	uint32_t line;
	uint64_t column;
} cases[] = {
	/* As Node 20 and 18 write them. */
	{"JS:~leak /tmp/keep.js:5:14", "leak", "/tmp/keep.js", 5, 14},
	{"JS:^leak /tmp/keep.js:5:14", "leak", "/tmp/keep.js", 5, 14},
	{"JS:+leak /tmp/keep.js:5:14", "leak", "/tmp/keep.js", 5, 14},
	{"JS:*leak /tmp/keep.js:5:14", "leak", "/tmp/keep.js", 5, 14},
	{"JS:*'leak /tmp/keep.js:5:14", "leak", "/tmp/keep.js", 5, 14},
	{"JS:~ /tmp/keep.js:1:1", "(anonymous)", "/tmp/keep.js", 1, 1},
	{"JS:~Module._extensions..js node:internal/modules/cjs/loader:1604:37",
	 "Module._extensions..js", "node:internal/modules/cjs/loader", 1604, 37},
	{"LazyCompile:*append node:internal/linkedlist:30", "append", "node:internal/linkedlist",
	 30, 0},
	{"Function:^viaArrow file:///srv/more.mjs:10", "viaArrow", "file:///srv/more.mjs", 10, 0},
	{"Script:~ file:///srv/more.mjs:1", "(anonymous)", "file:///srv/more.mjs", 1, 0},
	{"Eval:~ node:internal/main:1:1", "(anonymous)", "node:internal/main", 1, 1},
	/* Blanks in names, in files, in both; files that are none. */
	{"JS:^get fresh /srv/a.js:3:14", "get fresh", "/srv/a.js", 3, 14},
	{"JS:^a b /srv/ke ep/c d.js:3:14", "a b", "/srv/ke ep/c d.js", 3, 14},
	{"JS:^get size evalmachine.<anonymous>:2:3", "get size", "evalmachine.<anonymous>", 2, 3},
	{"JS:^f [eval]:2:3", "f", "[eval]", 2, 3},
	{"JS:~f webpack-internal:///./src/a.js:7:9", "f", "webpack-internal:///./src/a.js", 7, 9},
	{"JS:~größe /srv/müll.js:7:9", "größe", "/srv/müll.js", 7, 9},
	/* Without what belongs there. */
	{"JS:~f", "f", NULL, 0, 0},
	{"JS:~", "(anonymous)", NULL, 0, 0},
	{"JS:~f ", "f ", NULL, 0, 0},
	{"JS:~f :1:2", "f", NULL, 1, 2},
	{"JS:~f:1:2", "f:1:2", NULL, 0, 0},
	{"JS:~f /a.js", "f /a.js", NULL, 0, 0},
	{"JS:~f /a.js:", "f /a.js:", NULL, 0, 0},
	{"JS:~f /a.js:4294967296:1", "f", "/a.js", 0, 1},
	{"JS:~f /a.js:99999999999999999999", "f /a.js:99999999999999999999", NULL, 0, 0},
	{"JS:~:1", ":1", NULL, 0, 0},
	/* Others' names, and V8's of what is no function. */
	{"", NULL, NULL, 0, 0},
	{"JS:", NULL, NULL, 0, 0},
	{"JS:leak /tmp/keep.js:5:14", NULL, NULL, 0, 0},
	{"Builtin:ArrayPrototypePush", NULL, NULL, 0, 0},
	{"BytecodeHandler:LdaZero", NULL, NULL, 0, 0},
	{"RegExp:~a /b:1:1", NULL, NULL, 0, 0},
	{"py::grow:/srv/app.py", NULL, NULL, 0, 0},
	{"java.util.HashMap::put", NULL, NULL, 0, 0},
	{"[OptimizedTier1]void [app] Cache::Grow(int32)", NULL, NULL, 0, 0},
};

static void same(const char *text, const char *found, const char *expected)
{
	if (!found == !expected && (!found || !strcmp(found, expected)))
		return;
	fail_msg("%s: '%s', not '%s'", text, found ?: "nothing", expected ?: "nothing");
}

static void names(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct symbol symbol = {.function = NULL};
		struct arena *arena = arena__new();

		assert_non_null(arena);
		assert_int_equal(v8_name__parse(cases[i].text, arena, &symbol),
				 cases[i].function != NULL);
		same(cases[i].text, symbol.function, cases[i].function);
		same(cases[i].text, symbol.file, cases[i].file);
		assert_int_equal(symbol.line, cases[i].line);
		assert_int_equal(symbol.offset, cases[i].column);
		assert_int_equal(symbol.language,
				 symbol.function ? FRAME_OF_JAVASCRIPT : FRAME_OF_MACHINE);
		arena__free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
