// SPDX-License-Identifier: BSD-2-Clause
/* Out of memory: user/blackbox, user/collect/kills.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "blackbox/ooms.h"
#include "blackbox/place.h"
#include "blackbox/victims.h"
#include "collect/kills.h"
#include "proc/meminfo.h"
#include "util/clock.h"

#define SECOND NSEC_PER_SEC
#define MB     (1ULL << 20)

/* --- when reports are taken ---------------------------------------------------------------- */

/* Of which several threads are marked. */
static void a_victim_is_told_once(void **state)
{
	struct victims victims = {};

	assert_true(victims__add(&victims, 7, 100));
	assert_false(victims__add(&victims, 7, 100));
	/* Another process that has its number, and one of which that is not known. */
	assert_true(victims__add(&victims, 7, 200));
	assert_true(victims__add(&victims, 8, 0));
	assert_true(victims__add(&victims, 8, 0));
	for (uint32_t tgid = 1000; tgid < 1000 + VICTIMS_MAX - 4; tgid++)
		assert_true(victims__add(&victims, tgid, 1));
	assert_false(victims__add(&victims, 7, 100));
	assert_true(victims__add(&victims, 9, 1));
	assert_true(victims__add(&victims, 7, 100));
}

static void reports_near_the_limit(void **state)
{
	struct place place = {.path = (char[]){"/a"}, .limit = 100 * MB};
	static const struct {
		unsigned mb;
		bool wants;
	} steps[] = {{50, false}, {79, false}, {80, true},  {81, false}, {84, true},
		     {83, false}, {87, false}, {88, true},  {60, false}, {80, true},
		     {99, true},  {99, false}, {100, false}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		uint64_t now = (100 + i) * SECOND / 10;

		place__note(&place, steps[i].mb * MB, now);
		assert_int_equal(place__wants_reports(&place, now), steps[i].wants);
		if (steps[i].wants) {
			place.reported = place.usage;
			place.reported_ns = now;
		}
	}
	/* It stays full. */
	assert_false(place__wants_reports(&place, place.reported_ns + 29 * SECOND));
	assert_true(place__wants_reports(&place, place.reported_ns + 30 * SECOND));
}

static void pressure_counts_as_full(void **state)
{
	struct place place = {.path = (char[]){""}, .limit = 100 * MB};

	place__note(&place, 50 * MB, SECOND);
	assert_false(place__wants_reports(&place, SECOND));
	place.pressed = true;
	assert_true(place__wants_reports(&place, SECOND));
}

/* A usage that is low forgets its reports: they were taken anew at every look, once a second. */
static void pressure_wants_reports_now_and_then(void **state)
{
	struct place place = {.path = (char[]){""}, .limit = 100 * MB, .pressed = true};
	unsigned n = 0;

	for (uint64_t second = 1; second <= 61; second++) {
		place__note(&place, 50 * MB, second * SECOND);
		if (!place__wants_reports(&place, second * SECOND))
			continue;
		place.reported = place.usage;
		place.reported_ns = second * SECOND;
		n++;
	}
	assert_int_equal(n, 3);
	place__note(&place, 81 * MB, 62 * SECOND);
	assert_true(place__wants_reports(&place, 62 * SECOND));
}

static void looks_at_its_rate(void **state)
{
	struct place place = {.path = (char[]){"/a"}, .limit = 100 * MB};

	place__note(&place, 10 * MB, 10 * SECOND);
	assert_true(place__due_ns(&place) > 100 * SECOND);
	/* 10 MB a second: 80 MB are left, in eight seconds. */
	place__note(&place, 20 * MB, 11 * SECOND);
	assert_in_range(place__due_ns(&place), 12 * SECOND - 1000, 12 * SECOND + 1000);
	/* Never more often than 50 times a second. */
	place__note(&place, 99 * MB, 11 * SECOND + SECOND / 100);
	assert_int_equal(place__due_ns(&place), 11 * SECOND + SECOND / 100 + SECOND / 50);
	place__note(&place, 98 * MB, 12 * SECOND);
	assert_int_equal(place.rate, 0);
}

/* --- what the kernel says ------------------------------------------------------------------ */

static void texts(void **state)
{
	uint64_t total, used;
	unsigned some;

	assert_int_equal(meminfo__parse("MemTotal:        1000 kB\nMemFree: 1 kB\n"
					"MemAvailable:     400 kB\n",
					&total, &used),
			 0);
	assert_int_equal(total, 1000 * 1024);
	assert_int_equal(used, 600 * 1024);
	assert_int_equal(meminfo__parse("MemTotal: 1000 kB\n", &total, &used), -EBADMSG);
	assert_int_equal(meminfo__parse("MemTotal: 1 kB\nMemAvailable: 2 kB\n", &total, &used),
			 -EBADMSG);
	assert_int_equal(meminfo__parse("", &total, &used), -EBADMSG);

	assert_int_equal(pressure__parse("some avg10=12.34 avg60=0.00 avg300=0.00 total=9\n"
					 "full avg10=1.00 avg60=0.00 avg300=0.00 total=1\n",
					 &some),
			 0);
	assert_int_equal(some, 1234);
	assert_int_equal(pressure__parse("some avg10=0.07 ", &some), 0);
	assert_int_equal(some, 7);
	assert_int_equal(pressure__parse("some avg10=101.00 ", &some), -EBADMSG);
	assert_int_equal(pressure__parse("some avg10=", &some), -EBADMSG);
	assert_int_equal(pressure__parse("full avg10=1.00\n", &some), -EBADMSG);
}

