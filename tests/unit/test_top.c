// SPDX-License-Identifier: BSD-2-Clause
/* What top knows and shows, apart from the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/top_state.h"
#include "util/cleanup.h"

static const char first[] =
	"{\"processes\":["
	"{\"pid\":30,\"comm\":\"redis\",\"rss\":300,\"pss\":9,\"swap\":0,\"growth\":null},"
	"{\"pid\":2,\"comm\":\"Agent\",\"rss\":100,\"pss\":null,\"swap\":7,\"growth\":-4,"
	"\"age_ms\":2500},"
	"{\"pid\":10,\"comm\":\"bash\",\"rss\":200,\"pss\":8,\"swap\":0,\"growth\":6}],"
	"\"unreadable_processes\":2}";
static const char second[] = "{\"processes\":["
			     "{\"pid\":10,\"comm\":\"bash\",\"rss\":150,\"pss\":8,\"swap\":0},"
			     "{\"pid\":30,\"comm\":\"redis\",\"rss\":350,\"pss\":9,\"swap\":0},"
			     "{\"pid\":2,\"comm\":\"other\",\"rss\":900,\"pss\":1,\"swap\":0}]}";
static const char third[] = "{\"processes\":["
			    "{\"pid\":10,\"comm\":\"bash\",\"rss\":150,\"pss\":8,\"swap\":0},"
			    "{\"pid\":30,\"comm\":\"redis\",\"rss\":450,\"pss\":9,\"swap\":0}]}";

static struct top_frame *parse(const char *text)
{
	char error[JSON_READ_ERROR_LEN];
	struct top_frame *frame;

	if (top_frame__parse(text, strlen(text), &frame, error))
		fail_msg("%s", error);
	return frame;
}

static void test_frame(void **state)
{
	struct top_frame *frame = parse(first);

	assert_int_equal(frame->n, 3);
	assert_int_equal(frame->rss, 600);
	assert_int_equal(frame->unreadable, 2);
	assert_int_equal(frame->rows[0].pid, 2);
	assert_true(frame->rows[0].pss == UINT64_MAX);
	assert_true(frame->rows[0].growth_known); /* the daemon's */
	assert_int_equal(frame->rows[0].growth, -4);
	assert_false(frame->rows[2].growth_known);
	assert_int_equal(frame->rows[0].age_ms, 2500);
	assert_true(frame->rows[2].age_ms == UINT64_MAX);
	top_frame__free(frame);
}

static void test_bad_frames(void **state)
{
	static const char *const texts[] = {"",
					    "{",
					    "[]",
					    "{}",
					    "{\"processes\":{}}",
					    "{\"processes\":[{}]}",
					    "{\"processes\":[7]}",
					    "{\"processes\":[{\"pid\":99999999,\"rss\":1}]}"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char error[JSON_READ_ERROR_LEN];
		struct top_frame *frame;

		assert_int_not_equal(top_frame__parse(texts[i], strlen(texts[i]), &frame, error),
				     0);
		assert_true(error[0]);
	}
}

static const struct top_layout plain = {.unit = UNIT_MB};

/* Only where there is any. */
static void test_a_column_for_hugetlb(void **state)
{
	struct top_frame *frame = parse("{\"processes\":[{\"pid\":3,\"comm\":\"pg\",\"rss\":0,"
					"\"pss\":0,\"swap\":0,\"hugetlb\":33554432}]}");
	_cleanup_buf_ struct buf text = {};

	top_frame__headings(frame, SORT_RSS, &plain, &text);
	top_frame__line(frame, frame->rows, &plain, &text);
	assert_non_null(strstr(text.data, "       SWAP    HUGETLB     CHANGE"));
	assert_non_null(strstr(text.data, "       0 MB      32 MB          -"));
	top_frame__free(frame);
	text.len = 0;
	frame = parse(first);
	top_frame__headings(frame, SORT_RSS, &plain, &text);
	assert_null(strstr(text.data, "HUGETLB"));
	top_frame__free(frame);
}

