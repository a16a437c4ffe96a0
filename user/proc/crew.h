/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that read processes, with others in reserve. A process can keep its reader waiting for
 * as long as it wants: most files in /proc/PID take its mmap_lock, and a thread of it that holds
 * the lock may wait for a page of a file system that never answers. Nothing interrupts the reader,
 * so it is left behind, and a thread of the reserve does its work from then on:
 *
 *	work ── visitor__enter(pid) ── read ── visitor__leave ── …
 *	                                 │ blocked for too long
 *	         watchman: stuck ────────┴──▶ the work begins anew on another thread,
 *	                                      and no thread enters the process until
 *	                                      the stuck one comes back
 *
 * All threads are made at the start: afterwards the daemon can make none.
 */
#ifndef MEMPROV_CREW_H
#define MEMPROV_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct crew;
struct role;

/* A thread that reads processes. A zeroed one belongs to no crew and is not watched. */
struct visitor {
	atomic_bool stop; /* it is to give up soon: at the end, or because it was replaced */
	void *job;	  /* for the work's own use; NULL when the work begins */

	/* The crew's. */
	struct crew *crew;
	struct role *role; /* NULL: none, or another thread has it now */
	pthread_t thread;
	clockid_t clock; /* its CPU time */
	int stat;	 /* its own stat in procfs */
	pid_t pid;	 /* that it reads; 0: none */
	bool stuck;
	uid_t uid; /* of the process, once it is stuck there */
	uint64_t cpu_ns;
	unsigned still;	  /* looks since it has used CPU time */
	unsigned blocked; /* looks at which it was neither running nor waiting for a CPU */
};

/* What a thread does with its argument. All but run may be NULL. */
struct crew_work {
	const char *name; /* of the thread; at most 15 characters */
	/* Returns when visitor->stop is set; if it returns before, the work is done for good. */
	void (*run)(struct visitor *visitor, void *arg);
	/* The visitor is stuck; another will run. Called under the crew's lock, and on return from
	 * its read the visitor finds `stop` set. */
	void (*replaced)(struct visitor *visitor, void *arg);
	void (*wake)(void *arg); /* `stop` has been set */
};

/* With so many threads; proc is where they read processes, and must outlive it. 0 or -errno. */
int crew__new(const char *proc, size_t threads, struct crew **ret);

/* Starts a thread that does it; work and arg must live until crew__stop(). 0 or -ENOMEM. */
int crew__start(struct crew *crew, const struct crew_work *work, void *arg);

/*
 * Sets `stop` for all, and waits at most grace_ns until they have returned. -EBUSY when some are
 * stuck: then neither the crew nor what they use may be freed while the program lives. May be
 * called again; accepts NULL.
 */
int crew__stop(struct crew *crew, uint64_t grace_ns);
void crew__free(struct crew *crew); /* behind a crew__stop() that returned 0; accepts NULL */

struct crew_stats {
	size_t stuck;	  /* threads */
	size_t processes; /* that they are stuck in */
	size_t reserve;	  /* threads */
	const char *idle; /* work that no thread is left for; NULL: there is none */
};
void crew__stats(struct crew *crew, struct crew_stats *ret);

/*
 * Enclose what may wait for the process, and nothing else. Waits while another
 * visitor is blocked in there. 0; -ETIMEDOUT: a visitor is stuck there; -EUSERS: too many are in
 * processes of the same user. NULL: not watched.
 */
int visitor__enter(struct visitor *visitor, pid_t pid);
void visitor__leave(struct visitor *visitor);

/* For readers that check a flag between two reads. */
static inline const atomic_bool *visitor__stop(const struct visitor *visitor)
{
	return visitor ? &visitor->stop : NULL;
}

#endif
