// SPDX-License-Identifier: BSD-2-Clause
#include "cli/show.h"

#include <unistd.h>

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

int show__run(const struct options *options)
{
	pid_t pid = options->pid ?: self__pid(options->proc);
	_cleanup_(close_source) struct report_source *source = NULL;
	_cleanup_buf_ struct buf body = {}, error = {};
	struct spinner *spinner;
	int err = report_source__open(options, &source, &error);

	if (options->format == FORMAT_PPROF && output__check_binary(options->output, STDOUT_FILENO))
		return EXIT_USAGE;
	if (!err) {
		spinner = spinner__start(report_source__why_off(source) ? "reading the process"
									: "waiting for the daemon",
					 WAITING_AFTER_MS);
		err = report_source__get(source, pid, options, &body, &error);
		spinner__stop(spinner);
	}
	if (err) {
		log_error("%s", error.data ?: "out of memory");
		return EXIT_FAILED;
	}
	return output__write(options->output, STDOUT_FILENO, body.data, body.len) ? EXIT_FAILED
										  : EXIT_DONE;
}
