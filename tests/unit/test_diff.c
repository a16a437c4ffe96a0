// SPDX-License-Identifier: BSD-2-Clause
/* Which call sites of two reports are the same one, and what becomes of the rows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diff/diff_encode.h"
#include "util/cleanup.h"

#define SITES_MAX 4

/* A frame as "FUNCTION BUILD_ID MODULE OFFSET [i][j]", inlined, of Java; "-" for what is not known.
 */
struct site {
	const char *frames[4];
	uint64_t rss;
};

struct pair {
	const char *what;
	struct site a[SITES_MAX], b[SITES_MAX];
	const char *rows; /* "grown 10 30 location", in order, separated by "; " */
};

static const struct pair pairs[] = {
	{"the same place, another name for it",
	 {{{"mmap 11 libc 1f", "grow aa app 10"}, 10}},
	 {{{"__mmap 11 libc 1f", "- aa app 10"}, 30}},
	 "grown 10 30 location"},
	{"inlined functions are known with debug information only",
	 {{{"mmap 11 libc 1f", "grow aa app 10"}, 10}},
	 {{{"mmap 11 libc 1f", "alloc aa app 10 i", "grow aa app 10"}, 10}},
	 "same 10 10 location"},
	{"another place in the same file",
	 {{{"grow aa app 10"}, 10}},
	 {{{"grow aa app 20"}, 30}},
	 "new 0 30 -; gone 10 0 -"},
	{"another path of the same file",
	 {{{"grow aa /old/app 10"}, 30}},
	 {{{"grow aa /new/app 10"}, 10}},
	 "shrunk 30 10 location"},
	{"a new build",
	 {{{"mmap 11 libc 1f", "grow.part.0 aa app 10", "main aa app 50"}, 10}},
	 {{{"mmap 11 libc 1f", "grow bb app 18", "main bb app 60"}, 30}},
	 "grown 10 30 functions"},
	{"a new build, and a part that was not rebuilt is called from elsewhere",
	 {{{"mmap 11 libc 1f", "grow aa app 10"}, 10}},
	 {{{"mmap 11 libc 2f", "grow bb app 10"}, 30}},
	 "new 0 30 -; gone 10 0 -"},
	{"a new build of a stripped program",
	 {{{"mmap 11 libc 1f", "- aa app 10"}, 10}},
	 {{{"mmap 11 libc 1f", "- bb app 10"}, 30}},
	 "new 0 30 -; gone 10 0 -"},
	{"a new build that maps in two places",
	 {{{"grow aa app 10"}, 10}},
	 {{{"grow bb app 10"}, 20}, {{"grow bb app 90"}, 5}},
	 "grown 10 25 functions"},
	{"no build id: path, offset and function",
	 {{{"grow - app 10"}, 10}, {{"x - app 20"}, 7}},
	 {{{"grow - app 10"}, 11}, {{"y - app 20"}, 9}},
	 "new 0 9 -; grown 10 11 location; gone 7 0 -"},
	{"code made at run time is elsewhere each time",
	 {{{"jit - - 7f00"}, 10}, {{"- - - 7f00"}, 5}},
	 {{{"jit - - 9f00"}, 12}, {{"- - - 9f00"}, 5}},
	 "new 0 5 -; grown 10 12 location; gone 5 0 -"},
	{"Java functions are inlined as their compiler likes",
	 {{{"mmap 11 libc 1f", "A.grow - - 0 j", "A.main - - 0 j"}, 10}},
	 {{{"mmap 11 libc 1f", "A.grow - - 0 ij", "A.main - - 0 j"}, 12}},
	 "grown 10 12 location"},
	{"names that only look alike when put together",
	 {{{"ab aa app 1", "c aa app 2"}, 10}},
	 {{{"a bb app 1", "bc bb app 2"}, 10}},
	 "new 0 10 -; gone 10 0 -"},
	{"stacks of nothing are one call site", {{{}, 10}}, {{{}, 12}}, "grown 10 12 location"},
	{"nothing", {}, {}, ""},
};

struct made {
	struct saved saved;
	struct saved_site sites[SITES_MAX];
	struct frame frames[SITES_MAX][4];
	char words[SITES_MAX][4][64];
};

static const char *known(const char *word)
{
	return word && strcmp(word, "-") ? word : NULL;
}

