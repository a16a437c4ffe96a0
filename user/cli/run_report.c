// SPDX-License-Identifier: BSD-2-Clause
#include "cli/run_report.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "report/amount.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/text.h"

/* "SIGTERM"; real-time signals have no names of their own. */
static const char *signal_name(int number, char ret[32])
{
	const char *name = sigabbrev_np(number);

	snprintf(ret, 32, "SIG%s", name ?: "RT");
	if (!name)
		snprintf(ret, 32, "signal %d", number);
	return ret;
}

static void add_amount(struct buf *out, uint64_t bytes, const struct encode_options *options)
{
	amount__add(out, bytes, 0, options->unit);
}

static void add_seconds(struct buf *out, uint64_t from, uint64_t to)
{
	uint64_t ms = to > from ? (to - from) / 1000000 : 0;

	buf__printf(out, "%" PRIu64 ".%03" PRIu64 " s", ms / 1000, ms % 1000);
}

static void add_status(struct buf *out, int status)
{
	char name[32];

	if (WIFSIGNALED(status))
		buf__printf(out, "was killed by %s%s", signal_name(WTERMSIG(status), name),
			    WCOREDUMP(status) ? " (core dumped)" : "");
	else
		buf__printf(out, "exited with status %d", WEXITSTATUS(status));
}

static void add_command(const struct run_report *run, const struct encode_options *options,
			struct buf *out)
{
	buf__puts(out, "=== Command ===\n");
	for (size_t i = 0; run->command[i]; i++) {
		if (i)
			buf__puts(out, " ");
		text__show(out, run->command[i]);
	}
	buf__printf(out, "\nProcess %d ", run->pid);
	add_status(out, run->status);
	buf__puts(out, " after ");
	add_seconds(out, run->started_at, run->ended_at);
	buf__puts(out, "\n");
	if (run->peak) {
		buf__puts(out, "Peak RSS ");
		add_amount(out, run->peak_rss, options);
		buf__puts(out, " (VmHWM), seen at ");
		add_amount(out, run->peak->totals.rss, options);
		buf__puts(out, "\n");
	}
	if (run->family.n) {
		buf__printf(out, "Processes that it started: at most %zu at a time, RSS at most ",
			    run->family.n);
		add_amount(out, run->family.rss, options);
		buf__puts(out, " together; they are in no figure below\n");
	}
	buf__puts(out, "\n");
}

static void add_heading(const struct run_report *run, const char *what, const struct report *report,
			const struct encode_options *options, struct buf *out)
{
	buf__printf(out, "=== %s (", what);
	if (report) {
		add_amount(out, report->totals.rss, options);
		buf__puts(out, ", ");
		add_seconds(out, run->started_at, report->taken_at);
		buf__puts(out, " after the start");
	} else {
		buf__puts(out, "not seen");
	}
	buf__puts(out, ") ===\n\n");
}

void run_report__text(const struct run_report *run, const struct encode_options *options,
		      struct buf *ret)
{
	add_command(run, options, ret);
	add_heading(run, "At peak RSS", run->peak, options, ret);
	if (!run->peak)
		buf__puts(ret, "The process could not be read.\n\n");
	else if (run->peak == run->end)
		buf__puts(ret, "The same as at the end.\n\n");
	else
		encode__text(run->peak, options, ret);
	if (run->peak && run->peak != run->end)
		buf__puts(ret, "\n");
	add_heading(run, "At the end", run->end, options, ret);
	if (run->end_is == RUN_END_SAMPLE)
		buf__printf(ret, "%s: its exit could not be caught.\n\n",
			    run->end ? "The last that was seen of it"
				     : "The process could not be read");
	if (run->end)
		encode__text(run->end, options, ret);
}

static void put_exit(struct json *json, int status)
{
	bool killed = WIFSIGNALED(status);
	char name[32];

	json__key(json, "exit");
	json__object(json);
	if (killed)
		json__put_null(json, "code");
	else
		json__put_u64(json, "code", WEXITSTATUS(status));
	json__put_string(json, "signal", killed ? signal_name(WTERMSIG(status), name) : NULL);
	json__put_bool(json, "core_dumped", killed && WCOREDUMP(status));
	json__end_object(json);
}

/* The encoder writes a whole object, with a newline behind it. */
static void put_report(struct json *json, const char *key, const struct report *report,
		       const struct encode_options *options)
{
	struct buf *out = json->out;

	if (!report) {
		json__put_null(json, key);
		return;
	}
	json__key(json, key);
	encode__json(report, options, out);
	if (out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	json->comma = true;
}

void run_report__json(const struct run_report *run, const struct encode_options *options,
		      struct buf *ret)
{
	struct json json = {.out = ret};

	json__object(&json);
	json__put_u64(&json, "schema", 1);
	json__put_string(&json, "version", MEMPROV_VERSION);
	json__key(&json, "command");
	json__array(&json);
	for (size_t i = 0; run->command[i]; i++)
		json__string(&json, run->command[i]);
	json__end_array(&json);
	json__put_u64(&json, "pid", run->pid);
	json__put_time(&json, "started_at", run->started_at);
	json__put_time(&json, "ended_at", run->ended_at);
	put_exit(&json, run->status);
	amount__put(&json, "peak_rss", run->peak_rss ?: UNKNOWN_BYTES);
	json__key(&json, "descendants");
	json__object(&json);
	json__put_u64(&json, "most", run->family.n);
	json__put_u64(&json, "peak_rss", run->family.rss);
	json__end_object(&json);
	put_report(&json, "peak", run->peak, options);
	json__put_string(&json, "end_source",
			 !run->end		       ? NULL
			 : run->end_is == RUN_END_EXIT ? "exit"
						       : "sample");
	put_report(&json, "end", run->end, options);
	json__end_object(&json);
	buf__puts(ret, "\n");
}
