// SPDX-License-Identifier: BSD-2-Clause
/* History: what is written of what changes, and how it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "diff/difference.h"
#include "history/tally.h"
#include "history/trends.h"
#include "past.h"
#include "util/cleanup.h"

#define BYTES (8u << 20)

/* --- changes ---------------------------------------------------------------------------------- */

struct changes {
	struct share all[16];
	size_t n;
};

static int collect(void *ctx, const struct share *share)
{
	struct changes *changes = ctx;

	changes->all[changes->n++] = *share;
	return 0;
}

static void assert_change(const struct changes *changes, size_t i, enum share_of of, int64_t what,
			  int64_t rss)
{
	assert_true(i < changes->n);
	assert_int_equal(changes->all[i].of, of);
	assert_int_equal(changes->all[i].what, what);
	assert_int_equal(changes->all[i].rss, rss);
}

static void only_changes_are_handed_on(void **state)
{
	struct tally before = {}, now = {};
	struct changes changes = {};

	tally__add(&before, SHARE_MAP, 1, 100);
	tally__add(&before, SHARE_MAP, 2, 200);
	tally__add(&before, SHARE_MAP, 3, 300);
	tally__add(&before, SHARE_CATEGORY, 9, 600);
	tally__settle(&before);
	tally__add(&now, SHARE_CATEGORY, 9, 601);
	tally__add(&now, SHARE_TOUCH, 1, 5);
	tally__add(&now, SHARE_MAP, 3, 309);
	tally__add(&now, SHARE_MAP, 2, 210);
	tally__settle(&now);

	assert_int_equal(tally__each_change(&before, &now, 10, collect, &changes), 0);
	assert_int_equal(changes.n, 4);
	assert_change(&changes, 0, SHARE_MAP, 1, 0);
	assert_change(&changes, 1, SHARE_MAP, 2, 210);
	assert_change(&changes, 2, SHARE_TOUCH, 1, 5);
	assert_change(&changes, 3, SHARE_CATEGORY, 9, 601);
	/* What was too little to be written is not forgotten: it adds up. */
	assert_int_equal(tally__share(&now, SHARE_MAP, 3), 300);
	tally__free(&before);
	tally__free(&now);
}

static void what_is_left_out_is_not_gone(void **state)
{
	struct tally before = {}, now = {};
	struct changes changes = {};

	for (int64_t i = 1; i <= 3; i++)
		tally__add(&before, SHARE_MAP, i, 100 * i);
	tally__settle(&before);
	for (int64_t i = 1; i <= 4; i++)
		tally__add(&now, SHARE_MAP, i, 100 * i);
	tally__settle(&now);
	assert_int_equal(tally__cut(&now, 3), 0);

	assert_int_equal(tally__share(&now, SHARE_TOTAL, TOTAL_LEFT_OUT), 1 << SHARE_MAP);
	assert_int_equal(tally__each_change(&before, &now, 1, collect, &changes), 0);
	assert_int_equal(changes.n, 3);
	assert_change(&changes, 0, SHARE_MAP, 1, DB_NULL);
	assert_change(&changes, 1, SHARE_MAP, 4, 400);
	assert_change(&changes, 2, SHARE_TOTAL, TOTAL_LEFT_OUT, 1 << SHARE_MAP);
	tally__free(&before);
	tally__free(&now);
}

static void a_process_that_rests_costs_no_row(void **state)
{
	struct past p;
	int64_t points, shares;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 7, .mb = {10, 20}});
	points = past__count(&p, "SELECT count(*) FROM point");
	shares = past__count(&p, "SELECT count(*) FROM share");
	for (int i = 1; i < 100; i++)
		past__see(&p, 10 * i, (struct state){.pid = 7, .mb = {10, 20}});
	assert_int_equal(past__count(&p, "SELECT count(*) FROM point"), points);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM share"), shares);
	past__close(&p);
}

