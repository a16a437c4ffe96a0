/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The node in Prometheus' text format 0.0.4 (docs/http.md). The number of series is bounded:
 * the METRICS_PROCESSES largest processes and METRICS_NAMES names in each, and the
 * METRICS_CONTAINERS largest containers, the rest summed under "(other)". No address and no path of
 * a file goes out.
 */
#ifndef MEMPROV_METRICS_H
#define MEMPROV_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "collect/collector.h"
#include "live/unwinder.h"
#include "report/report.h"
#include "util/budget.h"
#include "util/buf.h"

#define METRICS_PROCESSES	 50
#define METRICS_NAMES		 20
#define METRICS_CONTAINERS	 200
#define METRICS_DURATION_BUCKETS 13

/* How long snapshots took. Zeroed, it is empty; the caller sees to locking. */
struct duration_histogram {
	uint64_t counts[METRICS_DURATION_BUCKETS + 1]; /* by bucket; the last: longer than all */
	uint64_t sum_ns;
};

void duration_histogram__add(struct duration_histogram *histogram, uint64_t ns);

struct metrics_counter {
	const char *label;
	uint64_t value;
};

#define METRICS_LABELS 5

struct metrics_label {
	const char *name;  /* NULL: no more */
	const char *value; /* "": as if it were not there */
};

struct metrics_row {
	struct metrics_label labels[METRICS_LABELS];
	double value;
};

struct metrics_growth {
	const struct metrics_row *slopes; /* of what grows abnormally */
	size_t n_slopes;
	const struct metrics_row *alerts; /* by kind and state */
	size_t n_alerts;
	const struct metrics_row *turned_away; /* by what, for want of room */
	size_t n_turned_away;
};

/* The daemon's own figures. */
struct tracer_stats {
	struct collector_stats collector;
	const struct metrics_counter *resyncs; /* by cause, each cause once */
	size_t n_resyncs;
	const struct metrics_counter *oom_kills; /* by scope */
	size_t n_oom_kills;
	uint64_t oom_reports;			      /* taken where memory ran short */
	const struct metrics_counter *history_errors; /* by cause; likewise */
	size_t n_history_errors;
	const struct metrics_counter *notification_failures; /* by cause; likewise */
	size_t n_notification_failures;
	uint64_t notifications_sent, notifications_failed, notifications_dropped;
	uint64_t history_bytes;	    /* in use, of history_max_bytes */
	uint64_t history_max_bytes; /* 0: there is no history */
	struct metrics_growth growth;
	const struct unwinder_stats *unwinder; /* NULL: no stacks are unwound */
	uint64_t stacks_dropped;
	struct budget_stats memory;
	struct cpu_limit_stats cpu;
	uint64_t stuck_readers;	       /* threads */
	uint64_t unreadable_processes; /* that these are stuck in */
};

/* node: a node report, NULL before there is one. stats: NULL when nothing is traced. What they
 * would tell is then left out. Memory running out shows in buf__error(ret). */
void metrics__encode(const struct report *node, const struct tracer_stats *stats,
		     const struct duration_histogram *snapshots, struct buf *ret);

/* A region's name as a label: numbers, addresses and identifiers become "N", a path "(path)", what
 * is not UTF-8 or steers a terminal U+FFFD, so that names that differ only there are one. */
void metrics__collapse_name(const char *name, struct buf *ret);

#endif
