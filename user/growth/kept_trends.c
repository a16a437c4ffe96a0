// SPDX-License-Identifier: BSD-2-Clause
#include "growth/kept_trends.h"

#include <inttypes.h>
#include <stdio.h>
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

struct kept_trend {
	UT_hash_handle hh; /* by name */
	char *name;
	char *container; /* its id; empty: a process */
	int64_t offset;
	struct trend trend;
};

/* --- names ------------------------------------------------------------------------------------ */

static void name_process(const struct grower *grower, struct buf *ret)
{
	buf__printf(ret, "process %" PRIu64 " %" PRIu64, grower->key.pid, grower->key.start_ticks);
}

static void name_container(const struct group *group, struct buf *ret)
{
	buf__printf(ret, "container %s", group->name);
}

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
	name_process(grower, &entry->name);
	add(set, entry, &grower->trend);
}

static void save_container(const struct group *group, struct trend_set *set)
{
	struct trend_entry *entry = is_worth_it(&group->trend) ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry)
		return;
	name_container(group, &entry->name);
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

void kept_trends__save(const struct growers *growers, struct trend_set *ret)
{
	for (const struct grower *p = growers->processes; p; p = p->hh.next)
		save_process(p, ret);
	for (const struct group *g = growers->containers; g; g = g->hh.next)
		save_container(g, ret);
	for (const struct kept_trend *k = growers->kept; k; k = k->hh.next)
		save_kept(k, ret);
}

/* --- giving back ------------------------------------------------------------------------------ */

static void free_kept(struct kept_trend *kept)
{
	free(kept->name);
	free(kept->container);
	free(kept);
}

static void forget(struct growers *growers, struct kept_trend *kept)
{
	HASH_DEL(growers->kept, kept);
	free_kept(kept);
}

size_t kept_trends__count(const struct growers *growers)
{
	return HASH_COUNT(growers->kept);
}

void kept_trends__forget(struct growers *growers)
{
	struct kept_trend *kept, *next;

	HASH_ITER (hh, growers->kept, kept, next)
		forget(growers, kept);
}

static struct kept_trend *find(const struct growers *growers, const struct buf *name)
{
	struct kept_trend *kept = NULL;

	if (!buf__error(name))
		HASH_FIND(hh, growers->kept, name->data, name->len, kept);
	return kept;
}

void kept_trends__give_process(struct growers *growers, struct grower *grower)
{
	_cleanup_buf_ struct buf name = {};
	struct kept_trend *kept;

	if (!growers->kept)
		return;
	name_process(grower, &name);
	kept = find(growers, &name);
	if (!kept)
		return;
	grower->trend = kept->trend;
	forget(growers, kept);
}

void kept_trends__give_container(struct growers *growers, struct group *group)
{
	const struct report_container *now = group->container;
	_cleanup_buf_ struct buf name = {};
	struct kept_trend *kept;

	if (!growers->kept)
		return;
	name_container(group, &name);
	kept = find(growers, &name);
	if (!kept)
		return;
	/* Another one of that name starts, as it would have while we looked. */
	if (!now)
		group->container =
			report_container__copy(&(struct report_container){.id = kept->container});
	else if (strcmp(now->id, kept->container))
		group->starts_s = growers->restored_s + CONTAINER_START_S;
	group->trend = kept->trend;
	group->offset = kept->offset;
	group->gather_s = growers->restored_s + GATHER_S;
	forget(growers, kept);
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct kept_trend *new_kept(const struct trend_entry *entry, uint32_t now_s)
{
	struct kept_trend *kept;
	struct value value;

	if (entry->value.len != sizeof(value))
		return NULL;
	memcpy(&value, entry->value.data, sizeof(value));
	if (value.layout != LAYOUT || value.size != sizeof(value) ||
	    !trend__is_sound(&value.trend, now_s))
		return NULL;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return NULL;
	kept->trend = value.trend;
	kept->offset = entry->offset;
	kept->name = strdup(entry->name.data);
	kept->container = strdup(entry->container.data ?: "");
	if (kept->name && kept->container)
		return kept;
	free_kept(kept);
	return NULL;
}

void kept_trends__restore(struct growers *growers, const struct trend_entry *entry, uint32_t now_s)
{
	struct kept_trend *kept, *other;

	growers->restored_s = now_s;
	kept = HASH_COUNT(growers->kept) < KEPT_MAX ? new_kept(entry, now_s) : NULL;
	if (!kept)
		return;
	HASH_FIND_STR(growers->kept, kept->name, other);
	if (other)
		forget(growers, other);
	HASH_ADD_KEYPTR(hh, growers->kept, kept->name, strlen(kept->name), kept);
	if (!HASH_HAS(kept))
		free_kept(kept);
}

void kept_trends__give_all(struct growers *growers)
{
	for (struct grower *p = growers->processes; growers->kept && p; p = p->hh.next)
		kept_trends__give_process(growers, p);
	for (struct group *g = growers->containers; growers->kept && g; g = g->hh.next)
		kept_trends__give_container(growers, g);
}
