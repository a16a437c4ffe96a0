// SPDX-License-Identifier: BSD-2-Clause
#include "growth/alerts.h"

#include <stdlib.h>

#include "util/clock.h"

static const char *const kinds[ALERT_KINDS] = {
	[ALERT_GROWTH] = "growth",
	[ALERT_MAP_COUNT] = "map_count",
};
static const char *const states[ALERT_STATES] = {
	[ALERT_PENDING] = "pending",
	[ALERT_FIRING] = "firing",
	[ALERT_RESOLVED] = "resolved",
};

const char *alert_kind__name(enum alert_kind kind)
{
	return kinds[kind];
}

const char *alert_state__name(enum alert_state state)
{
	return states[state];
}

static void forget(struct alert **alert)
{
	culprits__free(&(*alert)->culprits);
	free((*alert)->container);
	free(*alert);
	*alert = NULL;
}

void alerts__free(struct alerts *alerts)
{
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		if (alerts->all[i])
			forget(&alerts->all[i]);
	}
}

/* A free place, or that of the one that ended first. */
static struct alert **place_of(struct alerts *alerts)
{
	struct alert **oldest = NULL;

	for (size_t i = 0; i < ALERTS_MAX; i++) {
		struct alert **place = &alerts->all[i];

		if (!*place)
			return place;
		if ((*place)->end_told && (!oldest || (*place)->ended < (*oldest)->ended))
			oldest = place;
	}
	if (oldest)
		forget(oldest);
	return oldest;
}

struct alert *alerts__add(struct alerts *alerts, enum alert_kind kind)
{
	struct alert **place = place_of(alerts);
	struct alert *alert = place ? calloc(1, sizeof(*alert)) : NULL;

	if (!alert) {
		alerts->turned_away++;
		return NULL;
	}
	alert->id = ++alerts->last_id;
	alert->kind = kind;
	alert->limit = ALERT_UNKNOWN;
	*place = alert;
	return alert;
}

struct alert *alerts__find(const struct alerts *alerts, uint64_t id)
{
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		if (alerts->all[i] && alerts->all[i]->id == id)
			return alerts->all[i];
	}
	return NULL;
}

void alerts__end(struct alerts *alerts, struct alert *alert, uint64_t now_ns)
{
	if (alert->state == ALERT_FIRING) {
		alert->state = ALERT_RESOLVED;
		alert->ended = now_ns;
		alert->limit_at = 0;
		return;
	}
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		if (alerts->all[i] == alert) {
			forget(&alerts->all[i]);
			return;
		}
	}
}

void alerts__expire(struct alerts *alerts, uint64_t now_ns)
{
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		const struct alert *alert = alerts->all[i];

		if (alert && alert->ended && alert->ended + ALERT_SHOWN_S * NSEC_PER_SEC < now_ns)
			forget(&alerts->all[i]);
	}
}
