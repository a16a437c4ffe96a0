/* SPDX-License-Identifier: BSD-2-Clause */
/* A history that a test writes by hand, at times that it chooses. */
#ifndef MEMPROV_TEST_PAST_H
#define MEMPROV_TEST_PAST_H

#include "history/ages.h"
#include "history/members.h"
#include "history/moment.h"
#include "history/note.h"
#include "history/store.h"
#include "history/timeline.h"
#include "history/words.h"
#include "made_sites.h"
#include "report/report.h"
#include "util/arena.h"
#include "util/clock.h"

#define MB    1048576LL
#define T0_S  1795383000LL /* 2026-11-22T21:30:00Z, a multiple of 600 s */
#define MS(s) ((T0_S + (s)) * 1000LL)
#define NS(s) ((T0_S + (s)) * NSEC_PER_SEC)
#define SITES 3

struct past {
	struct members *members;
	struct target target;
	struct arena *arena;
};

/* What a process has at a moment: RSS is the sum of its sites' and 1 MB that is nobody's. */
struct state {
	pid_t pid;
	int64_t mb[SITES];
	const char *container; /* NULL: none */
	const char *comm;      /* NULL: "leaker" */
};

static inline struct callsite *past_site(size_t n)
{
	static const char *const functions[SITES] = {"grow", "keep", "fill"};
	const struct frame frames[] = {
		{.function = "mmap64", .module = "/lib/libc.so.6", .offset = 0x100},
		{.function = functions[n],
		 .module = "/bin/leaker",
		 .build_id = "ab",
		 .offset = 0x1000 + n,
		 .language = n == SITES - 1 ? FRAME_OF_PYTHON : FRAME_OF_MACHINE},
		{.function = "main", .module = "/bin/leaker", .build_id = "ab", .offset = 0x2000},
	};

	return make_site(frames, 3, false);
}

static inline void past__open(struct past *p, const char *file, uint64_t bytes)
{
	char note[STORE_NOTE_LEN];
	int cause;

	*p = (struct past){.members = members__new("boot"), .arena = arena__new()};
	p->target.words = words__new();
	p->target.most = NOTE_SHARES_MAX;
	assert_int_equal(store__open(file, bytes, note, &cause, &p->target.store), 0);
}

static inline void past__close(struct past *p)
{
	members__free(p->members);
	words__free(p->target.words);
	store__close(p->target.store);
	arena__free(p->arena);
}

/* Times since boot are times since 1970 here. */
static inline void past__begin_span(struct past *p, int64_t s)
{
	sqlite3_stmt *put = p->target.store->statements[PUT_SPAN];

	p->target.span = (struct open_span){.began_ms = MS(s)};
	assert_int_equal(db__bind(put, (int64_t[]){MS(s), 10}, 2), 0);
	assert_int_equal(db__get(put, &p->target.span.id), 0);
	assert_int_equal(members__write_all(p->members, &p->target), 0);
}

static inline void past__end_span(struct past *p, int64_t s)
{
	assert_int_equal(
		db__run_with(p->target.store->statements[END_SPAN], p->target.span.id, MS(s)), 0);
}

static inline struct note *past__note(int64_t s, const struct state *state, bool exact)
{
	struct report_container container = {
		.id = state->container, .namespace = "prod", .pod = "web-0", .name = "nginx"};
	struct site_row rows[SITES];
	struct named_row named = {"TXMetaCache", state->mb[0] * MB, state->mb[0] * MB, 1};
	struct report *report = report__new();
	struct observation o = {
		.report = report, .start_ticks = 100, .taken_ns = NS(s), .summed = true};
	struct note *note;

	memset(rows, 0, sizeof(rows));
	report->pid = state->pid;
	report->comm = state->comm ?: "leaker";
	report->start_time = NS(-100);
	report->container = state->container ? &container : NULL;
	report->totals.rss = MB;
	for (size_t i = 0; i < SITES; i++) {
		rows[i].site = past_site(i);
		rows[i].rss = state->mb[i] * MB;
		report->totals.rss += rows[i].rss;
	}
	report->totals.pss = report->totals.rss / 2;
	report->totals.size = 2 * report->totals.rss;
	report->by_category[CATEGORY_ANON_RW] = report->totals.rss - named.rss;
	report->by_category[CATEGORY_NAMED] = named.rss;
	report->sites = rows;
	report->n_sites = SITES;
	report->named = &named;
	report->n_named = 1;
	note = note__new(&o);
	note->body->exact = exact;
	report->n_sites = 0;
	for (size_t i = 0; i < SITES; i++)
		callsite__unref(rows[i].site);
	report__free(report);
	return note;
}

/* At a moment, in seconds from T0, it has that. */
static inline void past__see(struct past *p, int64_t s, struct state state)
{
	struct note *note = past__note(s, &state, false);

	assert_int_equal(store__begin(p->target.store), 0);
	assert_int_equal(members__apply(p->members, &p->target, note), 0);
	assert_int_equal(members__sum(p->members, &p->target, MS(s) - p->target.span.began_ms), 0);
	note__free(note);
	past__end_span(p, s);
	assert_int_equal(store__commit(p->target.store), 0);
}

static inline void past__end(struct past *p, int64_t s, pid_t pid)
{
	struct note *note = note__gone(pid, 100);

	note->taken_ns = NS(s);
	assert_int_equal(members__apply(p->members, &p->target, note), 0);
	assert_int_equal(members__sum(p->members, &p->target, MS(s) - p->target.span.began_ms), 0);
	note__free(note);
	past__end_span(p, s);
}

static inline struct timeline past__read(struct past *p, struct history_selector selector,
					 int64_t from_s, int64_t to_s, uint64_t step_s)
{
	const struct timeline_query query = {
		.from_ns = NS(from_s), .to_ns = NS(to_s), .step_s = step_s, .top = 20};
	struct selection *selection = arena__alloc(p->arena, sizeof(*selection));
	struct timeline timeline;

	assert_int_equal(selection__find(p->target.store->db, &selector, p->arena, selection), 0);
	assert_int_equal(
		timeline__read(p->target.store->db, selection, &query, p->arena, &timeline), 0);
	return timeline;
}

static inline int64_t past__count(struct past *p, const char *sql)
{
	int64_t n = -1;

	assert_int_equal(db__get_of(p->target.store->db, sql, &n), 0);
	return n;
}

#endif
