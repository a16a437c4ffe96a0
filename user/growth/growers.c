// SPDX-License-Identifier: BSD-2-Clause
#include "growth/growers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/callsite.h"
#include "model/model.h"
#include "proc/statm.h"
#include "report/report.h"
#include "util/buf.h"
#include "util/clock.h"

#define KIB   1024
#define MOVES (64 << 10) /* bytes: less is rest */

/* KiB; and mappings. */
static const struct trend_rule memory_rule = {.least = 1024};
static const struct trend_rule mappings_rule = {.least = MAPPINGS_WATCHED / 4};

/* --- over a restart --------------------------------------------------------------------------- */

#define GATHER_S 60

void grower__name(const struct grower *grower, struct buf *ret)
{
	buf__printf(ret, "process %" PRIu64 " %" PRIu64, grower->key.pid, grower->key.start_ticks);
}

void group__name(const struct group *group, struct buf *ret)
{
	buf__printf(ret, "container %s", group->name);
}

static void give_process(struct growers *growers, struct grower *grower)
{
	_cleanup_buf_ struct buf name = {};
	struct kept_trend *kept;

	if (!growers->kept)
		return;
	grower__name(grower, &name);
	kept = kept_trend__take(&growers->kept, &name);
	if (!kept)
		return;
	grower->trend = kept->trend;
	kept_trend__free(kept);
}

static void give_container(struct growers *growers, struct group *group)
{
	const struct report_container *now = group->container;
	_cleanup_buf_ struct buf name = {};
	struct kept_trend *kept;

	if (!growers->kept)
		return;
	group__name(group, &name);
	kept = kept_trend__take(&growers->kept, &name);
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
	kept_trend__free(kept);
}

void growers__give_kept(struct growers *growers)
{
	for (struct grower *p = growers->processes; growers->kept && p; p = p->hh.next)
		give_process(growers, p);
	for (struct group *g = growers->containers; growers->kept && g; g = g->hh.next)
		give_container(growers, g);
}

/* --- containers ------------------------------------------------------------------------------- */

#define TEXTS 6

struct report_container *report_container__copy(const struct report_container *from)
{
	struct report_container *copy;
	size_t len = sizeof(*copy);
	char *text;

	if (!from)
		return NULL;
	const char *const texts[TEXTS] = {from->id,	   from->runtime, from->pod,
					  from->namespace, from->name,	  from->pod_uid};

	for (size_t i = 0; i < TEXTS; i++)
		len += texts[i] ? strlen(texts[i]) + 1 : 0;
	copy = calloc(1, len);
	if (!copy)
		return NULL;
	const char **const to[TEXTS] = {&copy->id,	  &copy->runtime, &copy->pod,
					&copy->namespace, &copy->name,	  &copy->pod_uid};

	text = (char *)(copy + 1);
	for (size_t i = 0; i < TEXTS; i++) {
		if (texts[i]) {
			*to[i] = strcpy(text, texts[i]);
			text += strlen(text) + 1;
		}
	}
	return copy;
}

static bool is_same(const struct report_container *a, const struct report_container *b)
{
	return a->id && b->id && !strcmp(a->id, b->id) && !a->pod == !b->pod &&
	       !a->name == !b->name;
}

void growers__forget_container(struct growers *growers, struct group *group)
{
	HASH_DEL(growers->containers, group);
	free(group->name);
	free(group->container);
	free(group);
}

/* One whose processes have all gone makes room. */
static bool has_room(struct growers *growers)
{
	if (HASH_COUNT(growers->containers) < CONTAINERS_MAX)
		return true;
	for (struct group *group = growers->containers; group; group = group->hh.next) {
		if (group->members || group->growing)
			continue;
		growers__forget_container(growers, group);
		return true;
	}
	return false;
}

static struct group *add_group(struct growers *growers, const char *name)
{
	struct group *group = has_room(growers) ? calloc(1, sizeof(*group)) : NULL;

	if (group)
		group->name = strdup(name);
	if (!group || !group->name) {
		growers->turned_away++;
		free(group);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, growers->containers, group->name, strlen(group->name), group);
	if (!HASH_HAS(group)) {
		growers->turned_away++;
		free(group->name);
		free(group);
		return NULL;
	}
	give_container(growers, group);
	return group;
}

