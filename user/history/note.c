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

static int64_t known(uint64_t bytes)
{
	return bytes == UNKNOWN_BYTES ? DB_NULL : (int64_t)bytes;
}

static void fill_amounts(struct note *note, const struct observation *o)
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

static int fill_texts(struct note *note, const struct report *r)
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
		*texts[i].to = arena__strdup(note->arena, texts[i].from);
		if (!*texts[i].to)
			return -ENOMEM;
	}
	return 0;
}

static void add_total(struct note *note, enum share_total which, int64_t value)
{
	note->shares[note->n++] =
		(struct note_share){.of = SHARE_TOTAL, .what = which, .rss = value};
}

static int add_text(struct note *note, enum share_of of, const char *text, int64_t rss)
{
	struct note_share share = {.of = of, .text = arena__strdup(note->arena, text), .rss = rss};

	if (!share.text)
		return -ENOMEM;
	note->bytes += sizeof(share) + strlen(text) + 1;
	if (rss)
		note->shares[note->n++] = share;
	return 0;
}

/* Largest first: what is beyond the bound is the smallest. True when some are. */
static bool add_sites(struct note *note, enum share_of of, const struct site_row *rows, size_t n)
{
	size_t kept = n < NOTE_SHARES_MAX ? n : NOTE_SHARES_MAX;

	for (size_t i = 0; i < kept; i++) {
		if (!rows[i].rss)
			continue;
		note->shares[note->n++] = (struct note_share){
			.of = of, .site = callsite__ref(rows[i].site), .rss = rows[i].rss};
		note->bytes += sizeof(*note->shares);
	}
	return n > kept && rows[kept].rss;
}

static int add_categories(struct note *note, const struct report *r)
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

	for (size_t i = 0; !err && i < sizeof(fixed) / sizeof(*fixed); i++)
		err = add_text(note, SHARE_CATEGORY, fixed[i].name,
			       r->by_category[fixed[i].category]);
	for (size_t i = 0; !err && i < r->n_files; i++)
		err = add_text(note, SHARE_CATEGORY, saved__file_category(r->files[i].name),
			       r->files[i].rss);
	return err;
}

static int fill_shares(struct note *note, const struct report *r)
{
	size_t names = r->n_named < NOTE_SHARES_MAX ? r->n_named : NOTE_SHARES_MAX;
	int64_t left_out = 0;
	int err = 0;

	note->shares = arena__alloc(note->arena, (2 * NOTE_SHARES_MAX + names + r->n_files + FEW) *
							 sizeof(*note->shares));
	if (!note->shares)
		return -ENOMEM;
	if (add_sites(note, SHARE_MAP, r->sites, r->n_sites))
		left_out |= 1 << SHARE_MAP;
	if (add_sites(note, SHARE_TOUCH, r->touch.sites, r->touch.n_sites))
		left_out |= 1 << SHARE_TOUCH;
	for (size_t i = 0; !err && i < names; i++)
		err = add_text(note, SHARE_NAME, r->named[i].name, r->named[i].rss);
	if (names < r->n_named)
		left_out |= 1 << SHARE_NAME;
	err = err ?: add_categories(note, r);
	add_total(note, TOTAL_VIRTUAL, r->totals.size);
	add_total(note, TOTAL_TOUCHABLE, r->touch.resident);
	add_total(note, TOTAL_LEFT_OUT, left_out);
	return err;
}

struct note *note__gone(pid_t pid, uint64_t start_ticks)
{
	struct note *note = calloc(1, sizeof(*note));

	if (!note)
		return NULL;
	note->pid = pid;
	note->start_ticks = start_ticks;
	note->gone = true;
	note->taken_ns = clock__boot_ns();
	note->bytes = sizeof(*note);
	return note;
}

struct note *note__new(const struct observation *o)
{
	const struct report *r = o->report;
	struct note *note = calloc(1, sizeof(*note));

	if (!note)
		return NULL;
	note->arena = arena__new();
	note->pid = r->pid;
	note->start_ticks = o->start_ticks;
	note->taken_ns = o->taken_ns;
	note->started = r->start_time;
	note->owner = o->owner;
	note->bytes = sizeof(*note) + 512;
	/* Of a report, the moment that it says it is of. */
	if (r->taken_at) {
		note->exact = true;
		note->taken_ns = r->taken_at - clock__boot_to_wall(0);
	}
	fill_amounts(note, o);
	if (!note->arena || fill_texts(note, r) || fill_shares(note, r)) {
		note__free(note);
		return NULL;
	}
	return note;
}

void note__free(struct note *note)
{
	if (!note)
		return;
	for (size_t i = 0; i < note->n; i++)
		callsite__unref(note->shares[i].site);
	arena__free(note->arena);
	free(note);
}

void note_queue__free(struct note_queue *queue)
{
	struct note *note;

	while ((note = TAILQ_FIRST(queue))) {
		TAILQ_REMOVE(queue, note, entry);
		note__free(note);
	}
}
