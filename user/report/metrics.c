// SPDX-License-Identifier: BSD-2-Clause
#include "report/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/kinds.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/text.h"
#include "util/utf8.h"

#define OTHER	    OTHER_NAMES /* the sum of what is beyond the caps */
#define NSEC_PER_US 1000ULL
#define NSEC_PER_MS 1000000ULL

static const char *const group_names[] = {
	[GROUP_RUNTIME] = "runtime",	 [GROUP_NAMED] = "named", [GROUP_FILE] = "file",
	[GROUP_ANONYMOUS] = "anonymous", [GROUP_OTHER] = "other",
};

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

static void add_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf__printf(out, "# HELP memprov_%s %s\n# TYPE memprov_%s %s\n", name, help, name, type);
}

/* Backslash, quote and newline are escaped; what else could harm a terminal is replaced. */
static void add_label_value(struct buf *out, const char *value)
{
	const char *s = value, *end = value + strlen(value);
	uint32_t code;
	size_t n;

	for (; s < end; s += n) {
		n = utf8__decode(s, end - s, &code);
		if (code == '\n')
			buf__puts(out, "\\n");
		else if (code == UTF8_INVALID || text__is_control(code))
			buf__puts(out, UTF8_REPLACEMENT);
		else if (code == '\\' || code == '"')
			buf__printf(out, "\\%c", (int)code);
		else
			buf__add(out, s, n);
	}
}

static void add_series(struct buf *out, const char *name,
		       const struct metrics_label labels[METRICS_LABELS])
{
	size_t i;

	buf__printf(out, "memprov_%s", name);
	for (i = 0; i < METRICS_LABELS && labels[i].name; i++) {
		buf__printf(out, "%s%s=\"", i ? "," : "{", labels[i].name);
		add_label_value(out, labels[i].value);
		buf__puts(out, "\"");
	}
	if (i)
		buf__puts(out, "}");
}

static void add_sample(struct buf *out, const char *name,
		       const struct metrics_label labels[METRICS_LABELS], uint64_t value)
{
	add_series(out, name, labels);
	buf__printf(out, " %" PRIu64 "\n", value);
}

static const struct metrics_label no_labels[METRICS_LABELS];

/* --- processes ---------------------------------------------------------------------------- */

/* Adds a series of the process, with a label of its own or none; not when the value is not known.
 * The process of the sum has no pid. */
static void add_of_process(struct buf *out, const struct process_row *row, const char *name,
			   struct metrics_label own, uint64_t value)
{
	char pid[12] = "";
	const struct metrics_label labels[METRICS_LABELS] = {
		{"pid", pid}, {"comm", row->comm ?: ""}, own};

	if (row->pid)
		snprintf(pid, sizeof(pid), "%d", row->pid);
	if (value != UNKNOWN_BYTES)
		add_sample(out, name, labels, value);
}

static void add_process_groups(struct buf *out, const struct process_row *row)
{
	for (size_t i = 0; i < CATEGORY_GROUPS; i++)
		add_of_process(out, row, "process_resident_bytes",
			       (struct metrics_label){"category", group_names[i]},
			       row->by_category_group[i]);
}

static void add_process_pss(struct buf *out, const struct process_row *row)
{
	add_of_process(out, row, "process_proportional_bytes", (struct metrics_label){}, row->pss);
}

static void add_process_kind(struct buf *out, const struct process_row *row, enum page_kind kind)
{
	add_of_process(out, row, kind_words[kind].metric, (struct metrics_label){},
		       row->kinds.bytes[kind]);
}

static void add_process_time(struct buf *out, const struct process_row *row)
{
	add_of_process(out, row, "process_sampled_timestamp_seconds", (struct metrics_label){},
		       row->sampled_at / NSEC_PER_SEC);
}

