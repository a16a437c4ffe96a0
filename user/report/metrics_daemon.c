// SPDX-License-Identifier: BSD-2-Clause
/* The daemon's own. */
#include "report/metrics_parts.h"

#include <inttypes.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define NSEC_PER_US 1000ULL
#define NSEC_PER_MS 1000000ULL

static const struct {
	uint64_t ns;
	const char *le; /* the same in seconds */
} buckets[] = {
	{1 * NSEC_PER_MS, "0.001"},    {2500 * NSEC_PER_US, "0.0025"}, {5 * NSEC_PER_MS, "0.005"},
	{10 * NSEC_PER_MS, "0.01"},    {25 * NSEC_PER_MS, "0.025"},    {50 * NSEC_PER_MS, "0.05"},
	{100 * NSEC_PER_MS, "0.1"},    {250 * NSEC_PER_MS, "0.25"},    {500 * NSEC_PER_MS, "0.5"},
	{1000 * NSEC_PER_MS, "1.0"},   {2500 * NSEC_PER_MS, "2.5"},    {5000 * NSEC_PER_MS, "5.0"},
	{10000 * NSEC_PER_MS, "10.0"},
};
_Static_assert(ARRAY_SIZE(buckets) == METRICS_DURATION_BUCKETS, "as the header says");

void duration_histogram__add(struct duration_histogram *histogram, uint64_t ns)
{
	size_t i = 0;

	while (i < METRICS_DURATION_BUCKETS && ns > buckets[i].ns)
		i++;
	histogram->counts[i]++;
	histogram->sum_ns += ns;
}

static void add_stats(struct buf *out, const struct tracer_stats *stats)
{
	const struct collector_stats *collector = &stats->collector;
	size_t i;

	metrics__add_family(out, "events_total", "counter", "Events read from the ring buffer.");
	for (i = 0; i < MP_EVENT_TYPES; i++) {
		if (event_type__name(i))
			metrics__add_labelled(out, "events_total", "type", event_type__name(i),
					      collector->events[i]);
	}
	metrics__add_family(out, "events_lost_total", "counter",
			    "Events that could not be recorded.");
	for (i = 0; i < MP_LOSS_CAUSES; i++)
		metrics__add_labelled(out, "events_lost_total", "cause", loss__name(i),
				      collector->lost[i]);
	metrics__add_labelled(out, "events_lost_total", "cause", "malformed", collector->malformed);

	metrics__add_family(
		out, "stacks_total", "counter",
		"User stacks of calls that map or name memory, by how they were taken.");
	for (i = 0; i < MP_STACKS; i++)
		metrics__add_labelled(out, "stacks_total", "source", stack_outcome__name(i),
				      collector->stacks[i]);

	metrics__add_family(
		out, "touch_samples_total", "counter",
		"Page faults that were looked at, by whether they became a sample of what touched "
		"memory first.");
	for (i = 0; i < MP_TOUCHES; i++)
		metrics__add_labelled(out, "touch_samples_total", "result", touch_outcome__name(i),
				      collector->touches[i]);
	metrics__add_labelled(out, "touch_samples_total", "result", "thinned",
			      collector->touches_thinned);

	metrics__add_family(
		out, "python_stacks_total", "counter",
		"Stacks of processes that run CPython, by whether they have its frames.");
	for (i = 0; i < MP_PYTHONS; i++)
		metrics__add_labelled(out, "python_stacks_total", "result", python_outcome__name(i),
				      collector->pythons[i]);

	metrics__add_family(
		out, "resyncs_total", "counter",
		"Times that what is known of a process was compared with its maps anew.");
	for (i = 0; i < stats->n_resyncs; i++)
		metrics__add_labelled(out, "resyncs_total", "cause", stats->resyncs[i].label,
				      stats->resyncs[i].value);

	metrics__add_family(
		out, "oom_kills_total", "counter",
		"Processes that the out-of-memory killer took, by what was short of memory.");
	for (i = 0; i < stats->n_oom_kills; i++)
		metrics__add_labelled(out, "oom_kills_total", "scope", stats->oom_kills[i].label,
				      stats->oom_kills[i].value);
	metrics__add_family(out, "oom_reports_total", "counter",
			    "Reports that were taken because memory ran short.");
	metrics__add_sample(out, "oom_reports_total", metrics_no_labels, stats->oom_reports);

	metrics__add_family(out, "stuck_readers", "gauge",
			    "Threads that wait in the kernel for a process that they read.");
	metrics__add_sample(out, "stuck_readers", metrics_no_labels, stats->stuck_readers);
	metrics__add_family(
		out, "unreadable_processes", "gauge",
		"Processes that keep a reader waiting, and are left out until they let go of it.");
	metrics__add_sample(out, "unreadable_processes", metrics_no_labels,
			    stats->unreadable_processes);

	metrics__add_family(out, "ring_buffer_bytes", "gauge",
			    "The ring buffer: its size, and what waits.");
	metrics__add_labelled(out, "ring_buffer_bytes", "state", "size", collector->ring_size);
	metrics__add_labelled(out, "ring_buffer_bytes", "state", "used", collector->ring_used);
	metrics__add_family(out, "bpf_map_bytes", "gauge", "Kernel memory of all BPF maps.");
	metrics__add_sample(out, "bpf_map_bytes", metrics_no_labels, collector->map_bytes);
}

