// SPDX-License-Identifier: BSD-2-Clause
/* What growth answers: alerts as text and JSON, and figures for metrics. */
#include <errno.h>
#include <string.h>

#include "growth/alert_encode.h"
#include "growth/growth_parts.h"
#include "report/report.h"
#include "util/arena.h"

void growth__encode(struct growth *g, growth_may_see_fn *may_see, const void *ctx, bool json,
		    struct buf *ret)
{
	struct json writer = {.out = ret};

	if (json) {
		json__object(&writer);
		json__put_u64(&writer, "schema", 1);
		json__key(&writer, "alerts");
		json__array(&writer);
	} else {
		alerts__add_header(ret);
	}
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		const struct alert *alert = g->alerts.all[i];

		if (!alert || !may_see(alert, ctx))
			continue;
		if (json)
			alert__put(&writer, alert);
		else
			alert__add_text(ret, alert);
	}
	pthread_mutex_unlock(&g->lock);
	if (json) {
		json__end_array(&writer);
		json__end_object(&writer);
		buf__puts(ret, "\n");
	}
}

static bool is_of(const struct growth *g, const struct alert *alert, pid_t pid,
		  uint64_t start_ticks)
{
	const struct grower *p;

	if (alert->pid)
		return alert->pid == pid && (!start_ticks || alert->start_ticks == start_ticks);
	for (p = g->growers.processes; p; p = p->hh.next) {
		if ((pid_t)p->key.pid == pid && p->group && p->group->growing == alert)
			return true;
	}
	return false;
}

void growth__encode_of(struct growth *g, pid_t pid, uint64_t start_ticks, struct buf *ret)
{
	struct json json = {.out = ret};

	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		if (g->alerts.all[i] && is_of(g, g->alerts.all[i], pid, start_ticks))
			alert__put(&json, g->alerts.all[i]);
	}
	pthread_mutex_unlock(&g->lock);
}

/* A container that has no name has no series: its id comes again with no restart. */
static int add_slope(const struct alert *a, struct arena *arena, struct metrics_row *ret)
{
	const struct report_container *c = a->container && a->container->pod ? a->container : NULL;
	const struct {
		const char *name, *value;
	} labels[METRICS_LABELS] = {
		{"pid", a->pid ? arena__printf(arena, "%d", a->pid) : ""},
		{"comm", a->pid ? a->comm : ""},
		{"namespace", c ? c->namespace : ""},
		{"pod", c ? c->pod : ""},
		{"container", c && c->name ? c->name : ""},
	};

	for (size_t i = 0; i < METRICS_LABELS; i++) {
		ret->labels[i].name = labels[i].name;
		ret->labels[i].value =
			labels[i].value ? arena__strdup(arena, labels[i].value) : NULL;
		if (!ret->labels[i].value)
			return -ENOMEM;
	}
	ret->value = a->slope.estimate;
	return 0;
}

static void count_alerts(const struct alerts *alerts,
			 struct metrics_row ret[ALERT_KINDS * ALERT_STATES])
{
	for (size_t i = 0; i < ALERT_KINDS * ALERT_STATES; i++) {
		ret[i].labels[0].name = "kind";
		ret[i].labels[0].value = alert_kind__name(i / ALERT_STATES);
		ret[i].labels[1].name = "state";
		ret[i].labels[1].value = alert_state__name(i % ALERT_STATES);
	}
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		const struct alert *a = alerts->all[i];

		if (a)
			ret[a->kind * ALERT_STATES + a->state].value++;
	}
}

static bool is_among(const struct alert *a, const struct report *node)
{
	const struct report_container *c = a->container, *other;

	for (size_t i = 0; i < node->n_processes; i++) {
		other = node->processes[i].container;
		if (a->pid ? node->processes[i].pid == a->pid
			   : c && other && !strcmp(c->id, other->id))
			return true;
	}
	return false;
}

int growth__metrics(struct growth *g, const struct report *node, struct arena *arena,
		    struct metrics_growth *ret)
{
	struct metrics_row *slopes = arena__alloc(arena, ALERTS_MAX * sizeof(*slopes));
	struct metrics_row *alerts =
		arena__alloc(arena, ALERT_KINDS * ALERT_STATES * sizeof(*alerts));
	struct metrics_row *turned_away = arena__alloc(arena, 2 * sizeof(*turned_away));
	int err = slopes && alerts && turned_away ? 0 : -ENOMEM;
	size_t n = 0;

	if (err)
		return err;
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; !err && node && i < ALERTS_MAX; i++) {
		const struct alert *a = g->alerts.all[i];

		if (a && is_among(a, node) && a->kind == ALERT_GROWTH &&
		    a->state != ALERT_RESOLVED && a->has_slope &&
		    (a->pid || (a->container && a->container->pod)))
			err = add_slope(a, arena, &slopes[n++]);
	}
	count_alerts(&g->alerts, alerts);
	turned_away[0] =
		(struct metrics_row){{{"what", "observation"}}, (double)g->growers.turned_away};
	turned_away[1] = (struct metrics_row){{{"what", "alert"}}, (double)g->alerts.turned_away};
	pthread_mutex_unlock(&g->lock);
	*ret = (struct metrics_growth){slopes,	    n, alerts, ALERT_KINDS * ALERT_STATES,
				       turned_away, 2};
	return err;
}
