// SPDX-License-Identifier: BSD-2-Clause
#include "sampler/sampler.h"

#include <errno.h>
#include <stdlib.h>

#include "live/owner.h"
#include "proc/crew.h"
#include "report/observer.h"
#include "sampler/sampler_parts.h"
#include "sampler/rank.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/pace.h"
#include "util/waiter.h"

#define ROUND_NS (5 * NSEC_PER_SEC)
#define FIRST_NS (NSEC_PER_SEC / 2) /* until all processes have been found */

/* CPU time a second: a little below the 1 % that sampling may cost; and what idle times save up. */
#define SAMPLING_NS (NSEC_PER_SEC / 128)
#define SAVED_NS    20000000

/* The same until all have been sampled that were there before: what they add up to is not known
 * before that. */
#define FIRST_SAMPLING_NS (NSEC_PER_SEC / 20)

/* One round: the processes to sample, most urgent first. */
struct round {
	uint64_t number;
	struct candidate *candidates;
	size_t n;
};

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static struct candidate make_candidate(const struct sampler *s, const struct known_process *known,
				       const struct sample *sample, const struct proc_memory *now,
				       uint64_t now_ns)
{
	struct candidate c = {.pid = known->tgid, .start_ticks = known->start_ticks};

	c.is_new = !sample;
	c.predates = known->start_ticks < s->began_ticks;
	if (!sample)
		return c;
	c.unsettled = sample->unsettled;
	c.changed = apart(now->rss, sample->memory.rss) + apart(now->size, sample->memory.size);
	c.changed /= sysconf(_SC_PAGESIZE);
	/* A new address space is an event, too. */
	if (known->space_id != sample->space_id)
		c.events = 1;
	else if (known->generation > sample->generation)
		c.events = known->generation - sample->generation;
	c.age_ns = now_ns - sample->taken_ns;
	c.cost_ns = sample->cost_ns;
	return c;
}

/* Reading statm of every process in every round would be most of what an idle node costs. */
static bool has_a_look(const struct known_process *known, const struct sample *sample,
		       uint64_t round)
{
	uint64_t age;

	if (!sample || sample->unsettled || known->space_id != sample->space_id ||
	    known->generation != sample->generation)
		return true;
	age = clock__boot_ns() - sample->taken_ns;
	return rank__has_a_look(known->tgid, age / ROUND_NS, round);
}

static void consider(struct sampler *s, const struct known_process *known, struct round *round)
{
	struct sample *sample = table__get(s->table, known->tgid, known->start_ticks);
	struct proc_memory now;

	table__mark(s->table, known->tgid, known->start_ticks);
	if (has_a_look(known, sample, round->number) &&
	    !procfs__memory_of(s->taker->config.proc, known->tgid, &now)) {
		round->candidates[round->n] =
			make_candidate(s, known, sample, &now, clock__boot_ns());
		round->n += candidate__is_due(&round->candidates[round->n]);
	}
	sample__unref(sample);
}

static int begin_round(struct sampler *s, const struct visitor *visitor, uint64_t number,
		       struct round *ret)
{
	_cleanup_free_ struct known_process *known = NULL;
	struct round round = {.number = number};
	size_t n;
	int err;

	table__begin_census(s->table);
	err = owner__processes(s->taker->config.owner, &known, &n);
	if (err)
		return err;
	round.candidates = calloc(n + 1, sizeof(*round.candidates));
	if (!round.candidates)
		return -ENOMEM;
	for (size_t i = 0; i < n && !visitor->stop; i++)
		consider(s, &known[i], &round);
	if (!visitor->stop)
		table__end_census(s->table);
	candidates__sort(round.candidates, round.n);
	*ret = round;
	return 0;
}

static void wait_until(struct sampler *s, const struct visitor *visitor, uint64_t boot_ns)
{
	uint64_t now = clock__boot_ns(), until_ns;

	if (boot_ns <= now)
		return;
	until_ns = clock__monotonic_ns() + (boot_ns - now);
	pthread_mutex_lock(&s->lock);
	while (!visitor->stop && waiter__wait(&s->wake, &s->lock, until_ns))
		;
	pthread_mutex_unlock(&s->lock);
}