/* Another one of the same name: it begins with less, and grows until it is as before. */
static void enter(struct group *group, const struct report_container *container, uint32_t now_s)
{
	struct report_container *copy = report_container__copy(container);

	if (!copy)
		return;
	if (group->container && strcmp(group->container->id, copy->id))
		group->starts_s = now_s + CONTAINER_START_S;
	free(group->container);
	group->container = copy;
}

static struct group *group_of(struct growers *growers, const struct report_container *container,
			      uint32_t now_s)
{
	_cleanup_buf_ struct buf name = {};
	struct group *group;

	if (!container || !container->id)
		return NULL;
	if (container->pod && container->name)
		buf__printf(&name, "%s/%s/%s", container->namespace, container->pod,
			    container->name);
	else
		buf__puts(&name, container->id);
	if (buf__error(&name))
		return NULL;
	HASH_FIND_STR(growers->containers, name.data, group);
	group = group ?: add_group(growers, name.data);
	if (group && (!group->container || !is_same(group->container, container)))
		enter(group, container, now_s);
	return group;
}

static void leave(struct grower *grower, uint32_t now_s)
{
	struct group *group = grower->group;

	if (!group)
		return;
	group->anonymous -= grower->anonymous;
	group->rss -= grower->rss;
	group->members--;
	group->empty_s = group->members ? 0 : now_s;
	grower->group = NULL;
}

static void join(struct grower *grower, struct group *group)
{
	grower->group = group;
	if (!group)
		return;
	group->anonymous += grower->anonymous;
	group->rss += grower->rss;
	group->members++;
	group->member = (pid_t)grower->key.pid;
	group->empty_s = 0;
}

void group__pass(struct group *group, uint32_t now_s)
{
	int64_t now = (int64_t)(group->anonymous / KIB), value;

	if (!group->members || now_s < group->gather_s)
		return;
	if (group->starts_s) {
		if (now_s < group->starts_s)
			return;
		group->offset = (int64_t)group->trend.value - now;
		group->starts_s = 0;
	}
	value = now + group->offset;
	trend__add(&group->trend, &memory_rule, now_s, value > 1 ? value : 1);
}

/* --- mappings --------------------------------------------------------------------------------- */

static void drop(struct mapper mappers[GROWER_SITES])
{
	for (size_t i = 0; i < GROWER_SITES; i++) {
		callsite__unref(mappers[i].site);
		mappers[i] = (struct mapper){};
	}
}

/* One with an owner goes before: of a storm of small mappings not each has its whole stack. */
static bool goes_before(const struct site_row *row, const struct mapper *mapper)
{
	bool known = row->site->owner >= 0;
	bool other = mapper->site && mapper->site->owner >= 0;

	return !mapper->site || (known != other ? known : row->regions > mapper->mappings);
}

/* The sites that have made most. */
static void find_mappers(const struct report *report, struct mapper ret[GROWER_SITES])
{
	drop(ret);
	for (size_t i = 0; i < report->n_sites; i++) {
		const struct site_row *row = &report->sites[i];
		size_t at = GROWER_SITES;

		while (at && goes_before(row, &ret[at - 1]))
			at--;
		if (at == GROWER_SITES)
			continue;
		callsite__unref(ret[GROWER_SITES - 1].site);
		memmove(&ret[at + 1], &ret[at], (GROWER_SITES - 1 - at) * sizeof(*ret));
		ret[at] = (struct mapper){callsite__ref(row->site), row->regions};
	}
}

static void count_mappings(struct grower *grower, const struct observation *o, bool first)
{
	uint32_t now_s = o->taken_ns / NSEC_PER_SEC;

	grower->mappings = o->mappings;
	if (!grower->maps && o->mappings >= MAPPINGS_WATCHED) {
		grower->maps = calloc(1, sizeof(*grower->maps));
		if (grower->maps)
			grower->maps->trend.born_s = grower->trend.born_s;
		if (grower->maps && first)
			find_mappers(o->report, grower->maps->before);
	}
	if (!grower->maps)
		return;
	find_mappers(o->report, grower->maps->now);
	trend__add(&grower->maps->trend, &mappings_rule, now_s, o->mappings);
}

