// SPDX-License-Identifier: BSD-2-Clause
/* The JSON report (docs/http.md): its keys in that order, null for what is not known. */
#include "report/encode.h"

#include <stdio.h>

#include "report/amount.h"
#include "report/callsites.h"
#include "report/cgroup.h"
#include "report/container.h"
#include "report/kinds.h"
#include "report/processes.h"
#include "report/touched.h"
#include "util/clock.h"
#include "util/json.h"

static size_t shown(const struct encode_options *options, size_t n)
{
	return options->all || n < options->top ? n : options->top;
}

static void put_identity(struct json *json, const struct report *report)
{
	json__key(json, "pid");
	if (report->pid)
		json__u64(json, report->pid);
	else
		json__null(json);
	json__put_time(json, "start_time", report->start_time);
	json__put_string(json, "comm", report->comm);
	json__put_string(json, "exe", report->exe);
	json__put_string(json, "runtime",
			 report__is_of_many(report) ? NULL : runtime__name(report->runtime));
	report_container__put(json, report->container);
	report_cgroup__put(json, report->cgroup);
	json__put_string(json, "consistency", report->racing ? "racing" : "exact");
}

static void put_tracing(struct json *json, const struct report *report)
{
	json__key(json, "tracing");
	json__object(json);
	json__put_string(json, "state", tracing_state__name(report->tracing.state));
	json__put_time(json, "since", report->tracing.since);
	json__put_string(json, "backend", report->tracing.backend);
	json__put_u64(json, "lost_events", report->tracing.lost_events);
	json__end_object(json);
}

static void put_totals(struct json *json, const struct report *report)
{
	json__key(json, "totals");
	json__object(json);
	amount__put(json, "virtual", report->totals.size);
	amount__put(json, "rss", report->totals.rss);
	amount__put(json, "pss", report->totals.pss);
	amount__put(json, "swap", report->totals.swap);
	kinds__put(json, &report->totals.kinds);
	json__end_object(json);
}

static void put_named_row(struct json *json, const struct named_row *row)
{
	json__object(json);
	json__put_string(json, "name", row->name);
	json__put_u64(json, "rss", row->rss);
	json__put_u64(json, "virtual", row->size);
	json__put_u64(json, "regions", row->regions);
	json__end_object(json);
}

static void put_named(struct json *json, const struct report *report,
		      const struct encode_options *options)
{
	size_t n = shown(options, report->n_named), i;
	struct named_row others = {0};
	char name[32];

	json__key(json, "named");
	json__array(json);
	for (i = 0; i < n; i++)
		put_named_row(json, &report->named[i]);
	for (; i < report->n_named; i++) {
		others.rss += report->named[i].rss;
		others.size += report->named[i].size;
		others.regions += report->named[i].regions;
	}
	if (n < report->n_named) {
		snprintf(name, sizeof(name), "(%zu others)", report->n_named - n);
		others.name = name;
		put_named_row(json, &others);
	}
	json__end_array(json);
}

static void put_files(struct json *json, const struct report *report)
{
	size_t i;

	json__key(json, "file_backed");
	json__array(json);
	for (i = 0; i < report->n_files; i++) {
		json__object(json);
		json__put_string(json, "name", report->files[i].name);
		json__put_u64(json, "rss", report->files[i].rss);
		json__end_object(json);
	}
	json__end_array(json);
}

static void put_breakdown(struct json *json, const struct report *report,
			  const struct encode_options *options)
{
	const uint64_t *bytes = report->by_category;

	json__key(json, "breakdown");
	json__object(json);
	json__key(json, "runtime");
	json__object(json);
	json__put_u64(json, "heap", bytes[CATEGORY_RUNTIME_HEAP]);
	json__put_u64(json, "stack", bytes[CATEGORY_RUNTIME_STACK]);
	json__put_u64(json, "metadata", bytes[CATEGORY_RUNTIME_METADATA]);
	json__end_object(json);
	put_named(json, report, options);
	put_files(json, report);
	json__key(json, "anonymous");
	json__object(json);
	json__put_u64(json, "read_write", bytes[CATEGORY_ANON_RW]);
	json__put_u64(json, "read_only", bytes[CATEGORY_ANON_RO]);
	json__put_u64(json, "executable", bytes[CATEGORY_ANON_X]);
	json__end_object(json);
	json__put_u64(json, "other", bytes[CATEGORY_OTHER]);
	json__end_object(json);
}