int sampler__sample(struct sampler *s, pid_t pid, uint64_t largest, const struct sample *before,
		    struct visitor *visitor, struct sample **ret)
{
	struct sample *sample;
	int err = sample__take(s->taker, pid, largest, before, visitor, &sample);

	if (err)
		return err;
	if (ret)
		*ret = sample__ref(sample);
	table__put(s->table, sample);
	return 0;
}

/* PSS costs a quarter of a sample: of a large process it need not be as young as the rest. */
static bool wants_sums(const struct sample *before)
{
	return !before || before->cost_ns < SAMPLE_LARGE_NS ||
	       clock__boot_ns() - before->summed_ns > RANK_REFRESH_NS;
}

/* The pace counts all CPU time of this thread, whatever it was for. */
struct meter {
	struct pace pace;
	uint64_t cpu_ns;
};

static uint64_t next_ns(struct meter *meter)
{
	uint64_t now = clock__boot_ns(), cpu = clock__thread_cpu_ns();

	pace__spend(&meter->pace, now, cpu - meter->cpu_ns);
	meter->cpu_ns = cpu;
	return now + pace__wait_ns(&meter->pace, now);
}

/* How many were reached before the round ended. The others are evaluated again in the next one. */
static size_t run_round(struct sampler *s, struct visitor *visitor, const struct round *round,
			uint64_t end_ns, struct meter *meter)
{
	size_t i;

	for (i = 0; i < round->n && !visitor->stop; i++) {
		const struct candidate *c = &round->candidates[i];
		struct sample *before;

		wait_until(s, visitor, next_ns(meter));
		if (visitor->stop || clock__boot_ns() >= end_ns)
			break;
		before = table__get(s->table, c->pid, c->start_ticks);
		sampler__sample(s, c->pid, wants_sums(before) ? SAMPLER_LARGEST : 0, before,
				visitor, NULL);
		sample__unref(before);
	}
	return i;
}

/* The round began when the first sweep was through. */
static void note_met_all(struct sampler *s, const struct round *round, size_t reached)
{
	for (size_t i = reached; i < round->n; i++) {
		if (round->candidates[i].is_new && round->candidates[i].predates)
			return;
	}
	s->met_all = true;
	if (s->observer && s->observer->met_all)
		s->observer->met_all(s->observer->ctx);
}

static void run(struct visitor *visitor, void *arg)
{
	struct meter meter = {
		.pace = {.rate_ns = FIRST_SAMPLING_NS, .saved_ns = SAVED_NS},
		.cpu_ns = clock__thread_cpu_ns(),
	};
	struct sampler *s = arg;

	for (uint64_t number = 0; !visitor->stop; number++) {
		bool swept = s->sweeper && sweeper__ready(s->sweeper);
		uint64_t end_ns = clock__boot_ns() + (swept ? ROUND_NS : FIRST_NS);
		struct round round;

		if (!begin_round(s, visitor, number, &round)) {
			size_t reached = run_round(s, visitor, &round, end_ns, &meter);

			if (swept && !s->met_all && !visitor->stop)
				note_met_all(s, &round, reached);
			if (s->met_all)
				meter.pace.rate_ns = SAMPLING_NS;
			free(round.candidates);
		}
		wait_until(s, visitor, end_ns);
		wait_until(s, visitor, next_ns(&meter));
	}
}

static void wake(void *arg)
{
	struct sampler *s = arg;

	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static const struct crew_work sampling = {.name = "sampler", .run = run, .wake = wake};

struct sampler *sampler__new(const struct observer *observer)
{
	struct sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->observer = observer;
	s->table = table__new();
	if (!s->table) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	return s;
}

int sampler__start(struct sampler *s, struct taker *taker, const struct sweeper *sweeper,
		   struct crew *crew)
{
	s->taker = taker;
	s->sweeper = sweeper;
	s->began_ticks = clock__boot_ns() / (NSEC_PER_SEC / PROC_TICKS_PER_SEC);
	return crew ? crew__start(crew, &sampling, s) : 0;
}

void sampler__free(struct sampler *s)
{
	if (!s)
		return;
	table__free(s->table);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void sampler__forget(pid_t pid, uint64_t start_ticks, void *sampler)
{
	struct sampler *s = sampler;

	table__forget(s->table, pid, start_ticks);
	if (s->observer)
		s->observer->gone(s->observer->ctx, pid, start_ticks);
}