static void add_memory(struct buf *out, const struct budget_stats *memory)
{
	metrics__add_family(out, "memory_limit_bytes", "gauge",
			    "What the daemon may take, without the process that unwinds.");
	metrics__add_sample(out, "memory_limit_bytes", metrics_no_labels, memory->limit);
	metrics__add_family(out, "memory_bytes", "gauge",
			    "What the daemon has taken, by what for.");
	for (int use = 0; use < BUDGET_USES; use++)
		metrics__add_labelled(out, "memory_bytes", "what", budget_use__name(use),
				      memory->used[use]);
	metrics__add_family(
		out, "given_up_total", "counter",
		"What was given up because memory was short, or a call would have taken too "
		"long.");
	for (int what = 0; what < GIVE_UP_KINDS; what++)
		metrics__add_labelled(out, "given_up_total", "what", giving_up__name(what),
				      memory->given_up[what]);
}

static void add_cpu(struct buf *out, const struct cpu_limit_stats *cpu)
{
	metrics__add_family(out, "cpu_limit_ratio", "gauge",
			    "Of one core, what following processes may take on average.");
	metrics__add_series(out, "cpu_limit_ratio", metrics_no_labels);
	buf__printf(out, " %u.%02u\n", cpu->percent / 100, cpu->percent % 100);
	metrics__add_family(out, "following_cpu_seconds_total", "counter",
			    "What it has taken, without what requests waited for.");
	for (int use = 0; use < CPU_USES; use++) {
		const struct metrics_label labels[METRICS_LABELS] = {{"what", cpu_use__name(use)}};

		metrics__add_series(out, "following_cpu_seconds_total", labels);
		buf__printf(out, " %.6f\n", (double)cpu->spent_ns[use] / NSEC_PER_SEC);
	}
	metrics__add_family(out, "storm_pressure", "gauge",
			    "How often what storms may send has been halved to keep the limit.");
	metrics__add_sample(out, "storm_pressure", metrics_no_labels, cpu->pressure);
}

static void add_history(struct buf *out, const struct tracer_stats *stats)
{
	metrics__add_family(out, "history_errors_total", "counter",
			    "Times that history could not be written, or a file was set aside.");
	for (size_t i = 0; i < stats->n_history_errors; i++)
		metrics__add_labelled(out, "history_errors_total", "cause",
				      stats->history_errors[i].label,
				      stats->history_errors[i].value);
	metrics__add_family(out, "history_bytes", "gauge", "What history takes in its store.");
	metrics__add_sample(out, "history_bytes", metrics_no_labels, stats->history_bytes);
	metrics__add_family(out, "history_limit_bytes", "gauge", "What it may take.");
	metrics__add_sample(out, "history_limit_bytes", metrics_no_labels,
			    stats->history_max_bytes);
}

static void add_notifications(struct buf *out, const struct tracer_stats *stats)
{
	metrics__add_family(out, "notifications_total", "counter",
			    "Alerts for Alertmanagers, each time, by what became of them.");
	metrics__add_labelled(out, "notifications_total", "result", "sent",
			      stats->notifications_sent);
	metrics__add_labelled(out, "notifications_total", "result", "failed",
			      stats->notifications_failed);
	metrics__add_labelled(out, "notifications_total", "result", "dropped",
			      stats->notifications_dropped);
	metrics__add_family(out, "notification_failures_total", "counter",
			    "Requests to Alertmanagers that failed, by why.");
	for (size_t i = 0; i < stats->n_notification_failures; i++)
		metrics__add_labelled(out, "notification_failures_total", "cause",
				      stats->notification_failures[i].label,
				      stats->notification_failures[i].value);
}

static void add_rows(struct buf *out, const char *name, const struct metrics_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		metrics__add_series(out, name, rows[i].labels);
		buf__printf(out, " %.15g\n", rows[i].value);
	}
}

