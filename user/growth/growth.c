// SPDX-License-Identifier: BSD-2-Clause
#include "growth/growth_parts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "growth/headroom.h"
#include "growth/evaluate.h"
#include "growth/trend_file.h"
#include "growth/notices.h"
#include "history/history.h"
#include "live/owner.h"
#include "proc/container.h"
#include "proc/crew.h"
#include "proc/memory.h"
#include "report/report.h"
#include "report/take.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"

#define TICK_NS	       (5 * NSEC_PER_SEC)
#define LOOKS	       4 /* at history, in one tick */
#define LOOK_NS	       (60 * NSEC_PER_SEC)
#define LOOK_SOON_NS   (10 * NSEC_PER_SEC) /* history is written so often */
#define REPORT_NS      (30 * NSEC_PER_SEC)
#define REPORT_SPACING 500  /* times its CPU time from one report to the next */
#define SAVE_S	       3600 /* from one time that the trends are kept to the next */
#define RETURN_S       600  /* in which what was before a restart is seen again */
#define STRANGER_S     60   /* from one report of what is not observed to the next */
#define FAR_S	       (10 * 365 * 86400.0)

/* --- what is observed ------------------------------------------------------------------------- */

static void observed(void *ctx, const struct observation *observation)
{
	struct growth *g = ctx;

	pthread_mutex_lock(&g->lock);
	growers__observe(&g->growers, observation);
	pthread_mutex_unlock(&g->lock);
}

static void gone(void *ctx, pid_t pid, uint64_t start_ticks)
{
	struct growth *g = ctx;
	struct grower *grower;

	pthread_mutex_lock(&g->lock);
	grower = growers__find(&g->growers, pid, start_ticks);
	if (grower)
		evaluate__gone(&g->growers, &g->alerts, grower, clock__wall_ns());
	pthread_mutex_unlock(&g->lock);
}

/* --- how much ----------------------------------------------------------------------------------
 */

struct reading {
	struct grower_key key;
	struct proc_memory memory;
	int err;
};

static struct reading *find_readings(struct growth *g, size_t *ret_n)
{
	struct reading *readings;
	struct grower *p;
	size_t n = 0;

	pthread_mutex_lock(&g->lock);
	readings = calloc(HASH_COUNT(g->growers.processes) + 1, sizeof(*readings));
	for (p = g->growers.processes; readings && p; p = p->hh.next) {
		if (grower__is_due(p, g->round))
			readings[n++].key = p->key;
	}
	g->round++;
	pthread_mutex_unlock(&g->lock);
	*ret_n = n;
	return readings;
}

/* Of each that is due; the kernel answers without a lock that the process could hold. */
static void read_all(struct growth *g)
{
	uint32_t now_s;
	size_t n;
	_cleanup_free_ struct reading *readings = find_readings(g, &n);

	for (size_t i = 0; i < n; i++)
		readings[i].err = procfs__memory_of(g->config.proc, (pid_t)readings[i].key.pid,
						    &readings[i].memory);
	now_s = clock__boot_ns() / NSEC_PER_SEC;
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < n; i++) {
		struct grower *p = growers__find(&g->growers, (pid_t)readings[i].key.pid,
						 readings[i].key.start_ticks);

		if (p && !readings[i].err)
			grower__look(p, now_s, &readings[i].memory);
		/* Its end may have been told before it was met. */
		else if (p && (readings[i].err == -ESRCH || readings[i].err == -ENOENT))
			evaluate__gone(&g->growers, &g->alerts, p, clock__wall_ns());
	}
	pthread_mutex_unlock(&g->lock);
}

/* --- what is not observed yet ----------------------------------------------------------------- */

