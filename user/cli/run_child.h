/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program that `run` starts. ptrace watches it for one thing: a thread that exits stops at
 * PTRACE_EVENT_EXIT, when the memory can still be read.
 *
 * Only the main thread is seized, so other threads never stop and nothing of them is slowed down.
 * Its exit is the end of the process, because exit(), a return from main and a deadly signal take
 * all threads along; but for
 *
 *   pthread_exit() in the main thread  the others live on: now they are seized too, and the last
 *                                      one's exit is the end
 *   exec in another thread             the kernel ends the main thread, and the other one takes its
 *                                      place and number, unseized: it is seized then
 *
 * All calls are for one thread, the one that called run_child__start: ptrace knows no other.
 */
#ifndef MEMPROV_RUN_CHILD_H
#define MEMPROV_RUN_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct run_child;

struct run_child_config {
	char *const *argv;	 /* looked for in PATH */
	const char *proc;	 /* the procfs that run_child__pid is about */
	bool ptrace;		 /* false: its end cannot be caught */
	sigset_t mask;		 /* what it starts with */
	struct sigaction chld;	 /* the same, of SIGCHLD */
	struct sigaction broken; /* and of SIGPIPE */
};

/* Starts it. It has run none of its instructions when this returns. 0; 1 when the program itself
 * cannot be run, with *ret_exec_errno saying why; or -errno. config may go afterwards. */
int run_child__start(const struct run_child_config *config, struct run_child **ret,
		     int *ret_exec_errno);

/* Lets it go on, if it is still there. NULL is fine. */
void run_child__free(struct run_child *child);

pid_t run_child__pid(const struct run_child *child); /* as config->proc numbers it */
bool run_child__is(const struct run_child *child,
		   pid_t pid); /* as our own PID namespace numbers it */
bool run_child__is_watched(const struct run_child *child);

enum run_child_event {
	RUN_CHILD_NOTHING, /* no more news: wait for SIGCHLD */
	RUN_CHILD_LEAVING, /* stopped before it exits: look at it, then call run_child__let_go */
	RUN_CHILD_STAYS,   /* what looked like its end was not: it lives on in another thread */
	RUN_CHILD_ENDED,   /* see run_child__status */
};

/* Its news, without waiting. */
enum run_child_event run_child__next(struct run_child *child);
void run_child__let_go(struct run_child *child);

/* After run_child__let_go: true when the process lives on in other threads. */
bool run_child__lives_on(const struct run_child *child);

/* True when new threads have to be looked for: run_child__next is to be called every few ms. */
bool run_child__needs_care(const struct run_child *child);

void run_child__signal(const struct run_child *child, int number);
int run_child__status(const struct run_child *child); /* as waitpid(2) has it */

#endif
