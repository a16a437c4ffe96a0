// SPDX-License-Identifier: BSD-2-Clause
#include "diff/difference.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/hash.h"

struct entry {
	UT_hash_handle hh; /* by key */
	const char *key;
	struct diff_row row;
	struct entry *next; /* of those that have the same functions */
};

struct known_build_id {
	UT_hash_handle hh; /* by id */
	const char *id;
	bool in_a, in_both;
};

struct matcher {
	struct arena *arena; /* entries and keys */
	struct entry *entries;
	struct known_build_id *build_ids;
};

int64_t diff_row__growth(const struct diff_row *row)
{
	return (int64_t)(row->b - row->a);
}

const char *change__name(enum change change)
{
	static const char *const names[] = {
		[CHANGE_NEW] = "new",
		[CHANGE_GONE] = "gone",
		[CHANGE_GROWN] = "grown",
		[CHANGE_SHRUNK] = "shrunk",
		[CHANGE_SAME] = "same",
		[CHANGE_UNLISTED_A] = "unlisted_in_a",
		[CHANGE_UNLISTED_B] = "unlisted_in_b",
	};

	return names[change];
}

/* --- rows by key ------------------------------------------------------------------------------ */

static void merge(struct diff_row *row, const struct diff_row *more)
{
	if (!row->in_b && more->site)
		row->site = more->site;
	row->in_a |= more->in_a;
	row->in_b |= more->in_b;
	row->n_a += more->n_a;
	row->n_b += more->n_b;
	row->a += more->a;
	row->b += more->b;
}

static struct entry *add_entry(struct matcher *m, const char *key, const struct diff_row *row)
{
	struct entry *entry;

	HASH_FIND_STR(m->entries, key, entry);
	if (entry) {
		merge(&entry->row, row);
		return entry;
	}
	entry = arena__alloc(m->arena, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->key = arena__strdup(m->arena, key);
	if (!entry->key)
		return NULL;
	entry->row = *row;
	HASH_ADD_KEYPTR(hh, m->entries, entry->key, strlen(entry->key), entry);
	return HASH_HAS(entry) ? entry : NULL;
}

static struct diff_row side_row(bool is_b, uint64_t rss)
{
	return (struct diff_row){
		.in_a = !is_b,
		.in_b = is_b,
		.n_a = !is_b,
		.n_b = is_b,
		.a = is_b ? 0 : rss,
		.b = is_b ? rss : 0,
	};
}

/* --- what a call site is told by -------------------------------------------------------------- */

static int add_build_ids(struct matcher *m, const struct saved_sites *sites, bool is_b)
{
	struct known_build_id *known;

	for (size_t i = 0; i < sites->n; i++) {
		for (size_t j = 0; j < sites->rows[i].n_frames; j++) {
			const char *id = sites->rows[i].frames[j].build_id;

			if (!id)
				continue;
			HASH_FIND_STR(m->build_ids, id, known);
			if (!known) {
				known = arena__alloc(m->arena, sizeof(*known));
				if (!known)
					return -ENOMEM;
				known->id = id;
				HASH_ADD_KEYPTR(hh, m->build_ids, known->id, strlen(id), known);
				if (!HASH_HAS(known))
					return -ENOMEM;
			}
			known->in_a |= !is_b;
			known->in_both |= is_b && known->in_a;
		}
	}
	return 0;
}

static bool is_in_both(const struct matcher *m, const char *id)
{
	struct known_build_id *known = NULL;

	if (id)
		HASH_FIND_STR(m->build_ids, id, known);
	return known && known->in_both;
}

/* A piece of a key. Strings come with their length, so that no two keys are one by accident. */
static void add_piece(struct buf *key, char kind, const char *text)
{
	buf__printf(key, "%c%zu:%s", kind, strlen(text), text);
}

/* What was inlined lies where its caller does, and is known only with debug information. (A
 * function of Java is inlined or not as its compiler likes.) */
static void add_location(struct buf *key, const struct frame *frame)
{
	if (frame->inlined && !frame->language)
		return;
	if (frame->language) {
		add_piece(key, 's', frame->file ?: "");
		add_piece(key, 'f', frame->function ?: "");
	} else if (frame->build_id) {
		add_piece(key, 'b', frame->build_id);
	} else {
		add_piece(key, 'm', frame->module ?: "");
		add_piece(key, 'f', frame->function ?: "");
	}
	/* Code without a file was made at run time: elsewhere each time, if it has a name. */
	if (frame->module || !frame->function)
		buf__printf(key, "+%" PRIx64 ";", frame->offset);
}

/* Without what compilers put behind the name of a function's clones: f.constprop.0, f.part.3. */
static size_t plain_length(const char *function)
{
	static const char *const suffixes[] = {".constprop.", ".isra.",	    ".part.",
					       ".cold",	      ".lto_priv.", ".llvm."};
	size_t len = strlen(function);
	const char *at;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		at = strstr(function, suffixes[i]);
		if (at && at > function && (size_t)(at - function) < len)
			len = at - function;
	}
	return len;
}