/* --- processes -------------------------------------------------------------------------------- */

struct grower *growers__find(const struct growers *growers, pid_t pid, uint64_t start_ticks)
{
	const struct grower_key key = {start_ticks, pid};
	struct grower *grower;

	HASH_FIND(hh, growers->processes, &key, sizeof(key), grower);
	return grower;
}

void growers__forget(struct growers *growers, struct grower *grower)
{
	leave(grower, clock__boot_ns() / NSEC_PER_SEC);
	HASH_DEL(growers->processes, grower);
	if (grower->maps) {
		drop(grower->maps->before);
		drop(grower->maps->now);
	}
	free(grower->maps);
	free(grower);
}

static struct grower *add(struct growers *growers, pid_t pid, uint64_t start_ticks)
{
	struct grower *grower = NULL;

	if (HASH_COUNT(growers->processes) < GROWERS_MAX)
		grower = calloc(1, sizeof(*grower));
	if (grower) {
		grower->key = (struct grower_key){start_ticks, pid};
		grower->trend.born_s = start_ticks * NSEC_PER_TICK / NSEC_PER_SEC;
		HASH_ADD(hh, growers->processes, key, sizeof(grower->key), grower);
	}
	if (!grower || !HASH_HAS(grower)) {
		free(grower);
		return NULL;
	}
	give_process(growers, grower);
	return grower;
}

void growers__meet(struct growers *growers, pid_t pid, uint64_t start_ticks, uint32_t now_s)
{
	bool young = start_ticks * NSEC_PER_TICK / NSEC_PER_SEC + GROWER_YOUNG_S > now_s;

	if (!young && !growers__find(growers, pid, start_ticks))
		add(growers, pid, start_ticks);
}

struct grower *growers__observe(struct growers *growers, const struct observation *o)
{
	const struct report *r = o->report;
	struct grower *grower = growers__find(growers, r->pid, o->start_ticks);
	uint32_t now_s = o->taken_ns / NSEC_PER_SEC;
	bool first;

	grower = grower ?: add(growers, r->pid, o->start_ticks);
	if (!grower) {
		growers->turned_away++;
		return NULL;
	}
	first = !grower->observed;
	grower->observed = true;
	leave(grower, now_s);
	grower->started = r->start_time;
	grower->owner = o->owner;
	snprintf(grower->comm, sizeof(grower->comm), "%s", r->comm ?: "");
	join(grower, group_of(growers, r->container, now_s));
	count_mappings(grower, o, first);
	return grower;
}

bool grower__is_due(const struct grower *grower, uint32_t round)
{
	uint32_t every = grower->rests < GROWER_RESTS ? grower->rests + 1 : GROWER_RESTS;

	return (round + grower->key.pid) % every == 0;
}

void grower__look(struct grower *grower, uint32_t now_s, const struct proc_memory *memory)
{
	struct group *group = grower->group;
	uint64_t anonymous = memory->rss > memory->shared ? memory->rss - memory->shared : 0;
	uint64_t change = anonymous > grower->anonymous ? anonymous - grower->anonymous
							: grower->anonymous - anonymous;

	leave(grower, now_s);
	grower->rss = memory->rss;
	grower->anonymous = anonymous;
	grower->seen_s = now_s;
	grower->rests = change < MOVES ? grower->rests + 1 : 0;
	join(grower, group);
	trend__add(&grower->trend, &memory_rule, now_s, anonymous / KIB);
	/* Samples of one that does not change are rare. */
	if (grower->maps)
		trend__add(&grower->maps->trend, &mappings_rule, now_s, grower->mappings);
}

void growers__free(struct growers *growers)
{
	struct grower *grower, *next;
	struct group *group, *next_group;

	HASH_ITER (hh, growers->processes, grower, next)
		growers__forget(growers, grower);
	HASH_ITER (hh, growers->containers, group, next_group)
		growers__forget_container(growers, group);
	kept_trend__free_all(&growers->kept);
}
