/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What traces and what takes reports, wired together, for the daemon and for `run`. It logs
 * failures.
 */
#ifndef MEMPROV_TRACER_H
#define MEMPROV_TRACER_H

#include <stdbool.h>
#include <stddef.h>

struct options;

struct tracer {
	/* Given before tracer__attach(), and outlives the tracer; NULL: there is none. */
	const struct observer *observer;

	struct budget *budget;	     /* NULL: there is none */
	struct cpu_limit *cpu_limit; /* likewise */
	struct name_reader *names;
	struct unwinder *unwinder;   /* NULL: no stacks are taken */
	struct mapcounts *mapcounts; /* NULL: they are not to be had, or not wanted */
	struct owner *owner;
	struct crew *crew;	 /* those that sweep, sample and take reports; NULL: not wanted */
	struct sweeper *sweeper; /* NULL: not wanted */
	struct pod_logs *pod_logs;
	struct taker *taker;
	struct sampler *sampler;   /* NULL: not wanted */
	struct growth *growth;	   /* this and the next are the caller's */
	struct history *history;   /* NULL: none is kept, and there is no black box */
	struct blackbox *blackbox; /* NULL: not wanted */
};

/* Attaches: from its return on, every event is recorded. Before the first thread, for it forks off
 * the symbolizer's launcher and the process that opens pagemaps. The exit code to end with,
 * EXIT_DONE when all is well; tracer__stop in any case. sweep: what tracer__start() will be told.
 */
int tracer__attach(struct tracer *tracer, const struct options *options, bool sweep);

/*
 * Starts the threads, and has a crew with `workers` more of them for the caller. With any, /proc is
 * read for the processes that were there before, then and again, and all are sampled; with 0, there
 * is no crew, and a process is picked up when a report of it is taken. The result as above.
 */
int tracer__start(struct tracer *tracer, const struct options *options, size_t workers);

/* A zeroed or half-started one is fine. Ends the crew, however long that takes; no other thread may
 * be taking reports any more. */
void tracer__stop(struct tracer *tracer);

#endif