static void add_growth(struct buf *out, const struct metrics_growth *growth)
{
	metrics__add_family(out, "growth_bytes_per_second", "gauge",
			    "How fast the anonymous memory of what grows abnormally does.");
	add_rows(out, "growth_bytes_per_second", growth->slopes, growth->n_slopes);
	metrics__add_family(out, "alerts", "gauge", "Alerts of growth, by kind and state.");
	add_rows(out, "alerts", growth->alerts, growth->n_alerts);
	metrics__add_family(out, "growth_turned_away_total", "counter",
			    "What growth had no room for.");
	add_rows(out, "growth_turned_away_total", growth->turned_away, growth->n_turned_away);
}

static void add_unwinder(struct buf *out, const struct unwinder_stats *stats,
			 uint64_t stacks_dropped)
{
	const struct symbolizer_stats *symbolizer = &stats->symbolizer;
	const struct callsite_stats *callsites = &stats->callsites;

	metrics__add_family(out, "stacks_unwound_total", "counter",
			    "User stacks unwound, by whether the outermost frame was reached.");
	metrics__add_labelled(out, "stacks_unwound_total", "result", "complete",
			      symbolizer->unwound - symbolizer->truncated);
	metrics__add_labelled(out, "stacks_unwound_total", "result", "truncated",
			      symbolizer->truncated);
	metrics__add_family(
		out, "stacks_dropped_total", "counter",
		"User stacks that were taken and not unwound, because too many waited already.");
	metrics__add_sample(out, "stacks_dropped_total", metrics_no_labels, stacks_dropped);
	metrics__add_family(out, "symbolizer_restarts_total", "counter",
			    "Times that the process that unwinds died or hung, and was replaced.");
	metrics__add_sample(out, "symbolizer_restarts_total", metrics_no_labels,
			    symbolizer->restarts);
	metrics__add_family(out, "symbolizer_launcher_up", "gauge",
			    "Whether a process that unwinds can be started; 0: new call sites are "
			    "module and offset.");
	metrics__add_sample(out, "symbolizer_launcher_up", metrics_no_labels,
			    stats->launcher == LAUNCHER_SERVES);
	metrics__add_family(out, "symbolizer_maps_read_total", "counter",
			    "Times that the map of a process was read to unwind stacks.");
	metrics__add_sample(out, "symbolizer_maps_read_total", metrics_no_labels,
			    symbolizer->maps_read);
	metrics__add_family(out, "callsites", "gauge", "Call sites that are known.");
	metrics__add_sample(out, "callsites", metrics_no_labels, callsites->sites);
	metrics__add_family(out, "callsites_bytes", "gauge",
			    "Memory of the call sites that are known.");
	metrics__add_sample(out, "callsites_bytes", metrics_no_labels, callsites->bytes);
	metrics__add_family(
		out, "callsites_turned_away_total", "counter",
		"Stacks that share one call site because the table of call sites was full.");
	metrics__add_sample(out, "callsites_turned_away_total", metrics_no_labels,
			    callsites->turned_away);
}

static void add_snapshots(struct buf *out, const struct duration_histogram *histogram)
{
	uint64_t count = 0;
	size_t i;

	metrics__add_family(out, "snapshot_duration_seconds", "histogram",
			    "Time that taking a report took.");
	for (i = 0; i < METRICS_DURATION_BUCKETS; i++) {
		count += histogram->counts[i];
		metrics__add_labelled(out, "snapshot_duration_seconds_bucket", "le", buckets[i].le,
				      count);
	}
	count += histogram->counts[i];
	metrics__add_labelled(out, "snapshot_duration_seconds_bucket", "le", "+Inf", count);
	buf__printf(out, "memprov_snapshot_duration_seconds_sum %llu.%06llu\n",
		    histogram->sum_ns / NSEC_PER_SEC,
		    histogram->sum_ns % NSEC_PER_SEC / NSEC_PER_US);
	metrics__add_sample(out, "snapshot_duration_seconds_count", metrics_no_labels, count);
}

void metrics__add_daemon(struct buf *out, const struct tracer_stats *stats,
			 const struct duration_histogram *snapshots)
{
	if (stats) {
		add_stats(out, stats);
		add_memory(out, &stats->memory);
		add_cpu(out, &stats->cpu);
	}
	if (stats && stats->history_max_bytes)
		add_history(out, stats);
	if (stats)
		add_notifications(out, stats);
	if (stats && stats->growth.n_alerts)
		add_growth(out, &stats->growth);
	if (stats && stats->unwinder)
		add_unwinder(out, stats->unwinder, stats->stacks_dropped);
	add_snapshots(out, snapshots);
	metrics__add_family(out, "build_info", "gauge", "Always 1; the version is a label.");
	metrics__add_labelled(out, "build_info", "version", MEMPROV_VERSION, 1);
}