/* The first that goes when a terminal is narrow, and with a source that has no history. */
static void test_trends(void **state)
{
	struct top_frame *frame =
		parse("{\"trend\":{\"step_ms\":1,\"node\":[0,null,7]},\"processes\":["
		      "{\"pid\":3,\"comm\":\"pg\",\"rss\":0,\"trend\":[null,1,2,3,4,5,6,7,7]},"
		      "{\"pid\":4,\"comm\":\"ml\",\"rss\":0,\"trend\":null}]}");
	const struct top_layout wide = {.unit = UNIT_MB, .trend = true};
	_cleanup_buf_ struct buf text = {};

	top_frame__headings(frame, SORT_RSS, &wide, &text);
	assert_non_null(strstr(text.data, "    AGE  TREND                 NAME"));
	text.len = 0;
	top_frame__line(frame, &frame->rows[0], &wide, &text);
	assert_non_null(strstr(text.data, "      -              ▂▃▄▅▆▇██  pg"));
	text.len = 0;
	top_frame__line(frame, &frame->rows[1], &wide, &text);
	assert_non_null(strstr(text.data, "      -                        ml"));
	assert_true(top_frame__has_room(frame, 109));
	assert_false(top_frame__has_room(frame, 108));
	top_frame__free(frame);

	frame = parse(first);
	assert_false(top_frame__has_room(frame, 1000));
	top_frame__free(frame);
}

static void test_orders(void **state)
{
	static const struct {
		enum top_sort sort;
		bool reverse;
		const char *filter;
		int pids[4];
	} table[] = {
		{SORT_RSS, false, "", {30, 10, 2}},    {SORT_RSS, true, "", {2, 10, 30}},
		{SORT_PSS, false, "", {30, 10, 2}},  /* what is not known is last */
		{SORT_SWAP, false, "", {2, 30, 10}}, /* of equals, the larger first */
		{SORT_PID, false, "", {2, 10, 30}},    {SORT_NAME, false, "", {2, 10, 30}},
		{SORT_GROWTH, false, "", {10, 2, 30}}, {SORT_RSS, false, "A", {10, 2}},
		{SORT_RSS, false, "agent", {2}},       {SORT_RSS, false, "3", {30}},
		{SORT_RSS, false, "0", {0}},	       {SORT_RSS, false, "agentx", {0}},
	};
	struct top_frame *frame = parse(first);
	const struct top_row *rows[3];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = top_frame__pick(frame, table[i].filter, table[i].sort, table[i].reverse,
					   rows);

		for (size_t j = 0; j < n; j++) {
			if (rows[j]->pid != table[i].pids[j])
				fail_msg("row %zu: PID %d at %zu", i, rows[j]->pid, j);
		}
		assert_int_equal(table[i].pids[n], 0);
	}
	top_frame__free(frame);
}

static void check_row(const struct top_frame *frame, size_t i, bool known, int change, int growth)
{
	assert_int_equal(frame->rows[i].change_known, known);
	assert_int_equal(frame->rows[i].growth_known, known);
	assert_int_equal(frame->rows[i].change, change);
	assert_int_equal(frame->rows[i].growth, growth);
}