static void names_and_stacks_are_stored_once(void **state)
{
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	for (pid_t pid = 1; pid <= 50; pid++)
		past__see(&p, pid, (struct state){.pid = pid, .mb = {10, 20, 30}});
	assert_int_equal(past__count(&p, "SELECT count(*) FROM site"), 3);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM frame"), 5);
	assert_int_equal(past__count(&p, "SELECT count(*) FROM string WHERE text = 'leaker'"), 1);
	past__close(&p);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void assert_point(const struct timeline *t, size_t i, int64_t s, int64_t mb)
{
	assert_true(i < t->n);
	assert_int_equal(t->points[i].at_ms, MS(s));
	assert_int_equal(t->points[i].amounts[AMOUNT_RSS], mb * MB);
}

static void what_was_holds_until_it_changes(void **state)
{
	struct timeline t;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 7, .mb = {10, 20}});
	past__see(&p, 25, (struct state){.pid = 7, .mb = {50, 20}});
	past__see(&p, 50, (struct state){.pid = 7, .mb = {50, 20, 5}});
	t = past__read(&p, (struct history_selector){.pid = 7}, 0, 60, 10);

	assert_int_equal(t.n, 6);
	assert_point(&t, 0, 0, 31);
	assert_point(&t, 1, 10, 31);
	assert_point(&t, 2, 20, 31);
	assert_point(&t, 3, 30, 71);
	assert_point(&t, 4, 40, 71);
	assert_point(&t, 5, 50, 76);
	assert_int_equal(t.points[3].amounts[AMOUNT_PSS], 71 * MB / 2);
	assert_int_equal(t.points[3].amounts[AMOUNT_NAMED], 50 * MB);
	assert_int_equal(t.points[3].amounts[AMOUNT_ANONYMOUS], 21 * MB);

	assert_int_equal(t.n_sites, 3);
	assert_string_equal(t.sites[0].site.frames[1].function, "grow");
	assert_string_equal(t.sites[0].site.frames[1].build_id, "ab");
	assert_int_equal(t.sites[0].site.n_frames, 3);
	assert_int_equal(t.sites[0].rss[2], 10 * MB);
	assert_int_equal(t.sites[0].rss[3], 50 * MB);
	assert_string_equal(t.sites[2].site.frames[1].function, "fill");
	assert_int_equal(t.sites[2].site.frames[1].language, FRAME_OF_PYTHON);
	assert_int_equal(t.sites[0].site.frames[1].language, FRAME_OF_MACHINE);
	assert_int_equal(t.sites[2].rss[4], DB_NULL);
	assert_int_equal(t.sites[2].rss[5], 5 * MB);
	past__close(&p);
}

static void what_is_gone_can_be_asked_for(void **state)
{
	struct timeline t;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 3, (struct state){.pid = 7, .mb = {10}});
	past__end(&p, 7, 7);
	past__see(&p, 30, (struct state){.pid = 8, .mb = {1}});
	/* Between two steps: its first moment and its last are there all the same. */
	t = past__read(&p, (struct history_selector){.pid = 7}, 0, 60, 10);
	assert_int_equal(t.n, 2);
	assert_point(&t, 0, 3, 11);
	assert_int_equal(t.points[1].at_ms, MS(7) - 1);
	past__close(&p);
}

static void nothing_is_made_up_where_nothing_was_seen(void **state)
{
	struct timeline t;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 7, .mb = {10}});
	past__see(&p, 20, (struct state){.pid = 7, .mb = {20}});
	/* The daemon was away for a minute. */
	past__begin_span(&p, 80);
	past__see(&p, 90, (struct state){.pid = 7, .mb = {40}});
	t = past__read(&p, (struct history_selector){.pid = 7}, 0, 100, 10);
	assert_int_equal(t.n, 5);
	assert_point(&t, 2, 20, 21);
	assert_point(&t, 3, 80, 21);
	assert_point(&t, 4, 90, 41);
	past__close(&p);
}

/* Of a moment that the clock showed twice, what was seen later holds; what was seen first is still
 * there around it. */
