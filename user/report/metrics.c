// SPDX-License-Identifier: BSD-2-Clause
#include "report/metrics_parts.h"

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

#define OTHER OTHER_NAMES /* the sum of what is beyond the caps */

static const char *const group_names[] = {
	[GROUP_RUNTIME] = "runtime",	 [GROUP_NAMED] = "named", [GROUP_FILE] = "file",
	[GROUP_ANONYMOUS] = "anonymous", [GROUP_OTHER] = "other",
};

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
		metrics__add_sample(out, name, labels, value);
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
		metrics__add_family(out, kind_words[i].metric, "gauge", kind_words[i].help);
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

		metrics__add_sample(out, "container_resident_bytes", labels, sum->by_group[i]);
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
	metrics__add_family(out, "container_resident_bytes", "gauge",
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
	metrics__add_family(out, "process_resident_bytes", "gauge",
			    "Resident memory of a process.");
	add_each(out, node, &others, add_process_groups);
	metrics__add_family(out, "process_proportional_bytes", "gauge",
			    "Resident memory of a process, each shared page divided by its users.");
	add_each(out, node, &others, add_process_pss);
	add_kinds(out, node, &others);
	metrics__add_family(out, "process_sampled_timestamp_seconds", "gauge",
			    "When the figures of a process were read, since 1970.");
	add_each(out, node, &others, add_process_time);
	metrics__add_family(out, "named_region_resident_bytes", "gauge",
			    "Resident memory of the mappings that a process gave a name.");
	add_each(out, node, &others, add_process_names);
	add_containers(out, node);

	for (i = 0; i < COVERAGES; i++) {
		if (i != COVERAGE_ATTRIBUTED)
			unattributed += node->by_coverage[i];
	}
	metrics__add_family(out, "unattributed_resident_bytes", "gauge",
			    "Resident memory of mappings whose creation was not seen.");
	metrics__add_sample(out, "unattributed_resident_bytes", metrics_no_labels, unattributed);
}

void metrics__encode(const struct report *node, const struct tracer_stats *stats,
		     const struct duration_histogram *snapshots, struct buf *ret)
{
	if (node)
		add_node(ret, node);
	metrics__add_daemon(ret, stats, snapshots);
}
