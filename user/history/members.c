// SPDX-License-Identifier: BSD-2-Clause
#include "history/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history/note.h"
#include "history/store.h"
#include "history/tally.h"
#include "history/words.h"
#include "util/hash.h"

#define NS_PER_MS 1000000

/* A share is written when it has changed by this part of its process's or sum's RSS: what was
 * written is wrong by less than that. */
#define LEAST_PART 1024

struct group;

struct member {
	UT_hash_handle hh; /* by pid */
	pid_t pid;
	uint64_t start_ticks;
	int64_t series;
	int64_t at_ms;	   /* of the last point, in the span */
	int64_t pss, swap; /* the last that were known */
	struct tally now;
	struct group *group;  /* its container; NULL: none */
	uint64_t transaction; /* in which it was written last */
};

struct group {
	UT_hash_handle hh; /* by series */
	int64_t series;
	size_t members;
	uint64_t transaction; /* in which it was entered */
	bool changed;
	struct tally now;
};

struct members {
	const char *boot;
	struct member *all;
	struct group *containers;
	struct group node;
	uint64_t transaction;
};

struct members *members__new(const char *boot)
{
	struct members *m = calloc(1, sizeof(*m));

	if (m)
		m->boot = boot;
	return m;
}

static void free_group(struct group *group)
{
	tally__free(&group->now);
	free(group);
}

static void leave_group(struct members *m, struct member *member)
{
	m->node.members--;
	m->node.changed = true;
	if (member->group) {
		member->group->members--;
		member->group->changed = true;
	}
}

static void drop(struct members *m, struct member *member)
{
	leave_group(m, member);
	HASH_DEL(m->all, member);
	tally__free(&member->now);
	free(member);
}

void members__free(struct members *m)
{
	struct member *member, *next;
	struct group *group, *next_group;

	if (!m)
		return;
	HASH_ITER (hh, m->all, member, next)
		drop(m, member);
	HASH_ITER (hh, m->containers, group, next_group) {
		HASH_DEL(m->containers, group);
		free_group(group);
	}
	tally__free(&m->node.now);
	free(m);
}

void members__begin(struct members *m)
{
	m->transaction++;
}

void members__undo(struct members *m)
{
	struct member *member, *next;
	struct group *group, *next_group;

	HASH_ITER (hh, m->all, member, next) {
		if (member->transaction == m->transaction)
			drop(m, member);
	}
	/* Only such can have been in it. */
	HASH_ITER (hh, m->containers, group, next_group) {
		if (group->transaction != m->transaction)
			continue;
		HASH_DEL(m->containers, group);
		free_group(group);
	}
	if (m->node.transaction == m->transaction)
		m->node.series = 0;
}

size_t members__count(const struct members *m)
{
	return HASH_COUNT(m->all);
}

void members__each(const struct members *m, member_fn *fn, void *ctx)
{
	struct member *member, *next;

	HASH_ITER (hh, m->all, member, next)
		fn(member->pid, member->start_ticks, ctx);
}

/* --- rows ------------------------------------------------------------------------------------- */

struct writing {
	const struct target *target;
	int64_t series;
	int64_t at_ms;
};

static int put_share(void *ctx, const struct share *share)
{
	const struct writing *w = ctx;
	const struct target *t = w->target;
	sqlite3_stmt *use = t->store->statements[USE_SITE];
	int err = 0;

	/* Its frames stay as long as its rows. */
	if (share->of == SHARE_MAP || share->of == SHARE_TOUCH)
		err = db__run_with(use, share->what, t->span.id);
	return err
		       ?: db__run_with(t->store->statements[PUT_SHARE], t->span.id, w->series,
				       share->of, share->what, w->at_ms, share->rss);
}

static int put_point(const struct writing *w, const int64_t amounts[AMOUNTS])
{
	int64_t values[3 + AMOUNTS] = {w->target->span.id, w->series, w->at_ms};

	memcpy(values + 3, amounts, AMOUNTS * sizeof(*amounts));
	return db__run(w->target->store->statements[PUT_POINT], values, 3 + AMOUNTS);
}

static int put_end(const struct writing *w)
{
	int64_t nothing[AMOUNTS];

	for (int i = 0; i < AMOUNTS; i++)
		nothing[i] = DB_NULL;
	return put_point(w, nothing);
}

static int64_t least_of(const struct tally *now, bool exact)
{
	return exact ? 1 : now->amounts[AMOUNT_RSS] / LEAST_PART;
}

/* What `now` has and `before` had not. */
static int write_changes(const struct writing *w, const struct tally *before, struct tally *now,
			 bool exact)
{
	int err = 0;

	if (memcmp(before->amounts, now->amounts, sizeof(now->amounts)) || !before->n)
		err = put_point(w, now->amounts);
	return err ?: tally__each_change(before, now, least_of(now, exact), put_share, (void *)w);
}

static int write_all(const struct target *target, int64_t series, struct tally *now)
{
	const struct writing w = {target, series, 0};
	const struct tally nothing = {};

	if (tally__cut(now, target->most))
		return -ENOMEM;
	return db__run_with(target->store->statements[USE_SERIES], series, target->span.id)
		       ?: write_changes(&w, &nothing, now, true);
}

