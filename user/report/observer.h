/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is told of every sample and of every report of one process, at the moment when it is made:
 * what history is written from, and growth is evaluated by. The thread that made it calls, and must
 * not be kept waiting.
 */
#ifndef MEMPROV_OBSERVER_H
#define MEMPROV_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct report;
struct snapshot;

/* Who may read it once it is gone: the user and the group if these are all that it has, and it has
 * no more rights than they. */
struct observed_owner {
	bool known; /* false: only who may read everything */
	uid_t uid;
	gid_t gid;
};

struct observation {
	/* pid, comm, start_time, container, totals, by_category, named, files, sites and touch of
	 * it are filled in. */
	const struct report *report;
	uint64_t start_ticks;
	uint64_t taken_ns; /* CLOCK_BOOTTIME */
	size_t mappings;   /* VMAs */
	bool summed;	   /* pss and swap of the totals are known */
	struct observed_owner owner;
};

struct observer {
	void (*observed)(void *ctx, const struct observation *observation);
	void (*gone)(void *ctx, pid_t pid, uint64_t start_ticks); /* on any thread */
	/* The processes that were there before us have all been observed, but for those that cannot
	 * be. NULL: it need not know. */
	void (*met_all)(void *ctx);
	void *ctx;
};

/* One that tells several others, in their order. */
#define OBSERVERS_MAX 4

struct observers {
	struct observer observer;
	const struct observer *all[OBSERVERS_MAX];
	size_t n;
};

void observers__add(struct observers *observers, const struct observer *observer);

/* Tells it, if there is one, of a report that is made of a snapshot. */
void observer__observe(const struct observer *observer, const struct snapshot *snapshot,
		       const struct report *report);

#endif
