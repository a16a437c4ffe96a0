/* SPDX-License-Identifier: BSD-2-Clause */
/* A report as text and as JSON (docs/http.md). Encoders only read the report. */
#ifndef MEMPROV_ENCODE_H
#define MEMPROV_ENCODE_H

#include "report/report.h"
#include "util/buf.h"

enum unit { UNIT_MB, UNIT_KB };

struct encode_options {
	size_t top;	/* rows of each list that a process can make long */
	bool all;	/* all rows instead */
	enum unit unit; /* of the text */
	uint64_t min;	/* call sites with less resident memory are left out; bytes */
};

/* Memory running out shows in buf__error(ret). */
void encode__text(const struct report *report, const struct encode_options *options,
		  struct buf *ret);
void encode__json(const struct report *report, const struct encode_options *options,
		  struct buf *ret);

/* Stacks as flamegraph.pl and speedscope read them: frames from the outermost to the innermost,
 * separated by semicolons, and resident bytes. What has no call site is a line of its own. */
void encode__folded(const struct report *report, const struct encode_options *options,
		    struct buf *ret);

/* A gzipped profile for pprof. One of the node takes a report of taker__node_profile(). Like
 * the stacks above it always has everything, so that it adds up to RSS: smaller call sites than
 * options->min are one frame. */
void encode__pprof(const struct report *report, const struct encode_options *options,
		   struct buf *ret);
/* What the flame graph is drawn from, as JSON: every stack with its bytes by class, and what has no
 * call site, so that all of it adds up to the totals. Call sites that top or min leave out are
 * summed in one stack. No newline at the end. */
void encode__flame_json(const struct report *report, const struct encode_options *options,
			struct buf *ret);

/* Only the call sites, for /debug/memory/callsites. */
void encode__callsites_text(const struct report *report, const struct encode_options *options,
			    struct buf *ret);
void encode__callsites_json(const struct report *report, const struct encode_options *options,
			    struct buf *ret);

/* Only the processes of a node report, for /debug/memory/processes. */
void encode__processes_text(const struct report *report, const struct encode_options *options,
			    struct buf *ret);
void encode__processes_json(const struct report *report, const struct encode_options *options,
			    struct buf *ret);

#endif
