/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that is known now: the processes, and the sums of the node's and of each container's. What
 * changes is written to the span that is open. The writer's thread only.
 */
#ifndef MEMPROV_HISTORY_MEMBERS_H
#define MEMPROV_HISTORY_MEMBERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct members;
struct note;
struct store;
struct words;

/* The span that is written to. */
struct open_span {
	int64_t id;	     /* 0: there is none */
	int64_t began_ms;    /* since 1970 */
	uint64_t to_wall_ns; /* what a time since boot lacks of one since 1970 */
};

/* The daemon has no more processes than this in its history: the pids of a small node. */
#define MEMBERS_MAX 32768

/* boot: what the number and the start of a process are unique in; its text is the caller's. NULL
 * when out of memory. */
struct members *members__new(const char *boot);
void members__free(struct members *members); /* accepts NULL */

/* Where it is written, and in how much detail. */
struct target {
	struct store *store;
	struct words *words;
	struct open_span span;
	size_t most; /* of the call sites of each kind and of the names of a series; the largest */
};

/* A transaction of the store begins; and: it has failed, so what was entered in it is not known any
 * more, and its notes are to be applied again. */
void members__begin(struct members *members);
void members__undo(struct members *members);

/* What a note says of a process is from now on what is known and what
 * is different is written. 0 or -errno. */
int members__apply(struct members *members, const struct target *target, const struct note *note);

/* The sums of what has changed, to be called when all notes of a moment are applied. */
int members__sum(struct members *members, const struct target *target, int64_t at_ms);

/* All that is known, for a span that begins. */
int members__write_all(struct members *members, const struct target *target);

size_t members__count(const struct members *members);

/* Calls fn for each process. */
typedef void member_fn(pid_t pid, uint64_t start_ticks, void *ctx);
void members__each(const struct members *members, member_fn *fn, void *ctx);

#endif
