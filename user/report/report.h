/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A report: what one process's (or the whole node's) resident memory is, at one moment. It is
 * made once, never changed afterwards, and may be encoded by several threads at a time. All
 * amounts are bytes. The report, its rows and its strings live in one arena, report->strings, and
 * go together.
 */
#ifndef MEMPROV_REPORT_H
#define MEMPROV_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "reconcile/attribution.h"
#include "util/budget.h"

enum runtime {
	RUNTIME_NATIVE = 0,
	RUNTIME_GO,
	RUNTIME_JAVA,
	RUNTIME_NODE,
	RUNTIME_PYTHON,
};

enum tracing_state { TRACING_OFF, TRACING_COMPLETE, TRACING_SINCE_ATTACH, TRACING_RESYNCED };

/* The categories as the sections of the text report gather them. */
enum category_group {
	GROUP_RUNTIME,
	GROUP_NAMED,
	GROUP_FILE,
	GROUP_ANONYMOUS,
	GROUP_OTHER,
	CATEGORY_GROUPS,
};

struct touch_sample;
struct use;

#define OTHER_NAMES "(other)" /* a row that stands for many */

struct named_row {
	const char *name;
	uint64_t rss;
	uint64_t size; /* address space */
	uint64_t regions;
};

struct file_row {
	const char *name; /* "Shared Libraries", "Other Files /srv/db/ (150 files)" */
	uint64_t rss;
};

struct totals {
	uint64_t size; /* "virtual" */
	uint64_t rss;
	uint64_t pss;
	uint64_t swap;
	struct page_kinds kinds;
};

struct site_id {
	const struct callsite *site;
	uint64_t id;
};

/* Of one category. */
struct class_bytes {
	uint64_t rss;
	uint64_t mapped;
};

/* All that one call site has created; or, of a site of first touch, touched. */
struct site_row {
	struct callsite *site; /* the report holds a reference */
	int owner;	       /* index of the frame whose code it is; -1: not known */
	uint64_t rss;
	uint64_t mapped;
	uint64_t regions;
	struct page_kinds kinds;
	uint64_t total_mapped; /* since tracing began, or the process did */
	uint64_t total_unmapped;
	uint64_t first_seen; /* wall clock, ns; 0: it has only named */
	uint64_t last_seen;
	struct class_bytes by_class[CATEGORIES]; /* adds up to rss and mapped */
	/* Of a site of first touch alone, which has not what is mapped: */
	uint64_t samples;
	uint64_t rss_error; /* one standard error, bytes */
};

/* NULL: not known. */
struct report_container {
	const char *id;
	const char *runtime;
	const char *pod;
	const char *namespace; /* known whenever pod is */
	const char *name;
	const char *pod_uid;
};

/* RSS of the time until now, cut into n equal parts: the most that was known in each, or
 * UNKNOWN_BYTES. The oldest first. */
struct trends {
	size_t n; /* 0: they are not asked for */
	uint64_t step_ms;
	const uint64_t *node; /* NULL: not known */
};

struct process_row {
	pid_t pid;
	const char *comm;
	const struct report_container *container; /* NULL: in none */
	uint64_t rss;
	uint64_t pss;
	uint64_t swap;
	struct page_kinds kinds;
	int64_t growth;	       /* of RSS since growth_since */
	uint64_t growth_since; /* wall clock, ns: when it was first seen; 0: growth is not known */
	uint64_t sampled_at;   /* wall clock, ns: when rss and what adds up to it were read */
	uint64_t pss_sampled_at; /* the same of pss, swap, kinds; 0: they are not known */

	/* Which process and which program of it: its number and its name may be another's. */
	uint64_t start_ticks;
	uint64_t exec_space; /* as in struct space */

	const uint64_t *trend; /* of RSS, by the list's struct trends; NULL: not known */

	/* For the metrics; adds up to rss. */
	uint64_t by_category_group[CATEGORY_GROUPS];
	const struct named_row *named; /* in any order */
	size_t n_named;
};

/*
 * From the memory that a group's processes have to what its cgroup is charged for. All add up to
 * the cgroup's `current`. A difference is negative when the group maps what another is charged for.
 */
struct report_bridge {
	uint64_t pss;	       /* of all members, smaps_rollup's */
	int64_t anonymous;     /* anonymous memory less that in pss: of others in the cgroup */
	int64_t page_cache;    /* files less those in pss: cached, mapped by no member */
	int64_t shared_memory; /* tmpfs, memfd, SysV less those in pss */
	uint64_t kernel;
	uint64_t sockets;
	int64_t other; /* what the kernel accounts under no name, or not at one moment */

	/* Of kernel; UNKNOWN_BYTES: not told. */
	uint64_t slab;
	uint64_t kernel_stack;
	uint64_t page_tables;
};

