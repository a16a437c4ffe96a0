// SPDX-License-Identifier: BSD-2-Clause
#include "cli/run_peak.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proc/crew.h"
#include "proc/memory.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/statm.h"
#include "report/report.h"
#include "report/take.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"

#define MSEC 1000000ULL

/* A look costs some µs. Programs that run only briefly get more of them. */
#define LOOK_EVERY	 (10 * MSEC)
#define LOOK_EVERY_YOUNG MSEC
#define YOUNG		 (100 * MSEC)

/*
 * A report is paid for with CPU time that was put by: a 25th of what passes, and not more than
 * CREDIT_MAX, so that several can follow each other closely where memory grows fast. One may cost
 * more than there is; then the next one waits until that is made up for.
 */
#define COST_SHARE 25
#define CREDIT_MAX ((int64_t)(100 * MSEC))

/*
 * What has grown by a twentieth is worth a report when it grows no more. While it still does, there
 * is a higher peak to come, so it has to be a tenth, or half when little is put by. What has grown
 * at all is worth one now and then.
 */
#define MUCH	     (1UL << 20)
#define LITTLE_EVERY (200 * MSEC)

/* Or more seldom, if looking for them takes more than a fiftieth of the time. */
#define FAMILY_EVERY (200 * MSEC)
#define FAMILY_SHARE 50

struct peak {
	struct peak_config config;
	pid_t pid;
	bool follow;
	pthread_t thread;
	bool running;
	struct visitor visitor; /* not watched */
	uint64_t started_ns;
	int statm; /* open; -1: not */
	int64_t credit;
	uint64_t credited_ns; /* when time was last put by */
	uint64_t next_family_ns;
	uint64_t next_little_ns; /* no report for a small change before */

	/* Written by the thread, read by others when it does not run. */
	uint64_t rss;
	struct report *report;
	uint64_t looked_rss; /* as statm had it: at the last look, and at the reports */
	uint64_t report_rss;
	uint64_t last_rss;
	struct proc_family family;
	struct report *last; /* never the same as report: the newer ones, if that was not higher */

	pthread_mutex_t lock; /* guards now, and waiting for stop */
	pthread_cond_t wake;
	struct proc_memory now;
};

static void note(struct peak *p, uint64_t rss)
{
	if (rss > p->rss)
		p->rss = rss;
}

static void note_hwm(struct peak *p)
{
	_cleanup_close_ int pidfd = procfs__open(p->config.proc, p->pid);
	uint64_t hwm;

	if (pidfd >= 0 && !procfs__peak(pidfd, &hwm))
		note(p, hwm);
}

static void keep(struct peak *p, struct report *report, uint64_t rss)
{
	if (!p->report || report->totals.rss > p->report->totals.rss) {
		report__free(p->report);
		report__free(take_ptr(p->last));
		p->report = report;
		p->report_rss = p->last_rss = rss;
	} else if (p->follow) {
		report__free(p->last);
		p->last = report;
		p->last_rss = rss;
	} else {
		report__free(report);
		if (rss > p->report_rss)
			p->report_rss = rss; /* there is no more to be had */
	}
}

/* rss: what statm said just now. It is compared with what it will say later: its figure is not
 * quite that of smaps. */
static void take(struct peak *p, uint64_t rss)
{
	uint64_t began = clock__thread_cpu_ns();
	struct proc_memory after;
	struct report *report;

	if (!taker__process(p->config.taker, p->pid, DETAIL_FULL, &CALLER_OURSELVES, &p->visitor,
			    &report)) {
		if (!procfs__statm(p->statm, &after) && after.rss < rss)
			rss = after.rss; /* it may have shrunk before smaps was read */
		note(p, report->totals.rss);
		keep(p, report, rss);
	}
	note_hwm(p);
	p->credit -= clock__thread_cpu_ns() - began;
	p->next_little_ns = clock__boot_ns() + LITTLE_EVERY;
}

static void put_by(struct peak *p)
{
	uint64_t now = clock__boot_ns();

	p->credit += (now - p->credited_ns) / COST_SHARE;
	if (p->credit > CREDIT_MAX)
		p->credit = CREDIT_MAX;
	p->credited_ns = now;
}

/* Percent. */
static uint64_t enough(const struct peak *p, uint64_t rss)
{
	uint64_t left = p->credit * 100 / CREDIT_MAX;

	return rss <= p->looked_rss + p->looked_rss / 100 ? 5 : 10 + (100 - left) * 40 / 100;
}

