/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes whose stacks wait in a stack_queue, and whose turn it is. For stack_queue.c, with
 * the queue's lock held. */
#ifndef MEMPROV_SOURCES_H
#define MEMPROV_SOURCES_H

#include <pthread.h>

#include "live/cpu_limit.h"
#include "live/waiting.h"
#include "model/model.h"
#include "util/budget.h"
#include "util/hash.h"

#define INTERPRETERS_MAX 64 /* that wait to be looked at: what is more, the first stack tells */

/* No padding: compared as bytes. */
struct source_id {
	uint64_t tgid;
	uint64_t start_ticks;
};

/* A process that has had stacks to unwind: kept until it ends and has none left, to have it
 * forgotten then. The next process of its number is another source. */
struct source {
	UT_hash_handle hh; /* by id */
	struct source *prev, *next;
	struct source_id id;
	struct waiting *stacks;
	struct waiting *touches; /* of these, the first one that is of a sample; NULL: none */
	size_t bytes;
	size_t touch_bytes; /* of these, samples' */
	/* That its next stacks come into; NULL: there is none yet. Samples wait longer, and would
	 * hold on to the room of others in their bundle that have gone. */
	struct bundle *bundle;
	struct bundle *touch_bundle;
	uint64_t due_ns;	  /* its turn is not before that */
	bool in_line;		  /* it is in the list of those whose turn comes */
	bool served;		  /* its turn has come, and it is not in the list */
	bool wanted;		  /* a request waits for its stacks */
	bool over;		  /* it is to be forgotten */
	unsigned programs;	  /* how often it began another one */
	bool looked_at;		  /* for interpreters, since it began its program */
	struct process_end *left; /* when it last ended or began another; NULL: not yet */
};

struct stack_queue {
	struct budget *budget;	 /* borrowed; NULL: nothing is counted */
	struct cpu_limit *limit; /* likewise; NULL: there is none */
	pthread_mutex_t lock;	 /* guards what follows */
	pthread_cond_t more;
	struct source *sources;
	struct source *turns;
	size_t bytes;		/* of bundles, with what has gone of them */
	size_t max_bytes;	/* without samples, */
	size_t touch_bytes;	/* of bundles of samples, which have */
	size_t max_touch_bytes; /* a room of their own */
	struct spare spare;
	uint64_t next_unwanted_ns; /* the generic cell rate algorithm's time stamp */
	uint64_t affordable_ns;	   /* when the CPU limit lets unwanted ones be unwound again */
	bool closed;
	struct interpreter interpreters[INTERPRETERS_MAX]; /* to be looked at, the oldest first */
	size_t n_interpreters;
};

/* The process's, or NULL; a new one if need be, or NULL when out of memory. */
struct source *stack_queue__find(struct stack_queue *queue, pid_t tgid, uint64_t start_ticks);
struct source *stack_queue__source(struct stack_queue *queue, pid_t tgid, uint64_t start_ticks);
void source__free(struct stack_queue *queue, struct source *source);

/* Its turn comes behind the others', or before them when a request waits for it, unless it is in
 * line already, or being served. */
void source__queue_turn(struct stack_queue *queue, struct source *source);

/* Its turn, once it is in line, comes soon; or before all others', until it has no stack left. */
void source__hurry(struct stack_queue *queue, struct source *source);
void source__want(struct stack_queue *queue, struct source *source);

void source__leave_line(struct stack_queue *queue, struct source *source);

/* The first in line whose turn has come; else NULL, and *ret_due_ns is when the next one's comes.
 */
struct source *stack_queue__next_turn(struct stack_queue *queue, uint64_t *ret_due_ns);

/* So many stacks that no request waits for are about to be unwound. */
void stack_queue__count_unwanted(struct stack_queue *queue, size_t n);

/* It is one of the source's again. */
void source__count(struct source *source, const struct waiting *waiting);

/* Those of samples come behind all others: what maps memory is of more use than what touches it. */
void source__append(struct source *source, struct waiting *waiting);

/* Takes the first out; there is one. */
struct waiting *source__take_first(struct source *source);

/* Takes all out, in a list. */
struct waiting *source__take_all(struct source *source);

/* A copy at the end of the source's; false when out of memory. */
bool source__add(struct stack_queue *queue, struct source *source, const struct raw_stack *raw);

/* Lets the successor have it; true when it can. */
bool source__pass_on(struct stack_queue *queue, const struct process_end *end,
		     struct waiting *waiting);

void stack_queue__drop(struct stack_queue *queue, struct waiting *waiting);

/* It cannot be unwound any more. Called from within the model. */
void stack_queue__abandon(struct stack_queue *queue, struct model *model, struct waiting *waiting);

#endif