struct report_cgroup {
	const char *path;
	uint64_t current;
	uint64_t limit;
	uint64_t working_set;
	const struct report_bridge *bridge; /* NULL: not a group, or not known */
};

struct profile_row;

enum touch_report_state { TOUCH_REPORT_OFF, TOUCH_REPORT_ON, TOUCH_REPORT_UNSUPPORTED };

/* What touched resident memory first (reconcile/touched.h). */
struct report_touch {
	enum touch_report_state state;
	const char *why_not; /* when it is unsupported */
	uint64_t since;	     /* wall clock, ns; 0: off */
	uint64_t resident;   /* of anonymous and shared memory; the sum of the next two */
	uint64_t sampled;
	uint64_t unsampled;
	uint64_t unsampled_by_class[CATEGORIES];
	uint64_t samples;
	struct site_row *sites; /* largest first; with unsampled they add up to resident */
	size_t n_sites;

	/* For report__settle(), in order of address; the report holds references to their traces.
	 */
	struct touch_sample *list;
	size_t n_list;
};

struct report {
	uint64_t taken_at; /* wall clock, ns */

	/* One process; the report of a node or a group has pid 0 and no start, comm, exe, and that
	 * of a node no cgroup. */
	pid_t pid;
	uint64_t start_time; /* wall clock, ns */
	const char *comm;
	const char *exe;			  /* NULL: not known */
	enum runtime runtime;			  /* of one process */
	const struct report_container *container; /* NULL: in none. A group's own, too */
	const struct report_cgroup *cgroup;	  /* NULL: not known */
	bool racing;

	struct {
		enum tracing_state state;
		uint64_t since;	      /* wall clock, ns; 0: off */
		const char *backend;  /* "tracepoint", "fexit", "none" */
		uint64_t lost_events; /* of this process; of the node for a node report */
		const char *why_off;  /* why there are no call sites; NULL when tracing */
	} tracing;

	struct totals totals;

	/* Every resident byte once: these, named, files and `other` add up to totals.rss. */
	uint64_t by_category[CATEGORIES];
	uint64_t by_coverage[COVERAGES]; /* adds up to totals.rss too */

	struct named_row *named; /* largest first */
	size_t n_named;
	struct file_row *files; /* in the order of docs/http.md */
	size_t n_files;

	struct part *regions; /* all of them, as many as were asked for (report/detail.h) in the
				 order of reconcile/largest.h */
	size_t n_regions;     /* the report holds references to their traces */

	/* For report__settle(): */
	const char *binary; /* base name of the program */
	struct use *uses;   /* the report owns them */
	size_t n_uses;

	/* Those of live regions, and those that named some; largest first, as regions. The id of a
	 * call site is its place here, counted from 1. */
	struct site_row *sites;
	size_t n_sites;
	struct site_id *site_ids; /* by address; report__site_id() */
	/* What has no call site. With the sites it adds up to totals.rss and totals.size. */
	struct class_bytes siteless[COVERAGES][CATEGORIES];

	struct report_touch touch;

	struct process_row *processes; /* node report: largest rss first */
	size_t n_processes;
	struct trends trends; /* of a list of processes */
	/* Node report: what a profile is made of, when it was asked for (report/profile_rows.h).
	 * The regions of a process are in `regions`. */
	const struct profile_row *profile_rows;
	size_t n_profile_rows;

	uint64_t unreadable_processes; /* node report: could not be read, so not in the sums */

	struct reservation memory; /* for what it takes */
	struct arena *strings;	   /* owns the report and everything that it points to */
};

/* An empty report in its own arena; NULL when out of memory. */
struct report *report__new(void);
void report__free(struct report *report); /* accepts NULL */

static inline bool report__is_of_many(const struct report *report)
{
	return !report->pid;
}

enum category_group category__group(enum category category);

/* Lets go of the call sites: others will be filled in. */
void report__drop_sites(struct report *report);

void report__drop_touch_sites(struct report *report);

/* Makes site_ids from sites, which are in their final order. 0 or -ENOMEM. */
int report__number_sites(struct report *report);

/* The id of a call site; 0 for NULL. */
uint64_t report__site_id(const struct report *report, const struct callsite *site);

/* Sums of by_category, as the sections of the text report have them. */
uint64_t report__group_bytes(const struct report *report, enum category_group group);
uint64_t report__runtime_bytes(const struct report *report);
uint64_t report__file_bytes(const struct report *report);
uint64_t report__anonymous_bytes(const struct report *report);

/* "go", "java", "node", "python", "native". */
const char *runtime__name(enum runtime runtime);
const char *tracing_state__name(enum tracing_state state);

#endif