/* The most of each part, the end of a process and the time before it blank. */
static void trends_of_a_list(void **state)
{
	struct process_row rows[] = {{.pid = 7, .start_ticks = 100},
				     {.pid = 8, .start_ticks = 100},
				     {.pid = 7, .start_ticks = 101}};
	struct trends_query query = {
		.to_ns = NS(3600), .n = 6, .rows = 3, .boot = "boot", .all = true};
	struct report *report = report__new();
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 600);
	past__see(&p, 600, (struct state){7, {9}, NULL, NULL});
	past__see(&p, 650, (struct state){7, {2}, NULL, NULL});
	past__see(&p, 1900, (struct state){8, {4}, NULL, NULL});
	past__see(&p, 2500, (struct state){7, {3}, NULL, NULL});
	past__end(&p, 2600, 8);
	past__end_span(&p, 2900);
	report->processes = rows;
	report->n_processes = 3;
	assert_int_equal(trends__read(p.target.store->db, &query, report), 0);

	static const uint64_t seven[] = {UNKNOWN_BYTES, 10 * MB, 3 * MB,
					 3 * MB,	4 * MB,	 UNKNOWN_BYTES};
	static const uint64_t eight[] = {UNKNOWN_BYTES, UNKNOWN_BYTES, UNKNOWN_BYTES,
					 5 * MB,	5 * MB,	       UNKNOWN_BYTES};
	static const uint64_t node[] = {UNKNOWN_BYTES, 10 * MB, 3 * MB,
					8 * MB,	       9 * MB,	UNKNOWN_BYTES};

	assert_memory_equal(rows[0].trend, seven, sizeof(seven));
	assert_memory_equal(rows[1].trend, eight, sizeof(eight));
	assert_null(rows[2].trend); /* another process with the number */
	assert_memory_equal(report->trends.node, node, sizeof(node));

	/* Those of no known user are nobody's but of one who may read all. */
	rows[0].trend = NULL;
	report->trends.node = NULL;
	query.all = false;
	assert_int_equal(trends__read(p.target.store->db, &query, report), 0);
	assert_null(rows[0].trend);
	assert_null(report->trends.node);
	/* Of another boot. */
	query.all = true;
	query.boot = "before";
	assert_int_equal(trends__read(p.target.store->db, &query, report), 0);
	assert_null(rows[0].trend);
	report->n_processes = 0;
	report__free(report);
	past__close(&p);
}

static void a_clock_that_is_set_back(void **state)
{
	struct timeline t;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 7, .mb = {10}});
	past__see(&p, 100, (struct state){.pid = 7, .mb = {20}});
	past__begin_span(&p, 40);
	past__see(&p, 60, (struct state){.pid = 7, .mb = {30}});
	t = past__read(&p, (struct history_selector){.pid = 7}, 0, 100, 20);
	assert_int_equal(t.n, 6);
	assert_point(&t, 0, 0, 11);
	assert_point(&t, 1, 20, 11);
	assert_point(&t, 2, 40, 21);
	assert_point(&t, 3, 60, 31);
	assert_point(&t, 4, 80, 11);
	assert_point(&t, 5, 100, 21);
	past__close(&p);
}

static void sums_of_containers_pods_and_the_node(void **state)
{
	struct timeline t;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 1, .mb = {1}});
	past__see(&p, 0, (struct state){.pid = 2, .mb = {2}, .container = "0123456789ab1"});
	past__see(&p, 0, (struct state){.pid = 3, .mb = {4}, .container = "0123456789ab1"});
	past__see(&p, 0, (struct state){.pid = 4, .mb = {8}, .container = "0123456789ab2"});
	past__end(&p, 20, 3);
	past__see(&p, 30, (struct state){.pid = 1, .mb = {1}});

	t = past__read(&p, (struct history_selector){}, 0, 30, 10);
	assert_point(&t, 0, 0, 19);
	assert_point(&t, 3, 30, 14);
	assert_int_equal(t.sites[0].rss[0], 15 * MB);
	assert_int_equal(t.sites[0].rss[3], 11 * MB);
	t = past__read(&p, (struct history_selector){.container = "0123456789ab1"}, 0, 30, 10);
	assert_point(&t, 0, 0, 8);
	assert_point(&t, 3, 30, 3);
	t = past__read(&p, (struct history_selector){.namespace = "prod", .pod = "web-0"}, 0, 30,
		       10);
	assert_point(&t, 0, 0, 17);
	assert_point(&t, 3, 30, 12);
	past__close(&p);
}

static void who_is_not_there(void **state)
{
	const struct history_selector two = {.container = "0123456789ab"};
	const struct history_selector other = {.pid = 7, .started = NS(-50)};
	const struct history_selector same = {.pid = 7, .started = NS(-100) + 5};
	struct selection selection;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 7, .mb = {2}, .container = "0123456789ab1"});
	past__see(&p, 0, (struct state){.pid = 8, .mb = {2}, .container = "0123456789ab2"});
	assert_int_equal(selection__find(p.target.store->db, &two, p.arena, &selection), -ENOTUNIQ);
	assert_int_equal(selection__find(p.target.store->db, &other, p.arena, &selection), -ESRCH);
	assert_int_equal(selection__find(p.target.store->db, &same, p.arena, &selection), 0);
	assert_string_equal(selection.comm, "leaker");
	past__close(&p);
}

