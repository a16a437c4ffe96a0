/* SPDX-License-Identifier: BSD-2-Clause */
/* A report with a row in every section of docs/http.md, for the tests of the encoders. */
#ifndef MEMPROV_SAMPLE_REPORT_H
#define MEMPROV_SAMPLE_REPORT_H

#include <string.h>

#include "report/report.h"
#include "util/arena.h"
#include "util/clock.h"

#define MB (1ULL << 20)

static const uint64_t sample_categories[CATEGORIES] = {
	[CATEGORY_RUNTIME_HEAP] = 2048 * MB,
	[CATEGORY_RUNTIME_STACK] = 128 * MB,
	[CATEGORY_RUNTIME_METADATA] = 256 * MB,
	[CATEGORY_NAMED] = 4096 * MB,
	[CATEGORY_LIBRARY] = 64 * MB,
	[CATEGORY_BINARY] = 181 * MB,
	[CATEGORY_ANON_RW] = 512 * MB,
	[CATEGORY_ANON_RO] = 32 * MB,
	[CATEGORY_ANON_X] = 16 * MB,
};

static const struct report_container sample_container = {
	.id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	.runtime = "containerd",
	.pod = "web-0",
	.namespace = "prod",
	.name = "nginx",
	.pod_uid = "2f399ea0-2d0d-4e26-8d4f-9a3e7f9b2c11",
};

static inline struct report *sample_report__new(void)
{
	static const struct report_cgroup cgroup = {
		.path = "/system.slice/teranode.service",
		.current = 8000 * MB,
		.limit = UNKNOWN_BYTES,
		.working_set = 7000 * MB,
	};
	struct report *report = report__new();
	struct part *part;

	report->taken_at = 1795383067123456000ULL; /* 2026-11-22T21:31:07.123456Z */
	report->pid = 4242;
	report->start_time = 1795383000000000000ULL;
	report->comm = "teranode.run";
	report->exe = "/app/teranode.run";
	report->runtime = RUNTIME_GO;
	report->cgroup = &cgroup;
	report->tracing.state = TRACING_COMPLETE;
	report->tracing.since = 1795382000000000000ULL;
	report->tracing.backend = "tracepoint";
	report->totals.size = 12288 * MB;
	report->totals.rss = 7333 * MB;
	report->totals.pss = 7333 * MB;
	memcpy(report->by_category, sample_categories, sizeof(sample_categories));
	report->by_coverage[COVERAGE_ATTRIBUTED] = 7000 * MB;
	report->by_coverage[COVERAGE_KERNEL] = 333 * MB;

	report->n_named = 1;
	report->named = arena__alloc(report->strings, sizeof(*report->named));
	report->named[0] = (struct named_row){"TXMetaCache", 4096 * MB, 5000 * MB, 1};
	report->n_files = 2;
	report->files = arena__alloc(report->strings, 2 * sizeof(*report->files));
	report->files[0] = (struct file_row){"Shared Libraries", 64 * MB};
	report->files[1] = (struct file_row){"Binary teranode.run", 181 * MB};

	report->n_regions = 1;
	report->regions = part = arena__alloc(report->strings, sizeof(*part));
	*part = (struct part){
		.start = 0x7f8a40000000,
		.end = 0x7f8b78800000,
		.perms = "rw-p",
		.rss = 4096 * MB,
		.pss = 4096 * MB,
		.private_ = 4096 * MB,
		.kinds = {.bytes = {[PAGES_ANON_HUGE] = 2 * MB}},
		.name = "[anon: TXMetaCache]",
		.name_source = NAME_PRCTL,
		.category = CATEGORY_NAMED,
		.tid = 4250,
		.thread = "worker-3",
		.created_ns = 1,
	};
	return report;
}

static inline struct report *sample_node__new(void)
{
	struct report *report = report__new();

	report->taken_at = 1795383067123456000ULL;
	report->tracing.state = TRACING_SINCE_ATTACH;
	report->tracing.since = 1795382000000000000ULL;
	report->tracing.backend = "tracepoint";
	report->tracing.lost_events = 7;
	report->totals.rss = 300 * MB;
	report->totals.pss = 250 * MB;
	report->by_category[CATEGORY_ANON_RW] = 300 * MB;
	report->by_coverage[COVERAGE_ATTRIBUTED] = 100 * MB;
	report->by_coverage[COVERAGE_PREDATES] = 200 * MB;

	report->n_processes = 2;
	report->processes = arena__alloc(report->strings, 2 * sizeof(*report->processes));
	report->processes[0] = (struct process_row){
		.pid = 4242,
		.comm = "redis-server",
		.rss = 200 * MB,
		.pss = 190 * MB,
		.growth = -3 * (int64_t)MB - 5,
		.growth_since = report->taken_at - 60 * NSEC_PER_SEC,
		.sampled_at = report->taken_at - 2 * NSEC_PER_SEC,
		.pss_sampled_at = report->taken_at - 3 * NSEC_PER_SEC,
		.by_category_group = {[GROUP_ANONYMOUS] = 200 * MB},
	};
	report->processes[0].container = &sample_container;
	report->processes[1] = (struct process_row){
		.pid = 7,
		.comm = "evil\n\x1b[2J",
		.rss = 100 * MB,
		.pss = UNKNOWN_BYTES,
		.swap = 12 * MB,
		.sampled_at = report->taken_at,
		.by_category_group = {[GROUP_ANONYMOUS] = 100 * MB},
	};
	report->unreadable_processes = 3;
	return report;
}

#endif
