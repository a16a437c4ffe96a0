// SPDX-License-Identifier: BSD-2-Clause
/* Rooms that compute: what they are given is text, events and reports. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/events.h"
#include "../unit/made_sites.h"
#include "../unit/replay.h"
#include "../unit/sample_report.h"
#include "child/demangle.h"
#include "child/perfmap.h"
#include "cli/top_frame.h"
#include "diff/diff_encode.h"
#include "diff/difference.h"
#include "diff/saved.h"
#include "options/options.h"
#include "report/encode.h"
#include "report/metrics.h"
#include "scenarios.h"
#include "util/cleanup.h"
#include "util/dict.h"
#include "util/gzip.h"
#include "util/json.h"

void say(struct said *said, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	said->len +=
		vsnprintf(said->text + said->len, sizeof(said->text) - said->len, format, list);
	va_end(list);
	if (said->len >= sizeof(said->text))
		abort();
}

/* Short of it, so that a whole report fits. */
static uint32_t digest(const struct buf *b)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < b->len; i++)
		sum = sum * 31 + (unsigned char)b->data[i];
	return sum;
}

static int say_buf(struct said *said, const struct buf *b)
{
	int err = buf__error(b);

	if (!err)
		say(said, "%zu %x\n", b->len, digest(b));
	return err;
}

/* --- util --------------------------------------------------------------------------------------
 */

static int json(struct said *said)
{
	_cleanup_buf_ struct buf text = {}, packed = {};
	struct json json = {.out = &text};

	json__array(&json);
	for (size_t i = 0; i < 300; i++)
		json__string(&json, "a string that is somewhat long, and has \"quotes\" and \xff");
	json__end_array(&json);
	gzip__add(text.data, buf__error(&text) ? 0 : text.len, &packed);
	return say_buf(said, &text) ?: buf__error(&packed);
}

static uint64_t hash_number(const void *entry, uint64_t secret)
{
	return dict__mix(secret, *(const uint64_t *)entry);
}

static bool same_number(const void *a, const void *b)
{
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

static int dict(struct said *said)
{
	static const struct dict_type numbers = {sizeof(uint64_t), hash_number, same_number};
	struct dict dict = {.type = &numbers};
	int err = 0;

	for (uint64_t i = 0; !err && i < 100; i++)
		err = dict__add(&dict, &i) ? 0 : -ENOMEM;
	/* What was added is found, whatever was not. */
	for (uint64_t i = 0; i < dict.n; i++)
		err = dict__find(&dict, &i) ? err : -EBADMSG;
	if (!err)
		say(said, "%zu\n", dict.n);
	dict__free(&dict);
	return err;
}

/* --- model, collect ------------------------------------------------------------------------------
 */

static void record(struct buf *recording)
{
	recording__begin(recording);
	for (unsigned i = 0; i < 10; i++) {
		union mp_event events[] = {
			event_mmap(7, i + 1, 16 + 8 * i, 4),
			event_name(i + 1, 16 + 8 * i, 2, "name"),
			event_thread(i + 1, 200 + i, 16 + 8 * i, 18 + 8 * i),
			event_mremap(7, i + 1, 18 + 8 * i, 2, 2000 + 8 * i, 3, 0),
			event_fork(i + 1, 300 + i, START_NS + i, false),
			by(event_mmap(7, i + 1, 16, 4), 300 + i, START_NS + i),
			event_munmap(i + 1, 17 + 8 * i, 1),
		};

		for (size_t j = 0; j < ARRAY_SIZE(events); j++)
			recording__add_event(recording, &events[j]);
	}
}

/* What is not taken in is counted: as lost of the process, or as refused. */
static int model(struct said *said)
{
	const struct model_config config = {.page_size = PAGE};
	_cleanup_buf_ struct buf recording = {}, ledgers = {};
	struct replay r = {};
	struct known_process *known = NULL;
	struct model_stats stats;
	struct view view;
	size_t n = 0;
	int err;

	fault_plan->held = 1;
	record(&recording);
	fault_plan->held = 0;
	r.model = model__new(&config);
	if (!r.model)
		return -ENOMEM;
	err = recording__replay(recording.data, recording.len, replay_event, replay_loss, &r);
	fault_plan->held = 1;
	replay_print(r.model, &ledgers);
	err = err ?: say_buf(said, &ledgers);
	model__stats(r.model, &stats);
	said->lost = stats.refused;
	if (!model__processes(r.model, &known, &n)) {
		for (size_t i = 0; i < n; i++) {
			if (!model__view(r.model, known[i].tgid, &view)) {
				said->lost += view.lost_events;
				view__free(&view);
			}
		}
	}
	free(known);
	model__free(r.model);
	fault_plan->held = 0;
	return err;
}

static int call_sites(struct said *said)
{
	struct callsite_table *table = callsite_table__new(classify_nothing, NULL);
	struct callsite_stats stats;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < 40; i++) {
		const struct frame frames[] = {{.function = "mmap", .module = "/libc", .offset = 5},
					       {.function = "f", .module = "/a", .offset = i},
					       {.function = "main", .module = "/a", .offset = 9}};
		const struct unwound stack = {.source = STACK_SOURCE_CFI, .frames = frames, .n = 3};

		callsite__unref(callsite_table__intern(table, i % 3, &stack));
	}
	callsite_table__stats(table, &stats);
	say(said, "%lu left\n", (unsigned long)stats.sites);
	callsite_table__free(table);
	return 0;
}

