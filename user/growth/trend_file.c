// SPDX-License-Identifier: BSD-2-Clause
#include "growth/trend_file.h"

#include <stdlib.h>
#include <string.h>

#include "report/report.h"
#include "util/buf.h"

#define KEPT_MAX (GROWERS_MAX + CONTAINERS_MAX)
#define LEAST_S	 60 /* of being known */
#define GATHER_S 60

/* Another version's trend, or another machine's, is of no use. */
#define LAYOUT 1

struct value {
	uint32_t layout, size;
	struct trend trend;
};

/* --- saving ----------------------------------------------------------------------------------- */

static void add(struct trend_set *set, struct trend_entry *entry, const struct trend *trend)
{
	struct value value = {.layout = LAYOUT, .size = sizeof(value), .trend = *trend};

	buf__add(&entry->value, &value, sizeof(value));
	if (buf__error(&entry->name) || buf__error(&entry->container) || buf__error(&entry->value))
		trend_entry__free(entry);
	else
		STAILQ_INSERT_TAIL(set, entry, entry);
}

static bool is_worth_it(const struct trend *trend)
{
	return trend->first_s && trend->last_s - trend->first_s >= LEAST_S;
}

static void save_process(const struct grower *grower, struct trend_set *set)
{
	struct trend_entry *entry = is_worth_it(&grower->trend) ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry)
		return;
	grower__name(grower, &entry->name);
	add(set, entry, &grower->trend);
}

static void save_container(const struct group *group, struct trend_set *set)
{
	struct trend_entry *entry = is_worth_it(&group->trend) ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry)
		return;
	group__name(group, &entry->name);
	buf__puts(&entry->container, group->container ? group->container->id : "");
	entry->offset = group->offset;
	add(set, entry, &group->trend);
}

static void save_kept(const struct kept_trend *kept, struct trend_set *set)
{
	struct trend_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return;
	buf__puts(&entry->name, kept->name);
	buf__puts(&entry->container, kept->container);
	entry->offset = kept->offset;
	add(set, entry, &kept->trend);
}

void trend_file__save(const struct growers *growers, struct trend_set *ret)
{
	for (const struct grower *p = growers->processes; p; p = p->hh.next)
		save_process(p, ret);
	for (const struct group *g = growers->containers; g; g = g->hh.next)
		save_container(g, ret);
	for (const struct kept_trend *k = growers->kept; k; k = k->hh.next)
		save_kept(k, ret);
}

/* --- reading ---------------------------------------------------------------------------------- */

void trend_file__restore(struct growers *growers, const struct trend_entry *entry, uint32_t now_s)
{
	struct value value;

	growers->restored_s = now_s;
	if (entry->value.len != sizeof(value) || HASH_COUNT(growers->kept) >= KEPT_MAX)
		return;
	memcpy(&value, entry->value.data, sizeof(value));
	if (value.layout == LAYOUT && value.size == sizeof(value) &&
	    trend__is_sound(&value.trend, now_s))
		kept_trend__add(&growers->kept, entry->name.data, entry->container.data ?: "",
				entry->offset, &value.trend);
}