static void add_function(struct buf *key, const struct matcher *m, const struct frame *frame)
{
	size_t len;

	if (is_in_both(m, frame->build_id) || !frame->function) {
		add_location(key, frame);
		return;
	}
	len = plain_length(frame->function);
	buf__printf(key, "f%zu:%.*s", len, (int)len, frame->function);
}

static void make_key(struct buf *key, const struct matcher *m, const struct saved_site *site,
		     bool by_functions)
{
	for (size_t i = 0; i < site->n_frames; i++) {
		if (by_functions)
			add_function(key, m, &site->frames[i]);
		else
			add_location(key, &site->frames[i]);
	}
	if (!key->len) /* a stack of nothing */
		buf__puts(key, "-");
}

/* --- lists ------------------------------------------------------------------------------------ */

static int larger_growth(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;
	int64_t gx = diff_row__growth(x), gy = diff_row__growth(y);

	if (gx != gy)
		return gx < gy ? 1 : -1;
	if (x->b != y->b)
		return x->b < y->b ? 1 : -1;
	if (x->name && y->name)
		return strcmp(x->name, y->name);
	return (x->site > y->site) - (x->site < y->site);
}

static enum change change_of(const struct diff_row *row, const struct diff_list *list)
{
	if (!row->in_a)
		return list->complete_a ? CHANGE_NEW : CHANGE_UNLISTED_A;
	if (!row->in_b)
		return list->complete_b ? CHANGE_GONE : CHANGE_UNLISTED_B;
	return row->b > row->a ? CHANGE_GROWN : row->b < row->a ? CHANGE_SHRUNK : CHANGE_SAME;
}

static void put_row(struct diff_list *list, const struct diff_row *row)
{
	struct diff_row *put = &list->rows[list->n++];

	*put = *row;
	put->change = change_of(row, list);
	list->rest_a -= row->a;
	list->rest_b -= row->b;
}

/* With totals and completeness filled in. */
static int begin(struct difference *d, struct diff_list *list, size_t n)
{
	list->rows = arena__alloc(d->arena, n * sizeof(*list->rows));
	list->rest_a = list->total_a;
	list->rest_b = list->total_b;
	return list->rows ? 0 : -ENOMEM;
}

static void finish(struct diff_list *list)
{
	if (list->n)
		qsort(list->rows, list->n, sizeof(*list->rows), larger_growth);
}

static int match_rows(struct difference *d, const struct saved_rows *a, const struct saved_rows *b,
		      struct diff_list *ret)
{
	struct matcher m = {.arena = d->arena};
	struct entry *entry, *next;
	int err;

	*ret = (struct diff_list){
		.total_a = d->a->totals.rss,
		.total_b = d->b->totals.rss,
		.complete_a = a->complete,
		.complete_b = b->complete,
	};
	err = begin(d, ret, a->n + b->n);

	for (size_t i = 0; !err && i < a->n + b->n; i++) {
		bool is_b = i >= a->n;
		const struct saved_row *saved = is_b ? &b->rows[i - a->n] : &a->rows[i];
		struct diff_row row = side_row(is_b, saved->rss);

		row.name = saved->name;
		err = add_entry(&m, saved->name, &row) ? 0 : -ENOMEM;
	}
	HASH_ITER (hh, m.entries, entry, next) {
		if (!err)
			put_row(ret, &entry->row);
		HASH_DEL(m.entries, entry);
	}
	finish(ret);
	return err;
}

static int add_sites(struct matcher *m, const struct saved_sites *sites, bool is_b)
{
	int err = 0;

	for (size_t i = 0; !err && i < sites->n; i++) {
		struct diff_row row = side_row(is_b, sites->rows[i].rss);
		_cleanup_buf_ struct buf key = {};

		row.site = &sites->rows[i];
		make_key(&key, m, row.site, false);
		err = buf__error(&key);
		if (!err && !add_entry(m, key.data, &row))
			err = -ENOMEM;
	}
	return err;
}

/* Those with the same functions are one row if there are some of each report among them. */
static void put_group(struct diff_list *list, const struct entry *group)
{
	struct diff_row row = group->row;

	for (const struct entry *e = group->next; e; e = e->next)
		merge(&row, &e->row);
	row.by_functions = true;
	if (row.in_a && row.in_b) {
		put_row(list, &row);
		return;
	}
	for (const struct entry *e = group; e; e = e->next)
		put_row(list, &e->row);
}

