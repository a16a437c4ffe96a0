// SPDX-License-Identifier: BSD-2-Clause
#include "history/history_parts.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history/ages.h"
#include "history/cause.h"
#include "history/members.h"
#include "history/store.h"
#include "history/trend_box.h"
#include "history/words.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/thread.h"
#include "util/waiter.h"

#define NS_PER_MS     1000000
#define TICK_NS	      (10 * NSEC_PER_SEC)
#define TICKS_TO_AGE  6 /* from one look at what is old, or gone, to the next */
#define SPAN_S	      3600
#define MEMORY_SPAN_S 900

/* All that is known may be too much for a small file: then half of the call sites have to do. */
#define NO_ROOM_TICKS 3 /* what is old has been given up by then */

/* A clock that is further from where the span's began has been set; a longer pause was no delay. */
#define STEP_NS	 NSEC_PER_SEC
#define PAUSE_NS (60 * NSEC_PER_SEC)

/* --- what went wrong -------------------------------------------------------------------------- */

void history__count(struct history *h, int err)
{
	pthread_mutex_lock(&h->lock);
	h->errors[cause__of(err)]++;
	pthread_mutex_unlock(&h->lock);
}

void history__say(struct history *h, const char *fmt, ...)
{
	char text[STORE_NOTE_LEN + 128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (h->config.warn)
		h->config.warn(text);
}

static void fail(struct history *h, int err)
{
	size_t cause = cause__of(err);

	history__count(h, err);
	if (h->told[cause])
		return;
	h->told[cause] = true;
	history__say(h, "history: %s (%s); tracing goes on", causes[cause].text, strerror(-err));
}

/* --- what waits ------------------------------------------------------------------------------- */

static void enqueue(struct history *h, struct note *note)
{
	int err = note_queue__put(&h->notes, note);

	if (err)
		history__count(h, err);
}

static void observed(void *ctx, const struct observation *observation)
{
	enqueue(ctx, note__new(observation));
}

static void gone(void *ctx, pid_t pid, uint64_t start_ticks)
{
	enqueue(ctx, note__gone(pid, start_ticks));
}

static void met_all(void *ctx)
{
	struct history *h = ctx;

	pthread_mutex_lock(&h->lock);
	h->met_all = true;
	pthread_mutex_unlock(&h->lock);
}

/* A sample may come after the end of its process was told. */
static void end_if_gone(pid_t pid, uint64_t start_ticks, void *ctx)
{
	struct history *h = ctx;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d", h->config.proc, pid);
	if (access(path, F_OK) && errno == ENOENT)
		gone(h, pid, start_ticks);
}

/* What could not be written waits further, and counts. */
static void take_all(struct history *h)
{
	note_queue__take(&h->notes, h->no_room);
	kill_box__take(&h->kills);
	trend_box__take(&h->trends);
}

static void let_go_of_all(struct history *h)
{
	note_queue__let_go(&h->notes);
	kill_box__let_go(&h->kills);
	trend_box__let_go(&h->trends);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int64_t wall_ms(const struct history *h, uint64_t boot_ns)
{
	return (boot_ns + h->target.span.to_wall_ns) / NS_PER_MS;
}

/* All that is known goes into it at once: it does not depend on the one before. */
static int begin_span(struct history *h, uint64_t boot_ns)
{
	struct open_span *span = &h->target.span;
	sqlite3_stmt *put = h->store->statements[PUT_SPAN];
	int err;

	span->id = 0;
	span->began_ms = wall_ms(h, boot_ns);
	err = db__bind(put, (int64_t[]){span->began_ms, tiers[0].step_s}, 2);
	err = err ?: db__get(put, &span->id);
	return err ?: members__write_all(h->members, &h->target);
}

static int end_span(struct history *h, uint64_t boot_ns)
{
	return db__run_with(h->store->statements[END_SPAN], h->target.span.id, wall_ms(h, boot_ns));
}

static bool goes_on(const struct history *h, uint64_t boot_ns, uint64_t to_wall_ns)
{
	int64_t step = (int64_t)(to_wall_ns - h->target.span.to_wall_ns);

	return h->target.span.id && boot_ns - h->last_ns < PAUSE_NS && step < (int64_t)STEP_NS &&
	       step > -(int64_t)STEP_NS;
}

static bool has_met_all(struct history *h)
{
	bool met_all;

	pthread_mutex_lock(&h->lock);
	met_all = h->met_all;
	pthread_mutex_unlock(&h->lock);
	return met_all;
}

static int write_notes(struct history *h, uint64_t boot_ns)
{
	struct note *note;
	int64_t at_ms;
	int err = 0;

	TAILQ_FOREACH (note, &h->notes.taken, entry) {
		err = members__apply(h->members, &h->target, note);
		if (err == -ENOBUFS) {
			history__count(h, err);
			err = 0;
		}
		if (err)
			return err;
	}
	if (!has_met_all(h))
		return 0;
	at_ms = wall_ms(h, boot_ns) - h->target.span.began_ms;
	return members__sum(h->members, &h->target, at_ms);
}

static int write_moment(struct history *h, uint64_t boot_ns)
{
	uint64_t to_wall_ns = clock__boot_to_wall(0);
	int64_t length_s = h->in_memory ? MEMORY_SPAN_S : SPAN_S;
	int err = 0;

	if (!goes_on(h, boot_ns, to_wall_ns)) {
		h->target.span.to_wall_ns = to_wall_ns;
		err = begin_span(h, boot_ns);
	}
	err = err ?: write_notes(h, boot_ns) ?: end_span(h, boot_ns);
	if (!err && wall_ms(h, boot_ns) - h->target.span.began_ms >= length_s * 1000) {
		if (h->target.most < NOTE_SHARES_MAX)
			h->target.most = h->target.most * 2 ?: 1;
		err = store__set_bounds(h->store) ?: begin_span(h, boot_ns);
	}
	return err;
}

/* A transaction that fails leaves what waited, and a span that ends before it. */
static int write_all(struct history *h)
{
	uint64_t boot_ns = clock__boot_ns();
	int err = store__is_held_up(h->store) ? -EBUSY : store__begin(h->store);

	if (err)
		return err;
	members__begin(h->members);
	err = write_moment(h, boot_ns)
		      ?: kills__write(h->store, &h->kills)
		      ?: trend_box__write(h->store, &h->trends, h->boot)
		      ?: store__commit(h->store);
	if (err) {
		store__rollback(h->store);
		/* Where all do not fit, the moment goes before. */
		if (err == -ENOSPC)
			trend_box__let_go(&h->trends);
		members__undo(h->members);
		words__forget(h->target.words);
		h->target.span.id = 0;
		return err;
	}
	h->last_ns = boot_ns;
	let_go_of_all(h);
	return 0;
}

static int age(struct history *h, uint64_t tick)
{
	uint64_t keep_s = h->in_memory ? HISTORY_MEMORY_KEEP_S : h->config.keep_s;
	int64_t current = h->target.span.id;
	int err = 0;

	if (tick % TICKS_TO_AGE == 0)
		err = ages__advance(h->store, h->target.words, clock__wall_ns() / NS_PER_MS, keep_s,
				    current);
	err = err ?: ages__fit(h->store, h->target.words, current);
	/* A new one can do with less, once this one is thinned. */
	if (err == -ENOSPC)
		h->target.span.id = 0;
	return err ?: store__release(h->store);
}

static void measure(struct history *h)
{
	uint64_t pages = 0;

	if (!store__used_pages(h->store, &pages)) {
		pthread_mutex_lock(&h->lock);
		h->bytes = pages * SCHEMA_PAGE;
		pthread_mutex_unlock(&h->lock);
	}
}

/* log_before: the log's bytes when the moment began. */
static void choose_detail(struct history *h, bool no_room, uint64_t log_before)
{
	uint64_t log = store__log_bytes(h->store);

	h->no_room = no_room ? h->no_room + 1 : 0;
	if (h->no_room >= NO_ROOM_TICKS ||
	    (log > log_before && log - log_before > h->store->max_log))
		h->target.most /= 2;
	store__is_held_up(h->store); /* what is too long does not stay so until the next moment */
}

void history__tick(struct history *h, uint64_t number)
{
	int err = h->store ? 0 : history__open_store(h), aged;
	uint64_t log = h->store ? store__log_bytes(h->store) : 0;

	if (number % TICKS_TO_AGE == 0) {
		members__each(h->members, end_if_gone, h);
		words__turn(h->target.words);
	}
	take_all(h);
	err = err ?: write_all(h);
	if (err)
		fail(h, err);
	if (err == -EBADMSG) {
		err = history__reopen(h);
		if (err)
			fail(h, err);
		return;
	}
	if (err == -ENOSPC)
		store__shrink(h->store);
	if (!h->store || (err && err != -ENOSPC))
		return;
	aged = age(h, number);
	if (aged)
		fail(h, aged);
	choose_detail(h, err == -ENOSPC || aged == -ENOSPC, log);
	measure(h);
}

static void *run(void *arg)
{
	struct history *h = arg;
	bool stopping = false;
	int err = history__open_store(h);

	if (err)
		fail(h, err);
	pthread_mutex_lock(&h->lock);
	h->tried = true;
	pthread_cond_broadcast(&h->opened);
	pthread_mutex_unlock(&h->lock);

	for (uint64_t number = 1; !stopping; number++) {
		/* The first moment is soon: all processes are sampled when the daemon starts. */
		uint64_t wait = number == 1 ? NSEC_PER_SEC : TICK_NS;
		uint64_t until_ns = clock__monotonic_ns() + wait;

		pthread_mutex_lock(&h->lock);
		while (!h->stopping && waiter__wait(&h->wake, &h->lock, until_ns))
			;
		stopping = h->stopping;
		pthread_mutex_unlock(&h->lock);
		history__tick(h, number);
	}
	return NULL;
}

/* --- its life --------------------------------------------------------------------------------- */

/* Start times count from the boot. */
static void read_boot(struct history *h)
{
	_cleanup_buf_ struct buf text = {};

	if (!procfs__read_node(h->config.proc, "sys/kernel/random/boot_id", 256, &text) &&
	    text.len >= 36)
		snprintf(h->boot, sizeof(h->boot), "%.36s", text.data);
}

struct history *history__new(const struct history_config *config)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->config = *config;
	h->observer = (struct observer){observed, gone, met_all, h};
	h->in_memory = !config->file;
	note_queue__init(&h->notes);
	kill_box__init(&h->kills);
	trend_box__init(&h->trends);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	pthread_cond_init(&h->opened, NULL);
	read_boot(h);
	h->target.words = words__new();
	h->target.most = NOTE_SHARES_MAX;
	h->members = members__new(h->boot);
	if (!h->target.words || !h->members) {
		history__free(h);
		return NULL;
	}
	return h;
}

const struct observer *history__observer(const struct history *h)
{
	return &h->observer;
}

int history__start(struct history *h, struct budget *budget)
{
	int err;

	note_queue__limit(&h->notes, budget);
	err = thread__start(&h->thread, "history", run, h);
	h->started = !err;
	return err;
}

void history__stop(struct history *h)
{
	if (!h || !h->started)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->started = false;
}

void history__free(struct history *h)
{
	if (!h)
		return;
	history__stop(h);
	note_queue__free(&h->notes);
	kill_box__free(&h->kills);
	trend_box__free(&h->trends);
	members__free(h->members);
	words__free(h->target.words);
	store__close(h->store);
	pthread_cond_destroy(&h->wake);
	pthread_cond_destroy(&h->opened);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void history__stats(struct history *h, struct history_stats *ret)
{
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < HISTORY_CAUSES; i++)
		ret->errors[i] = (struct history_error){causes[i].cause, h->errors[i]};
	ret->bytes = h->bytes;
	ret->max_bytes = h->in_memory ? HISTORY_MEMORY_BYTES : h->config.max_bytes;
	pthread_mutex_unlock(&h->lock);
}