static void records(void **state)
{
	struct mp_kill kill = {.tgid = 1, .comm = "redis-server"}, ret;

	assert_int_equal(kill__decode(&kill, sizeof(kill), &ret), 0);
	assert_string_equal(ret.comm, "redis-server");
	assert_int_equal(kill__decode(&kill, sizeof(kill) - 1, &ret), -EBADMSG);
	memset(kill.trigger_comm, 'x', sizeof(kill.trigger_comm));
	assert_int_equal(kill__decode(&kill, sizeof(kill), &ret), -EBADMSG);
	kill = (struct mp_kill){};
	assert_int_equal(kill__decode(&kill, sizeof(kill), &ret), -EBADMSG);
}

/* --- entries ------------------------------------------------------------------------------- */

static bool of_users_below(uid_t uid, const void *ctx)
{
	return uid < *(const uid_t *)ctx;
}

static json_t *encoded(const struct ooms *ooms, uid_t below)
{
	struct buf text = {};
	json_t *root;

	ooms__encode_json(ooms, of_users_below, &below, false, &text);
	root = json_loads(text.data, 0, NULL);
	assert_non_null(root);
	buf__free(&text);
	return root;
}

/* Whatever a program is called. */
static void a_brief_list(void **state)
{
	static const char marks[] = "\",\"report\":{\"age_ms\":1},\"others\":[";
	struct kept_report report = {.pid = 7, .taken_ns = SECOND};
	struct oom oom = {.at_ns = 3 * SECOND, .victim = {.pid = 7}, .report = &report};
	const uid_t everyone = 1000;
	struct ooms ooms = {};
	struct buf text = {};
	json_t *root, *list, *entry;

	snprintf(oom.victim.comm, sizeof(oom.victim.comm), "%s", marks);
	buf__puts(&report.container, "\"container\":null");
	buf__puts(&report.json, "{\"schema\":1,\"totals\":{\"rss\":4}}\n");
	assert_int_equal(ooms__add(&ooms, &oom), 0);
	oom.report = NULL;
	assert_int_equal(ooms__add(&ooms, &oom), 0);
	ooms__encode_json(&ooms, of_users_below, &everyone, true, &text);
	root = json_loads(text.data, 0, NULL);
	list = json_object_get(root, "ooms");
	assert_int_equal(json_array_size(list), 2);
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "report")));
	entry = json_array_get(list, 1);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(entry, "victim"), "comm")),
		marks);
	assert_true(json_is_array(json_object_get(entry, "others")));
	entry = json_object_get(entry, "report");
	assert_int_equal(json_integer_value(json_object_get(entry, "age_ms")), 2000);
	assert_int_equal(json_object_size(entry), 1);
	json_decref(root);
	buf__free(&text);
	buf__free(&report.container);
	buf__free(&report.json);
	ooms__free(&ooms);
}

static void the_last_ones_are_kept(void **state)
{
	struct kept_report report = {.pid = 7, .taken_ns = SECOND};
	struct buf growth = {};
	struct oom oom = {
		.at_ns = 3 * SECOND,
		.cgroup = "/a\"b",
		.limit = 5,
		.victim = {.pid = 7, .rss = 6, .comm = "vic\ntim"},
		.trigger = {.pid = 8, .comm = "trigger"},
		.report = &report,
		.others = {{.pid = 9, .rss = 3, .comm = "other"}},
		.n_others = 1,
		.growth = &growth,
	};
	struct ooms ooms = {};
	json_t *root, *list, *first;

	buf__puts(&growth, "{\"id\":5},{\"id\":6}");
	buf__puts(&report.container, "\"container\":{\"id\":\"c\"}");
	buf__puts(&report.json, "{\"schema\":1,\"pid\":7}\n");
	buf__puts(&report.text, "the report\n");
	for (uid_t i = 1; i <= OOMS_MAX + 6; i++) {
		oom.victim_uid = i;
		assert_int_equal(ooms__add(&ooms, &oom), 0);
	}
	root = encoded(&ooms, 1000);
	list = json_object_get(root, "ooms");
	assert_int_equal(json_array_size(list), OOMS_MAX);
	first = json_array_get(list, 0);
	assert_int_equal(json_integer_value(json_object_get(first, "id")), OOMS_MAX + 6);
	assert_string_equal(json_string_value(json_object_get(first, "cgroup")), "/a\"b");
	assert_int_equal(json_array_size(json_object_get(first, "growth")), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(first, "report"), "age_ms")),
		2000);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(first, "report"), "pid")), 7);
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_object_get(first, "victim"), "container"), "id")),
		"c");
	assert_true(
		json_is_null(json_object_get(json_object_get(first, "victim"), "oom_score_adj")));
	json_decref(root);

	/* Others' are not shown. */
	root = encoded(&ooms, 10);
	assert_int_equal(json_array_size(json_object_get(root, "ooms")), 3);
	json_decref(root);
	assert_null(ooms__find(&ooms, 6));
	assert_null(ooms__find(&ooms, 0));
	assert_null(ooms__find(&ooms, OOMS_MAX + 7));
	assert_int_equal(ooms__find(&ooms, 7)->uid, 7);
	buf__free(&report.container);
	buf__free(&report.json);
	buf__free(&growth);
	buf__free(&report.text);
	ooms__free(&ooms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_near_the_limit),
		cmocka_unit_test(a_victim_is_told_once),
		cmocka_unit_test(pressure_counts_as_full),
		cmocka_unit_test(pressure_wants_reports_now_and_then),
		cmocka_unit_test(looks_at_its_rate),
		cmocka_unit_test(texts),
		cmocka_unit_test(records),
		cmocka_unit_test(a_brief_list),
		cmocka_unit_test(the_last_ones_are_kept),
	};

	return cmocka_run_group_tests_name("black box", tests, NULL, NULL);
}