static int by_name(const void *a, const void *b)
{
	const struct named_row *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int by_rss(const void *a, const void *b)
{
	const struct named_row *left = a, *right = b;

	if (left->rss != right->rss)
		return left->rss < right->rss ? 1 : -1;
	return strcmp(left->name, right->name);
}

/* The process's names collapsed, each once, largest first. How many; 0 also without memory. */
static size_t collapse_names(const struct process_row *row, struct arena *arena,
			     struct named_row **ret)
{
	struct named_row *rows = arena__alloc(arena, row->n_named * sizeof(*rows));
	_cleanup_buf_ struct buf name = {0};
	size_t i, n = 0;

	if (!rows)
		return 0;
	for (i = 0; i < row->n_named; i++) {
		name.len = 0;
		buf__puts(&name, "");
		metrics__collapse_name(row->named[i].name, &name);
		rows[i].name = name.failed ? NULL : arena__strdup(arena, name.data);
		rows[i].rss = row->named[i].rss;
		if (!rows[i].name)
			return 0;
	}
	qsort(rows, row->n_named, sizeof(*rows), by_name);
	for (i = 0; i < row->n_named; i++) {
		if (n && !strcmp(rows[n - 1].name, rows[i].name))
			rows[n - 1].rss += rows[i].rss;
		else
			rows[n++] = rows[i];
	}
	qsort(rows, n, sizeof(*rows), by_rss);
	*ret = rows;
	return n;
}

static void add_name(struct buf *out, const struct process_row *row, const char *name, uint64_t rss)
{
	add_of_process(out, row, "named_region_resident_bytes",
		       (struct metrics_label){"name", name}, rss);
}

static void add_process_names(struct buf *out, const struct process_row *row)
{
	struct arena *arena = NULL;
	struct named_row *rows = NULL;
	size_t n, i, said = 0;
	uint64_t rest = 0;
	bool others = false;

	if (!row->n_named)
		return;
	arena = arena__new();
	n = arena ? collapse_names(row, arena, &rows) : 0;
	if (!n)
		out->failed = true;
	for (i = 0; i < n; i++) {
		/* A region may be called just that: it joins the sum, a series must be unique. */
		if (said < METRICS_NAMES && strcmp(rows[i].name, OTHER)) {
			add_name(out, row, rows[i].name, rows[i].rss);
			said++;
		} else {
			rest += rows[i].rss;
			others = true;
		}
	}
	if (others)
		add_name(out, row, OTHER, rest);
	arena__free(arena);
}

static void add_known(uint64_t *sum, uint64_t bytes)
{
	if (bytes != UNKNOWN_BYTES)
		*sum = bytes + (*sum == UNKNOWN_BYTES ? 0 : *sum);
}

/* One row for all processes beyond the cap; its names are one, too, and its time is the oldest. */
static void sum_others(const struct report *node, struct process_row *ret, struct named_row *name)
{
	const struct process_row *row;
	size_t i, j;

	*ret = (struct process_row){.comm = OTHER,
				    .kinds = page_kinds_unknown,
				    .named = name,
				    .n_named = 1,
				    .sampled_at = UINT64_MAX};
	*name = (struct named_row){.name = OTHER};
	for (i = METRICS_PROCESSES; i < node->n_processes; i++) {
		row = &node->processes[i];
		for (j = 0; j < CATEGORY_GROUPS; j++)
			ret->by_category_group[j] += row->by_category_group[j];
		if (row->pss != UNKNOWN_BYTES)
			ret->pss += row->pss;
		for (j = 0; j < PAGE_KINDS; j++)
			add_known(&ret->kinds.bytes[j], row->kinds.bytes[j]);
		if (row->sampled_at < ret->sampled_at)
			ret->sampled_at = row->sampled_at;
		for (j = 0; j < row->n_named; j++)
			name->rss += row->named[j].rss;
	}
}

static void add_each(struct buf *out, const struct report *node, const struct process_row *others,
		     void (*add)(struct buf *out, const struct process_row *row))
{
	size_t i;

	for (i = 0; i < node->n_processes && i < METRICS_PROCESSES; i++)
		add(out, &node->processes[i]);
	if (i < node->n_processes)
		add(out, others);
}

static void add_kinds(struct buf *out, const struct report *node, const struct process_row *others)
{
	size_t i, j;

	for (i = 0; i < PAGE_KINDS; i++) {
		add_family(out, kind_words[i].metric, "gauge", kind_words[i].help);
		for (j = 0; j < node->n_processes && j < METRICS_PROCESSES; j++)
			add_process_kind(out, &node->processes[j], i);
		if (j < node->n_processes)
			add_process_kind(out, others, i);
	}
}

/* --- containers --------------------------------------------------------------------------- */

struct container_sum {
	const struct report_container *container;
	uint64_t by_group[CATEGORY_GROUPS];
	uint64_t rss;
};

static int by_container(const void *a, const void *b)
{
	const struct report_container *x = ((const struct container_sum *)a)->container;
	const struct report_container *y = ((const struct container_sum *)b)->container;

	return strcmp(x->namespace, y->namespace)
		       ?: strcmp(x->pod, y->pod) ?: strcmp(x->name, y->name);
}

static int by_sum(const void *a, const void *b)
{
	const struct container_sum *x = a, *y = b;

	if (x->rss != y->rss)
		return x->rss < y->rss ? 1 : -1;
	return by_container(a, b);
}

static void add_to_sum(struct container_sum *sum, const struct container_sum *more)
{
	for (size_t i = 0; i < CATEGORY_GROUPS; i++)
		sum->by_group[i] += more->by_group[i];
	sum->rss += more->rss;
}

/* Of the processes that are in a container with a name: each container once, largest first. */
static size_t sum_containers(const struct report *node, struct container_sum *sums)
{
	size_t n = 0, kept = 0, i;

	for (i = 0; i < node->n_processes; i++) {
		const struct process_row *row = &node->processes[i];

		if (!row->container || !row->container->pod || !row->container->name)
			continue;
		sums[n] = (struct container_sum){.container = row->container, .rss = row->rss};
		memcpy(sums[n++].by_group, row->by_category_group, sizeof(sums->by_group));
	}
	if (!n)
		return 0;
	qsort(sums, n, sizeof(*sums), by_container);
	for (i = 0; i < n; i++) {
		if (kept && !by_container(&sums[kept - 1], &sums[i]))
			add_to_sum(&sums[kept - 1], &sums[i]);
		else
			sums[kept++] = sums[i];
	}
	qsort(sums, kept, sizeof(*sums), by_sum);
	return kept;
}

static void add_container(struct buf *out, const struct container_sum *sum)
{
	for (size_t i = 0; i < CATEGORY_GROUPS; i++) {
		const struct metrics_label labels[METRICS_LABELS] = {
			{"namespace", sum->container->namespace},
			{"pod", sum->container->pod},
			{"container", sum->container->name},
			{"category", group_names[i]}};

		add_sample(out, "container_resident_bytes", labels, sum->by_group[i]);
	}
}

static void add_containers(struct buf *out, const struct report *node)
{
	static const struct report_container other = {
		.namespace = OTHER, .pod = OTHER, .name = OTHER};
	_cleanup_free_ struct container_sum *sums = calloc(node->n_processes + 1, sizeof(*sums));
	struct container_sum rest = {.container = &other};
	size_t n, i;

	if (!sums) {
		out->failed = true;
		return;
	}
	n = sum_containers(node, sums);
	if (!n)
		return;
	add_family(out, "container_resident_bytes", "gauge",
		   "Resident memory of the processes of a container, by category.");
	for (i = 0; i < n; i++) {
		if (i < METRICS_CONTAINERS)
			add_container(out, &sums[i]);
		else
			add_to_sum(&rest, &sums[i]);
	}
	if (n > METRICS_CONTAINERS)
		add_container(out, &rest);
}

static void add_node(struct buf *out, const struct report *node)
{
	uint64_t unattributed = 0;
	struct process_row others;
	struct named_row name;
	size_t i;

	sum_others(node, &others, &name);
	add_family(out, "process_resident_bytes", "gauge", "Resident memory of a process.");
	add_each(out, node, &others, add_process_groups);
	add_family(out, "process_proportional_bytes", "gauge",
		   "Resident memory of a process, each shared page divided by its users.");
	add_each(out, node, &others, add_process_pss);
	add_kinds(out, node, &others);
	add_family(out, "process_sampled_timestamp_seconds", "gauge",
		   "When the figures of a process were read, since 1970.");
	add_each(out, node, &others, add_process_time);
	add_family(out, "named_region_resident_bytes", "gauge",
		   "Resident memory of the mappings that a process gave a name.");
	add_each(out, node, &others, add_process_names);
	add_containers(out, node);

	for (i = 0; i < COVERAGES; i++) {
		if (i != COVERAGE_ATTRIBUTED)
			unattributed += node->by_coverage[i];
	}
	add_family(out, "unattributed_resident_bytes", "gauge",
		   "Resident memory of mappings whose creation was not seen.");
	add_sample(out, "unattributed_resident_bytes", no_labels, unattributed);
}

/* --- the daemon's own --------------------------------------------------------------------- */

static void add_labelled(struct buf *out, const char *name, const char *label, const char *value,
			 uint64_t amount)
{
	const struct metrics_label labels[METRICS_LABELS] = {{label, value}};

	add_sample(out, name, labels, amount);
}

static void add_stats(struct buf *out, const struct tracer_stats *stats)
{
	const struct collector_stats *collector = &stats->collector;
	size_t i;

	add_family(out, "events_total", "counter", "Events read from the ring buffer.");
	for (i = 0; i < MP_EVENT_TYPES; i++) {
		if (event_type__name(i))
			add_labelled(out, "events_total", "type", event_type__name(i),
				     collector->events[i]);
	}
	add_family(out, "events_lost_total", "counter", "Events that could not be recorded.");
	for (i = 0; i < MP_LOSS_CAUSES; i++)
		add_labelled(out, "events_lost_total", "cause", loss__name(i), collector->lost[i]);
	add_labelled(out, "events_lost_total", "cause", "malformed", collector->malformed);

	add_family(out, "stacks_total", "counter",
		   "User stacks of calls that map or name memory, by how they were taken.");
	for (i = 0; i < MP_STACKS; i++)
		add_labelled(out, "stacks_total", "source", stack_outcome__name(i),
			     collector->stacks[i]);

	add_family(
		out, "touch_samples_total", "counter",
		"Page faults that were looked at, by whether they became a sample of what touched "
		"memory first.");
	for (i = 0; i < MP_TOUCHES; i++)
		add_labelled(out, "touch_samples_total", "result", touch_outcome__name(i),
			     collector->touches[i]);
	add_labelled(out, "touch_samples_total", "result", "thinned", collector->touches_thinned);

	add_family(out, "python_stacks_total", "counter",
		   "Stacks of processes that run CPython, by whether they have its frames.");
	for (i = 0; i < MP_PYTHONS; i++)
		add_labelled(out, "python_stacks_total", "result", python_outcome__name(i),
			     collector->pythons[i]);

	add_family(out, "resyncs_total", "counter",
		   "Times that what is known of a process was compared with its maps anew.");
	for (i = 0; i < stats->n_resyncs; i++)
		add_labelled(out, "resyncs_total", "cause", stats->resyncs[i].label,
			     stats->resyncs[i].value);

	add_family(out, "oom_kills_total", "counter",
		   "Processes that the out-of-memory killer took, by what was short of memory.");
	for (i = 0; i < stats->n_oom_kills; i++)
		add_labelled(out, "oom_kills_total", "scope", stats->oom_kills[i].label,
			     stats->oom_kills[i].value);
	add_family(out, "oom_reports_total", "counter",
		   "Reports that were taken because memory ran short.");
	add_sample(out, "oom_reports_total", no_labels, stats->oom_reports);

	add_family(out, "stuck_readers", "gauge",
		   "Threads that wait in the kernel for a process that they read.");
	add_sample(out, "stuck_readers", no_labels, stats->stuck_readers);
	add_family(
		out, "unreadable_processes", "gauge",
		"Processes that keep a reader waiting, and are left out until they let go of it.");
	add_sample(out, "unreadable_processes", no_labels, stats->unreadable_processes);

	add_family(out, "ring_buffer_bytes", "gauge", "The ring buffer: its size, and what waits.");
	add_labelled(out, "ring_buffer_bytes", "state", "size", collector->ring_size);
	add_labelled(out, "ring_buffer_bytes", "state", "used", collector->ring_used);
	add_family(out, "bpf_map_bytes", "gauge", "Kernel memory of all BPF maps.");
	add_sample(out, "bpf_map_bytes", no_labels, collector->map_bytes);
}

static void add_memory(struct buf *out, const struct budget_stats *memory)
{
	add_family(out, "memory_limit_bytes", "gauge",
		   "What the daemon may take, without the process that unwinds.");
	add_sample(out, "memory_limit_bytes", no_labels, memory->limit);
	add_family(out, "memory_bytes", "gauge", "What the daemon has taken, by what for.");
	for (int use = 0; use < BUDGET_USES; use++)
		add_labelled(out, "memory_bytes", "what", budget_use__name(use), memory->used[use]);
	add_family(out, "given_up_total", "counter",
		   "What was given up because memory was short, or a call would have taken too "
		   "long.");
	for (int what = 0; what < GIVE_UP_KINDS; what++)
		add_labelled(out, "given_up_total", "what", giving_up__name(what),
			     memory->given_up[what]);
}

static void add_history(struct buf *out, const struct tracer_stats *stats)
{
	add_family(out, "history_errors_total", "counter",
		   "Times that history could not be written, or a file was set aside.");
	for (size_t i = 0; i < stats->n_history_errors; i++)
		add_labelled(out, "history_errors_total", "cause", stats->history_errors[i].label,
			     stats->history_errors[i].value);
	add_family(out, "history_bytes", "gauge", "What history takes in its store.");
	add_sample(out, "history_bytes", no_labels, stats->history_bytes);
	add_family(out, "history_limit_bytes", "gauge", "What it may take.");
	add_sample(out, "history_limit_bytes", no_labels, stats->history_max_bytes);
}

static void add_notifications(struct buf *out, const struct tracer_stats *stats)
{
	add_family(out, "notifications_total", "counter",
		   "Alerts for Alertmanagers, each time, by what became of them.");
	add_labelled(out, "notifications_total", "result", "sent", stats->notifications_sent);
	add_labelled(out, "notifications_total", "result", "failed", stats->notifications_failed);
	add_labelled(out, "notifications_total", "result", "dropped", stats->notifications_dropped);
	add_family(out, "notification_failures_total", "counter",
		   "Requests to Alertmanagers that failed, by why.");
	for (size_t i = 0; i < stats->n_notification_failures; i++)
		add_labelled(out, "notification_failures_total", "cause",
			     stats->notification_failures[i].label,
			     stats->notification_failures[i].value);
}

static void add_rows(struct buf *out, const char *name, const struct metrics_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_series(out, name, rows[i].labels);
		buf__printf(out, " %.15g\n", rows[i].value);
	}
}

