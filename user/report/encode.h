/* SPDX-License-Identifier: BSD-2-Clause */
/* A report as text and as JSON (docs/http.md). Encoders only read the report. */
#ifndef MEMPROV_ENCODE_H
#define MEMPROV_ENCODE_H

#include "report/detail.h"
#include "report/format.h"
#include "report/report.h"
#include "util/buf.h"

enum unit { UNIT_MB, UNIT_KB };

struct encode_options {
	size_t top;	/* rows of each list that a process can make long */
	bool all;	/* all rows instead */
	enum unit unit; /* of the text */
	uint64_t min;	/* call sites with less resident memory are left out; bytes */
	bool by_touch;	/* stacks that touched memory, in place of those that mapped it */
};

/* What an encoder tells of the regions of a process, so that no more is read. */
struct detail encode__detail(encode_fn *encode, const struct encode_options *options);

/* Memory running out shows in buf__error(ret). */
encode_fn encode__text;
encode_fn encode__json;

/* The one for a format; NULL for html, which only the flame graph has. */
encode_fn *encode__in(enum format format);

/* Stacks as flamegraph.pl and speedscope read them: frames from the outermost to the innermost,
 * separated by semicolons, and resident bytes. What has no call site is a line of its own. By touch
 * it is anonymous and shared memory alone, and what no sample tells of is a line. */
encode_fn encode__folded;

/* A gzipped profile for pprof. One of the node takes a report of taker__node_profile(). Like
 * the stacks above it always has everything, so that it adds up to RSS: smaller call sites than
 * options->min are one frame. */
encode_fn encode__pprof;
/* What the flame graph is drawn from, as JSON: every stack with its bytes by class, and what has no
 * call site, so that all of it adds up to the totals; then the same of what was touched. Call sites
 * that top or min leave out are summed in one stack. No newline at the end. */
encode_fn encode__flame_json;

/* Only the call sites, for /debug/memory/callsites. */
encode_fn encode__callsites_text;
encode_fn encode__callsites_json;

/* Only the processes of a node report, for /debug/memory/processes. */
encode_fn encode__processes_text;
encode_fn encode__processes_json;

#endif