/* --- series ----------------------------------------------------------------------------------- */

struct identity {
	enum series_kind kind;
	const struct note *note; /* NULL: the node */
};

static int find_series(struct members *m, const struct target *t, const struct identity *identity,
		       int64_t *ret)
{
	bool process = identity->kind == SERIES_PROCESS;
	const struct note *note = identity->note;
	int64_t values[7] = {identity->kind,
			     0,
			     process ? note->pid : 0,
			     process ? (int64_t)note->start_ticks : 0,
			     0,
			     process ? (int64_t)note->body->started : DB_NULL,
			     t->span.id};
	int err = 0;

	*ret = 0;
	if (process)
		err = words__text(t->words, t->store, m->boot, &values[1]);
	else if (note)
		err = words__text(t->words, t->store, note->body->container, &values[4]);
	err = err ?: db__bind(t->store->statements[FIND_SERIES], values, 5);
	err = err ?: db__get(t->store->statements[FIND_SERIES], ret);
	if (!err && !*ret)
		err = db__bind(t->store->statements[PUT_SERIES], values, 7)
			      ?: db__get(t->store->statements[PUT_SERIES], ret);
	else if (!err)
		err = db__run_with(t->store->statements[USE_SERIES], *ret, t->span.id);
	return err;
}

/* What a program and a container are called may change. */
static int name_series(const struct target *t, int64_t series, const struct note *note,
		       bool process)
{
	const struct note_body *body = note->body;
	const char *const texts[] = {process ? body->comm : NULL,
				     body->runtime,
				     body->namespace,
				     body->pod,
				     body->name,
				     body->pod_uid};
	bool owned = process && body->owner.known;
	int64_t values[9] = {series};
	int err = 0;

	for (int i = 0; !err && i < 6; i++)
		err = words__text(t->words, t->store, texts[i], &values[1 + i]);
	values[7] = owned ? (int64_t)body->owner.uid : DB_NULL;
	values[8] = owned ? (int64_t)body->owner.gid : DB_NULL;
	return err ?: db__run(t->store->statements[NAME_SERIES], values, 9);
}

static int enter_group(struct members *m, const struct target *t, const struct note *note,
		       struct group **ret)
{
	struct group *group;
	int64_t series;
	int err = find_series(m, t, &(struct identity){SERIES_CONTAINER, note}, &series);

	err = err ?: name_series(t, series, note, false);
	if (err)
		return err;
	HASH_FIND(hh, m->containers, &series, sizeof(series), group);
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return -ENOMEM;
		group->series = series;
		group->transaction = m->transaction;
		HASH_ADD(hh, m->containers, series, sizeof(group->series), group);
		if (!HASH_HAS(group)) {
			free(group);
			return -ENOMEM;
		}
	}
	*ret = group;
	return 0;
}

/* --- processes -------------------------------------------------------------------------------- */

static struct member *find(const struct members *m, pid_t pid)
{
	struct member *member;

	HASH_FIND_INT(m->all, &pid, member);
	return member;
}

static int64_t at_of(const struct target *t, uint64_t boot_ns)
{
	int64_t at = (int64_t)((boot_ns + t->span.to_wall_ns) / NS_PER_MS) - t->span.began_ms;

	return at > 0 ? at : 0;
}

static int end_member(struct members *m, const struct target *t, struct member *member,
		      uint64_t boot_ns)
{
	struct writing w = {t, member->series, at_of(t, boot_ns)};
	int err;

	if (w.at_ms <= member->at_ms)
		w.at_ms = member->at_ms + 1;
	err = put_end(&w);
	drop(m, member);
	return err;
}

static bool is_cut(enum share_of of)
{
	return of == SHARE_MAP || of == SHARE_TOUCH || of == SHARE_NAME;
}

/* Sites and names come the largest first; of those that are left out no frame is written. */
static int make_tally(const struct target *t, const struct note_body *note, struct tally *ret)
{
	size_t n[SHARE_TOTAL + 1] = {};
	int64_t what;
	int err = 0;

	memcpy(ret->amounts, note->amounts, sizeof(ret->amounts));
	for (size_t i = 0; !err && i < note->n; i++) {
		const struct note_share *share = &note->shares[i];

		if (is_cut(share->of) && n[share->of]++ >= t->most) {
			err = tally__add(ret, SHARE_TOTAL, TOTAL_LEFT_OUT, 1 << share->of);
			continue;
		}
		what = share->what;
		if (share->site)
			err = words__site(t->words, t->store, share->site, t->span.id, &what);
		else if (share->text)
			err = words__text(t->words, t->store, share->text, &what);
		err = err ?: tally__add(ret, share->of, what, share->rss);
	}
	tally__settle(ret);
	return err;
}

static int enter_member(struct members *m, const struct target *t, const struct note *note,
			struct member **ret)
{
	struct member *member;
	int64_t series;
	int err;

