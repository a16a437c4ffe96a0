// SPDX-License-Identifier: BSD-2-Clause
/* The table of call sites: user/model/callsite.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "model/callsite.h"
#include "util/cleanup.h"

static void classify_nothing(struct callsite *site)
{
}

static void test_call_sites_are_kept_once(void **state)
{
	struct callsite_table *table = callsite_table__new(classify_nothing, NULL);
	struct frame frames[] = {
		{.function = "mmap", .module = "/lib/libc.so", .offset = 5, .ip = 1},
		{.function = "grow", .module = "/bin/a", .offset = 7, .ip = 2}};
	struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = frames, .n = 2};
	struct callsite *a = callsite_table__intern(table, 1, &stack), *b, *c;
	struct callsite_stats stats;

	assert_int_equal(a->n, 2);
	assert_string_equal(a->frames[1]->function, "grow");
	assert_string_equal(a->frames[1]->module, "/bin/a");
	frames[0].ip = 99; /* the library lies elsewhere in another process */
	b = callsite_table__intern(table, 1, &stack);
	assert_ptr_equal(a, b);
	frames[1].offset = 8;
	c = callsite_table__intern(table, 1, &stack);
	assert_ptr_not_equal(a, c);
	callsite_table__stats(table, &stats);
	assert_int_equal(stats.sites, 2);
	callsite_table__free(table);
	assert_string_equal(c->frames[0]->function, "mmap"); /* it outlives the table */
	callsite__unref(a);
	callsite__unref(b);
	callsite__unref(c);
}

/* The account with most of a nearly full table loses; others keep theirs. */
static void test_the_account_with_most_call_sites_gives_way(void **state)
{
	struct callsite_table *table = callsite_table__new(classify_nothing, NULL);
	struct frame frame = {.function = "f"};
	struct frame deep[FRAMES_MAX];
	struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = deep, .n = FRAMES_MAX};
	struct callsite *few, **held = calloc(CALLSITES_MAX_BYTES / 1024, sizeof(*held));
	uint64_t most = 0;
	bool much = false;
	size_t n = 0;

	for (size_t i = 0; i < FRAMES_MAX; i++)
		deep[i] = frame;
	few = callsite_table__intern(table, 7, &(struct unwound){.frames = &frame, .n = 1});
	while (!callsite_table__is_short(table, 7, 0, &most, &much)) {
		deep[0].offset = ++n;
		held[n] = callsite_table__intern(table, 8, &stack);
		assert_false(callsite__is_other(held[n]));
	}
	assert_int_equal(most, 8);
	assert_true(much);
	assert_true(callsite_table__is_short(table, 8, 0, &most, &much));
	assert_false(much);
	/* There is room for some more all the same, until it gives way. */
	deep[0].offset = n + 1;
	callsite__unref(callsite_table__intern(table, 7, &stack));
	for (size_t i = 1; i <= n; i++)
		callsite__unref(held[i]);
	assert_false(callsite_table__is_short(table, 7, 0, &most, &much));
	assert_int_equal(few->frames[0]->offset, 0);
	callsite__unref(few);
	callsite_table__free(table);
	free(held);
}

/* So does the tenant with most, by its largest account: ten programs that have a little more than
 * one do not have their share ten times. */
static void test_the_tenant_with_most_call_sites_gives_way(void **state)
{
	struct callsite_table *table = callsite_table__new(classify_nothing, NULL);
	struct frame deep[FRAMES_MAX] = {};
	struct unwound stack = {.frames = deep, .n = FRAMES_MAX, .tenant = 1};
	struct callsite **held = calloc(CALLSITES_MAX_BYTES / 1024, sizeof(*held));
	uint64_t most = 0;
	bool much = false;
	size_t n = 0;

	for (size_t i = 0; i < FRAMES_MAX; i++)
		deep[i].function = "f";
	while (!callsite_table__is_short(table, 20, 2, &most, &much)) {
		uint64_t account = n % 10 ?: 1; /* of the first tenant, 1 has twice as much */

		if (n % 8 == 7)
			account = 20;
		stack.tenant = account == 20 ? 2 : 1;
		deep[0].offset = ++n;
		held[n] = callsite_table__intern(table, account, &stack);
	}
	/* 20 has an eighth, more than half of what 1 has. */
	assert_int_equal(most, 1);
	assert_true(much);
	assert_true(callsite_table__is_short(table, 1, 1, &most, &much));
	assert_int_equal(most, 1);
	assert_false(much);
	/* Of one tenant, each program counts. */
	assert_true(callsite_table__is_short(table, 50, 1, &most, &much));
	assert_true(much);
	for (size_t i = 1; i <= n; i++)
		callsite__unref(held[i]);
	callsite_table__free(table);
	free(held);
}

/* Call sites without references go first; when all are held, further ones become "other". */
static void test_call_sites_are_bounded(void **state)
{
	struct callsite_table *table = callsite_table__new(classify_nothing, NULL);
	char *name = calloc(1, 1 << 20);
	struct frame frame = {.function = name};
	struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = &frame, .n = 1};
	struct callsite *held[CALLSITES_MAX_BYTES >> 20];
	struct callsite_stats stats;
	struct callsite *site;
	size_t n = ARRAY_SIZE(held) - 1;

	memset(name, 'x', (1 << 20) - 1);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(held); i++) {
		frame.offset = i;
		callsite__unref(callsite_table__intern(table, 1, &stack));
	}
	callsite_table__stats(table, &stats);
	assert_int_equal(stats.turned_away, 0);
	assert_true(stats.bytes <= CALLSITES_MAX_BYTES);
	for (size_t i = 0; i < n; i++) {
		frame.offset = 1000 + i;
		held[i] = callsite_table__intern(table, 1, &stack);
		assert_false(callsite__is_other(held[i]));
	}
	frame.offset = 5000;
	site = callsite_table__intern(table, 1, &stack);
	assert_true(callsite__is_other(site));
	callsite__unref(site);
	callsite_table__stats(table, &stats);
	assert_int_equal(stats.turned_away, 1);
	for (size_t i = 0; i < n; i++)
		callsite__unref(held[i]);
	callsite_table__free(table);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_sites_are_kept_once),
		cmocka_unit_test(test_the_account_with_most_call_sites_gives_way),
		cmocka_unit_test(test_the_tenant_with_most_call_sites_gives_way),
		cmocka_unit_test(test_call_sites_are_bounded),
	};

	return cmocka_run_group_tests_name("callsite", tests, NULL, NULL);
}
