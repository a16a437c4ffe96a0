// SPDX-License-Identifier: BSD-2-Clause
#include "notify/outbox.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/json.h"

#define BATCH_BYTES (512u << 10)

struct outgoing {
	UT_hash_handle hh; /* by labels; in the order in which they came */
	char *labels;	   /* JSON, in the order of their names */
	char *annotations; /* JSON */
	int64_t starts_at, ends_at;
	uint64_t ended_ns; /* when that was heard; 0: it goes on */
	unsigned changes;  /* how often it has begun or ended */
	unsigned held;	   /* batches that it is in */
	bool evaluated;	   /* by what is being evaluated now */
	struct {
		uint64_t due_ns;
		bool told_end;
	} receivers[ALERTMANAGERS_MAX];
};

struct outbox {
	struct outbox_config config;
	struct outgoing *all;
	size_t bytes;
	uint64_t dropped;
};

static size_t size_of(const struct outgoing *alert)
{
	return strlen(alert->labels) + strlen(alert->annotations);
}

static void outgoing__free(struct outgoing *alert)
{
	if (!alert)
		return;
	free(alert->labels);
	free(alert->annotations);
	free(alert);
}

struct outbox *outbox__new(const struct outbox_config *config)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));

	if (outbox)
		outbox->config = *config;
	return outbox;
}

static void forget(struct outbox *outbox, struct outgoing *alert)
{
	HASH_DEL(outbox->all, alert);
	outbox->bytes -= size_of(alert);
	for (size_t i = 0; i < outbox->config.n_receivers; i++)
		outbox->dropped += !alert->receivers[i].told_end;
	outgoing__free(alert);
}

void outbox__free(struct outbox *outbox)
{
	struct outgoing *alert, *next;

	if (!outbox)
		return;
	HASH_ITER (hh, outbox->all, alert, next)
		forget(outbox, alert);
	free(outbox);
}

/* --- what is evaluated ------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct notice_text *)a)->name, ((const struct notice_text *)b)->name);
}

static void put_texts(struct buf *out, const struct notice_text *texts, size_t n)
{
	struct json json = {.out = out};

	json__object(&json);
	for (size_t i = 0; i < n; i++)
		json__put_string(&json, texts[i].name, texts[i].value);
	json__end_object(&json);
}

/* The labels as they are sent, and by which the alert is known. NULL when out of memory. */
static char *labels_of(const struct outbox *outbox, const struct notice *notice)
{
	_cleanup_free_ struct notice_text *sorted = calloc(notice->n_labels + 1, sizeof(*sorted));
	size_t n = 0;
	struct buf text = {};

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < notice->n_labels; i++) {
		/* One without a value is as good as none, and some versions refuse it. */
		if (!notice->labels[i].value || !*notice->labels[i].value)
			continue;
		sorted[n++] = notice->labels[i];
	}
	qsort(sorted, n, sizeof(*sorted), by_name);
	put_texts(&text, sorted, n);
	if (buf__error(&text))
		buf__free(&text);
	return text.data;
}

static char *annotations_of(const struct notice *notice)
{
	struct buf text = {};

	put_texts(&text, notice->annotations, notice->n_annotations);
	if (buf__error(&text))
		buf__free(&text);
	return text.data;
}

static void changed(struct outgoing *alert)
{
	alert->changes++;
	for (size_t i = 0; i < ALERTMANAGERS_MAX; i++) {
		alert->receivers[i].due_ns = 0;
		alert->receivers[i].told_end = false;
	}
}

static void end(struct outgoing *alert, int64_t ends_at, uint64_t now_ns)
{
	alert->ends_at = ends_at;
	alert->ended_ns = now_ns;
	changed(alert);
}

static bool has_room(const struct outbox *outbox, size_t bytes)
{
	return HASH_COUNT(outbox->all) < OUTBOX_MAX && outbox->bytes + bytes <= OUTBOX_BYTES;
}

/* What goes on is worth more than the end of something, which Alertmanager notices by itself. */
static void make_room(struct outbox *outbox, size_t bytes)
{
	struct outgoing *alert, *next;

	HASH_ITER (hh, outbox->all, alert, next) {
		if (has_room(outbox, bytes))
			break;
		if (alert->ended_ns && !alert->held)
			forget(outbox, alert);
	}
}

static struct outgoing *add(struct outbox *outbox, char **labels, const struct notice *notice)
{
	struct outgoing *alert = calloc(1, sizeof(*alert));

	if (!alert)
		return NULL;
	alert->labels = take_ptr(*labels);
	alert->annotations = annotations_of(notice);
	if (!alert->annotations || size_of(alert) > OUTBOX_BYTES_ONE) {
		outgoing__free(alert);
		return NULL;
	}
	if (!notice->ends_at)
		make_room(outbox, size_of(alert));
	if (!has_room(outbox, size_of(alert))) {
		outgoing__free(alert);
		return NULL;
	}
	alert->starts_at = notice->starts_at;
	changed(alert);
	HASH_ADD_KEYPTR(hh, outbox->all, alert->labels, strlen(alert->labels), alert);
	if (!HASH_HAS(alert)) {
		outgoing__free(alert);
		return NULL;
	}
	outbox->bytes += size_of(alert);
	return alert;
}

