// SPDX-License-Identifier: BSD-2-Clause
/*
 * A target of eight threads that map and unmap as fast as they can, each in a window of its own
 * and wherever the kernel puts what has no address, while reports are taken of it. Whatever it
 * does, a report counts no address twice and adds up; and once it stops, the next one is exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"
#include "live/name_reader.h"
#include "live/owner.h"
#include "property.h"
#include "report/take.h"
#include "rng.h"
#include "steps.h"
#include "target.h"
#include "tracer.h"

#define RACERS	  8
#define READINGS  100
#define ROUNDS	  4 /* of racing and stopping */
#define BASE	  0x300000000000ULL
#define APART	  (1ULL << 30)
#define AT_ONCE	  32
#define RING_SIZE (8 << 20)

struct racer {
	struct shadow shadow;
	uint32_t go;	 /* the round; futex */
	uint32_t rested; /* the last round that is over */
	uint64_t steps;
};

struct race {
	struct shared *shared;
	uint32_t stop; /* the round that is to end */
	struct racer racers[RACERS];
};

struct thread {
	struct race *race;
	unsigned index;
};

static void *racer_main(void *arg)
{
	struct thread *thread = arg;
	struct race *race = thread->race;
	struct racer *racer = &race->racers[thread->index];
	struct step steps[AT_ONCE];
	uint64_t rng = thread->index;
	char log[LOG_LEN];
	struct performer p = {.shadow = &racer->shadow,
			      .backing = &race->shared->backing,
			      .tid = syscall(SYS_gettid),
			      .late = race->shared->late,
			      .log = log};

	for (uint32_t round = 1;; round++) {
		futex__wait(&racer->go, round - 1, UINT16_MAX * 1000U);
		while (__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE) < round) {
			steps__generate(rng__next(&rng), FAMILY_RACE, steps, AT_ONCE);
			for (int i = 0; i < AT_ONCE; i++) {
				log[0] = '\0';
				perform__step(&p, &steps[i]);
			}
			racer->steps += AT_ONCE;
		}
		__atomic_store_n(&racer->rested, round, __ATOMIC_RELEASE);
		futex__wake(&racer->rested);
	}
	return NULL;
}

static void race_main(struct race *race)
{
	static struct thread threads[RACERS];
	pthread_t id;

	child__begin();
	/* Eight that never sleep would leave their readers little of a small machine. */
	(void)!nice(5);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (unsigned i = 0; i < RACERS; i++) {
		threads[i] = (struct thread){race, i};
		if (pthread_create(&id, NULL, racer_main, &threads[i]))
			_exit(1);
	}
	for (;;)
		pause();
}

static void start_round(struct race *race, uint32_t round)
{
	for (int i = 0; i < RACERS; i++) {
		__atomic_store_n(&race->racers[i].go, round, __ATOMIC_RELEASE);
		futex__wake(&race->racers[i].go);
	}
}

static void end_round(struct race *race, uint32_t round)
{
	__atomic_store_n(&race->stop, round, __ATOMIC_RELEASE);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(futex__wait(&race->racers[i].rested, round - 1, 10000), 0);
}