static bool is_much(const struct peak *p, uint64_t rss, uint64_t before)
{
	uint64_t change = rss > before ? rss - before : before - rss;

	return change > MUCH && change > before / 100 * enough(p, rss);
}

static bool worth_it(const struct peak *p, uint64_t rss)
{
	uint64_t best = p->report_rss, last = p->last_rss;

	if (p->credit < 0)
		return false;
	if (!p->report)
		return true;
	if (p->follow && is_much(p, rss, last))
		return true;
	if (rss <= best)
		return false;
	return is_much(p, rss, best) || clock__boot_ns() >= p->next_little_ns;
}

static void look_at_family(struct peak *p)
{
	uint64_t now = clock__boot_ns(), began = clock__thread_cpu_ns(), cost;
	struct proc_family family;

	if (now < p->next_family_ns)
		return;
	family = procfs__family(p->config.proc, p->pid);
	if (family.n > p->family.n)
		p->family.n = family.n;
	if (family.rss > p->family.rss)
		p->family.rss = family.rss;
	cost = (clock__thread_cpu_ns() - began) * FAMILY_SHARE;
	p->next_family_ns = now + (cost > FAMILY_EVERY ? cost : FAMILY_EVERY);
}

/* When it cannot be read any more, the thread that it is of may have exited, and others live on. */
static int read_figures(struct peak *p, struct proc_memory *ret)
{
	_cleanup_close_ int pidfd = -1;

	if (p->statm >= 0 && !procfs__statm(p->statm, ret))
		return 0;
	if (p->statm >= 0)
		close(p->statm);
	pidfd = procfs__open(p->config.proc, p->pid);
	p->statm = pidfd < 0 ? -1 : process__openat(pidfd, "statm", O_RDONLY);
	return p->statm < 0 ? -ESRCH : procfs__statm(p->statm, ret);
}

static void look(struct peak *p)
{
	struct proc_memory memory;

	if (read_figures(p, &memory))
		return;
	pthread_mutex_lock(&p->lock);
	p->now = memory;
	pthread_mutex_unlock(&p->lock);
	note(p, memory.rss);
	put_by(p);
	if (worth_it(p, memory.rss))
		take(p, memory.rss);
	p->looked_rss = memory.rss;
	look_at_family(p);
}

static void wait(struct peak *p)
{
	bool young = clock__boot_ns() - p->started_ns < YOUNG;
	uint64_t until_ns = clock__monotonic_ns() + (young ? LOOK_EVERY_YOUNG : LOOK_EVERY);

	pthread_mutex_lock(&p->lock);
	while (!p->visitor.stop && waiter__wait(&p->wake, &p->lock, until_ns))
		;
	pthread_mutex_unlock(&p->lock);
}

static void *peak_thread(void *arg)
{
	struct peak *p = arg;

	while (!p->visitor.stop) {
		look(p);
		wait(p);
	}
	return NULL;
}

struct peak *peak__new(const struct peak_config *config)
{
	struct peak *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->config = *config;
	p->statm = -1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	return p;
}

void peak__free(struct peak *p)
{
	if (!p)
		return;
	report__free(p->report);
	report__free(p->last);
	if (p->statm >= 0)
		close(p->statm);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void peak__set_target(struct peak *p, pid_t pid, bool follow)
{
	p->pid = pid;
	p->follow = follow;
	p->started_ns = p->credited_ns = clock__boot_ns();
	p->next_family_ns = p->started_ns + FAMILY_EVERY / 4;
	p->credit = CREDIT_MAX;
}

int peak__start(struct peak *p)
{
	int err;

	if (p->running)
		return 0;
	p->visitor.stop = false;
	err = pthread_create(&p->thread, NULL, peak_thread, p);
	p->running = !err;
	return -err;
}

void peak__stop(struct peak *p)
{
	if (!p || !p->running)
		return;
	pthread_mutex_lock(&p->lock);
	p->visitor.stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	p->running = false;
}

struct proc_memory peak__now(struct peak *p)
{
	struct proc_memory now;

	pthread_mutex_lock(&p->lock);
	now = p->now;
	pthread_mutex_unlock(&p->lock);
	return now;
}

struct report *peak__take(struct peak *p)
{
	struct report *report = NULL;

	note_hwm(p);
	if (taker__process(p->config.taker, p->pid, DETAIL_FULL, &CALLER_OURSELVES, NULL, &report))
		return NULL;
	note(p, report->totals.rss);
	return report;
}

struct peak_result peak__result(const struct peak *p)
{
	return (struct peak_result){p->rss, p->family, p->report, p->last ?: p->report};
}
