// SPDX-License-Identifier: BSD-2-Clause
#include "report/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/amount.h"
#include "report/callsites.h"
#include "report/touched.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/json.h"

/* As the page shows them; their order is that of enum category. */
static const char *const classes[CATEGORIES] = {
	[CATEGORY_RUNTIME_HEAP] = "heap",
	[CATEGORY_RUNTIME_STACK] = "stack",
	[CATEGORY_RUNTIME_METADATA] = "metadata",
	[CATEGORY_NAMED] = "named",
	[CATEGORY_LIBRARY] = "shared library",
	[CATEGORY_BINARY] = "binary",
	[CATEGORY_OTHER_FILE] = "other file",
	[CATEGORY_SHARED_MEMORY] = "shared memory",
	[CATEGORY_ANON_RW] = "anonymous read-write",
	[CATEGORY_ANON_RO] = "anonymous read-only",
	[CATEGORY_ANON_X] = "anonymous executable",
	[CATEGORY_OTHER] = "other",
};

/* The words of the folded format. */
static const char *const siteless[COVERAGES] = {
	[COVERAGE_ATTRIBUTED] = "no stack",
	[COVERAGE_PREDATES] = "predates tracing",
	[COVERAGE_KERNEL] = "exec and kernel",
	[COVERAGE_UNKNOWN] = "unknown",
};

/* A frame is written once, however many stacks it is in. */
struct known {
	UT_hash_handle hh;
	size_t index;
	const char *key;
};

struct flame {
	struct buf frames, stacks, touched;
	struct json frames_json;
	struct json stacks_json; /* into stacks, then into touched */
	struct arena *arena;
	struct known *known;
	size_t n;
};

/* The index of the frame with this key; *ret_new when it must be written now. */
static size_t intern(struct flame *flame, const char *key, size_t len, bool *ret_new)
{
	struct known *known;

	*ret_new = false;
	HASH_FIND(hh, flame->known, key, len, known);
	if (known)
		return known->index;
	*ret_new = true;
	known = arena__alloc(flame->arena, sizeof(*known));
	if (known)
		known->key = arena__strdup(flame->arena, key);
	if (!known || !known->key) {
		flame->frames.failed = true;
		return 0;
	}
	known->index = flame->n++;
	HASH_ADD_KEYPTR(hh, flame->known, known->key, len, known);
	flame->frames.failed |= !HASH_HAS(known);
	return known->index;
}

static void add_note(struct flame *flame, const char *note)
{
	struct json *json = &flame->frames_json;
	char key[64];
	bool new;
	int len = snprintf(key, sizeof(key), "n%s", note);
	size_t index = intern(flame, key, len, &new);

	if (new) {
		json__object(json);
		json__put_string(json, "note", note);
		json__end_object(json);
	}
	json__u64(&flame->stacks_json, index);
}

static void add_frame(struct flame *flame, const struct frame *frame)
{
	struct json *json = &flame->frames_json;
	/* Of an interpreted function the module is the interpreter. */
	const char *module = (frame->language ? frame->file : frame->module) ?: "";
	_cleanup_free_ char *key = NULL;
	size_t index;
	bool new;
	int len;

	if (frame->function)
		len = asprintf(&key, "f%zu %s%s", strlen(frame->function), frame->function, module);
	else
		len = asprintf(&key, "o%" PRIx64 " %s", frame->offset, module);
	if (len < 0) {
		key = NULL;
		flame->frames.failed = true;
		return;
	}
	index = intern(flame, key, len, &new);
	if (new) {
		json__object(json);
		json__put_string(json, "function", frame->function);
		json__put_string(json, "module", frame->language ? frame->file : frame->module);
		if (!frame->function)
			json__put_hex(json, "offset", frame->offset);
		json__end_object(json);
	}
	json__u64(&flame->stacks_json, index);
}

static void begin_stack(struct flame *flame)
{
	json__object(&flame->stacks_json);
	json__key(&flame->stacks_json, "frames");
	json__array(&flame->stacks_json);
}

static void begin_bytes(struct flame *flame)
{
	struct json *json = &flame->stacks_json;

	json__end_array(json);
	json__key(json, "bytes");
	json__array(json);
}

static void end_bytes(struct flame *flame)
{
	struct json *json = &flame->stacks_json;

	json__end_array(json);
	json__end_object(json);
}

static void end_stack(struct flame *flame, const struct class_bytes by_class[CATEGORIES])
{
	struct json *json = &flame->stacks_json;

	begin_bytes(flame);
	for (int i = 0; i < CATEGORIES; i++) {
		if (!by_class[i].rss && !by_class[i].mapped)
			continue;
		json__array(json);
		json__u64(json, i);
		json__u64(json, by_class[i].rss);
		json__u64(json, by_class[i].mapped);
		json__end_array(json);
	}
	end_bytes(flame);
}

static void end_touched(struct flame *flame, const uint64_t by_class[CATEGORIES])
{
	struct json *json = &flame->stacks_json;

	begin_bytes(flame);
	for (int i = 0; i < CATEGORIES; i++) {
		if (!by_class[i])
			continue;
		json__array(json);
		json__u64(json, i);
		json__u64(json, by_class[i]);
		json__end_array(json);
	}
	end_bytes(flame);
}

