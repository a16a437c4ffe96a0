// SPDX-License-Identifier: BSD-2-Clause
#include "report/cgroup.h"

#include "report/amount.h"
#include "util/text.h"

#define LABEL_WIDTH  20
#define AMOUNT_WIDTH 10

bool report_bridge__compute(const struct rollup *members, const struct cgroup_stat *stat,
			    uint64_t current, struct report_bridge *ret)
{
	struct report_bridge bridge = {.slab = stat->slab,
				       .kernel_stack = stat->kernel_stack,
				       .page_tables = stat->page_tables};

	if (current == CGROUP_UNKNOWN || stat->anonymous == CGROUP_UNKNOWN ||
	    stat->file == CGROUP_UNKNOWN || stat->shmem == CGROUP_UNKNOWN ||
	    stat->kernel == CGROUP_UNKNOWN || stat->sockets == CGROUP_UNKNOWN)
		return false;
	/* The parts rather than their sum, which is rounded otherwise. */
	bridge.pss = members->anonymous + members->file + members->shmem;
	bridge.anonymous = stat->anonymous - members->anonymous;
	bridge.page_cache = stat->file - stat->shmem - members->file;
	bridge.shared_memory = stat->shmem - members->shmem;
	bridge.kernel = stat->kernel;
	bridge.sockets = stat->sockets;
	bridge.other = current - bridge.pss - bridge.anonymous - bridge.page_cache -
		       bridge.shared_memory - bridge.kernel - bridge.sockets;
	*ret = bridge;
	return true;
}

static void put_i64(struct json *json, const char *key, int64_t value)
{
	json__key(json, key);
	json__i64(json, value);
}

static void put_bridge(struct json *json, const struct report_bridge *bridge)
{
	json__key(json, "bridge");
	json__object(json);
	json__put_u64(json, "pss", bridge->pss);
	put_i64(json, "anonymous", bridge->anonymous);
	put_i64(json, "page_cache", bridge->page_cache);
	put_i64(json, "shared_memory", bridge->shared_memory);
	json__put_u64(json, "kernel", bridge->kernel);
	json__put_u64(json, "sockets", bridge->sockets);
	put_i64(json, "other", bridge->other);
	json__key(json, "of_kernel");
	json__object(json);
	amount__put(json, "slab", bridge->slab);
	amount__put(json, "stacks", bridge->kernel_stack);
	amount__put(json, "page_tables", bridge->page_tables);
	json__end_object(json);
	json__end_object(json);
}

void report_cgroup__put(struct json *json, const struct report_cgroup *cgroup)
{
	json__key(json, "cgroup");
	if (!cgroup) {
		json__null(json);
		return;
	}
	json__object(json);
	json__put_string(json, "path", cgroup->path);
	amount__put(json, "current", cgroup->current);
	amount__put(json, "limit", cgroup->limit);
	amount__put(json, "working_set", cgroup->working_set);
	if (cgroup->bridge)
		put_bridge(json, cgroup->bridge);
	json__end_object(json);
}

static void add_amount(struct buf *out, const char *label, uint64_t bytes, enum unit unit)
{
	buf__printf(out, "%-*s", LABEL_WIDTH, label);
	amount__add(out, bytes, AMOUNT_WIDTH, unit);
	buf__puts(out, "\n");
}

static void add_change(struct buf *out, const char *label, int64_t bytes, const char *meaning,
		       enum unit unit)
{
	buf__printf(out, "%-*s", LABEL_WIDTH, label);
	amount__add_change(out, bytes, AMOUNT_WIDTH, unit);
	buf__printf(out, "  %s\n", bytes < 0 ? "mapped by them, and charged to others" : meaning);
}

static void add_part(struct buf *out, const char *label, uint64_t bytes, enum unit unit)
{
	if (bytes != UNKNOWN_BYTES)
		add_amount(out, label, bytes, unit);
}

void report_cgroup__add_text(struct buf *out, const struct report_cgroup *cgroup, enum unit unit)
{
	const struct report_bridge *bridge = cgroup ? cgroup->bridge : NULL;

	if (!bridge)
		return;
	buf__puts(out, "=== Control Group ===\n");
	text__show(out, cgroup->path);
	buf__puts(out, "\n");
	add_amount(out, "Processes (PSS):", bridge->pss, unit);
	add_change(out, "Anonymous:", bridge->anonymous, "charged, and mapped by none of them",
		   unit);
	add_change(out, "Page Cache:", bridge->page_cache, "files that none of them has mapped",
		   unit);
	add_change(out, "Shared Memory:", bridge->shared_memory, "tmpfs and the like, likewise",
		   unit);
	add_change(out, "Kernel:", bridge->kernel, "on their behalf", unit);
	add_part(out, "  Slab:", bridge->slab, unit);
	add_part(out, "  Stacks:", bridge->kernel_stack, unit);
	add_part(out, "  Page Tables:", bridge->page_tables, unit);
	add_change(out, "Sockets:", bridge->sockets, "buffers of the network", unit);
	add_change(out, "Other:", bridge->other, "charged ahead, and what has no name", unit);
	add_amount(out, "Charged:", cgroup->current, unit);
	add_amount(out, "Working Set:", cgroup->working_set, unit);
	add_amount(out, "Limit:", cgroup->limit, unit);
	buf__puts(out, "\n");
}