/* The sampler's pace is a budget: beside a storm of new processes, it comes to some in minutes. */
static void meet_all(struct growth *g)
{
	uint32_t now_s = clock__boot_ns() / NSEC_PER_SEC;
	_cleanup_free_ struct known_process *known = NULL;
	size_t n;

	if (owner__processes(g->taker->config.owner, &known, &n))
		return;
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < n; i++)
		growers__meet(&g->growers, known[i].tgid, known[i].start_ticks, now_s);
	pthread_mutex_unlock(&g->lock);
}

static size_t find_strangers(struct growth *g, uint32_t now_s, pid_t ret[LOOKS])
{
	size_t n = 0;
	unsigned window;

	for (struct grower *p = g->growers.processes; p && n < LOOKS; p = p->hh.next) {
		if (p->observed || trend__state(&p->trend, &window) == TREND_QUIET ||
		    (p->reported_s && now_s - p->reported_s < STRANGER_S))
			continue;
		p->reported_s = now_s;
		ret[n++] = (pid_t)p->key.pid;
	}
	return n;
}

/* What may grow is observed by a report of it, before there is an alert. */
static void look_at_strangers(struct growth *g, uint32_t now_s, struct visitor *visitor)
{
	struct report *report;
	pid_t pids[LOOKS];
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = find_strangers(g, now_s, pids);
	pthread_mutex_unlock(&g->lock);
	for (size_t i = 0; i < n && !visitor->stop; i++) {
		if (!taker__process(g->taker, pids[i], DETAIL_NONE, &CALLER_OURSELVES, visitor,
				    &report))
			report__free(report);
	}
}

/* --- which code, and until when --------------------------------------------------------------- */

/* What is to be found out without the lock. */
struct look {
	uint64_t id;
	enum alert_kind kind;
	struct history_selector selector;
	char container[CONTAINER_ID_LEN + 1];
	uint64_t since;
	pid_t member;
	uint64_t rss;
	bool reports;
	uint64_t cpu_ns; /* that the report took */
	struct headroom headroom;
	int headroom_err;
	struct culprits culprits;
	int err;
};

static struct look look_of(const struct alert *alert)
{
	struct look look = {
		.id = alert->id,
		.kind = alert->kind,
		.selector = {.pid = alert->pid, .started = alert->pid ? alert->started : 0},
		.since = alert->since,
		.member = alert->member,
		.rss = alert->rss,
		.reports =
			alert->state != ALERT_RESOLVED && alert->report_at_ns <= clock__boot_ns(),
	};

	if (!alert->pid && alert->container)
		snprintf(look.container, sizeof(look.container), "%s", alert->container->id);
	return look;
}

/* Whoever observes reports is told of it, which is all that it is for: samples of a process that is
 * large, or of a busy node, are too rare to say what grew, and wait for no stack. */
static void take_report(const struct growth *g, struct look *look, struct visitor *visitor)
{
	uint64_t cpu_ns = clock__thread_cpu_ns();
	struct report *report;

	if (!taker__process(g->taker, look->member, DETAIL_NONE, &CALLER_OURSELVES, visitor,
			    &report))
		report__free(report);
	look->cpu_ns = clock__thread_cpu_ns() - cpu_ns;
}

static void look(const struct growth *g, struct look *look, struct visitor *visitor)
{
	if (look->reports)
		take_report(g, look, visitor);
	if (look->kind == ALERT_MAP_COUNT || visitor->stop)
		return;
	look->headroom_err = headroom__of(g->config.proc, look->member, look->rss, &look->headroom);
	if (look->container[0])
		look->selector.container = look->container;
	look->err = culprits__find(g->config.history, &look->selector, look->since,
				   clock__wall_ns(), &look->culprits);
}

/* At the slope, from now on. */
static uint64_t reached_at(const struct alert *alert, uint64_t used)
{
	double seconds;

	if (!alert->has_slope || alert->slope.estimate <= 0 || alert->limit == ALERT_UNKNOWN ||
	    used >= alert->limit)
		return 0;
	seconds = (double)(alert->limit - used) / alert->slope.estimate;
	return seconds < FAR_S ? clock__wall_ns() + (uint64_t)(seconds * NSEC_PER_SEC) : 0;
}