static void add_growth(struct buf *out, const struct metrics_growth *growth)
{
	add_family(out, "growth_bytes_per_second", "gauge",
		   "How fast the anonymous memory of what grows abnormally does.");
	add_rows(out, "growth_bytes_per_second", growth->slopes, growth->n_slopes);
	add_family(out, "alerts", "gauge", "Alerts of growth, by kind and state.");
	add_rows(out, "alerts", growth->alerts, growth->n_alerts);
	add_family(out, "growth_turned_away_total", "counter", "What growth had no room for.");
	add_rows(out, "growth_turned_away_total", growth->turned_away, growth->n_turned_away);
}

static void add_unwinder(struct buf *out, const struct unwinder_stats *stats,
			 uint64_t stacks_dropped)
{
	const struct symbolizer_stats *symbolizer = &stats->symbolizer;
	const struct callsite_stats *callsites = &stats->callsites;

	add_family(out, "stacks_unwound_total", "counter",
		   "User stacks unwound, by whether the outermost frame was reached.");
	add_labelled(out, "stacks_unwound_total", "result", "complete",
		     symbolizer->unwound - symbolizer->truncated);
	add_labelled(out, "stacks_unwound_total", "result", "truncated", symbolizer->truncated);
	add_family(out, "stacks_dropped_total", "counter",
		   "User stacks that were taken and not unwound, because too many waited already.");
	add_sample(out, "stacks_dropped_total", no_labels, stacks_dropped);
	add_family(out, "symbolizer_restarts_total", "counter",
		   "Times that the process that unwinds died or hung, and was replaced.");
	add_sample(out, "symbolizer_restarts_total", no_labels, symbolizer->restarts);
	add_family(out, "symbolizer_maps_read_total", "counter",
		   "Times that the map of a process was read to unwind stacks.");
	add_sample(out, "symbolizer_maps_read_total", no_labels, symbolizer->maps_read);
	add_family(out, "callsites", "gauge", "Call sites that are known.");
	add_sample(out, "callsites", no_labels, callsites->sites);
	add_family(out, "callsites_bytes", "gauge", "Memory of the call sites that are known.");
	add_sample(out, "callsites_bytes", no_labels, callsites->bytes);
	add_family(out, "callsites_turned_away_total", "counter",
		   "Stacks that share one call site because the table of call sites was full.");
	add_sample(out, "callsites_turned_away_total", no_labels, callsites->turned_away);
}

