/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Alerts: what grows, from the suspicion until some time after its end. For one thread at a time.
 *
 *	pending ──▶ firing ──▶ resolved ──▶ (forgotten, after ALERT_SHOWN_S)
 *	   └──▶ (forgotten)
 */
#ifndef MEMPROV_ALERTS_H
#define MEMPROV_ALERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/culprits.h"
#include "growth/growers.h"
#include "growth/trend.h"

#define ALERTS_MAX    64
#define ALERT_SHOWN_S 3600

enum alert_kind { ALERT_GROWTH, ALERT_MAP_COUNT, ALERT_KINDS };
enum alert_state { ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED, ALERT_STATES };

const char *alert_kind__name(enum alert_kind kind);
const char *alert_state__name(enum alert_state state);

#define ALERT_UNKNOWN UINT64_MAX

struct alert {
	uint64_t id; /* 0: none */
	enum alert_kind kind;
	enum alert_state state;

	/* What it is of; of a container there is no process. */
	pid_t pid; /* 0: a container */
	uint64_t start_ticks;
	uint64_t started; /* wall clock, ns, as the next two */
	char comm[GROWER_COMM_LEN];
	struct observed_owner owner;
	struct report_container *container; /* its own; NULL: none */
	pid_t member;			    /* the process, or one of the container */

	uint64_t since;
	uint64_t ended;		  /* 0: it goes on */
	bool end_told;		  /* whoever is to be told has been */
	struct trend_slope slope; /* bytes or mappings a second */
	bool has_slope;
	uint64_t rss;
	uint64_t mappings; /* of a process */

	/* As of the last look: */
	uint64_t look_at_ns;   /* when the next one is due, CLOCK_BOOTTIME; */
	uint64_t report_at_ns; /* and a report */
	uint64_t limit;	       /* bytes or mappings; ALERT_UNKNOWN */
	bool limit_is_node;    /* no cgroup's */
	uint64_t limit_at;     /* wall clock, ns; 0: not known, or never */
	struct culprits culprits;
};

struct alerts {
	uint64_t last_id;
	struct alert *all[ALERTS_MAX]; /* NULL: free */
	uint64_t turned_away;	       /* for want of room */
};

void alerts__free(struct alerts *alerts);

/* A pending one; one that has ended makes room. NULL: there is none. */
struct alert *alerts__add(struct alerts *alerts, enum alert_kind kind);

/* NULL: it has been forgotten. */
struct alert *alerts__find(const struct alerts *alerts, uint64_t id);

/* It is over: forgotten if it never fired. */
void alerts__end(struct alerts *alerts, struct alert *alert, uint64_t now_ns);

/* Forgets those that ended so long ago. */
void alerts__expire(struct alerts *alerts, uint64_t now_ns);

#endif