	if (HASH_COUNT(m->all) >= MEMBERS_MAX)
		return -ENOBUFS;
	err = find_series(m, t, &(struct identity){SERIES_PROCESS, note}, &series);
	if (err)
		return err;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->pid = note->pid;
	member->start_ticks = note->start_ticks;
	member->series = series;
	member->pss = member->swap = DB_NULL;
	member->at_ms = -1;
	member->transaction = m->transaction;
	HASH_ADD_INT(m->all, pid, member);
	if (!HASH_HAS(member)) {
		free(member);
		return -ENOMEM;
	}
	m->node.members++;
	*ret = member;
	return 0;
}

static int regroup(struct members *m, const struct target *t, struct member *member,
		   const struct note *note)
{
	struct group *group = NULL;
	int err = note->body->container ? enter_group(m, t, note, &group) : 0;

	if (err || group == member->group)
		return err;
	if (member->group) {
		member->group->members--;
		member->group->changed = true;
	}
	if (group)
		group->members++;
	member->group = group;
	return 0;
}

static int update(struct members *m, const struct target *t, struct member *member,
		  const struct note *note)
{
	struct writing w = {t, member->series, at_of(t, note->taken_ns)};
	struct tally now = {};
	int err;

	member->transaction = m->transaction;
	err = name_series(t, member->series, note, true);

	err = err ?: regroup(m, t, member, note) ?: make_tally(t, note->body, &now);
	if (w.at_ms < member->at_ms)
		w.at_ms = member->at_ms;
	err = err ?: write_changes(&w, &member->now, &now, note->body->exact);
	if (err) {
		tally__free(&now);
		return err;
	}
	member->at_ms = w.at_ms;
	if (now.amounts[AMOUNT_PSS] != DB_NULL)
		member->pss = now.amounts[AMOUNT_PSS];
	if (now.amounts[AMOUNT_SWAP] != DB_NULL)
		member->swap = now.amounts[AMOUNT_SWAP];
	tally__free(&member->now);
	member->now = now;
	m->node.changed = true;
	if (member->group)
		member->group->changed = true;
	return 0;
}

int members__apply(struct members *m, const struct target *t, const struct note *note)
{
	struct member *member = find(m, note->pid);
	int err = 0;

	if (!note->body)
		return member && member->start_ticks == note->start_ticks
			       ? end_member(m, t, member, note->taken_ns)
			       : 0;
	if (member && member->start_ticks > note->start_ticks)
		return 0; /* of an earlier holder of the number */
	if (member && member->start_ticks != note->start_ticks) {
		err = end_member(m, t, member, note->taken_ns);
		member = NULL;
	}
	if (!err && !member)
		err = enter_member(m, t, note, &member);
	return err ?: update(m, t, member, note);
}

/* --- sums ------------------------------------------------------------------------------------- */

/* Of a process whose PSS and swap are not in its newest sample, the last known ones count. */
static int add_member(struct tally *sum, const struct member *member)
{
	struct tally part = member->now;

	part.amounts[AMOUNT_PSS] = member->pss;
	part.amounts[AMOUNT_SWAP] = member->swap;
	return tally__add_all(sum, &part);
}

static int sum_up(struct members *m, const struct target *t, const struct group *group,
		  struct tally *ret)
{
	struct member *member, *next;
	int err = 0;

	HASH_ITER (hh, m->all, member, next) {
		if (!err && (group == &m->node || member->group == group))
			err = add_member(ret, member);
	}
	tally__settle(ret);
	return err ?: tally__cut(ret, t->most);
}

static int sum_group(struct members *m, const struct target *t, struct group *group, int64_t at_ms)
{
	const struct writing w = {t, group->series, at_ms};
	struct tally now = {};
	int err = sum_up(m, t, group, &now);

	err = err ?: write_changes(&w, &group->now, &now, false);
	if (err) {
		tally__free(&now);
		return err;
	}
	tally__free(&group->now);
	group->now = now;
	group->changed = false;
	return 0;
}

int members__sum(struct members *m, const struct target *t, int64_t at_ms)
{
	struct group *group, *next;
	int err = 0;

	if (!m->node.series) {
		m->node.transaction = m->transaction;
		err = find_series(m, t, &(struct identity){SERIES_NODE, NULL}, &m->node.series);
	}
	if (!err && m->node.changed)
		err = sum_group(m, t, &m->node, at_ms);
	HASH_ITER (hh, m->containers, group, next) {
		if (err || !group->changed)
			continue;
		if (group->members) {
			err = sum_group(m, t, group, at_ms);
			continue;
		}
		err = put_end(&(struct writing){t, group->series, at_ms});
		HASH_DEL(m->containers, group);
		free_group(group);
	}
	return err;
}

int members__write_all(struct members *m, const struct target *t)
{
	struct member *member, *next;
	struct group *group, *next_group;
	int err = 0;

	HASH_ITER (hh, m->all, member, next) {
		if (!err)
			err = write_all(t, member->series, &member->now);
		member->at_ms = 0;
	}
	HASH_ITER (hh, m->containers, group, next_group) {
		if (!err && group->now.n)
			err = write_all(t, group->series, &group->now);
	}
	if (!err && m->node.now.n)
		err = write_all(t, m->node.series, &m->node.now);
	return err;
}
