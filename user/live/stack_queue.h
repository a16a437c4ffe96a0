/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks that wait to be unwound, process by process. What waits is bounded by process and in
 * all, fairly: a process that makes new stacks without end has its own left out, not those of
 * others. Processes take turns. The turn of a new one comes when it has lived for a while, or has
 * much, or a request asks: most processes of a node that builds or runs scripts are gone before,
 * and cost nothing. Stacks that no request waits for have a rate, and wait while the CPU limit is
 * used up, so that storms of new ones cost a fixed part of a CPU.
 *
 *	model ── take ──▶ source: stacks … ──┐                     ┌── put_back: later
 *	                  source: stacks … ──┼── take_turn, take_batch ── end_batch: answered
 *	                  source: stacks … ──┘   (one thread at a time)
 *
 * Thread-safe.
 */
#ifndef MEMPROV_STACK_QUEUE_H
#define MEMPROV_STACK_QUEUE_H

#include <stdatomic.h>

#include "live/cpu_limit.h"
#include "live/waiting.h"
#include "model/model.h"

#define MAX_BATCH 32 /* stacks of one process that are answered in one go */

struct stack_queue;
struct source;

struct batch {
	struct source *source; /* whose turn it is; NULL: it was put back */
	pid_t tgid;
	uint64_t start_ticks;
	struct waiting *stacks[MAX_BATCH];
	struct unwound unwound[MAX_BATCH];
	struct callsite *sites[MAX_BATCH];
	bool again[MAX_BATCH]; /* to be unwound once more, by a newer map */
	size_t n;
	bool wanted;	   /* a request waits for them */
	unsigned programs; /* how often the source had begun another one, when it was taken */
};

/* budget and limit, which may be NULL, must outlive it. NULL when out of memory. */
struct stack_queue *stack_queue__new(struct budget *budget, struct cpu_limit *limit);
void stack_queue__free(struct stack_queue *queue); /* accepts NULL */

/* What the model calls, as in struct model_config. */
bool stack_queue__take(struct stack_queue *queue, const struct raw_stack *raw);
void stack_queue__hurry(struct stack_queue *queue, const struct pending *pending, pid_t tgid);
void stack_queue__leave(struct stack_queue *queue, struct model *model,
			const struct process_end *end);
/* How much of the room for stacks of samples is taken, in sixteenths. */
unsigned stack_queue__touch_backlog(struct stack_queue *queue);
size_t stack_queue__give_up(struct stack_queue *queue, struct model *model, size_t bytes);

/* A process may have an interpreter, which does not wait for its turn. */
void stack_queue__look_at(struct stack_queue *queue, const struct interpreter *interpreter);

/* The next one that is to be looked at; false when there is none. */
bool stack_queue__take_interpreter(struct stack_queue *queue, struct interpreter *ret);

/* Of a process with stacks whose turn it is, once for each program: it may have one that no event
 * told of (addr 0). */
bool stack_queue__is_unseen(struct stack_queue *queue, struct batch *batch,
			    struct interpreter *ret);

/* Waits until it is a process's turn, and makes that the empty batch's, or until there is an
 * interpreter to look at, then the batch stays empty; false when *stop is set.
 * wake: look at *stop. close: nothing is taken any more. */
bool stack_queue__take_turn(struct stack_queue *queue, const atomic_bool *stop,
			    struct batch *batch);
void stack_queue__wake(struct stack_queue *queue);
void stack_queue__close(struct stack_queue *queue);

/* From within the model, which knows many of those that wait by what was answered last: a program
 * that does the same a thousand times has one stack unwound. */
void stack_queue__take_batch(struct stack_queue *queue, struct model *model, struct batch *batch);

/* From within the model, which has applied all that happened until then: whether the process has
 * begun another program since the batch was taken. */
bool stack_queue__is_of_another(struct stack_queue *queue, const struct batch *batch);

/* From within the model, when the batch has been unwound. What could not be because the process
 * left, or was in another program perhaps, its successor gets (then stacks[i] is NULL); without one
 * it is unknown. */
void stack_queue__correct(struct stack_queue *queue, struct batch *batch);

/* Behind the answer: keeps of the batch what is to be unwound again. */
void stack_queue__end_batch(struct stack_queue *queue, struct batch *batch);

/* Its stacks wait again, at the head of those of their process, whose turn comes after a second. */
void stack_queue__put_back(struct stack_queue *queue, struct batch *batch);

/* True when the process is over and has no stack left: then forget it. */
bool stack_queue__end_turn(struct stack_queue *queue, struct batch *batch);
void stack_queue__forget(struct stack_queue *queue, struct batch *batch);

#endif
