// SPDX-License-Identifier: BSD-2-Clause
#include "cli/history_show.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report_source.h"
#include "options/options.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/log.h"

#define WAITING_AFTER_MS 500

static void close_source(struct report_source **source)
{
	report_source__close(*source);
}

static void add(struct buf *target, const char *name, const char *value)
{
	if (!value)
		return;
	buf__printf(target, "&%s=", name);
	for (; *value; value++) {
		if (isalnum((unsigned char)*value) || strchr("-._~", *value))
			buf__add(target, value, 1);
		else
			buf__printf(target, "%%%02X", (unsigned char)*value);
	}
}

static void make_target(struct buf *ret, const struct options *o)
{
	buf__printf(ret, "/debug/memory/history?format=%s&unit=%s&by=%s&top=%zu&all=%d",
		    o->format == FORMAT_JSON ? "json" : "text", o->kilobytes ? "kB" : "MB",
		    o->by_touch ? "touch" : "map", o->top, o->all);
	if (o->pid)
		buf__printf(ret, "&pid=%d", o->pid);
	add(ret, "pod", o->pod);
	add(ret, "container", o->container);
	add(ret, "start_time", o->start_time);
	add(ret, "from", o->from);
	add(ret, "to", o->to);
	add(ret, "step", o->step);
}

int history_show__run(const struct options *options)
{
	_cleanup_(close_source) struct report_source *source = NULL;
	_cleanup_buf_ struct buf target = {}, body = {}, error = {};
	struct spinner *spinner;
	int err = report_source__open(options, &source, &error);

	make_target(&target, options);
	if (!err && report_source__why_off(source)) {
		log_error("history: %s", report_source__why_off(source));
		return EXIT_FAILED;
	}
	err = err ?: buf__error(&target);
	if (!err) {
		spinner = spinner__start("waiting for the daemon", WAITING_AFTER_MS);
		err = report_source__ask(source, target.data, &body, &error);
		spinner__stop(spinner);
	}
	if (err) {
		log_error("history: %s", error.data ?: "out of memory");
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	return output__write_text(options, &body) ? EXIT_FAILED : EXIT_DONE;
}
