// SPDX-License-Identifier: BSD-2-Clause
#include "growth/culprits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diff/diff_encode.h"
#include "growth/growers.h"
#include "history/history.h"
#include "history/moment.h"
#include "model/callsite.h"
#include "report/amount.h"
#include "report/show_frame.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/text.h"

#define AMOUNT_WIDTH 10

void culprits__free(struct culprits *c)
{
	buf__free(&c->callsites);
	buf__free(&c->names);
	buf__free(&c->text);
	buf__free(&c->site);
	buf__free(&c->name);
}

static int error_of(const struct culprits *c)
{
	return buf__error(&c->callsites) ?: buf__error(&c->names) ?: buf__error(&c->text);
}

/* --- as it is shown --------------------------------------------------------------------------- */

struct culprit {
	const char *by;
	bool counts; /* mappings, not bytes */
	int64_t growth;
	const struct saved_site *site;
};

static void put_site(struct culprits *c, const struct culprit *culprit)
{
	struct json json = {.out = &c->callsites, .comma = c->callsites.len};

	json__object(&json);
	json__put_string(&json, "by", culprit->by);
	json__key(&json, "growth");
	json__i64(&json, culprit->growth);
	diff_encode__site(&json, culprit->site);
	json__end_object(&json);
}

static void name_site(struct buf *out, const struct saved_site *site)
{
	const char *function = site->owner;

	for (size_t i = 0; !function && i < site->n_frames; i++)
		function = site->frames[i].function;
	text__show(out, function ?: "(no function known)");
	if (site->owner_module) {
		buf__puts(out, " in ");
		text__show(out, site->owner_module);
	}
}

static void add_site(struct culprits *c, const struct culprit *culprit)
{
	if (c->callsites.len > CULPRITS_BYTES)
		return;
	put_site(c, culprit);
	if (!c->site.len)
		name_site(&c->site, culprit->site);
	if (culprit->counts)
		buf__printf(&c->text, "%+*lld mappings", AMOUNT_WIDTH, (long long)culprit->growth);
	else
		amount__add_change(&c->text, culprit->growth, AMOUNT_WIDTH, UNIT_MB);
	buf__printf(&c->text, "  by %s: ", culprit->by);
	name_site(&c->text, culprit->site);
	buf__puts(&c->text, "\n");
	for (size_t i = 0; i < culprit->site->n_frames; i++)
		frame__add_text(&c->text, &culprit->site->frames[i]);
}

static void add_name(struct culprits *c, const struct diff_row *row)
{
	struct json json = {.out = &c->names, .comma = c->names.len};

	json__object(&json);
	json__put_string(&json, "name", row->name);
	json__key(&json, "growth");
	json__i64(&json, diff_row__growth(row));
	json__end_object(&json);
	if (!c->name.len)
		text__show(&c->name, row->name);
	amount__add_change(&c->text, diff_row__growth(row), AMOUNT_WIDTH, UNIT_MB);
	buf__puts(&c->text, "  named ");
	text__show(&c->text, row->name);
	buf__puts(&c->text, "\n");
}

/* --- by history ------------------------------------------------------------------------------- */

/* Of its largest, and by more than a hundredth of the first. */
static bool has_grown(const struct diff_list *list, size_t i)
{
	return i < list->n && i < CULPRITS_MAX &&
	       diff_row__growth(&list->rows[i]) > diff_row__growth(&list->rows[0]) / 100 &&
	       diff_row__growth(&list->rows[i]) > 0;
}

/* Both lists have the largest growth first. */
static void add_all(struct culprits *c, const struct difference *d)
{
	size_t map = 0, touch = 0;

	while (has_grown(&d->sites, map) || has_grown(&d->touched, touch)) {
		bool is_map = has_grown(&d->sites, map) &&
			      (!has_grown(&d->touched, touch) ||
			       diff_row__growth(&d->sites.rows[map]) >=
				       diff_row__growth(&d->touched.rows[touch]));
		const struct diff_row *row =
			is_map ? &d->sites.rows[map++] : &d->touched.rows[touch++];
		const struct culprit culprit = {.by = is_map ? "map" : "touch",
						.growth = diff_row__growth(row),
						.site = row->site};

		add_site(c, &culprit);
	}
	for (size_t i = 0; has_grown(&d->names, i); i++)
		add_name(c, &d->names.rows[i]);
}

int culprits__find(struct history *history, const struct history_selector *selector,
		   uint64_t from_ns, uint64_t to_ns, struct culprits *ret)
{
	_cleanup_difference_ struct difference *difference = NULL;
	_cleanup_saved_ struct saved *a = NULL, *b = NULL;
	_cleanup_arena_ struct arena *arena = arena__new();
	_cleanup_db_ sqlite3 *db = NULL;
	_cleanup_free_ struct selection *selection = calloc(1, sizeof(*selection));
	int err = arena && selection ? history__open(history, &db) : -ENOMEM;

	err = err ?: db__exec(db, "BEGIN") ?: selection__find(db, selector, arena, selection);
	err = err ?: moment__read(db, selection, from_ns, false, &a);
	err = err ?: moment__read(db, selection, to_ns, true, &b);
	if (!err && strcmp(a->taken_at, b->taken_at) >= 0)
		err = -ENODATA;
	err = err ?: difference__new(a, b, &difference);
	if (err)
		return err;
	add_all(ret, difference);
	return error_of(ret);
}

/* --- by the number of mappings ---------------------------------------------------------------- */

#define NEXT_TO_NOTHING 100 /* one part in so many */

static uint64_t mappings_before(const struct mappings *maps, const struct callsite *site)
{
	for (size_t i = 0; i < GROWER_SITES; i++) {
		if (maps->before[i].site == site)
			return maps->before[i].mappings;
	}
	return 0;
}

/* The same in the form that history has. */
static int saved_of(const struct callsite *site, struct saved_site *ret)
{
	*ret = (struct saved_site){.frames = calloc(site->n + 1, sizeof(*ret->frames)),
				   .n_frames = site->n};
	if (!ret->frames)
		return -ENOMEM;
	for (size_t i = 0; i < site->n; i++)
		ret->frames[i] = *site->frames[i];
	if (site->owner >= 0) {
		ret->owner = ret->frames[site->owner].function;
		ret->owner_module = ret->frames[site->owner].module;
	}
	return 0;
}

/* What has grown since it was seen first, in ret; how many. When that was late, and next to nothing
 * has grown since, what it had then is what made it so many. */
static size_t find_grown(const struct mappings *maps, struct mapper ret[GROWER_SITES])
{
	uint64_t all = 0, more = 0;
	size_t n = 0;

	for (size_t i = 0; i < GROWER_SITES && maps->now[i].site; i++) {
		uint64_t has = maps->now[i].mappings;
		uint64_t before = mappings_before(maps, maps->now[i].site);

		all += has;
		if (has <= before)
			continue;
		ret[n++] = (struct mapper){maps->now[i].site, has - before};
		more += has - before;
	}
	if (more >= all / NEXT_TO_NOTHING)
		return n;
	for (n = 0; n < GROWER_SITES && maps->now[n].site; n++)
		ret[n] = maps->now[n];
	return n;
}

int culprits__of_mappings(const struct mappings *maps, struct culprits *ret)
{
	struct mapper grown[GROWER_SITES];
	size_t n = find_grown(maps, grown);

	for (size_t i = 0; i < n; i++) {
		struct saved_site site;

		if (saved_of(grown[i].site, &site))
			return -ENOMEM;
		add_site(ret, &(struct culprit){"map", true, (int64_t)grown[i].mappings, &site});
		free(site.frames);
	}
	return error_of(ret);
}
