// SPDX-License-Identifier: BSD-2-Clause
#include "tracer.h"

#include <string.h>

#include "model/names.h"
#include "model/owner.h"
#include "model/sweep.h"
#include "options.h"
#include "report/take.h"
#include "util/log.h"

/* Exit code of one that cannot trace: whoever asked for it wants call sites, not less. */
static int start_owner(struct tracer *t, const struct options *options)
{
	struct owner_config config = {
		.ring_size = options->ring_size,
		.on_cold_name = name_reader__take,
		.ctx = t->names,
	};
	char why[256];

	if (options->backend == BACKEND_FEXIT) {
		log_error("--backend fexit: this version attaches by tracepoints only; accepted: "
			  "auto, tracepoint");
		return EXIT_UNSUPPORTED;
	}
	if (owner__new(&config, why, sizeof(why), &t->owner)) {
		log_error("cannot trace: %s; 'memprov doctor' says what is missing, and 'memprov "
			  "show PID' reports without tracing",
			  why);
		return EXIT_UNSUPPORTED;
	}
	return EXIT_DONE;
}

int tracer__start(struct tracer *t, const struct options *options, bool sweep)
{
	struct taker_config taker = {.proc = options->proc};
	int code, err;

	t->names = name_reader__new(options->proc);
	code = t->names ? start_owner(t, options) : EXIT_FAILED;
	if (code)
		return code;
	err = name_reader__start(t->names, t->owner);
	if (!err && sweep)
		err = sweeper__new(options->proc, t->owner, &t->sweeper);
	if (err) {
		log_error("a thread cannot be started (%s)", strerror(-err));
		return EXIT_FAILED;
	}
	taker.owner = t->owner;
	t->taker = taker__new(&taker);
	return t->taker ? EXIT_DONE : EXIT_FAILED;
}

void tracer__stop(struct tracer *t)
{
	sweeper__free(t->sweeper);
	name_reader__stop(t->names);
	owner__free(t->owner);
	name_reader__free(t->names);
	taker__free(t->taker);
	*t = (struct tracer){};
}