/* --- report --------------------------------------------------------------------------------------
 */

static int encode(encode_fn *in_format, struct said *said)
{
	const struct encode_options options = {.top = 20};
	_cleanup_buf_ struct buf text = {};
	struct report *report;

	fault_plan->held = 1;
	report = sample_report__new();
	fault_plan->held = 0;
	in_format(report, &options, &text);
	report__free(report);
	return say_buf(said, &text);
}

#define ENCODER(name)                                                                              \
	static int in_##name(struct said *said)                                                    \
	{                                                                                          \
		return encode(encode__##name, said);                                               \
	}
ENCODER(text)
ENCODER(json)
ENCODER(folded)
ENCODER(pprof)
ENCODER(flame_json)
ENCODER(callsites_text)
ENCODER(callsites_json)

static int metrics(struct said *said)
{
	const struct tracer_stats stats = {};
	const struct duration_histogram none = {};
	_cleanup_buf_ struct buf text = {};

	metrics__encode(NULL, &stats, &none, &text);
	return say_buf(said, &text);
}

/* --- options, diff, cli, child -------------------------------------------------------------------
 */

static int config(struct said *said)
{
	char *argv[] = {"memprov", "serve", "--config", "tests/faults/memprov.conf", NULL};
	struct options options;
	int code, err;

	err = options__parse(ARRAY_SIZE(argv) - 1, argv, &options, &code);
	if (err)
		return code == EXIT_FAILED || code == EXIT_USAGE ? -ENOMEM : 1;
	say(said, "%s %lu\n", options.listen, (unsigned long)options.ring_size);
	options__free(&options);
	return 0;
}

static int save(struct buf *ret)
{
	const struct encode_options options = {.top = 20, .all = true};
	struct report *report;

	fault_plan->held = 1;
	report = sample_report__new();
	encode__json(report, &options, ret);
	report__free(report);
	fault_plan->held = 0;
	return 0;
}

/* What is read is not called wrong then. jansson has its memory: where that is refused, it writes
 * beyond its strings (2.14), and nothing here can mend that. */
static int as_said(int err, const char *error)
{
	return strcmp(error, "out of memory") ? 1 : -ENOMEM;
}

static int saved(struct said *said)
{
	_cleanup_buf_ struct buf json = {}, text = {}, again = {};
	static const char *const files[] = {"a", "b"};
	const struct diff_options options = {.files = files, .top = 5};
	_cleanup_saved_ struct saved *saved = NULL;
	_cleanup_difference_ struct difference *difference = NULL;
	char error[SAVED_ERROR_LEN] = "";
	int err = save(&json);

	err = err ?: saved__parse(json.data, json.len, &saved, error);
	err = err ?: difference__new(saved, saved, &difference);
	if (err)
		return as_said(err, error);
	diff_encode__text(difference, &options, &text);
	diff_encode__json(difference, &options, &again);
	return say_buf(said, &text) ?: say_buf(said, &again);
}

static int frame_of_top(struct said *said)
{
	static const char text[] = "{\"rss_bytes\":4096,\"processes\":[{\"pid\":1,\"comm\":\"a\","
				   "\"rss_bytes\":4096}]}";
	struct top_frame *frame = NULL;
	char error[JSON_READ_ERROR_LEN];
	int err = top_frame__parse(text, strlen(text), &frame, error);

	if (err)
		return as_said(err, error);
	say(said, "%zu\n", frame->n);
	top_frame__free(frame);
	return 0;
}

static int perf_map(struct said *said)
{
	struct perfmap *map;
	char text[4096];
	size_t len = 0;
	int err;

	for (unsigned i = 0; i < 100; i++)
		len += snprintf(text + len, sizeof(text) - len, "%x 10 f%u\n", 0x1000 + i * 16, i);
	err = perfmap__parse(text, len, &map);
	if (err)
		return err;
	say(said, "%s\n", perfmap__find(map, 0x1234) ?: "none");
	perfmap__free(map);
	return 0;
}

const struct scenario scenarios_pure[] = {
	{"util", "JSON, packed", 0, json},
	{"util", "a dict", 0, dict},
	{"model", "events of 11 processes", COUNTS_LOSS, model},
	{"model", "call sites", MAY_LOSE, call_sites},
	{"report", "as text", 0, in_text},
	{"report", "as JSON", 0, in_json},
	{"report", "folded", 0, in_folded},
	{"report", "for pprof", 0, in_pprof},
	{"report", "for the flame graph", 0, in_flame_json},
	{"report", "call sites as text", 0, in_callsites_text},
	{"report", "call sites as JSON", 0, in_callsites_json},
	{"report", "metrics", 0, metrics},
	{"options", "a configuration file", 0, config},
	{"diff", "a saved report with itself", 0, saved},
	{"cli", "what top shows", 0, frame_of_top},
	{"child", "a perf map", 0, perf_map},
	{},
};