static void replace(struct alert *alert, struct culprits *culprits)
{
	culprits__free(&alert->culprits);
	alert->culprits = *culprits;
	*culprits = (struct culprits){};
}

/* All of it is in memory. */
static void note_mappings(struct growth *g, struct alert *alert)
{
	const struct grower *grower = growers__find(&g->growers, alert->pid, alert->start_ticks);
	struct culprits culprits = {};

	if (!grower || !grower->maps)
		return;
	if (!culprits__of_mappings(grower->maps, &culprits))
		replace(alert, &culprits);
	culprits__free(&culprits);
	alert->limit = g->max_map_count ?: ALERT_UNKNOWN;
	alert->limit_at = reached_at(alert, alert->mappings);
}

static void note_growth(struct alert *alert, struct look *look)
{
	if (!look->err && look->culprits.callsites.len)
		replace(alert, &look->culprits);
	if (look->headroom_err || alert->state == ALERT_RESOLVED)
		return;
	alert->limit = look->headroom.limit;
	alert->limit_is_node = look->headroom.is_node;
	alert->limit_at = reached_at(alert, look->headroom.used);
}

/* Soon after a report history has it. */
static void note(struct growth *g, struct look *look)
{
	struct alert *alert = alerts__find(&g->alerts, look->id);
	uint64_t now_ns = clock__boot_ns(), spent = look->cpu_ns * REPORT_SPACING;

	if (!alert)
		return;
	if (alert->kind == ALERT_MAP_COUNT)
		note_mappings(g, alert);
	else
		note_growth(alert, look);
	if (look->reports)
		alert->report_at_ns = now_ns + (spent > REPORT_NS ? spent : REPORT_NS);
	alert->look_at_ns =
		now_ns + (look->reports || !alert->culprits.callsites.len ? LOOK_SOON_NS : LOOK_NS);
}

static size_t find_due(struct growth *g, struct look ret[LOOKS])
{
	uint64_t now_ns = clock__boot_ns();
	size_t n = 0;

	for (size_t i = 0; i < ALERTS_MAX && n < LOOKS; i++) {
		const struct alert *alert = g->alerts.all[i];

		if (alert && alert->look_at_ns <= now_ns &&
		    (alert->state != ALERT_RESOLVED || !alert->culprits.callsites.len))
			ret[n++] = look_of(alert);
	}
	return n;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void mark_told(struct growth *g)
{
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		if (g->alerts.all[i] && g->alerts.all[i]->state == ALERT_RESOLVED)
			g->alerts.all[i]->end_told = true;
	}
}

static void tell(struct growth *g)
{
	struct arena *arena = arena__new();
	struct notice *notices = NULL;
	size_t n = 0;
	int err = -1;

	if (!arena)
		return;
	pthread_mutex_lock(&g->lock);
	if (g->config.notify)
		err = notices__make(&g->alerts, g->node, arena, &notices, &n);
	if (!err || !g->config.notify)
		mark_told(g);
	pthread_mutex_unlock(&g->lock);
	if (!err)
		g->config.notify(g->config.ctx, notices, n);
	arena__free(arena);
}

/* --- over a restart --------------------------------------------------------------------------- */

static void restore_one(const struct trend_entry *entry, void *ctx)
{
	struct growth *g = ctx;

	pthread_mutex_lock(&g->lock);
	trend_file__restore(&g->growers, entry, clock__boot_ns() / NSEC_PER_SEC);
	pthread_mutex_unlock(&g->lock);
}

static void restore(struct growth *g)
{
	history__each_trend(g->config.history, restore_one, g);
	pthread_mutex_lock(&g->lock);
	growers__give_kept(&g->growers);
	g->restored = true;
	g->saved_s = clock__boot_ns() / NSEC_PER_SEC;
	pthread_mutex_unlock(&g->lock);
}

