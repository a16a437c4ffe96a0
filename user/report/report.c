// SPDX-License-Identifier: BSD-2-Clause
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>

#include "model/uses.h"
#include "reconcile/touched.h"
#include "util/arena.h"
#include "util/cleanup.h"

static const enum category_group groups[] = {
	[CATEGORY_RUNTIME_HEAP] = GROUP_RUNTIME,
	[CATEGORY_RUNTIME_STACK] = GROUP_RUNTIME,
	[CATEGORY_RUNTIME_METADATA] = GROUP_RUNTIME,
	[CATEGORY_NAMED] = GROUP_NAMED,
	[CATEGORY_LIBRARY] = GROUP_FILE,
	[CATEGORY_BINARY] = GROUP_FILE,
	[CATEGORY_OTHER_FILE] = GROUP_FILE,
	[CATEGORY_SHARED_MEMORY] = GROUP_FILE,
	[CATEGORY_ANON_RW] = GROUP_ANONYMOUS,
	[CATEGORY_ANON_RO] = GROUP_ANONYMOUS,
	[CATEGORY_ANON_X] = GROUP_ANONYMOUS,
	[CATEGORY_OTHER] = GROUP_OTHER,
};
_Static_assert(ARRAY_SIZE(groups) == CATEGORIES, "every category has a group");

static const char *const runtime_names[] = {
	[RUNTIME_NATIVE] = "native", [RUNTIME_GO] = "go",	  [RUNTIME_JAVA] = "java",
	[RUNTIME_NODE] = "node",     [RUNTIME_PYTHON] = "python",
};

static const char *const tracing_state_names[] = {
	[TRACING_OFF] = "off",
	[TRACING_COMPLETE] = "complete",
	[TRACING_SINCE_ATTACH] = "since_attach",
	[TRACING_RESYNCED] = "resynced",
};

struct report *report__new(void)
{
	struct arena *arena = arena__new();
	struct report *report = arena ? arena__alloc(arena, sizeof(*report)) : NULL;

	if (report)
		report->strings = arena;
	else
		arena__free(arena);
	return report;
}

void report__drop_sites(struct report *report)
{
	for (size_t i = 0; i < report->n_sites; i++)
		callsite__unref(report->sites[i].site);
	report->n_sites = 0;
}

void report__drop_touch_sites(struct report *report)
{
	for (size_t i = 0; i < report->touch.n_sites; i++)
		callsite__unref(report->touch.sites[i].site);
	report->touch.n_sites = 0;
}

void report__free(struct report *report)
{
	if (!report)
		return;
	report__drop_sites(report);
	report__drop_touch_sites(report);
	for (size_t i = 0; i < report->touch.n_list; i++)
		trace__unref(report->touch.list[i].trace);
	for (size_t i = 0; i < report->n_regions; i++) {
		trace__unref(report->regions[i].trace);
		trace__unref(report->regions[i].name_trace);
		trace__unref(report->regions[i].reservation);
	}
	uses__free_list(report->uses, report->n_uses);
	reservation__free(&report->memory);
	arena__free(report->strings);
}

static int compare_site(const void *a, const void *b)
{
	const struct site_id *x = a, *y = b;

	return (x->site > y->site) - (x->site < y->site);
}

int report__number_sites(struct report *report)
{
	report->site_ids =
		arena__alloc(report->strings, (report->n_sites + 1) * sizeof(*report->site_ids));
	if (!report->site_ids)
		return -ENOMEM;
	for (size_t i = 0; i < report->n_sites; i++)
		report->site_ids[i] = (struct site_id){report->sites[i].site, i + 1};
	qsort(report->site_ids, report->n_sites, sizeof(*report->site_ids), compare_site);
	return 0;
}

uint64_t report__site_id(const struct report *report, const struct callsite *site)
{
	struct site_id key = {.site = site}, *found;

	if (!site)
		return 0;
	found = bsearch(&key, report->site_ids, report->n_sites, sizeof(key), compare_site);
	return found ? found->id : 0;
}

enum category_group category__group(enum category category)
{
	return groups[category];
}

uint64_t report__group_bytes(const struct report *report, enum category_group group)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < CATEGORIES; i++) {
		if (groups[i] == group)
			sum += report->by_category[i];
	}
	return sum;
}

uint64_t report__runtime_bytes(const struct report *report)
{
	return report__group_bytes(report, GROUP_RUNTIME);
}

uint64_t report__file_bytes(const struct report *report)
{
	return report__group_bytes(report, GROUP_FILE);
}

uint64_t report__anonymous_bytes(const struct report *report)
{
	return report__group_bytes(report, GROUP_ANONYMOUS);
}

const char *runtime__name(enum runtime runtime)
{
	return runtime_names[runtime];
}

const char *tracing_state__name(enum tracing_state state)
{
	return tracing_state_names[state];
}
