// SPDX-License-Identifier: BSD-2-Clause
#include "live/cpu_limit.h"

#include <pthread.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/pace.h"
#include "util/sanitized.h"

/* What is saved up and owed at most, in seconds of the limit: at 10 % a second of CPU time. Events
 * save two, which is what a burst takes of as many as the BPF programs let pass at once. */
#define SAVED_S	       10
#define OWED_S	       10
#define EVENTS_SAVED_S 20

/* Sanitized code takes so many times as long, for the same events. */
#define SLOWER (SANITIZED ? 10 : 1)

struct cpu_limit {
	pthread_mutex_t lock; /* guards what follows */
	unsigned percent;
	struct pace all;
	struct pace events;
	uint64_t spent_ns[CPU_USES];
};

struct cpu_limit *cpu_limit__new(unsigned percent)
{
	struct cpu_limit *limit = calloc(1, sizeof(*limit));
	uint64_t rate_ns = NSEC_PER_SEC / 100 * percent;

	if (!limit)
		return NULL;
	pthread_mutex_init(&limit->lock, NULL);
	limit->percent = percent;
	limit->all = (struct pace){
		.rate_ns = rate_ns,
		.saved_ns = SAVED_S * rate_ns,
		.owed_ns = OWED_S * rate_ns,
		.credit_ns = SAVED_S * rate_ns,
	};
	limit->events = (struct pace){
		.rate_ns = rate_ns / 2,
		.saved_ns = EVENTS_SAVED_S * rate_ns,
		.owed_ns = OWED_S * rate_ns,
		.credit_ns = EVENTS_SAVED_S * rate_ns,
	};
	return limit;
}

void cpu_limit__free(struct cpu_limit *limit)
{
	if (!limit)
		return;
	pthread_mutex_destroy(&limit->lock);
	free(limit);
}

void cpu_limit__spend(struct cpu_limit *limit, enum cpu_use use, uint64_t now_ns, uint64_t cpu_ns)
{
	pthread_mutex_lock(&limit->lock);
	limit->spent_ns[use] += cpu_ns;
	pace__spend(&limit->all, now_ns, cpu_ns / SLOWER);
	if (use == CPU_EVENTS)
		pace__spend(&limit->events, now_ns, cpu_ns / SLOWER);
	pthread_mutex_unlock(&limit->lock);
}

uint64_t cpu_limit__wait_ns(struct cpu_limit *limit, uint64_t now_ns)
{
	uint64_t wait_ns;

	pthread_mutex_lock(&limit->lock);
	wait_ns = pace__wait_ns(&limit->all, now_ns);
	pthread_mutex_unlock(&limit->lock);
	return wait_ns;
}

static unsigned pressure_at(const struct cpu_limit *limit, uint64_t now_ns)
{
	uint64_t step_ns = limit->events.owed_ns / CPU_PRESSURE_MAX;

	return (pace__debt_ns(&limit->events, now_ns) + step_ns - 1) / step_ns;
}

unsigned cpu_limit__pressure(struct cpu_limit *limit, uint64_t now_ns)
{
	unsigned pressure;

	pthread_mutex_lock(&limit->lock);
	pressure = pressure_at(limit, now_ns);
	pthread_mutex_unlock(&limit->lock);
	return pressure;
}

void cpu_limit__stats(struct cpu_limit *limit, struct cpu_limit_stats *ret)
{
	pthread_mutex_lock(&limit->lock);
	ret->percent = limit->percent;
	ret->pressure = pressure_at(limit, clock__boot_ns());
	for (int use = 0; use < CPU_USES; use++)
		ret->spent_ns[use] = limit->spent_ns[use];
	pthread_mutex_unlock(&limit->lock);
}

const char *cpu_use__name(enum cpu_use use)
{
	static const char *const names[CPU_USES] = {
		[CPU_EVENTS] = "events",
		[CPU_STACKS] = "stacks",
	};

	return names[use];
}