static void add_snapshots(struct buf *out, const struct duration_histogram *histogram)
{
	uint64_t count = 0;
	size_t i;

	add_family(out, "snapshot_duration_seconds", "histogram",
		   "Time that taking a report took.");
	for (i = 0; i < METRICS_DURATION_BUCKETS; i++) {
		count += histogram->counts[i];
		add_labelled(out, "snapshot_duration_seconds_bucket", "le", buckets[i].le, count);
	}
	count += histogram->counts[i];
	add_labelled(out, "snapshot_duration_seconds_bucket", "le", "+Inf", count);
	buf__printf(out, "memprov_snapshot_duration_seconds_sum %llu.%06llu\n",
		    histogram->sum_ns / NSEC_PER_SEC,
		    histogram->sum_ns % NSEC_PER_SEC / NSEC_PER_US);
	add_sample(out, "snapshot_duration_seconds_count", no_labels, count);
}

void metrics__encode(const struct report *node, const struct tracer_stats *stats,
		     const struct duration_histogram *snapshots, struct buf *ret)
{
	if (node)
		add_node(ret, node);
	if (stats)
		add_stats(ret, stats);
	if (stats)
		add_memory(ret, &stats->memory);
	if (stats && stats->history_max_bytes)
		add_history(ret, stats);
	if (stats)
		add_notifications(ret, stats);
	if (stats && stats->growth.n_alerts)
		add_growth(ret, &stats->growth);
	if (stats && stats->unwinder)
		add_unwinder(ret, stats->unwinder, stats->stacks_dropped);
	add_snapshots(ret, snapshots);
	add_family(ret, "build_info", "gauge", "Always 1; the version is a label.");
	add_labelled(ret, "build_info", "version", MEMPROV_VERSION, 1);
}
