/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may grow: processes, and containers over their restarts, each with its trends. Bounded; for
 * one thread at a time.
 *
 * A container is the sum of its processes, by the name that stays when it is started again. What
 * a new one has after its first ten minutes counts as what the last one had at its end.
 */
#ifndef MEMPROV_GROWERS_H
#define MEMPROV_GROWERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "growth/kept_trend.h"
#include "growth/trend.h"
#include "report/observer.h"
#include "util/hash.h"

#define GROWERS_MAX	  4096
#define CONTAINERS_MAX	  512
#define GROWER_COMM_LEN	  64
#define GROWER_SITES	  4
#define MAPPINGS_WATCHED  4096 /* from so many on their number has a trend */
#define CONTAINER_KEPT_S  86400
#define CONTAINER_START_S 600

struct alert;
struct callsite;
struct proc_memory;
struct report_container;

/* Which call sites have most of the mappings. */
struct mapper {
	struct callsite *site; /* a reference; NULL: none */
	uint64_t mappings;
};

struct mappings {
	struct trend trend;
	struct mapper before[GROWER_SITES]; /* when it had so many first */
	struct mapper now[GROWER_SITES];
};

/* One that is known to us. */
struct grower_key {
	uint64_t start_ticks;
	uint64_t pid; /* no padding */
};

struct group;

struct grower {
	UT_hash_handle hh; /* by key */
	struct grower_key key;
	bool observed;	     /* without it, nothing is known but how much it has */
	uint32_t reported_s; /* when a report was asked for, to have it observed; 0: never */
	char comm[GROWER_COMM_LEN];
	uint64_t started; /* wall clock, ns */
	struct observed_owner owner;
	struct group *group; /* NULL: in no container */
	uint64_t rss;	     /* bytes, here and below */
	uint64_t anonymous;
	uint64_t mappings;
	uint32_t seen_s; /* since boot: when its memory was looked at */
	uint32_t rests;	 /* looks since it changed */
	struct trend trend;
	struct mappings *maps;		   /* NULL: it never had many */
	struct alert *growing, *map_count; /* NULL: there is none */
};

struct group {
	UT_hash_handle hh; /* by name */
	char *name;	   /* namespace/pod/container, or the id where these are not known */
	struct report_container *container; /* the last one */
	size_t members;
	pid_t member; /* one of them */
	uint64_t rss;
	uint64_t anonymous;
	int64_t offset;	   /* what the ones before had more */
	uint32_t starts_s; /* until when it starts; 0: it does not */
	uint32_t gather_s; /* until when its processes are being found, after a restart of ours */
	uint32_t empty_s;  /* since when it has no process; 0: it has */
	struct trend trend;
	struct alert *growing;
};

struct growers {
	struct grower *processes;
	struct group *containers;
	struct kept_trend *kept; /* as of before a restart */
	uint32_t restored_s;	 /* when these were read */
	uint64_t turned_away;	 /* for want of room */
};

void growers__free(struct growers *growers);

/* What is observed: all but how much memory it has. NULL: it is not kept. */
struct grower *growers__observe(struct growers *growers, const struct observation *observation);

/* One that lives, from its first GROWER_YOUNG_S seconds on. What comes and goes is none. */
#define GROWER_YOUNG_S 10
void growers__meet(struct growers *growers, pid_t pid, uint64_t start_ticks, uint32_t now_s);

/* NULL: there is none. */
struct grower *growers__find(const struct growers *growers, pid_t pid, uint64_t start_ticks);

/* What they are kept by over a restart of the daemon. */
void grower__name(const struct grower *grower, struct buf *ret);
void group__name(const struct group *group, struct buf *ret);

/* To what has been seen already; what is new is given its own when it is added. A container's sum
 * is right once its processes have been found: until then it is not looked at. */
void growers__give_kept(struct growers *growers);

/* Its alerts must be known to none any more. */
void growers__forget(struct growers *growers, struct grower *grower);
void growers__forget_container(struct growers *growers, struct group *group);

/* Whether its memory is to be looked at in this round: one that rests in every fourth. */
#define GROWER_RESTS 4
bool grower__is_due(const struct grower *grower, uint32_t round);

/* What it has then. */
void grower__look(struct grower *grower, uint32_t now_s, const struct proc_memory *memory);

/* The sum at a moment. */
void group__pass(struct group *group, uint32_t now_s);

/* A copy in one piece, which free() frees; NULL for NULL, or when out of memory. */
struct report_container *report_container__copy(const struct report_container *container);

#endif
