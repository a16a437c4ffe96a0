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
 * All calls are for one thread, the one that called child__start: ptrace knows no other.
 */
#ifndef MEMPROV_RUN_CHILD_H
#define MEMPROV_RUN_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child;

struct child_config {
	char *const *argv;	 /* looked for in PATH */
	const char *proc;	 /* the procfs that child__pid is about */
	bool ptrace;		 /* false: its end cannot be caught */
	sigset_t mask;		 /* what it starts with */
	struct sigaction chld;	 /* the same, of SIGCHLD */
	struct sigaction broken; /* and of SIGPIPE */
};

/* Starts it. It has run none of its instructions when this returns. 0; 1 when the program itself
 * cannot be run, with *ret_exec_errno saying why; or -errno. config may go afterwards. */
int child__start(const struct child_config *config, struct child **ret, int *ret_exec_errno);

/* Lets it go on, if it is still there. NULL is fine. */
void child__free(struct child *child);

pid_t child__pid(const struct child *child);	      /* as config->proc numbers it */
bool child__is(const struct child *child, pid_t pid); /* as our own PID namespace numbers it */
bool child__is_watched(const struct child *child);

enum child_event {
	CHILD_NOTHING, /* no more news: wait for SIGCHLD */
	CHILD_LEAVING, /* stopped before it exits: look at it, then call child__let_go */
	CHILD_STAYS,   /* what looked like its end was not: it lives on in another thread */
	CHILD_ENDED,   /* see child__status */
};

/* Its news, without waiting. */
enum child_event child__next(struct child *child);
void child__let_go(struct child *child);

/* After child__let_go: true when the process lives on in other threads. */
bool child__lives_on(const struct child *child);

/* True when new threads have to be looked for: child__next is to be called every few ms. */
bool child__needs_care(const struct child *child);

void child__signal(const struct child *child, int number);
int child__status(const struct child *child); /* as waitpid(2) has it */

#endif