/* A PID that another program has now began anew. */
static void test_growth(void **state)
{
	struct top_frame *a = parse(first), *b = parse(second), *c = parse(third);

	top_frame__compare(a, NULL);
	assert_int_equal(a->rows[0].growth, -4); /* the daemon knows better */
	assert_false(a->rows[0].change_known || a->rows[2].growth_known);
	top_frame__compare(b, a);
	check_row(b, 0, false, 0, 0);
	check_row(b, 1, true, -50, -50);
	check_row(b, 2, true, 50, 50);
	top_frame__compare(c, b);
	check_row(c, 0, true, 0, -50);
	check_row(c, 1, true, 100, 150);
	top_frame__free(a);
	top_frame__free(b);
	top_frame__free(c);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void start(struct top_state *s, size_t height)
{
	struct options options = {.sort = SORT_RSS};

	top_state__init(s, &options);
	top_state__resize(s, height);
	assert_int_equal(top_state__take_frame(s, parse(first)), 0);
}

static void type(struct top_state *s, const char *keys)
{
	for (; *keys; keys++)
		top_state__key(s, (unsigned char)*keys);
}

static void test_selection(void **state)
{
	struct top_state s;

	start(&s, 2);
	assert_int_equal(s.selected_pid, 30);
	type(&s, "jjjj");
	assert_int_equal(s.selected_pid, 2);
	assert_int_equal(s.first, 1);
	type(&s, "r"); /* sorted the other way round, it stays selected */
	assert_int_equal(s.selected_pid, 2);
	assert_int_equal(s.selected, 0);
	assert_int_equal(s.first, 0);
	top_state__key(&s, TOP_KEY_DOWN);
	assert_int_equal(s.selected_pid, 10);
	assert_int_equal(top_state__take_frame(&s, parse(second)), 0);
	assert_int_equal(s.selected_pid, 10);
	top_state__key(&s, TOP_KEY_HOME);
	top_state__key(&s, TOP_KEY_END);
	assert_int_equal(s.selected, 2);
	assert_int_equal(top_state__take_frame(&s, parse(third)), 0);
	assert_int_equal(s.selected, 1); /* its process is gone, and the list is shorter */
	top_state__free(&s);
}

static void test_filter_keys(void **state)
{
	struct top_state s;

	start(&s, 10);
	type(&s, "/redq"); /* no command while it is typed */
	assert_false(s.quit);
	assert_int_equal(s.n, 0);
	assert_int_equal(s.selected_pid, 0);
	assert_false(top_state__key(&s, TOP_KEY_ENTER));
	assert_false(top_state__key(&s, TOP_KEY_ENTER)); /* there is no process to look at */
	type(&s, "/");
	top_state__key(&s, TOP_KEY_BACKSPACE);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.selected_pid, 30);
	top_state__key(&s, 0xe9); /* é: two bytes, one character */
	assert_string_equal(s.filter, "red\xc3\xa9");
	top_state__key(&s, TOP_KEY_BACKSPACE);
	assert_string_equal(s.filter, "red");
	for (int i = 0; i < 100; i++)
		top_state__key(&s, 0x1f600);
	assert_true(strlen(s.filter) <= TOP_FILTER_MAX);
	top_state__key(&s, TOP_KEY_ESCAPE);
	assert_int_equal(s.n, 3);
	type(&s, "q");
	assert_true(s.quit);
	top_state__free(&s);
}

static void test_one_process(void **state)
{
	static const char report[] = "=== A\n1\n2\n3\n=== B\n5\n6\n";
	struct buf text = {}, other = {};
	struct top_state s;

	start(&s, 3);
	assert_int_equal(top_state__wants(&s), 0);
	assert_true(top_state__key(&s, TOP_KEY_ENTER));
	assert_int_equal(top_state__wants(&s), 30);
	buf__puts(&other, "of another process\n");
	assert_int_equal(top_state__take_text(&s, 2, &other), 0);
	assert_int_equal(s.n_lines, 0);
	buf__puts(&text, report);
	assert_int_equal(top_state__take_text(&s, 30, &text), 0);
	assert_int_equal(s.n_lines, 7);
	assert_string_equal(s.lines[4], "=== B");
	type(&s, "\t");
	assert_int_equal(s.line, 4);
	top_state__key(&s, TOP_KEY_END);
	assert_int_equal(s.line, 4);
	type(&s, "h");
	assert_int_equal(s.mode, TOP_HELP);
	assert_int_equal(top_state__wants(&s), 30);
	type(&s, " ");
	assert_int_equal(s.mode, TOP_PROCESS);
	assert_int_equal(s.line, 4);
	assert_true(top_state__key(&s, 'u')); /* the text is made anew in the other unit */
	buf__puts(&text, "short");
	assert_int_equal(top_state__take_text(&s, 30, &text), 0);
	assert_int_equal(s.n_lines, 1);
	assert_int_equal(s.line, 0);
	assert_true(top_state__key(&s, TOP_KEY_ESCAPE));
	assert_int_equal(s.mode, TOP_LIST);
	assert_int_equal(s.selected_pid, 30);
	top_state__free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_trends),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_filter_keys),
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_a_column_for_hugetlb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