/* Moves an entry that one report alone has to the others of its functions. */
static int add_to_group(struct matcher *groups, struct entry *entry)
{
	_cleanup_buf_ struct buf key = {};
	struct entry *group;

	make_key(&key, groups, entry->row.site, true);
	if (buf__error(&key))
		return -ENOMEM;
	HASH_FIND_STR(groups->entries, key.data, group);
	if (group) {
		entry->next = group->next;
		group->next = entry;
		return 0;
	}
	entry->key = arena__strdup(groups->arena, key.data);
	if (!entry->key)
		return -ENOMEM;
	HASH_ADD_KEYPTR(hh, groups->entries, entry->key, strlen(entry->key), entry);
	return HASH_HAS(entry) ? 0 : -ENOMEM;
}

static int group_rest(struct matcher *m, struct diff_list *list)
{
	struct matcher groups = {.arena = m->arena, .build_ids = m->build_ids};
	struct entry *entry, *next;
	int err = 0;

	HASH_ITER (hh, m->entries, entry, next) {
		HASH_DEL(m->entries, entry);
		if (entry->row.in_a && entry->row.in_b)
			put_row(list, &entry->row);
		else if (!err)
			err = add_to_group(&groups, entry);
	}
	HASH_ITER (hh, groups.entries, entry, next) {
		HASH_DEL(groups.entries, entry);
		if (!err)
			put_group(list, entry);
	}
	return err;
}

static int match_sites(struct difference *d, const struct saved_sites *a,
		       const struct saved_sites *b, struct diff_list *ret)
{
	struct matcher m = {.arena = d->arena};
	struct known_build_id *known, *next;
	int err;

	*ret = (struct diff_list){
		.total_a = a->total,
		.total_b = b->total,
		.complete_a = a->complete,
		.complete_b = b->complete,
	};
	err = begin(d, ret, a->n + b->n);
	err = err ?: add_build_ids(&m, a, false) ?: add_build_ids(&m, b, true);
	err = err ?: add_sites(&m, a, false) ?: add_sites(&m, b, true);
	if (!err)
		err = group_rest(&m, ret);
	HASH_CLEAR(hh, m.entries);
	HASH_ITER (hh, m.build_ids, known, next)
		HASH_DEL(m.build_ids, known);
	finish(ret);
	return err;
}

int difference__new(const struct saved *a, const struct saved *b, struct difference **ret)
{
	struct difference *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->a = a;
	d->b = b;
	d->arena = arena__new();
	err = d->arena ? match_sites(d, &a->sites, &b->sites, &d->sites) : -ENOMEM;
	err = err ?: match_sites(d, &a->touched, &b->touched, &d->touched);
	err = err ?: match_rows(d, &a->names, &b->names, &d->names);
	err = err ?: match_rows(d, &a->categories, &b->categories, &d->categories);
	err = err ?: match_rows(d, &a->processes, &b->processes, &d->processes);
	if (err)
		difference__free(d);
	else
		*ret = d;
	return err;
}

void difference__free(struct difference *d)
{
	if (!d)
		return;
	arena__free(d->arena);
	free(d);
}

/* --- what is shown ---------------------------------------------------------------------------- */

static uint64_t size_of_change(const struct diff_row *row)
{
	return row->b > row->a ? row->b - row->a : row->a - row->b;
}

static int larger_change(const void *a, const void *b)
{
	const struct diff_row *x = *(const struct diff_row *const *)a;
	const struct diff_row *y = *(const struct diff_row *const *)b;
	uint64_t cx = size_of_change(x), cy = size_of_change(y);

	if (cx != cy)
		return cx < cy ? 1 : -1;
	return x < y ? -1 : x > y;
}

static int earlier(const void *a, const void *b)
{
	const struct diff_row *x = *(const struct diff_row *const *)a;
	const struct diff_row *y = *(const struct diff_row *const *)b;

	return x < y ? -1 : x > y;
}

size_t diff_list__select(const struct diff_list *list, size_t top, bool all,
			 const struct diff_row **ret, struct diff_row *ret_others)
{
	size_t n = list->n;

	*ret_others = (struct diff_row){};
	for (size_t i = 0; i < list->n; i++)
		ret[i] = &list->rows[i];
	if (all || !list->n)
		return n;
	qsort(ret, n, sizeof(*ret), larger_change);
	n = n < top ? n : top;
	while (n && !size_of_change(ret[n - 1]))
		n--;
	for (size_t i = n; i < list->n; i++) {
		ret_others->a += ret[i]->a;
		ret_others->b += ret[i]->b;
		ret_others->n_b++;
	}
	if (n)
		qsort(ret, n, sizeof(*ret), earlier);
	return n;
}