static void parse_frame(char *text, struct frame *ret)
{
	char *save, *flag;

	ret->function = known(strtok_r(text, " ", &save));
	ret->build_id = known(strtok_r(NULL, " ", &save));
	ret->module = known(strtok_r(NULL, " ", &save));
	ret->offset = strtoull(strtok_r(NULL, " ", &save), NULL, 16);
	flag = strtok_r(NULL, " ", &save);
	ret->inlined = flag && strchr(flag, 'i');
	ret->language = flag && strchr(flag, 'j') ? FRAME_OF_JAVA : FRAME_OF_MACHINE;
}

static void fill(struct made *made, const struct site *sites, uint64_t rss)
{
	memset(made, 0, sizeof(*made));
	made->saved.totals.rss = rss;
	made->saved.sites.rows = made->sites;
	made->saved.sites.total = rss;
	made->saved.sites.complete = true;
	for (size_t i = 0; i < SITES_MAX && sites[i].rss; i++) {
		struct saved_site *site = &made->sites[i];

		site->rss = sites[i].rss;
		site->frames = made->frames[i];
		for (; site->n_frames < 4 && sites[i].frames[site->n_frames]; site->n_frames++) {
			char *words = made->words[i][site->n_frames];

			strcpy(words, sites[i].frames[site->n_frames]);
			parse_frame(words, &made->frames[i][site->n_frames]);
		}
		made->saved.sites.n++;
	}
}

static void add_row(struct buf *out, const struct diff_row *row)
{
	buf__printf(out, "%s%s %d %d %s", out->len ? "; " : "", change__name(row->change),
		    (int)row->a, (int)row->b,
		    !row->in_a || !row->in_b ? "-"
		    : row->by_functions	     ? "functions"
					     : "location");
}

static void test_same_call_site(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_buf_ struct buf rows = {};
		struct difference *d;
		struct made a, b;

		fill(&a, pairs[i].a, 100);
		fill(&b, pairs[i].b, 200);
		assert_int_equal(difference__new(&a.saved, &b.saved, &d), 0);
		for (size_t j = 0; j < d->sites.n; j++)
			add_row(&rows, &d->sites.rows[j]);
		if (strcmp(rows.data ?: "", pairs[i].rows))
			fail_msg("%s: %s, not %s", pairs[i].what, rows.data, pairs[i].rows);
		difference__free(d);
	}
}

/* What a report left out may have been there. */
static void test_lists_that_are_cut(void **state)
{
	static const struct site here[SITES_MAX] = {{{"f aa app 1"}, 10}};
	static const struct site there[SITES_MAX] = {{{"g aa app 2"}, 20}};
	struct difference *d;
	struct made a, b;

	fill(&a, here, 100);
	fill(&b, there, 200);
	a.saved.sites.complete = false;
	assert_int_equal(difference__new(&a.saved, &b.saved, &d), 0);
	assert_int_equal(d->sites.n, 2);
	assert_int_equal(d->sites.rows[0].change, CHANGE_UNLISTED_A);
	assert_int_equal(d->sites.rows[1].change, CHANGE_GONE);
	assert_int_equal(d->sites.rest_a, 90);
	assert_int_equal(d->sites.rest_b, 180);
	difference__free(d);
}

/* The largest changes, whichever way they go, in the order of growth. */
static void test_select(void **state)
{
	static const struct site before[SITES_MAX] = {{{"a aa app 1"}, 50},
						      {{"b aa app 2"}, 5},
						      {{"c aa app 3"}, 20},
						      {{"d aa app 4"}, 9}};
	static const struct site after[SITES_MAX] = {{{"a aa app 1"}, 10},
						     {{"b aa app 2"}, 6},
						     {{"c aa app 3"}, 50},
						     {{"d aa app 4"}, 9}};
	const struct diff_row *rows[SITES_MAX];
	struct diff_row others;
	struct difference *d;
	struct made a, b;

	fill(&a, before, 100);
	fill(&b, after, 100);
	assert_int_equal(difference__new(&a.saved, &b.saved, &d), 0);
	assert_int_equal(diff_list__select(&d->sites, 2, false, rows, &others), 2);
	assert_string_equal(rows[0]->site->frames[0].function, "c");
	assert_string_equal(rows[1]->site->frames[0].function, "a");
	assert_int_equal(others.n_b, 2);
	assert_int_equal(others.a, 14);
	assert_int_equal(others.b, 15);
	assert_int_equal(diff_list__select(&d->sites, 9, false, rows, &others), 3);
	assert_int_equal(diff_list__select(&d->sites, 1, true, rows, &others), 4);
	assert_string_equal(rows[1]->site->frames[0].function, "b");
	assert_int_equal(others.n_b, 0);
	difference__free(d);
}

