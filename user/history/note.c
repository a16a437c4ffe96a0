// SPDX-License-Identifier: BSD-2-Clause
#include "history/note.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diff/saved.h"
#include "model/callsite.h"
#include "report/report.h"
#include "util/arena.h"
#include "util/clock.h"

/* Categories that are no files, and the totals. */
#define FEW 16

/* Most have less than so many bytes of texts. */
#define TEXTS 1024

#define MALLOC_HEAD 16 /* what malloc adds to a piece */

static int64_t known(uint64_t bytes)
{
	return bytes == UNKNOWN_BYTES ? DB_NULL : (int64_t)bytes;
}

static void fill_amounts(struct note_body *note, const struct observation *o)
{
	const struct report *r = o->report;

	note->amounts[AMOUNT_RSS] = r->totals.rss;
	note->amounts[AMOUNT_PSS] = o->summed ? known(r->totals.pss) : DB_NULL;
	note->amounts[AMOUNT_SWAP] = o->summed ? known(r->totals.swap) : DB_NULL;
	note->amounts[AMOUNT_HEAP] = r->by_category[CATEGORY_RUNTIME_HEAP];
	note->amounts[AMOUNT_STACK] = r->by_category[CATEGORY_RUNTIME_STACK];
	note->amounts[AMOUNT_METADATA] = r->by_category[CATEGORY_RUNTIME_METADATA];
	note->amounts[AMOUNT_NAMED] = r->by_category[CATEGORY_NAMED];
	note->amounts[AMOUNT_FILE] = report__file_bytes(r);
	note->amounts[AMOUNT_ANONYMOUS] = report__anonymous_bytes(r);
	note->amounts[AMOUNT_OTHER] = r->by_category[CATEGORY_OTHER];
}

static int fill_texts(struct note_body *note, const struct report *r)
{
	const struct report_container *c = r->container;
	const struct {
		const char **to;
		const char *from;
	} texts[] = {
		{&note->comm, r->comm},
		{&note->container, c ? c->id : NULL},
		{&note->runtime, c ? c->runtime : NULL},
		{&note->namespace, c ? c->namespace : NULL},
		{&note->pod, c ? c->pod : NULL},
		{&note->name, c ? c->name : NULL},
		{&note->pod_uid, c ? c->pod_uid : NULL},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (!texts[i].from)
			continue;
		*texts[i].to = arena__strdup(note->texts, texts[i].from);
		if (!*texts[i].to)
			return -ENOMEM;
	}
	return 0;
}

static void add_total(struct note_body *note, enum share_total which, int64_t value)
{
	note->shares[note->n++] =
		(struct note_share){.of = SHARE_TOTAL, .what = which, .rss = value};
}

/* The text is the note's, or a constant. */
static void add_text(struct note_body *note, enum share_of of, const char *text, int64_t rss)
{
	if (rss)
		note->shares[note->n++] = (struct note_share){.of = of, .text = text, .rss = rss};
}

static int add_copy(struct note_body *note, enum share_of of, const char *text, int64_t rss)
{
	const char *copy = rss ? arena__strdup(note->texts, text) : "";

	if (!copy)
		return -ENOMEM;
	add_text(note, of, copy, rss);
	return 0;
}

/* Largest first: what is beyond the bound is the smallest. True when some are. */
static bool add_sites(struct note_body *note, enum share_of of, const struct site_row *rows,
		      size_t n)
{
	size_t kept = n < NOTE_SHARES_MAX ? n : NOTE_SHARES_MAX;

	for (size_t i = 0; i < kept; i++) {
		if (!rows[i].rss)
			continue;
		note->shares[note->n++] = (struct note_share){
			.of = of, .site = callsite__ref(rows[i].site), .rss = rows[i].rss};
	}
	return n > kept && rows[kept].rss;
}

