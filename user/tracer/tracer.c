// SPDX-License-Identifier: BSD-2-Clause
#include "tracer/tracer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "blackbox/blackbox.h"
#include "growth/growth.h"
#include "live/cpu_limit.h"
#include "live/name_reader.h"
#include "live/owner.h"
#include "live/sweep.h"
#include "live/unwinder.h"
#include "options/options.h"
#include "proc/crew.h"
#include "proc/mapcounts.h"
#include "proc/pod_logs.h"
#include "report/take.h"
#include "sampler/sampler.h"
#include "tracer/memory_limit.h"
#include "tracer/privilege.h"
#include "util/budget.h"
#include "util/log.h"

/* The sweeper, the sampler, the unwinder, growth and the black box. */
#define TRACER_WORKERS 5

/* Threads that may be stuck in processes before work is left undone. */
#define RESERVE 16

#define SYMBOLIZER_MEMORY (256u << 20) /* or half of the budget */
#define SYMBOLIZER_TIMEOUT_MS                                                                      \
	1500 /* so that a waiting request is answered in 2 s when the child hangs */

/* Events a second, of all that go beyond their own share: some 5 % of a CPU with their stacks. */
#define STORM_RATE 10000

/* Exit code when it cannot trace: `serve` and `run` are for call sites, not less. */
static int attach_owner(struct tracer *t, const struct options *options)
{
	struct owner_config config = {
		.model.budget = t->budget,
		.backend = options->backend,
		.touch_rate = options->touch == TOUCH_AUTO ? options->touch_rate : 0,
		.ring_size = options->ring_size,
		/* `run` has one program, and wants all of it. */
		.storm_rate = t->sampler ? STORM_RATE : 0,
		.model.on_late_name = name_reader__take,
		.model.ctx = t->names,
		.unwind = options->unwind,
		.stack_min = options->stack_min,
		.cpu_limit = t->cpu_limit,
	};
	char why[256];

	if (t->unwinder) {
		config.model.on_stack = unwinder__take;
		config.model.on_stacks_wanted = unwinder__hurry;
		config.model.on_process_end = unwinder__leave;
		config.model.on_interpreter = unwinder__look_at;
		config.model.on_memory_short = unwinder__give_up;
		config.model.stack_ctx = t->unwinder;
		config.touch_backlog = unwinder__touch_backlog;
	}
	if (t->sampler) {
		config.model.on_forgotten = sampler__forget;
		config.model.forgotten_ctx = t->sampler;
	}
	if (owner__new(&config, why, sizeof(why), &t->owner)) {
		log_error("cannot trace%s: %s; 'memprov doctor' says what is missing, and 'memprov "
			  "show PID' reports without tracing",
			  options->backend == BACKEND_FEXIT ? " with --backend fexit" : "", why);
		return EXIT_UNSUPPORTED;
	}
	if (owner__touch_state(t->owner) == TOUCH_UNSUPPORTED)
		log_warn("what touched memory first is not known: %s",
			 owner__why_no_touch(t->owner));
	return EXIT_DONE;
}

static int begin_unwinder(struct tracer *t, const struct options *options, uint64_t memory)
{
	struct symbolizer_config config = {
		.proc = options->proc,
		.child_memory = memory,
		.timeout_ms = SYMBOLIZER_TIMEOUT_MS,
		/* Of another user's the child's exec leaves nothing. */
		.launcher_capabilities = geteuid() ? 0 : privilege__held(HELD_BY_LAUNCHER),
	};
	int err;

	if (options->unwind == MP_UNWIND_NONE)
		return EXIT_DONE;
	err = unwinder__new(&config, t->budget, t->cpu_limit, &t->unwinder);
	if (!err)
		return EXIT_DONE;
	log_error("the process that unwinds stacks cannot be started (%s); --unwind none goes "
		  "without call sites",
		  strerror(-err));
	return EXIT_FAILED;
}

/* What the budget leaves to the process that unwinds. */
static uint64_t set_budget(struct tracer *t, const struct options *options)
{
	uint64_t limit = options->memory_limit ?: memory_limit__default(options->proc);
	uint64_t child = limit / 2 < SYMBOLIZER_MEMORY ? limit / 2 : SYMBOLIZER_MEMORY;

	t->budget = budget__new(limit - child);
	return child;
}

int tracer__attach(struct tracer *t, const struct options *options, bool sweep)
{
	/* `run` has one process, and ends with it. */
	uint64_t memory = sweep ? set_budget(t, options) : SYMBOLIZER_MEMORY;
	/* First: the launcher has nothing to do with what the others open. */
	int code = EXIT_FAILED;

	if (sweep)
		t->cpu_limit = cpu_limit__new(options->cpu_limit);
	if (!sweep || (t->budget && t->cpu_limit))
		code = begin_unwinder(t, options, memory);
	if (code)
		return code;
	if (sweep)
		t->mapcounts =
			mapcounts__new(options->proc, privilege__held(HELD_BY_PAGEMAP_SERVER));
	t->names = name_reader__new(options->proc);
	t->sampler = sweep ? sampler__new(t->observer) : NULL;
	return t->names && (t->sampler || !sweep) ? attach_owner(t, options) : EXIT_FAILED;
}

int tracer__start(struct tracer *t, const struct options *options, size_t workers)
{
	bool sweep = workers;
	struct taker_config taker = {
		.proc = options->proc,
		.owner = t->owner,
		.budget = t->budget,
		.observer = t->observer,
		.mapcounts = t->mapcounts,
		.stacks_later = !sweep,
	};
	int err = owner__start(t->owner);

	err = err ?: name_reader__start(t->names, t->owner);
	if (!err && sweep)
		err = crew__new(options->proc, workers + TRACER_WORKERS + RESERVE, &t->crew);
	if (!err && t->unwinder)
		err = unwinder__start(t->unwinder, t->owner, t->crew);
	if (!err)
		err = pod_logs__new(options->pod_logs, &t->pod_logs);
	if (!err && sweep)
		err = sweeper__new(options->proc, t->owner, t->crew, &t->sweeper);
	taker.pod_logs = t->pod_logs;
	if (!err) {
		t->taker = taker__new(&taker);
		err = t->taker ? 0 : -ENOMEM;
	}
	if (!err && t->sampler)
		err = sampler__start(t->sampler, t->taker, t->sweeper, t->crew);
	if (!err && sweep)
		err = growth__start(t->growth, t->taker, t->crew);
	if (!err && sweep) {
		t->blackbox = blackbox__new(options->proc, t->history, t->growth);
		err = t->blackbox ? blackbox__start(t->blackbox, t->taker, t->owner, t->crew)
				  : -ENOMEM;
	}
	if (err)
		log_error("a thread cannot be started (%s)", strerror(-err));
	return err ? EXIT_FAILED : EXIT_DONE;
}

void tracer__stop(struct tracer *t)
{
	crew__stop(t->crew, UINT64_MAX / 2);
	sweeper__free(t->sweeper);
	blackbox__free(t->blackbox);
	name_reader__stop(t->names);
	unwinder__stop(t->unwinder);
	owner__free(t->owner);
	sampler__free(t->sampler);
	name_reader__free(t->names);
	unwinder__free(t->unwinder);
	cpu_limit__free(t->cpu_limit);
	taker__free(t->taker);
	mapcounts__free(t->mapcounts);
	pod_logs__free(t->pod_logs);
	crew__free(t->crew);
	budget__unref(t->budget);
	*t = (struct tracer){};
}