static int by_start(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Holds for any report, of a process that stands still or not. */
static void check_report(const struct report *report)
{
	uint64_t rss = 0, pss = 0, swap = 0, size = 0, covered = 0, categories = 0, reached = 0;

	qsort(report->regions, report->n_regions, sizeof(*report->regions), by_start);
	for (size_t i = 0; i < report->n_regions; i++) {
		const struct part *part = &report->regions[i];

		assert_true(part->start >= reached && part->end > part->start);
		reached = part->end;
		/* None is negative: that would be a very large one. */
		if (part->rss > part->end - part->start || part->private_ > part->rss ||
		    part->shared > part->rss)
			fail_msg("%#lx-%#lx %s: rss %lu (%s), private %lu, shared %lu, %s",
				 part->start, part->end, part->name ? part->name : "", part->rss,
				 rss_source__name(part->rss_source), part->private_, part->shared,
				 report->racing ? "racing" : "exact");
		rss += part->rss;
		pss += part->pss;
		swap += part->swap;
		size += part->end - part->start;
	}
	assert_int_equal(rss, report->totals.rss);
	assert_int_equal(pss, report->totals.pss);
	assert_int_equal(swap, report->totals.swap);
	assert_int_equal(size, report->totals.size);
	for (int i = 0; i < COVERAGES; i++)
		covered += report->by_coverage[i];
	for (int i = 0; i < CATEGORIES; i++)
		categories += report->by_category[i];
	assert_int_equal(covered, rss);
	assert_int_equal(categories, rss);
}

/* Of one that stands still: its parts are the racers' own record. */
static void check_exact(struct race *race, const struct report *report)
{
	assert_false(report->racing);
	for (int r = 0; r < RACERS; r++) {
		struct comparison c = {.pid = report->pid,
				       .shadow = &race->racers[r].shadow,
				       .names_lost = report->tracing.lost_events};
		size_t mapped = 0, seen = 0;

		for (size_t i = 0; i < SHADOW_PAGES; i++)
			mapped += c.shadow->pages[i].mapped;
		for (size_t i = 0; i < report->n_regions; i++) {
			const struct part *part = &report->regions[i];

			if (compare__part(&c, part))
				fail_msg("racer %d: %s", r, c.why[0] ? c.why : "estimated");
			if (shadow__at(c.shadow, part->start))
				seen += (part->end - part->start) / PAGE;
		}
		if (seen != mapped)
			fail_msg("racer %d has mapped %zu pages, the report has %zu", r, mapped,
				 seen);
	}
}

static struct race *new_race(void)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(race != MAP_FAILED);
	race->shared = shared__new();
	assert_non_null(race->shared);
	for (unsigned i = 0; i < RACERS; i++) {
		uint64_t base[WINDOWS] = {[WINDOW_ARENA] = BASE + i * APART};

		shadow__init(&race->racers[i].shadow, base);
	}
	return race;
}

static struct report *take(struct taker *taker, pid_t pid)
{
	struct report *report;
	int err = taker__process(taker, pid, DETAIL_FULL, &CALLER_OURSELVES, NULL, &report),
	    status = 0;

	if (err) {
		waitpid(pid, &status, WNOHANG);
		fail_msg("no report: %s; the target's status is %#x", strerror(-err), status);
	}
	check_report(report);
	return report;
}

static void run_race(struct race *race, struct taker *taker, pid_t pid)
{
	uint64_t steps = 0, names_lost = 0;
	unsigned racing = 0;

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		struct report *report;

		start_round(race, round);
		for (int i = 0; i < READINGS / ROUNDS; i++) {
			report = take(taker, pid);
			racing += report->racing;
			report__free(report);
		}
		end_round(race, round);
		report = take(taker, pid);
		check_exact(race, report);
		names_lost = report->tracing.lost_events;
		report__free(report);
	}
	for (int i = 0; i < RACERS; i++)
		steps += race->racers[i].steps;
	print_message("%u of %u readings raced with %lu steps; %lu names were lost\n", racing,
		      READINGS, steps, names_lost);
}

void test_racing(void **state)
{
	struct race *race = new_race();
	struct owner_config config = {.backend = tracer__backend(),
				      .ring_size = RING_SIZE,
				      .model.on_late_name = name_reader__take};
	struct taker_config taker_config = {.proc = "/proc"};
	struct name_reader *reader = name_reader__new("/proc");
	struct owner_stats stats;
	struct taker *taker;
	struct owner *owner;
	char why[256];
	pid_t pid;

	/* Before there are threads here: a child of several could inherit a lock that is taken. */
	pid = fork();
	if (!pid)
		race_main(race);
	assert_true(pid > 0);
	config.model.ctx = reader;
	if (owner__new(&config, why, sizeof(why), &owner))
		fail_msg("%s", why);
	assert_int_equal(owner__start(owner), 0);
	assert_int_equal(name_reader__start(reader, owner), 0);
	taker_config.owner = owner;
	taker = taker__new(&taker_config);
	assert_non_null(taker);
	run_race(race, taker, pid);
	owner__stats(owner, &stats);
	assert_int_equal(stats.collector.lost[MP_LOSS_RING_FULL], 0);
	taker__free(taker);
	name_reader__stop(reader);
	owner__free(owner);
	name_reader__free(reader);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	shared__free(race->shared);
	munmap(race, sizeof(*race));
}
