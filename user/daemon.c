// SPDX-License-Identifier: BSD-2-Clause
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/names.h"
#include "model/owner.h"
#include "model/sweep.h"
#include "options.h"
#include "report/metrics.h"
#include "report/take.h"
#include "serve/server.h"
#include "util/cleanup.h"
#include "util/log.h"

struct daemon {
	struct name_reader *names;
	struct owner *owner;
	struct sweeper *sweeper;
	struct taker *taker;
	struct server *server;

	pthread_mutex_t lock; /* guards snapshots */
	struct duration_histogram snapshots;
};

static bool is_ready(void *ctx)
{
	const struct daemon *d = ctx;

	return sweeper__ready(d->sweeper);
}

static void took(void *ctx, uint64_t ns)
{
	struct daemon *d = ctx;

	pthread_mutex_lock(&d->lock);
	duration_histogram__add(&d->snapshots, ns);
	pthread_mutex_unlock(&d->lock);
}

static void write_metrics(void *ctx, const struct report *node, struct buf *ret)
{
	struct daemon *d = ctx;
	struct metrics_counter resyncs[RESYNCS];
	struct duration_histogram snapshots;
	struct owner_stats stats;
	struct tracer_stats tracer = {.resyncs = resyncs, .n_resyncs = RESYNCS};

	owner__stats(d->owner, &stats);
	tracer.collector = stats.collector;
	for (int cause = 0; cause < RESYNCS; cause++)
		resyncs[cause] =
			(struct metrics_counter){resync__name(cause), stats.model.resyncs[cause]};
	pthread_mutex_lock(&d->lock);
	snapshots = d->snapshots;
	pthread_mutex_unlock(&d->lock);
	metrics__encode(node, &tracer, &snapshots, ret);
}

/* Exit code of a daemon that cannot trace: whoever asked for it wants call sites, not less. */
static int start_tracing(struct daemon *d, const struct options *options)
{
	struct owner_config config = {
		.ring_size = options->ring_size,
		.on_cold_name = name_reader__take,
		.ctx = d->names,
	};
	char why[256];
	int err;

	if (options->backend == BACKEND_FEXIT) {
		log_error("--backend fexit: this version attaches by tracepoints only; accepted: "
			  "auto, tracepoint");
		return EXIT_UNSUPPORTED;
	}
	err = owner__new(&config, why, sizeof(why), &d->owner);
	if (err) {
		log_error("cannot trace: %s; 'memprov doctor' says what is missing, and 'memprov "
			  "show PID' reports without tracing",
			  why);
		return EXIT_UNSUPPORTED;
	}
	err = name_reader__start(d->names, d->owner);
	if (!err)
		err = sweeper__new(options->proc, d->owner, &d->sweeper);
	if (err) {
		log_error("a thread cannot be started (%s)", strerror(-err));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int start(struct daemon *d, const struct options *options)
{
	struct taker_config taker = {.proc = options->proc};
	struct server_config server = {
		.options = options,
		.ready = is_ready,
		.metrics = write_metrics,
		.took = took,
		.ctx = d,
	};
	int code;

	d->names = name_reader__new(options->proc);
	code = d->names ? start_tracing(d, options) : EXIT_FAILED;
	if (code)
		return code;
	taker.owner = d->owner;
	d->taker = server.taker = taker__new(&taker);
	if (!d->taker || server__start(&server, &d->server))
		return EXIT_FAILED; /* it has said why */
	return EXIT_DONE;
}

/* False when a thread is stuck in the kernel: then nothing that it uses may be freed. */
static bool stop(struct daemon *d)
{
	if (d->server && server__stop(d->server))
		return false;
	sweeper__free(d->sweeper);
	name_reader__stop(d->names);
	owner__free(d->owner);
	name_reader__free(d->names);
	taker__free(d->taker);
	return true;
}

/* Returns the signal that ends the daemon. A process with 60,000 mappings leaves holes of megabytes
 * behind in the heap when it goes, below what the allocator gives back by itself. */
static int wait_for_end(const sigset_t *signals)
{
	const struct timespec now_and_then = {.tv_sec = 10};
	int signal;

	do {
		signal = sigtimedwait(signals, NULL, &now_and_then);
		if (signal < 0)
			malloc_trim(0);
	} while (signal < 0);
	return signal;
}

int daemon__run(const struct options *options)
{
	struct daemon d = {.lock = PTHREAD_MUTEX_INITIALIZER};
	sigset_t signals;
	int code;

	/* Reports come and go by the megabyte: what is free goes back to the kernel, and threads
	 * share their arenas. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);

	/* Blocked before the first thread is made, which inherits that: they come to sigwait. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	code = start(&d, options);
	if (!code) {
		printf("memprov %s: curl 'http://%s/debug/memory?pid=PID'\n", MEMPROV_VERSION,
		       server__address(d.server));
		if (server__metrics_address(d.server))
			printf("memprov %s: metrics on http://%s/metrics\n", MEMPROV_VERSION,
			       server__metrics_address(d.server));
		fflush(stdout);
		log_info("%s: stopping", strsignal(wait_for_end(&signals)));
	}
	if (!stop(&d)) {
		fflush(NULL);
		_exit(code);
	}
	return code;
}