/* What it says now goes out with the next repeat; it is no reason for one. */
static void annotate(struct outbox *outbox, struct outgoing *alert, const struct notice *notice)
{
	char *annotations = annotations_of(notice);
	size_t before = strlen(alert->annotations), after;

	after = annotations ? strlen(annotations) : 0;
	if (!annotations || strlen(alert->labels) + after > OUTBOX_BYTES_ONE ||
	    outbox->bytes - before + after > OUTBOX_BYTES) {
		free(annotations);
		return;
	}
	free(alert->annotations);
	alert->annotations = annotations;
	outbox->bytes += after - before;
}

/* Of an end whose beginning a daemon before this one told of, Alertmanager hears, too. */
static void evaluate(struct outbox *outbox, const struct notice *notice, uint64_t now_ns,
		     uint64_t wall_ns)
{
	_cleanup_free_ char *labels = labels_of(outbox, notice);
	struct outgoing *alert = NULL;

	if (labels)
		HASH_FIND(hh, outbox->all, labels, strlen(labels), alert);
	if (alert) {
		annotate(outbox, alert, notice);
	} else if (notice->ends_at && notice->ends_at + outbox->config.keep_ended_ns <= wall_ns) {
		return;
	} else if (!labels || !(alert = add(outbox, &labels, notice))) {
		outbox->dropped += outbox->config.n_receivers;
		return;
	}
	alert->evaluated = true;
	if (notice->ends_at && !alert->ended_ns) {
		end(alert, notice->ends_at, now_ns);
	} else if (!notice->ends_at && alert->ended_ns) { /* it has begun again */
		alert->ends_at = 0;
		alert->ended_ns = 0;
		alert->starts_at = notice->starts_at;
		changed(alert);
	}
}

void outbox__evaluated(struct outbox *outbox, const struct notice *notices, size_t n,
		       uint64_t now_ns, uint64_t wall_ns)
{
	struct outgoing *alert, *next;

	for (alert = outbox->all; alert; alert = alert->hh.next)
		alert->evaluated = false;
	for (size_t i = 0; i < n; i++)
		evaluate(outbox, &notices[i], now_ns, wall_ns);
	HASH_ITER (hh, outbox->all, alert, next) {
		if (!alert->evaluated && !alert->ended_ns)
			end(alert, wall_ns, now_ns);
		if (alert->ended_ns && !alert->held &&
		    now_ns - alert->ended_ns >= outbox->config.keep_ended_ns)
			forget(outbox, alert);
	}
}

/* --- what is sent ----------------------------------------------------------------------------- */

uint64_t outbox__due(const struct outbox *outbox, size_t receiver)
{
	uint64_t due = UINT64_MAX;

	for (const struct outgoing *alert = outbox->all; alert; alert = alert->hh.next) {
		if (alert->receivers[receiver].due_ns < due)
			due = alert->receivers[receiver].due_ns;
	}
	return due;
}

/* An end that lies in the future would not be one, and a start behind the end is refused: the clock
 * may have been set. */
static void put_alert(const struct outbox *outbox, const struct outgoing *alert, uint64_t wall_ns,
		      struct json *json)
{
	uint64_t ends_at = wall_ns + OUTBOX_VALID * outbox->config.resend_ns, starts_at;

	if (alert->ended_ns)
		ends_at = (uint64_t)alert->ends_at < wall_ns ? (uint64_t)alert->ends_at : wall_ns;
	starts_at = (uint64_t)alert->starts_at < ends_at ? (uint64_t)alert->starts_at : ends_at;
	json__object(json);
	json__key(json, "labels");
	buf__puts(json->out, alert->labels);
	json->comma = true;
	json__key(json, "annotations");
	buf__puts(json->out, alert->annotations);
	json->comma = true;
	json__put_time(json, "startsAt", starts_at);
	json__put_time(json, "endsAt", ends_at);
	json__put_string(json, "generatorURL", outbox->config.generator_url);
	json__end_object(json);
}

void outbox__take(struct outbox *outbox, size_t receiver, uint64_t now_ns, uint64_t wall_ns,
		  struct outbox_batch *ret, struct buf *ret_json)
{
	struct json json = {.out = ret_json};

	ret->n = 0;
	json__array(&json);
	for (struct outgoing *alert = outbox->all; alert; alert = alert->hh.next) {
		if (alert->receivers[receiver].due_ns > now_ns)
			continue;
		if (ret->n == OUTBOX_BATCH || (ret->n && ret_json->len > BATCH_BYTES))
			break;
		alert->held++;
		ret->changes[ret->n] = alert->changes;
		ret->alerts[ret->n++] = alert;
		put_alert(outbox, alert, wall_ns, &json);
	}
	json__end_array(&json);
}

void outbox__put_back(struct outbox *outbox, size_t receiver, const struct outbox_batch *batch,
		      bool answered, uint64_t now_ns)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct outgoing *alert = batch->alerts[i];

		alert->held--;
		if (!answered || alert->changes != batch->changes[i])
			continue;
		alert->receivers[receiver].due_ns = now_ns + outbox->config.resend_ns;
		alert->receivers[receiver].told_end = alert->ended_ns;
	}
}

uint64_t outbox__dropped(const struct outbox *outbox)
{
	return outbox->dropped;
}

size_t outbox__count(const struct outbox *outbox)
{
	return HASH_COUNT(outbox->all);
}