static int add_categories(struct note_body *note, const struct report *r)
{
	static const struct {
		const char *name;
		enum category category;
	} fixed[] = {
		{"Runtime Heap", CATEGORY_RUNTIME_HEAP},
		{"Runtime Stack", CATEGORY_RUNTIME_STACK},
		{"Runtime Metadata", CATEGORY_RUNTIME_METADATA},
		{"Anonymous Read-Write", CATEGORY_ANON_RW},
		{"Anonymous Read-Only", CATEGORY_ANON_RO},
		{"Anonymous Executable", CATEGORY_ANON_X},
		{"Other", CATEGORY_OTHER},
		{"Named Regions", CATEGORY_NAMED},
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		add_text(note, SHARE_CATEGORY, fixed[i].name, r->by_category[fixed[i].category]);
	for (size_t i = 0; !err && i < r->n_files; i++)
		err = add_copy(note, SHARE_CATEGORY, saved__file_category(r->files[i].name),
			       r->files[i].rss);
	return err;
}

/* As many as there are, and no more, wait. */
static void trim_shares(struct note_body *note)
{
	struct note_share *less = realloc(note->shares, (note->n ?: 1) * sizeof(*less));

	if (less)
		note->shares = less;
}

static int fill_shares(struct note_body *note, const struct report *r)
{
	size_t names = r->n_named < NOTE_SHARES_MAX ? r->n_named : NOTE_SHARES_MAX;
	int64_t left_out = 0;
	int err = 0;

	note->shares =
		calloc(2 * NOTE_SHARES_MAX + names + r->n_files + FEW, sizeof(*note->shares));
	if (!note->shares)
		return -ENOMEM;
	if (add_sites(note, SHARE_MAP, r->sites, r->n_sites))
		left_out |= 1 << SHARE_MAP;
	if (add_sites(note, SHARE_TOUCH, r->touch.sites, r->touch.n_sites))
		left_out |= 1 << SHARE_TOUCH;
	for (size_t i = 0; !err && i < names; i++)
		err = add_copy(note, SHARE_NAME, r->named[i].name, r->named[i].rss);
	if (names < r->n_named)
		left_out |= 1 << SHARE_NAME;
	err = err ?: add_categories(note, r);
	add_total(note, TOTAL_VIRTUAL, r->totals.size);
	add_total(note, TOTAL_TOUCHABLE, r->touch.resident);
	add_total(note, TOTAL_LEFT_OUT, left_out);
	trim_shares(note);
	return err;
}

static void free_body(struct note_body *body)
{
	for (size_t i = 0; i < body->n; i++)
		callsite__unref(body->shares[i].site);
	free(body->shares);
	arena__free(body->texts);
	free(body);
}

static struct note_body *make_body(const struct observation *o)
{
	const struct report *r = o->report;
	struct note_body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->exact = r->taken_at;
	body->started = r->start_time;
	body->owner = o->owner;
	body->texts = arena__new_of(TEXTS);
	fill_amounts(body, o);
	if (!body->texts || fill_texts(body, r) || fill_shares(body, r)) {
		free_body(body);
		return NULL;
	}
	return body;
}

struct note *note__gone(pid_t pid, uint64_t start_ticks)
{
	struct note *note = calloc(1, sizeof(*note));

	if (!note)
		return NULL;
	note->pid = pid;
	note->start_ticks = start_ticks;
	note->taken_ns = clock__boot_ns();
	note->bytes = sizeof(*note) + MALLOC_HEAD;
	return note;
}

struct note *note__new(const struct observation *o)
{
	struct note *note = note__gone(o->report->pid, o->start_ticks);

	if (!note)
		return NULL;
	/* Of a report, the moment that it says it is of. */
	note->taken_ns =
		o->report->taken_at ? o->report->taken_at - clock__boot_to_wall(0) : o->taken_ns;
	note->body = make_body(o);
	if (!note->body) {
		free(note);
		return NULL;
	}
	note->bytes += sizeof(*note->body) + note->body->n * sizeof(*note->body->shares) +
		       arena__bytes(note->body->texts);
	return note;
}

void note__free(struct note *note)
{
	if (!note)
		return;
	if (note->body)
		free_body(note->body);
	free(note);
}
