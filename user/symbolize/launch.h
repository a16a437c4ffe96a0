/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of the launcher and of what it starts, on the daemon's side. */
#ifndef MEMPROV_LAUNCH_H
#define MEMPROV_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "symbolize/launcher.h"

struct launcher {
	pid_t pid; /* 0: there is none */
	int socket;
	uint32_t asked;	   /* questions */
	_Atomic bool late; /* it owes the answer to the last one */
};

enum launcher_state { LAUNCHER_SERVES, LAUNCHER_IS_LATE, LAUNCHER_HAS_ENDED };

/* Forks it off: before the first thread, and before anything is opened that is none of its
 * business. It keeps these capabilities (1 << CAP_…), of those that there are. 0 or -errno. */
int launcher__start(uint64_t memory, uint64_t capabilities, struct launcher *ret);

/* What can be had of it now, in any thread. It cannot be started again: the daemon has given up
 * what that takes. */
enum launcher_state launcher__state(const struct launcher *launcher);

/* Whether it still owes an answer, which is waited for once and not for each stack. For the thread
 * that asks it. */
bool launcher__is_late(struct launcher *launcher);

/* Ends it and its children, and waits for that. A zeroed one is fine. */
void launcher__stop(struct launcher *launcher);

struct launched {
	pid_t pid; /* 0: there is none */
	int socket;
	int schedstat;		  /* of /proc; -1: it cannot be read */
	int statm;		  /* likewise */
	volatile uint32_t *blame; /* the file that a child is reading, shared with it; NULL */
};

/* A process of that kind: 0 or -errno, also when the launcher has died; then there will be no more
 * of them. -EBUSY, at once: it has not answered the last question yet. */
int launch__start(struct launcher *launcher, enum launcher_what what, struct launched *ret);

/* Starts a child, and shares with it a page of its own for the file that it reads. */
int launch__start_child(struct launcher *launcher, struct launched *ret);

/* It has ended by itself, or was killed; launch__end() is still due. */
bool launch__has_ended(const struct launched *child);

/* Since it began, as far as is known. */
struct launched_times {
	uint64_t ran_ns;    /* CPU time that it has used */
	uint64_t waited_ns; /* for a CPU: that is no fault of its */
};
struct launched_times launch__times(const struct launched *child);

/* Bytes of memory that is its own; 0 when not known. */
uint64_t launch__bytes(const struct launched *child);

/* Has it killed, if there is one. Returns what it would be to blame for: WIRE_BLAME_….
 */
uint32_t launch__end(struct launcher *launcher, struct launched *child);

#endif
