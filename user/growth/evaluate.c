// SPDX-License-Identifier: BSD-2-Clause
#include "growth/evaluate.h"

#include <string.h>

#include "util/clock.h"

/* Of vm.max_map_count, without a trend: from the first on it fires, below the second it is over. */
#define FULL	 9 / 10
#define NOT_FULL 17 / 20

/* With a cgroup's limit so near, what is likely is enough. A heap that fills the node is stopped by
 * its own bound first. */
#define URGENT_NS (5 * 60 * NSEC_PER_SEC)

struct evaluation {
	struct growers *growers;
	struct alerts *alerts;
	uint64_t max_map_count;
	const struct moment *now;
};

static void end(struct alerts *alerts, struct alert **alert, uint64_t wall_ns)
{
	if (*alert)
		alerts__end(alerts, *alert, wall_ns);
	*alert = NULL;
}

static void fill(struct alert *alert, const struct grower *grower)
{
	alert->pid = alert->member = (pid_t)grower->key.pid;
	alert->start_ticks = grower->key.start_ticks;
	alert->started = grower->started;
	alert->container = report_container__copy(grower->group ? grower->group->container : NULL);
}

static void refresh(struct alert *alert, const struct grower *grower)
{
	memcpy(alert->comm, grower->comm, sizeof(alert->comm));
	alert->owner = grower->owner;
	alert->rss = grower->rss;
	alert->mappings = grower->mappings;
}

/* The trend counts KiB. */
static void in_bytes(struct trend_slope *slope)
{
	slope->estimate *= 1024;
	slope->low *= 1024;
	slope->high *= 1024;
}

/* Once it fires, that is not taken back because it slows down. */
static bool is_urgent(const struct evaluation *e, const struct alert *alert)
{
	return alert &&
	       (alert->state == ALERT_FIRING || (alert->limit_at && !alert->limit_is_node &&
						 alert->limit_at < e->now->wall_ns + URGENT_NS));
}

/* What follows from the trend's state. True when there is an alert that goes on. */
static bool follow(struct evaluation *e, struct alert **alert, enum alert_kind kind,
		   const struct trend *trend, bool full)
{
	unsigned window;
	enum trend_state state = trend__state(trend, &window);

	if (full || (state == TREND_LIKELY && is_urgent(e, *alert)))
		state = TREND_CERTAIN;
	if (state == TREND_QUIET ||
	    (*alert && (*alert)->state == ALERT_FIRING && state != TREND_CERTAIN)) {
		end(e->alerts, alert, e->now->wall_ns);
		return false;
	}
	if (!*alert) {
		*alert = alerts__add(e->alerts, kind);
		if (!*alert)
			return false;
		(*alert)->since =
			e->now->wall_ns - (full ? 0 : trend_window__seconds(window) * NSEC_PER_SEC);
	}
	if (state == TREND_CERTAIN && (*alert)->state == ALERT_PENDING) {
		(*alert)->state = ALERT_FIRING;
		(*alert)->look_at_ns = 0;
	}
	(*alert)->has_slope = trend__slope(trend, window, &(*alert)->slope);
	if (kind == ALERT_GROWTH)
		in_bytes(&(*alert)->slope);
	return true;
}

static bool is_full(const struct evaluation *e, const struct grower *grower)
{
	bool was = grower->map_count && grower->map_count->state == ALERT_FIRING;
	uint64_t max = e->max_map_count;

	return max && grower->mappings >= (was ? max * NOT_FULL : max * FULL);
}

static void evaluate(struct evaluation *e, struct grower *grower)
{
	bool was = grower->growing, had = grower->map_count;

	if (!grower->observed)
		return;
	if (follow(e, &grower->growing, ALERT_GROWTH, &grower->trend, false)) {
		if (!was)
			fill(grower->growing, grower);
		refresh(grower->growing, grower);
	}
	if (grower->maps && follow(e, &grower->map_count, ALERT_MAP_COUNT, &grower->maps->trend,
				   is_full(e, grower))) {
		if (!had)
			fill(grower->map_count, grower);
		refresh(grower->map_count, grower);
	}
}

/* Where one of its processes is told of, that says it all. */
static bool has_a_grower(const struct evaluation *e, const struct group *group)
{
	for (const struct grower *p = e->growers->processes; p; p = p->hh.next) {
		if (p->group == group && p->growing && p->growing->state == ALERT_FIRING)
			return true;
	}
	return false;
}

static void evaluate_container(struct evaluation *e, struct group *group)
{
	unsigned window;
	bool was = group->growing;

	if (trend__state(&group->trend, &window) == TREND_QUIET && !was)
		return;
	/* It may be started again. */
	if (has_a_grower(e, group) ||
	    (group->empty_s && e->now->boot_s - group->empty_s > CONTAINER_START_S)) {
		end(e->alerts, &group->growing, e->now->wall_ns);
		return;
	}
	if (!follow(e, &group->growing, ALERT_GROWTH, &group->trend, false))
		return;
	group->growing->rss = group->rss;
	group->growing->member = group->member;
	if (!was)
		group->growing->container = report_container__copy(group->container);
}

void evaluate__all(struct growers *growers, struct alerts *alerts, uint64_t max_map_count,
		   const struct moment *now)
{
	struct evaluation e = {growers, alerts, max_map_count, now};
	struct group *group, *next_group;
	struct grower *grower;

	for (grower = growers->processes; grower; grower = grower->hh.next)
		evaluate(&e, grower);
	HASH_ITER (hh, growers->containers, group, next_group) {
		group__pass(group, now->boot_s);
		evaluate_container(&e, group);
		if (group->empty_s && now->boot_s - group->empty_s > CONTAINER_KEPT_S)
			growers__forget_container(growers, group);
	}
	alerts__expire(alerts, now->wall_ns);
}

void evaluate__gone(struct growers *growers, struct alerts *alerts, struct grower *grower,
		    uint64_t wall_ns)
{
	end(alerts, &grower->growing, wall_ns);
	end(alerts, &grower->map_count, wall_ns);
	growers__forget(growers, grower);
}
