// SPDX-License-Identifier: BSD-2-Clause
#include "report/processes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "report/amount.h"
#include "report/container.h"
#include "report/kinds.h"
#include "util/arena.h"
#include "util/clock.h"
#include "util/text.h"

static int larger_process(const void *a, const void *b)
{
	const struct process_row *x = a, *y = b;

	uint64_t x_held = page_kinds__held(&x->kinds, x->rss);
	uint64_t y_held = page_kinds__held(&y->kinds, y->rss);

	if (x_held != y_held)
		return x_held < y_held ? 1 : -1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

void processes__sort(struct report *report)
{
	qsort(report->processes, report->n_processes, sizeof(*report->processes), larger_process);
}

int process_row__own(struct process_row *row, int pidfd, struct pod_logs *logs,
		     struct arena *strings)
{
	struct named_row *named = arena__alloc(strings, row->n_named * sizeof(*named));

	row->comm = arena__strdup(strings, row->comm);
	if (!named || !row->comm)
		return -ENOMEM;
	for (size_t i = 0; i < row->n_named; i++) {
		named[i] = row->named[i];
		named[i].name = arena__strdup(strings, row->named[i].name);
		if (!named[i].name)
			return -ENOMEM;
	}
	row->named = named;
	return report_container__of_process(pidfd, logs, strings, &row->container);
}

/* Of what was read at some time; what was not is of UNKNOWN_BYTES. */
static uint64_t age_ms(uint64_t at, uint64_t now)
{
	if (!at)
		return UNKNOWN_BYTES;
	return now > at ? (now - at) / (NSEC_PER_SEC / 1000) : 0;
}

struct table {
	uint64_t now; /* wall clock, ns */
	enum unit unit;
	bool hugetlb; /* there is some: it has a column */
};

static void add_row(const struct table *table, const struct process_row *row, struct buf *out)
{
	enum unit unit = table->unit;

	buf__printf(out, "%8d ", row->pid);
	text__show_padded(out, row->comm ? row->comm : "-", 16);
	amount__add(out, row->rss, 11, unit);
	amount__add(out, row->pss, 11, unit);
	amount__add(out, row->swap, 11, unit);
	if (table->hugetlb)
		amount__add(out, row->kinds.bytes[PAGES_HUGETLB], 11, unit);
	if (row->growth_since)
		amount__add_change(out, row->growth, 11, unit);
	else
		buf__printf(out, "%14s", "-");
	age__add(out, age_ms(row->sampled_at, table->now), 8);
	buf__puts(out, "\n");
}

void processes__add_text(const struct report *report, size_t n, enum unit unit, struct buf *out)
{
	struct table table = {.now = report->taken_at, .unit = unit};
	size_t i;

	for (i = 0; i < n && i < report->n_processes; i++)
		table.hugetlb |= kinds__has(&report->processes[i].kinds, PAGES_HUGETLB);
	buf__printf(out, "%8s %-16s%14s%14s%14s", "PID", "COMM", "RSS", "PSS", "SWAP");
	if (table.hugetlb)
		buf__printf(out, "%14s", "HUGETLB");
	buf__printf(out, "%14s%10s\n", "GROWTH", "AGE");
	for (i = 0; i < n && i < report->n_processes; i++)
		add_row(&table, &report->processes[i], out);
	if (report->unreadable_processes)
		buf__printf(out,
			    "Processes that could not be read, so not in any figure: %" PRIu64 "\n",
			    report->unreadable_processes);
}

/* Of the names that regions have been given, the one with the most resident memory; or NULL. */
static const char *largest_name(const struct process_row *row)
{
	const struct named_row *largest = NULL;

	for (size_t i = 0; i < row->n_named; i++) {
		if (!largest || row->named[i].rss > largest->rss)
			largest = &row->named[i];
	}
	return largest ? largest->name : NULL;
}

static void put_trend(struct json *json, const char *key, const uint64_t *trend, size_t n)
{
	json__key(json, key);
	if (!trend) {
		json__null(json);
		return;
	}
	json__array(json);
	for (size_t i = 0; i < n; i++) {
		if (trend[i] == UNKNOWN_BYTES)
			json__null(json);
		else
			json__u64(json, trend[i]);
	}
	json__end_array(json);
}

static void put_row(const struct report *report, const struct process_row *row, struct json *json)
{
	uint64_t now = report->taken_at;

	json__object(json);
	json__put_u64(json, "pid", row->pid);
	json__put_string(json, "comm", row->comm);
	amount__put(json, "rss", row->rss);
	amount__put(json, "pss", row->pss);
	amount__put(json, "swap", row->swap);
	kinds__put(json, &row->kinds);
	json__key(json, "growth");
	if (row->growth_since)
		json__i64(json, row->growth);
	else
		json__null(json);
	report_container__put(json, row->container);
	json__put_string(json, "largest_name", largest_name(row));
	json__put_time(json, "growth_since", row->growth_since);
	amount__put(json, "age_ms", age_ms(row->sampled_at, now));
	amount__put(json, "pss_age_ms", age_ms(row->pss_sampled_at, now));
	if (report->trends.n)
		put_trend(json, "trend", row->trend, report->trends.n);
	json__end_object(json);
}

void processes__add_json(const struct report *report, size_t n, struct json *json)
{
	size_t i;

	json__key(json, "processes");
	json__array(json);
	for (i = 0; i < n && i < report->n_processes; i++)
		put_row(report, &report->processes[i], json);
	json__end_array(json);
	json__put_u64(json, "unreadable_processes", report->unreadable_processes);
}

void encode__processes_text(const struct report *report, const struct encode_options *options,
			    struct buf *ret)
{
	processes__add_text(report, options->all ? report->n_processes : options->top,
			    options->unit, ret);
}

void encode__processes_json(const struct report *report, const struct encode_options *options,
			    struct buf *ret)
{
	struct json json = {.out = ret};
	char taken_at[CLOCK_TEXT_LEN];

	clock__format(report->taken_at, taken_at);
	json__object(&json);
	json__put_u64(&json, "schema", 1);
	json__put_string(&json, "version", MEMPROV_VERSION);
	json__put_string(&json, "taken_at", taken_at);
	if (report->trends.n) {
		json__key(&json, "trend");
		json__object(&json);
		json__put_u64(&json, "step_ms", report->trends.step_ms);
		put_trend(&json, "node", report->trends.node, report->trends.n);
		json__end_object(&json);
	}
	processes__add_json(report, options->all ? report->n_processes : options->top, &json);
	json__end_object(&json);
	buf__puts(ret, "\n");
}
