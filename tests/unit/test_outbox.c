// SPDX-License-Identifier: BSD-2-Clause
/* What Alertmanagers are told, and when, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "notify/outbox.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define WALL   1795383065000000000 /* 2026-11-22T22:11:05Z */
#define NOW    (5 * MINUTE)

static void cleanup_outbox(struct outbox **outbox)
{
	outbox__free(*outbox);
}

#define _cleanup_outbox_ __attribute__((cleanup(cleanup_outbox)))

static struct outbox *new_outbox(size_t n_receivers)
{
	const struct outbox_config config = {
		.n_receivers = n_receivers,
		.generator_url = "http://here/",
		.resend_ns = MINUTE,
		.keep_ended_ns = 15 * MINUTE,
	};
	struct outbox *outbox = outbox__new(&config);

	assert_non_null(outbox);
	return outbox;
}

static const struct notice_text leak[] = {{"alertname", "leak"}, {"pid", "7"}};
static const struct notice_text knael[] = {{"pid", "7"}, {"empty", ""}, {"alertname", "leak"}};
static const struct notice_text other[] = {{"alertname", "other"}, {"node", "mine"}};
static const struct notice_text summary[] = {{"summary", "it \"grows\"\xff"}};

#define NOTICE(labels_, ends)                                                                      \
	{                                                                                          \
		labels_, ARRAY_SIZE(labels_), summary, 1, WALL - MINUTE, ends                      \
	}

/* The request, which is answered or not; NULL when nothing is due. */
static const char *take(struct outbox *outbox, size_t receiver, uint64_t now_ns, bool answered)
{
	static char text[4096];
	_cleanup_buf_ struct buf json = {};
	struct outbox_batch batch;

	outbox__take(outbox, receiver, now_ns, WALL + (now_ns - NOW), &batch, &json);
	outbox__put_back(outbox, receiver, &batch, answered, now_ns);
	assert_true(json.len < sizeof(text));
	memcpy(text, json.data, json.len + 1);
	return batch.n ? text : NULL;
}

static void evaluate(struct outbox *outbox, const struct notice *notices, size_t n, uint64_t now_ns)
{
	outbox__evaluated(outbox, notices, n, now_ns, WALL + (now_ns - NOW));
}

static void test_what_goes_on(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	const struct notice notices[] = {NOTICE(leak, 0), NOTICE(other, 0)};

	assert_true(outbox__due(outbox, 0) == UINT64_MAX);
	evaluate(outbox, notices, 2, NOW);
	assert_int_equal(outbox__due(outbox, 0), 0);
	assert_string_equal(
		take(outbox, 0, NOW, true),
		"[{\"labels\":{\"alertname\":\"leak\",\"pid\":\"7\"},"
		"\"annotations\":{\"summary\":\"it \\\"grows\\\"\xef\xbf\xbd\"},"
		"\"startsAt\":\"2026-11-22T21:30:05.000000Z\","
		"\"endsAt\":\"2026-11-22T21:35:05.000000Z\",\"generatorURL\":\"http://here/\"},"
		"{\"labels\":{\"alertname\":\"other\",\"node\":\"mine\"},"
		"\"annotations\":{\"summary\":\"it \\\"grows\\\"\xef\xbf\xbd\"},"
		"\"startsAt\":\"2026-11-22T21:30:05.000000Z\","
		"\"endsAt\":\"2026-11-22T21:35:05.000000Z\",\"generatorURL\":\"http://here/\"}]");
	/* Judged again it is the same, in whatever order its labels stand, and not due before. */
	evaluate(outbox, (struct notice[]){NOTICE(other, 0), NOTICE(knael, 0)}, 2, NOW + 1);
	assert_int_equal(outbox__count(outbox), 2);
	assert_int_equal(outbox__due(outbox, 0), NOW + MINUTE);
	assert_null(take(outbox, 0, NOW + MINUTE - 1, true));
	assert_non_null(
		strstr(take(outbox, 0, NOW + MINUTE, true), "\"endsAt\":\"2026-11-22T21:36:05."));
}

static void test_a_request_that_failed(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(2);
	const struct notice notice = NOTICE(leak, 0);

	evaluate(outbox, &notice, 1, NOW);
	assert_non_null(take(outbox, 0, NOW, false));
	assert_non_null(take(outbox, 1, NOW, true));
	assert_non_null(take(outbox, 0, NOW, true));
	assert_null(take(outbox, 0, NOW, true));
	assert_null(take(outbox, 1, NOW, true));
}

static void test_an_end(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	struct notice notice = NOTICE(leak, 0);
	uint64_t now = NOW, n = 0;

	evaluate(outbox, &notice, 1, now);
	assert_non_null(take(outbox, 0, now, true));
	notice.ends_at = WALL;
	now += 10 * NSEC_PER_SEC;
	evaluate(outbox, &notice, 1, now);
	assert_int_equal(outbox__due(outbox, 0), 0);
	assert_non_null(strstr(take(outbox, 0, now, true), "\"endsAt\":\"2026-11-22T21:31:05.000"));
	/* Repeated every minute for a quarter of an hour, whether it is spoken of or not. */
	for (; outbox__count(outbox); now += NSEC_PER_SEC) {
		evaluate(outbox, &notice, now < NOW + 5 * MINUTE, now);
		if (take(outbox, 0, now, true))
			n++;
	}
	assert_int_equal(n, 14);
	assert_int_equal(now, NOW + 15 * MINUTE + 11 * NSEC_PER_SEC);
	assert_int_equal(outbox__dropped(outbox), 0);
	/* It is not told anew of what it has heard. */
	evaluate(outbox, &notice, 1, now);
	assert_int_equal(outbox__count(outbox), 0);
}