/* Frames from the outermost to the innermost, as the graph is drawn. */
static void begin_site(struct flame *flame, const struct callsite *site)
{
	begin_stack(flame);
	if (callsite__is_other(site))
		add_note(flame, "other call sites");
	else if (site->truncated)
		add_note(flame, "truncated");
	for (size_t i = site->n; i > 0; i--)
		add_frame(flame, site->frames[i - 1]);
}

static void add_site(struct flame *flame, const struct site_row *row)
{
	if (!row->mapped)
		return;
	begin_site(flame, row->site);
	end_stack(flame, row->by_class);
}

static void add_touched_site(struct flame *flame, const struct site_row *row)
{
	uint64_t by_class[CATEGORIES];

	if (!row->rss)
		return;
	for (int i = 0; i < CATEGORIES; i++)
		by_class[i] = row->by_class[i].rss;
	begin_site(flame, row->site);
	end_touched(flame, by_class);
}

static void add_touched_rest(struct flame *flame, const char *note,
			     const uint64_t by_class[CATEGORIES])
{
	begin_stack(flame);
	add_note(flame, note);
	end_touched(flame, by_class);
}

static void add_touched(struct flame *flame, const struct report *report,
			const struct encode_options *options)
{
	const struct report_touch *touch = &report->touch;
	size_t n = touched__shown(report, options);
	uint64_t left_out[CATEGORIES] = {};

	for (size_t i = 0; i < n; i++)
		add_touched_site(flame, &touch->sites[i]);
	for (size_t i = n; i < touch->n_sites; i++) {
		for (int class = 0; class < CATEGORIES; class ++)
			left_out[class] += touch->sites[i].by_class[class].rss;
	}
	if (n < touch->n_sites)
		add_touched_rest(flame, "call sites left out", left_out);
	if (touch->unsampled)
		add_touched_rest(flame, "unsampled", touch->unsampled_by_class);
}

static void add_rest(struct flame *flame, const char *note,
		     const struct class_bytes by_class[CATEGORIES])
{
	uint64_t mapped = 0;

	for (int i = 0; i < CATEGORIES; i++)
		mapped += by_class[i].mapped;
	if (!mapped)
		return;
	begin_stack(flame);
	add_note(flame, note);
	end_stack(flame, by_class);
}

static void add_stacks(struct flame *flame, const struct report *report,
		       const struct encode_options *options)
{
	struct class_bytes left_out[CATEGORIES] = {};
	size_t n = callsites__shown(report, options);

	for (size_t i = 0; i < n; i++)
		add_site(flame, &report->sites[i]);
	for (size_t i = n; i < report->n_sites; i++) {
		for (int class = 0; class < CATEGORIES; class ++) {
			left_out[class].rss += report->sites[i].by_class[class].rss;
			left_out[class].mapped += report->sites[i].by_class[class].mapped;
		}
	}
	add_rest(flame, "call sites left out", left_out);
	for (int coverage = 0; coverage < COVERAGES; coverage++)
		add_rest(flame, siteless[coverage], report->siteless[coverage]);
}

static void put_head(struct json *json, const struct report *report)
{
	char taken_at[CLOCK_TEXT_LEN];

	clock__format(report->taken_at, taken_at);
	json__put_u64(json, "schema", 1);
	json__put_string(json, "version", MEMPROV_VERSION);
	json__put_string(json, "taken_at", taken_at);
	json__key(json, "pid");
	if (report->pid)
		json__u64(json, report->pid);
	else
		json__null(json);
	json__put_string(json, "comm", report->comm);
	json__put_string(json, "consistency", report->racing ? "racing" : "exact");
	json__put_string(json, "tracing", tracing_state__name(report->tracing.state));
	json__key(json, "totals");
	json__object(json);
	amount__put(json, "virtual", report->totals.size);
	amount__put(json, "rss", report->totals.rss);
	json__end_object(json);
	json__key(json, "classes");
	json__array(json);
	for (int i = 0; i < CATEGORIES; i++)
		json__string(json, classes[i]);
	json__end_array(json);
}

void encode__flame_json(const struct report *report, const struct encode_options *options,
			struct buf *ret)
{
	struct flame flame = {.arena = arena__new()};
	struct json json = {.out = ret};

	flame.frames_json.out = &flame.frames;
	flame.stacks_json.out = &flame.stacks;
	if (flame.arena)
		add_stacks(&flame, report, options);
	flame.stacks_json = (struct json){.out = &flame.touched};
	if (flame.arena)
		add_touched(&flame, report, options);
	json__object(&json);
	put_head(&json, report);
	json__put_string(&json, "by", options->by_touch ? "touch" : "map");
	json__key(&json, "frames");
	buf__puts(ret, "[");
	buf__add(ret, flame.frames.data, flame.frames.len);
	buf__puts(ret, "],\"stacks\":[");
	buf__add(ret, flame.stacks.data, flame.stacks.len);
	buf__puts(ret, "],\"touched\":[");
	buf__add(ret, flame.touched.data, flame.touched.len);
	buf__puts(ret, "]");
	json__end_object(&json);
	if (!flame.arena || buf__error(&flame.frames) || buf__error(&flame.stacks) ||
	    buf__error(&flame.touched))
		ret->failed = true;
	HASH_CLEAR(hh, flame.known);
	arena__free(flame.arena);
	buf__free(&flame.frames);
	buf__free(&flame.stacks);
	buf__free(&flame.touched);
}