static void put_coverage(struct json *json, const struct report *report)
{
	const uint64_t *bytes = report->by_coverage;

	json__key(json, "coverage");
	json__object(json);
	json__put_u64(json, "attributed", bytes[COVERAGE_ATTRIBUTED]);
	json__put_u64(json, "predates", bytes[COVERAGE_PREDATES]);
	json__put_u64(json, "kernel", bytes[COVERAGE_KERNEL]);
	json__put_u64(json, "unknown", bytes[COVERAGE_UNKNOWN]);
	json__end_object(json);
}

static void put_site_id(struct json *json, const char *key, const struct report *report,
			const struct callsite *site)
{
	uint64_t id = report__site_id(report, site);

	json__key(json, key);
	if (id)
		json__u64(json, id);
	else
		json__null(json);
}

static void put_region(struct json *json, const struct report *report, const struct part *part,
		       uint64_t boot_wall_ns)
{
	json__object(json);
	json__put_hex(json, "start", part->start);
	json__put_hex(json, "end", part->end);
	json__put_string(json, "perms", part->perms);
	json__put_u64(json, "offset", part->offset);
	json__put_u64(json, "inode", part->inode);
	amount__put(json, "rss", part->rss);
	amount__put(json, "pss", part->pss);
	amount__put(json, "private", part->private_);
	amount__put(json, "shared", part->shared);
	amount__put(json, "swap", part->swap);
	kinds__put(json, &part->kinds);
	json__put_string(json, "rss_source", rss_source__name(part->rss_source));
	json__put_string(json, "name", part->name);
	json__put_string(json, "name_source", name_source__name(part->name_source));
	put_site_id(json, "named_by", report, part->named_by);
	json__put_string(json, "origin", origin__name(part->origin));
	json__put_bool(json, "inherited", part->inherited);
	put_site_id(json, "callsite", report, part->callsite);
	json__key(json, "tid");
	if (part->tid)
		json__u64(json, part->tid);
	else
		json__null(json);
	json__put_string(json, "thread", part->thread[0] ? part->thread : NULL);
	json__put_time(json, "created_at", part->created_ns ? boot_wall_ns + part->created_ns : 0);
	json__put_u64(json, "touch_samples", part->touch_samples);
	json__end_object(json);
}

static void put_regions(struct json *json, const struct report *report,
			const struct encode_options *options)
{
	/* One offset for the whole report: equal times of creation stay equal. */
	uint64_t boot_wall_ns = clock__boot_to_wall(0);
	size_t n = shown(options, report->n_regions), i;

	json__key(json, "regions");
	json__array(json);
	for (i = 0; i < n; i++)
		put_region(json, report, &report->regions[i], boot_wall_ns);
	json__end_array(json);
}

void encode__callsites_json(const struct report *report, const struct encode_options *options,
			    struct buf *ret)
{
	struct json json = {.out = ret};

	json__object(&json);
	json__put_u64(&json, "schema", 1);
	json__put_string(&json, "version", MEMPROV_VERSION);
	json__put_time(&json, "taken_at", report->taken_at);
	put_identity(&json, report);
	put_tracing(&json, report);
	if (options->by_touch)
		touched__add_json(report, options, &json);
	else
		callsites__add_json(report, options, 0, &json);
	json__end_object(&json);
	buf__puts(ret, "\n");
}

void encode__json(const struct report *report, const struct encode_options *options,
		  struct buf *ret)
{
	struct json json = {.out = ret};

	json__object(&json);
	json__put_u64(&json, "schema", 1);
	json__put_string(&json, "version", MEMPROV_VERSION);
	json__put_time(&json, "taken_at", report->taken_at);
	put_identity(&json, report);
	put_tracing(&json, report);
	put_totals(&json, report);
	put_breakdown(&json, report, options);
	put_coverage(&json, report);
	put_regions(&json, report, options);
	callsites__add_json(report, options, shown(options, report->n_regions), &json);
	touched__add_json(report, options, &json);
	if (report__is_of_many(report))
		processes__add_json(report, shown(options, report->n_processes), &json);
	json__end_object(&json);
	buf__puts(ret, "\n");
}