static void test_an_end_that_is_not_said(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	const struct notice notice = NOTICE(leak, 0);

	evaluate(outbox, &notice, 1, NOW);
	evaluate(outbox, NULL, 0, NOW + MINUTE);
	assert_non_null(
		strstr(take(outbox, 0, NOW + MINUTE, true), "\"endsAt\":\"2026-11-22T21:32:05."));
	/* And it begins again. */
	evaluate(outbox, &notice, 1, NOW + 2 * MINUTE);
	assert_non_null(strstr(take(outbox, 0, NOW + 2 * MINUTE, true),
			       "\"endsAt\":\"2026-11-22T21:37:05."));
	assert_int_equal(outbox__count(outbox), 1);
}

/* A daemon before this one told of its beginning. */
static void test_an_end_without_a_beginning(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	const struct notice notices[] = {NOTICE(leak, WALL - 14 * MINUTE),
					 NOTICE(other, WALL - 15 * MINUTE)};

	evaluate(outbox, notices, 2, NOW);
	assert_int_equal(outbox__count(outbox), 1);
	assert_non_null(strstr(take(outbox, 0, NOW, true), "leak"));
}

static void test_what_ends_while_a_request_is_under_way(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	const struct notice notice = NOTICE(leak, 0);
	_cleanup_buf_ struct buf json = {};
	struct outbox_batch batch;

	evaluate(outbox, &notice, 1, NOW);
	outbox__take(outbox, 0, NOW, WALL, &batch, &json);
	evaluate(outbox, NULL, 0, NOW + 1);
	evaluate(outbox, NULL, 0, NOW + 20 * MINUTE); /* not forgotten: the request has it */
	assert_int_equal(outbox__count(outbox), 1);
	outbox__put_back(outbox, 0, &batch, true, NOW + 20 * MINUTE);
	assert_int_equal(outbox__due(outbox, 0), 0);
	assert_non_null(take(outbox, 0, NOW + 20 * MINUTE, true));
	evaluate(outbox, NULL, 0, NOW + 20 * MINUTE);
	assert_int_equal(outbox__count(outbox), 0);
	assert_int_equal(outbox__dropped(outbox), 0);
}

/* An Alertmanager refuses what ends before it has begun, and believes an end in the future. */
static void test_a_clock_that_was_set(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	struct notice notice = NOTICE(leak, WALL + 60 * MINUTE);
	const char *text;

	notice.starts_at = WALL + 50 * MINUTE;
	evaluate(outbox, &notice, 1, NOW);
	text = take(outbox, 0, NOW, true);
	assert_non_null(strstr(text, "\"startsAt\":\"2026-11-22T21:31:05.000000Z\""));
	assert_non_null(strstr(text, "\"endsAt\":\"2026-11-22T21:31:05.000000Z\""));
	notice.ends_at = 0;
	evaluate(outbox, &notice, 1, NOW);
	text = take(outbox, 0, NOW, true);
	assert_non_null(strstr(text, "\"startsAt\":\"2026-11-22T21:35:05.000000Z\""));
	assert_non_null(strstr(text, "\"endsAt\":\"2026-11-22T21:35:05.000000Z\""));
}

static void test_bounds(void **state)
{
	_cleanup_outbox_ struct outbox *outbox = new_outbox(1);
	static char names[OUTBOX_MAX + 1][16];
	static struct notice_text labels[OUTBOX_MAX + 1];
	static struct notice notices[OUTBOX_MAX + 1];
	size_t i;

	for (i = 0; i <= OUTBOX_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		labels[i] = (struct notice_text){"alertname", names[i]};
		notices[i] = (struct notice){&labels[i], 1, summary, 1, WALL, 0};
	}
	evaluate(outbox, notices, OUTBOX_MAX + 1, NOW);
	assert_int_equal(outbox__count(outbox), OUTBOX_MAX);
	assert_int_equal(outbox__dropped(outbox), 1);
	/* What has ended gives way; nobody has heard of it. */
	notices[0].ends_at = WALL;
	evaluate(outbox, notices, OUTBOX_MAX + 1, NOW);
	assert_int_equal(outbox__count(outbox), OUTBOX_MAX);
	assert_int_equal(outbox__dropped(outbox), 2);
	/* But not to another end. */
	notices[1].ends_at = WALL;
	evaluate(outbox, notices, OUTBOX_MAX + 1, NOW);
	assert_int_equal(outbox__count(outbox), OUTBOX_MAX);
	assert_int_equal(outbox__dropped(outbox), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_goes_on),
		cmocka_unit_test(test_a_request_that_failed),
		cmocka_unit_test(test_an_end),
		cmocka_unit_test(test_an_end_that_is_not_said),
		cmocka_unit_test(test_an_end_without_a_beginning),
		cmocka_unit_test(test_what_ends_while_a_request_is_under_way),
		cmocka_unit_test(test_a_clock_that_was_set),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