/* --- differences ------------------------------------------------------------------------------ */

static struct saved *at(struct past *p, int64_t s, bool back)
{
	const struct history_selector selector = {.pid = 7};
	struct selection selection;
	struct saved *saved;

	assert_int_equal(selection__find(p->target.store->db, &selector, p->arena, &selection), 0);
	assert_int_equal(moment__read(p->target.store->db, &selection, NS(s), back, &saved), 0);
	return saved;
}

static void what_grew_between_two_moments(void **state)
{
	struct difference *d;
	struct saved *a, *b;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 10, (struct state){.pid = 7, .mb = {10, 20}});
	past__see(&p, 30, (struct state){.pid = 7, .mb = {50, 20, 5}});
	/* Before it began: its first moment. */
	a = at(&p, -100, false);
	b = at(&p, 100, true);
	assert_string_equal(a->taken_at, "2026-11-22T21:30:10.000000Z");
	assert_string_equal(b->taken_at, "2026-11-22T21:30:30.000000Z");
	assert_int_equal(difference__new(a, b, &d), 0);
	assert_int_equal(a->totals.rss, 31 * MB);
	assert_int_equal(b->totals.rss, 76 * MB);
	assert_int_equal(d->sites.n, 3);
	assert_true(d->sites.complete_a && d->sites.complete_b);
	assert_int_equal(diff_row__growth(&d->sites.rows[0]), 40 * MB);
	assert_string_equal(d->sites.rows[0].site->frames[1].function, "grow");
	assert_int_equal(d->sites.rows[1].change, CHANGE_NEW);
	assert_int_equal(diff_row__growth(&d->sites.rows[1]), 5 * MB);
	assert_int_equal(d->names.n, 1);
	assert_string_equal(d->names.rows[0].name, "TXMetaCache");
	assert_int_equal(diff_row__growth(&d->names.rows[0]), 40 * MB);
	assert_int_equal(d->categories.rows[0].a + d->categories.rows[1].a, 31 * MB);
	difference__free(d);
	saved__free(a);
	saved__free(b);
	past__close(&p);
}

/* --- what fails ------------------------------------------------------------------------------- */

/* What was entered in a transaction that failed has numbers that nothing has. */
static void a_transaction_that_fails(void **state)
{
	const struct state seen = {.pid = 7, .mb = {10}};
	struct timeline t;
	struct note *note;
	struct past p;

	past__open(&p, NULL, BYTES);
	past__begin_span(&p, 0);
	past__see(&p, 0, (struct state){.pid = 8, .mb = {1}});
	note = past__note(10, &seen, false);
	members__begin(p.members);
	assert_int_equal(store__begin(p.target.store), 0);
	assert_int_equal(members__apply(p.members, &p.target, note), 0);
	store__rollback(p.target.store);
	members__undo(p.members);
	words__forget(p.target.words);
	assert_int_equal(members__count(p.members), 1);

	past__begin_span(&p, 20);
	assert_int_equal(members__apply(p.members, &p.target, note), 0);
	past__end_span(&p, 30);
	t = past__read(&p, (struct history_selector){.pid = 7}, 0, 30, 10);
	assert_point(&t, 0, 20, 11);
	assert_string_equal(t.sites[0].site.frames[1].function, "grow");
	note__free(note);
	past__close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_changes_are_handed_on),
		cmocka_unit_test(what_is_left_out_is_not_gone),
		cmocka_unit_test(a_process_that_rests_costs_no_row),
		cmocka_unit_test(names_and_stacks_are_stored_once),
		cmocka_unit_test(what_was_holds_until_it_changes),
		cmocka_unit_test(what_is_gone_can_be_asked_for),
		cmocka_unit_test(nothing_is_made_up_where_nothing_was_seen),
		cmocka_unit_test(trends_of_a_list),
		cmocka_unit_test(a_clock_that_is_set_back),
		cmocka_unit_test(sums_of_containers_pods_and_the_node),
		cmocka_unit_test(who_is_not_there),
		cmocka_unit_test(what_grew_between_two_moments),
		cmocka_unit_test(a_transaction_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
