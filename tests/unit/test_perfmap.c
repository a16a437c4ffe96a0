// SPDX-License-Identifier: BSD-2-Clause
/* Maps of just-in-time compilers: user/child/perfmap.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "child/perfmap.h"
#include "util/buf.h"

static struct perfmap *map_of(const char *text)
{
	struct perfmap *map;

	assert_int_equal(perfmap__parse(text, strlen(text), &map), 0);
	return map;
}

static void check(const struct perfmap *map, uint64_t pc, const char *expected)
{
	const char *name = perfmap__find(map, pc);

	assert_string_equal(name ? name : "nothing", expected);
}

static void names_and_gaps(void **state)
{
	struct perfmap *map =
		map_of("3ef414c0 398 RegExp:[{(]\n0x3ef418a0 0x20 LazyCompile:~f /a b.js:1\r\n"
		       "7f0000000000 10 last without a break");

	check(map, 0x3ef414bf, "nothing");
	check(map, 0x3ef414c0, "RegExp:[{(]");
	check(map, 0x3ef414c0 + 0x397, "RegExp:[{(]");
	check(map, 0x3ef414c0 + 0x398, "nothing");
	check(map, 0x3ef418bf, "LazyCompile:~f /a b.js:1");
	check(map, 0x7f000000000f, "last without a break");
	check(map, 0x7f0000000010, "nothing");
	perfmap__free(map);
}

static void later_lines_win(void **state)
{
	/* A piece out of the middle, one that covers all, one over two neighbours. */
	struct perfmap *map = map_of("1000 100 old\n1040 20 new\n"
				     "2000 100 small\n1f00 300 large\n"
				     "3000 10 a\n3010 10 b\n3008 10 c\n3008 4 d\n");

	check(map, 0x103f, "old");
	check(map, 0x1040, "new");
	check(map, 0x105f, "new");
	check(map, 0x1060, "old");
	check(map, 0x2000, "large");
	check(map, 0x21ff, "large");
	check(map, 0x3007, "a");
	check(map, 0x3008, "d");
	check(map, 0x300c, "c");
	check(map, 0x3017, "c");
	check(map, 0x3018, "b");
	perfmap__free(map);
}

/* The plain way: the last line that has the address. */
static void as_the_plain_way(void **state)
{
	struct {
		uint64_t start, size;
	} lines[400];
	struct perfmap *map;
	struct buf text = {};

	srand(7);
	for (unsigned i = 0; i < 400; i++) {
		lines[i].start = rand() % 4000;
		lines[i].size = 1 + rand() % (i % 10 ? 50 : 1500);
		buf__printf(&text, "%lx %lx n%u\n", lines[i].start, lines[i].size, i);
	}
	buf__add(&text, "", 1);
	map = map_of(text.data);
	for (uint64_t pc = 0; pc < 6000; pc++) {
		char expected[16] = "nothing";

		for (unsigned i = 0; i < 400; i++)
			if (pc >= lines[i].start && pc < lines[i].start + lines[i].size)
				snprintf(expected, sizeof(expected), "n%u", i);
		check(map, pc, expected);
	}
	perfmap__free(map);
	buf__free(&text);
}

static void malformed_lines(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"1000",
		"1000 ",
		"1000 10",
		"1000 10 ",
		"1000 0 empty",
		"xyz 10 name",
		"1000 zz n",
		"-1000 10 name",
		"1000,10,n",
		"1000  10 n",
		"10000000000000000 10 n",
		"1000 ffffffffffffffff n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct perfmap_stats stats;
		struct perfmap *map;
		char text[128];

		snprintf(text, sizeof(text), "500 10 before\n%s\n600 10 after\n", lines[i]);
		map = map_of(text);
		perfmap__stats(map, &stats);
		assert_int_equal(stats.lines, 3);
		assert_int_equal(stats.skipped, 1);
		check(map, 0x500, "before");
		check(map, 0x600, "after");
		check(map, 0x1000, "nothing");
		perfmap__free(map);
	}
}

static void bounds(void **state)
{
	struct perfmap_stats stats;
	struct perfmap *map;
	struct buf text = {};
	char name[5000] = "";

	for (unsigned i = 0; i < PERFMAP_LINES_MAX + 10; i++)
		buf__printf(&text, "%x 10 n\n", i * 16);
	assert_int_equal(perfmap__parse(text.data, text.len, &map), 0);
	perfmap__stats(map, &stats);
	assert_true(stats.truncated);
	perfmap__free(map);

	memset(name, 'x', sizeof(name) - 1);
	text.len = 0;
	buf__printf(&text, "1000 10 %s", name);
	assert_int_equal(perfmap__parse(text.data, text.len, &map), 0);
	assert_int_equal(strlen(perfmap__find(map, 0x1000)), PERFMAP_NAME_MAX);
	perfmap__free(map);

	/* Of more bytes than are read, the last ones. */
	text.len = 0;
	buf__puts(&text, "1000 10 first\n");
	while (text.len < PERFMAP_BYTES_MAX)
		buf__printf(&text, "# %4000s\n", "");
	buf__puts(&text, "2000 10 last\n");
	assert_int_equal(perfmap__parse(text.data, text.len, &map), 0);
	perfmap__stats(map, &stats);
	assert_true(stats.truncated);
	check(map, 0x1000, "nothing");
	check(map, 0x2000, "last");
	perfmap__free(map);
	buf__free(&text);

	perfmap__free(map_of(""));
	perfmap__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_gaps),   cmocka_unit_test(later_lines_win),
		cmocka_unit_test(as_the_plain_way), cmocka_unit_test(malformed_lines),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