/* Not before those of the last time are read: they would be lost. */
void growth__keep(struct growth *g)
{
	struct trend_set set = STAILQ_HEAD_INITIALIZER(set);
	bool restored;

	pthread_mutex_lock(&g->lock);
	restored = g->restored;
	if (restored)
		trend_file__save(&g->growers, &set);
	g->saved_s = clock__boot_ns() / NSEC_PER_SEC;
	pthread_mutex_unlock(&g->lock);
	if (restored)
		history__keep_trends(g->config.history, &set);
}

/* What has not come back in ten minutes does not. */
static void keep_at_times(struct growth *g, uint32_t now_s)
{
	bool due;

	pthread_mutex_lock(&g->lock);
	if (g->growers.kept && now_s - g->growers.restored_s > RETURN_S)
		kept_trend__free_all(&g->growers.kept);
	due = now_s - g->saved_s >= SAVE_S;
	pthread_mutex_unlock(&g->lock);
	if (due)
		growth__keep(g);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void free_looks(struct look *looks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		culprits__free(&looks[i].culprits);
}

static void tick(struct growth *g, struct visitor *visitor)
{
	const struct moment now = {clock__boot_ns() / NSEC_PER_SEC, clock__wall_ns()};
	uint64_t max = headroom__max_map_count(g->config.proc);
	struct look looks[LOOKS];
	size_t n;

	meet_all(g);
	read_all(g);
	look_at_strangers(g, now.boot_s, visitor);
	if (visitor->stop)
		return;
	pthread_mutex_lock(&g->lock);
	g->max_map_count = max;
	evaluate__all(&g->growers, &g->alerts, max, &now);
	n = find_due(g, looks);
	pthread_mutex_unlock(&g->lock);
	for (size_t i = 0; i < n && !visitor->stop; i++)
		look(g, &looks[i], visitor);
	/* A thread that was left behind in there finds that another has its work. */
	if (!visitor->stop) {
		pthread_mutex_lock(&g->lock);
		for (size_t i = 0; i < n; i++)
			note(g, &looks[i]);
		pthread_mutex_unlock(&g->lock);
		tell(g);
		keep_at_times(g, now.boot_s);
	}
	free_looks(looks, n);
}

static void run(struct visitor *visitor, void *arg)
{
	struct growth *g = arg;

	if (!g->restored)
		restore(g);
	while (!visitor->stop) {
		uint64_t until_ns = clock__monotonic_ns() + TICK_NS;

		pthread_mutex_lock(&g->lock);
		while (!visitor->stop && waiter__wait(&g->wake, &g->lock, until_ns))
			;
		pthread_mutex_unlock(&g->lock);
		if (!visitor->stop)
			tick(g, visitor);
	}
}

static void wake(void *arg)
{
	struct growth *g = arg;

	pthread_mutex_lock(&g->lock);
	pthread_cond_broadcast(&g->wake);
	pthread_mutex_unlock(&g->lock);
}

static const struct crew_work evaluating = {.name = "growth", .run = run, .wake = wake};

/* --- its life --------------------------------------------------------------------------------- */

struct growth *growth__new(const struct growth_config *config)
{
	struct growth *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->config = *config;
	g->observer = (struct observer){observed, gone, NULL, g};
	if (gethostname(g->node, sizeof(g->node) - 1))
		g->node[0] = '\0';
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->wake, NULL);
	return g;
}

const struct observer *growth__observer(const struct growth *g)
{
	return &g->observer;
}

int growth__start(struct growth *g, struct taker *taker, struct crew *crew)
{
	g->taker = taker;
	return crew__start(crew, &evaluating, g);
}

void growth__free(struct growth *g)
{
	if (!g)
		return;
	growers__free(&g->growers);
	alerts__free(&g->alerts);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->lock);
	free(g);
}
