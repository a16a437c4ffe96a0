// SPDX-License-Identifier: BSD-2-Clause
#include "cli/diff.h"
#include "cli/doctor.h"
#include "cli/history_show.h"
#include "cli/run.h"
#include "cli/show.h"
#include "cli/top.h"
#include "daemon.h"
#include "child/child.h"
#include "options/options.h"
#include "proc/self.h"
#include "util/log.h"

/* Without one, every process would seem to be hidden. */
static bool may_read_processes(const struct options *options)
{
	bool reads = options->command != COMMAND_DIFF && options->command != COMMAND_HISTORY &&
		     options->command != COMMAND_DOCTOR;

	if (!reads || self__is_in(options->proc))
		return true;
	log_error("--proc: there is no procfs in '%s'; takes the directory where the host's is "
		  "mounted",
		  options->proc);
	return false;
}

int main(int argc, char **argv)
{
	struct options options;
	int code;

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	if (options__parse(argc, argv, &options, &code))
		return code;
	if (!may_read_processes(&options)) {
		options__free(&options);
		return EXIT_FAILED;
	}
	switch (options.command) {
	case COMMAND_SERVE:
		code = daemon__run(&options);
		break;
	case COMMAND_SHOW:
		code = show__run(&options);
		break;
	case COMMAND_RUN:
		code = run__run(&options);
		break;
	case COMMAND_TOP:
		code = top__run(&options);
		break;
	case COMMAND_DIFF:
		code = diff__run(&options);
		break;
	case COMMAND_HISTORY:
		code = history_show__run(&options);
		break;
	case COMMAND_DOCTOR:
		code = doctor__run(&options);
		break;
	}
	options__free(&options);
	return code;
}