/* --- reading ---------------------------------------------------------------------------------- */

#define TOTALS(rss)                                                                                \
	"\"totals\":{\"rss\":" #rss ",\"pss\":null,\"hugetlb\":5,\"swap\":0,\"virtual\":9},"
#define BREAKDOWN                                                                                  \
	"\"breakdown\":{\"runtime\":{\"heap\":1,\"stack\":2,\"metadata\":3},\"named\":[{\"name\":" \
	"\"Cache\",\"rss\":4},{\"name\":\"(3 others)\",\"rss\":5}],\"file_backed\":[{\"name\":"    \
	"\"Other Files\",\"rss\":6},{\"name\":\"Other Files /srv/db\",\"rss\":7}],\"anonymous\":"  \
	"{\"read_write\":8,\"read_only\":9,\"executable\":10},\"other\":11}"
#define HEAD   "{\"schema\":1,\"version\":\"0.1.0\",\"comm\":\"x\",\"pid\":7,"
#define REPORT HEAD TOTALS(66) BREAKDOWN "}"

static void test_read(void **state)
{
	static const char text[] = REPORT;
	char error[SAVED_ERROR_LEN];
	struct difference *d;
	struct saved *saved;

	assert_int_equal(saved__parse(text, strlen(text), &saved, error), 0);
	assert_string_equal(saved->comm, "x");
	assert_int_equal(saved->pid, 7);
	assert_true(saved->totals.pss == UINT64_MAX);
	assert_int_equal(saved->totals.kinds.bytes[PAGES_HUGETLB], 5);
	assert_true(saved->totals.kinds.bytes[PAGES_KSM] == UNKNOWN_BYTES);
	assert_int_equal(saved->names.n, 1);
	assert_false(saved->names.complete);
	assert_int_equal(difference__new(saved, saved, &d), 0);
	assert_int_equal(d->categories.n, 9); /* large files are no category of their own */
	assert_int_equal(d->categories.rest_a, 0);
	assert_int_equal(d->names.rest_b, 62);
	difference__free(d);
	saved__free(saved);
}

static void test_not_a_report(void **state)
{
	static const struct {
		const char *text, *says;
	} table[] = {
		{"", "it is empty"},
		{HEAD, "cut off"},
		{"{\"schema\":", "cut off"},
		{"\x7f"
		 "ELF",
		 "it is not JSON: line 1"},
		{"{\"schema\":1,\"schema\":1}", "not JSON"},
		{"[]", "not a report of memprov"},
		{"{}", "not a report of memprov"},
		{"7", "it is not JSON"},
		{"{\"schema\":\"1\",\"version\":\"\"}", "not a report of memprov"},
		{"{\"schema\":2,\"version\":\"9\"}",
		 "it has schema 2; this memprov reads schema 1"},
		{HEAD "\"callsites\":[]}", "a list, not a report"},
		{HEAD TOTALS(null) BREAKDOWN "}", "no RSS"},
		{HEAD TOTALS(65) BREAKDOWN "}", "does not add up"},
		{HEAD TOTALS(66) "\"breakdown\":{}}", "lacks its name or its RSS"},
		{HEAD TOTALS(66) BREAKDOWN ",\"callsites\":[{\"rss\":67,\"stack\":[]}]}",
		 "its call sites are more than its RSS"},
		{HEAD TOTALS(66) BREAKDOWN ",\"callsites\":[{\"rss\":-1}]}", "lacks"},
		{HEAD TOTALS(66) BREAKDOWN ",\"callsites\":[{\"rss\":1,\"stack\":[7]}]}", "lacks"},
		{"{\"schema\":1,\"version\":\"\",\"command\":[],\"peak\":null,\"end\":null}",
		 "a run whose memory could not be read"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char error[SAVED_ERROR_LEN];
		struct saved *saved;
		int err = saved__parse(table[i].text, strlen(table[i].text), &saved, error);

		if (err != -EINVAL || !strstr(error, table[i].says))
			fail_msg("row %zu: %d: %s", i, err, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_call_site), cmocka_unit_test(test_lists_that_are_cut),
		cmocka_unit_test(test_select),	       cmocka_unit_test(test_read),
		cmocka_unit_test(test_not_a_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
