// SPDX-License-Identifier: BSD-2-Clause
#include "cli/show.h"

#include <errno.h>
#include <unistd.h>

#include "cli/named_process.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report_source.h"
#include "options/options.h"
#include "proc/self.h"
#include "util/cleanup.h"
#include "util/log.h"

#define WAITING_AFTER_MS 500

static void close_source(struct report_source **source)
{
	report_source__close(*source);
}

/* A table of those that are called so, for a person. */
static void write_list(const struct options *options, const struct buf *list)
{
	if (options->format == FORMAT_TEXT && !options->output)
		output__write(NULL, STDOUT_FILENO, list->data, list->len);
}

int show__run(const struct options *options)
{
	pid_t pid = options->pid ?: self__pid(options->proc);
	_cleanup_(close_source) struct report_source *source = NULL;
	_cleanup_buf_ struct buf body = {}, error = {}, list = {};
	struct spinner *spinner;
	int err = report_source__open(options, &source, &error);

	if (options->format == FORMAT_PPROF && output__check_binary(options->output, STDOUT_FILENO))
		return EXIT_USAGE;
	if (!err) {
		spinner = spinner__start(report_source__why_off(source) ? "reading the process"
									: "waiting for the daemon",
					 WAITING_AFTER_MS);
		if (options->name)
			err = named_process__find(source, options, &pid, &list, &error);
		err = err ?: report_source__get(source, pid, options, &body, &error);
		spinner__stop(spinner);
	}
	if (err == -ENOTUNIQ)
		write_list(options, &list);
	if (err) {
		log_error("%s", error.data ?: "out of memory");
		return EXIT_FAILED;
	}
	return output__write_text(options, &body) ? EXIT_FAILED : EXIT_DONE;
}
