// SPDX-License-Identifier: BSD-2-Clause
#include "live/stack_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "live/sources.h"
#include "util/clock.h"
#include "util/waiter.h"

#define MAX_BYTES	(32u << 20) /* of stacks that wait, and of their bundles */
#define MUCH_OF		16 /* of that: queues with less are left alone when memory is short */
#define LITTLE_OF	64 /* so much finds room in a quarter more */
#define WAITING_SHARE	4  /* of the tables' share, if that is less */
#define MAX_TOUCH_BYTES (16u << 20) /* of samples' stacks */
#define TOUCHES_SHARE	8
#define HELD_NS		(1 * NSEC_PER_SEC) /* until one that could not be read is tried again */
#define PATIENCE_BYTES	(2u << 20)	   /* a process with more is none that comes and goes */
#define MAX_LOOK	1024 /* of one process, to see whether they are known by now */

void stack_queue__take_batch(struct stack_queue *queue, struct model *model, struct batch *batch)
{
	struct source *source = batch->source;
	struct waiting *waiting;

	pthread_mutex_lock(&queue->lock);
	batch->programs = source->programs;
	for (size_t i = 0; i < MAX_LOOK && batch->n < MAX_BATCH && source->stacks; i++) {
		waiting = source__take_first(source);
		if (model__stack_is_known(model, &waiting->raw))
			stack_queue__drop(queue, waiting);
		else
			batch->stacks[batch->n++] = waiting;
	}
	batch->wanted = source->wanted;
	if (!source->wanted)
		stack_queue__count_unwanted(queue, batch->n);
	pthread_mutex_unlock(&queue->lock);
}

/* Conditions know no CLOCK_BOOTTIME. */
static void wait_until(struct stack_queue *queue, uint64_t due_ns)
{
	uint64_t now = clock__boot_ns();

	waiter__wait(&queue->more, &queue->lock,
		     clock__monotonic_ns() + (due_ns > now ? due_ns - now : 0));
}

bool stack_queue__take_turn(struct stack_queue *queue, const atomic_bool *stop, struct batch *batch)
{
	struct source *source;
	uint64_t due;
	bool more;

	pthread_mutex_lock(&queue->lock);
	*batch = (struct batch){};
	while (!(source = stack_queue__next_turn(queue, &due)) && !queue->n_interpreters &&
	       !*stop) {
		if (due == UINT64_MAX)
			pthread_cond_wait(&queue->more, &queue->lock);
		else
			wait_until(queue, due);
	}
	if (*stop)
		source = NULL;
	if (source) {
		source__leave_line(queue, source);
		source->served = true;
		*batch = (struct batch){
			.source = source,
			.tgid = source->id.tgid,
			.start_ticks = source->id.start_ticks,
		};
	}
	more = !*stop;
	pthread_mutex_unlock(&queue->lock);
	return more;
}

void stack_queue__wake(struct stack_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	pthread_cond_broadcast(&queue->more);
	pthread_mutex_unlock(&queue->lock);
}

void stack_queue__close(struct stack_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_mutex_unlock(&queue->lock);
}

bool stack_queue__end_turn(struct stack_queue *queue, struct batch *batch)
{
	struct source *source = batch->source;
	bool over;

	pthread_mutex_lock(&queue->lock);
	source->served = false;
	over = source->over && !source->stacks;
	if (source->stacks)
		source__queue_turn(queue, source);
	else
		source->wanted = false;
	pthread_mutex_unlock(&queue->lock);
	return over;
}

/* Nothing is added to one that is over. */
void stack_queue__forget(struct stack_queue *queue, struct batch *batch)
{
	pthread_mutex_lock(&queue->lock);
	source__free(queue, batch->source);
	pthread_mutex_unlock(&queue->lock);
}

void stack_queue__put_back(struct stack_queue *queue, struct batch *batch)
{
	struct source *source = batch->source;

	if (!source)
		return;
	pthread_mutex_lock(&queue->lock);
	while (batch->n) {
		struct waiting *waiting = batch->stacks[--batch->n];

		callsite__unref(batch->sites[batch->n]);
		DL_PREPEND(source->stacks, waiting);
		source__count(source, waiting);
	}
	source->due_ns = clock__boot_ns() + HELD_NS;
	source->wanted = false;
	source->served = false;
	source__queue_turn(queue, source);
	batch->source = NULL;
	pthread_mutex_unlock(&queue->lock);
}

bool stack_queue__is_of_another(struct stack_queue *queue, const struct batch *batch)
{
	bool other_program;

	pthread_mutex_lock(&queue->lock);
	other_program = batch->source->programs != batch->programs;
	pthread_mutex_unlock(&queue->lock);
	return other_program;
}

void stack_queue__correct(struct stack_queue *queue, struct batch *batch)
{
	const struct source *source = batch->source;
	bool other_program;

	pthread_mutex_lock(&queue->lock);
	other_program = source->programs != batch->programs;
	for (size_t i = 0; i < batch->n; i++) {
		if (!other_program && (batch->sites[i] || !source->over))
			continue;
		if (source__pass_on(queue, source->left, batch->stacks[i])) {
			batch->stacks[i] = NULL;
		} else if (other_program) {
			callsite__unref(batch->sites[i]);
			batch->sites[i] = NULL;
		}
	}
	pthread_mutex_unlock(&queue->lock);
}

void stack_queue__end_batch(struct stack_queue *queue, struct batch *batch)
{
	size_t n = 0;

	pthread_mutex_lock(&queue->lock);
	for (size_t i = 0; i < batch->n; i++) {
		callsite__unref(batch->sites[i]);
		batch->sites[i] = NULL;
		batch->unwound[i] = (struct unwound){};
		if (batch->stacks[i] && batch->again[i])
			batch->stacks[n++] = batch->stacks[i];
		else if (batch->stacks[i])
			stack_queue__drop(queue, batch->stacks[i]);
	}
	batch->n = n;
	pthread_mutex_unlock(&queue->lock);
}

/* --- what the model calls --------------------------------------------------------------------- */

/* For so many bytes of the source's. */
static bool has_room(const struct stack_queue *queue, const struct source *source, bool touch,
		     size_t bytes)
{
	size_t own, all;

	if (touch)
		return budget__is_fair(source->touch_bytes, bytes, queue->touch_bytes,
				       queue->max_touch_bytes);
	own = source->bytes - source->touch_bytes;
	all = queue->bytes - queue->touch_bytes;
	if (own + bytes <= queue->max_bytes / LITTLE_OF)
		return all + bytes <= queue->max_bytes + queue->max_bytes / 4;
	return budget__is_fair(own, bytes, all, queue->max_bytes);
}

bool stack_queue__take(struct stack_queue *queue, const struct raw_stack *raw)
{
	size_t bytes = waiting__bytes(raw);
	struct source *source = NULL;
	bool taken;

	pthread_mutex_lock(&queue->lock);
	if (!queue->closed)
		source = stack_queue__source(queue, raw->tgid, raw->start_ticks);
	taken = source && !source->over && has_room(queue, source, raw->is_touch, bytes) &&
		source__add(queue, source, raw);
	if (taken) {
		if (source->bytes > PATIENCE_BYTES)
			source__hurry(queue, source);
		source__queue_turn(queue, source);
	}
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void stack_queue__look_at(struct stack_queue *queue, const struct interpreter *interpreter)
{
	pthread_mutex_lock(&queue->lock);
	if (!queue->closed && queue->n_interpreters < INTERPRETERS_MAX) {
		queue->interpreters[queue->n_interpreters++] = *interpreter;
		pthread_cond_signal(&queue->more);
	}
	pthread_mutex_unlock(&queue->lock);
}

bool stack_queue__take_interpreter(struct stack_queue *queue, struct interpreter *ret)
{
	bool taken;

	pthread_mutex_lock(&queue->lock);
	taken = queue->n_interpreters;
	if (taken) {
		*ret = queue->interpreters[0];
		memmove(queue->interpreters, queue->interpreters + 1,
			--queue->n_interpreters * sizeof(*ret));
	}
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

bool stack_queue__is_unseen(struct stack_queue *queue, struct batch *batch, struct interpreter *ret)
{
	struct source *source = batch->source;
	bool unseen;

	pthread_mutex_lock(&queue->lock);
	unseen = !source->looked_at && batch->n;
	if (unseen) {
		*ret = (struct interpreter){.tgid = batch->tgid,
					    .start_ticks = batch->start_ticks,
					    .space_id = batch->stacks[0]->raw.space_id,
					    .seen_ns = batch->stacks[0]->raw.taken_ns};
		source->looked_at = true;
	}
	pthread_mutex_unlock(&queue->lock);
	return unseen;
}

unsigned stack_queue__touch_backlog(struct stack_queue *queue)
{
	unsigned sixteenths;

	pthread_mutex_lock(&queue->lock);
	sixteenths = queue->touch_bytes * 16 / queue->max_touch_bytes;
	pthread_mutex_unlock(&queue->lock);
	return sixteenths;
}

static struct source *longest(const struct stack_queue *queue)
{
	struct source *longest = NULL;

	for (struct source *source = queue->sources; source; source = source->hh.next) {
		if (!longest || source->bytes > longest->bytes)
			longest = source;
	}
	return longest;
}

size_t stack_queue__give_up(struct stack_queue *queue, struct model *model, size_t bytes)
{
	struct source *source;
	struct waiting *stacks, *waiting, *next;
	size_t found = 0;

	pthread_mutex_lock(&queue->lock);
	while (found < bytes && (source = longest(queue)) &&
	       source->bytes > queue->max_bytes / MUCH_OF) {
		found += source->bytes;
		stacks = source__take_all(source);
		DL_FOREACH_SAFE(stacks, waiting, next)
		{
			budget__count(queue->budget, GIVE_UP_WAITING_STACKS, 1);
			stack_queue__abandon(queue, model, waiting);
		}
	}
	pthread_mutex_unlock(&queue->lock);
	return found;
}

/* Processes that were forked from each other share what they wait for. */
void stack_queue__hurry(struct stack_queue *queue, const struct pending *pending, pid_t tgid)
{
	struct source *source;

	pthread_mutex_lock(&queue->lock);
	for (source = queue->sources; source; source = source->hh.next) {
		if (source->stacks && source->stacks->raw.pending == pending &&
		    (source->id.tgid == (uint64_t)tgid || !source->stacks->raw.is_touch))
			source__want(queue, source);
	}
	pthread_mutex_unlock(&queue->lock);
}

/* Its stacks that wait are its successor's now, or are given up: no process is left of which they
 * could be asked for, or the map was never read, as of most processes, which come and go. */
static void leave(struct stack_queue *queue, struct source *source, struct model *model,
		  const struct process_end *end)
{
	struct waiting *stacks = source__take_all(source), *waiting, *next;
	bool never_read = source->due_ns > clock__boot_ns();

	if (!source->left)
		source->left = malloc(sizeof(*source->left));
	if (source->left)
		*source->left = *end;
	source->over |= !end->lives_on;
	source->programs += end->lives_on;
	source->looked_at = false;
	DL_FOREACH_SAFE(stacks, waiting, next)
	{
		if (source__pass_on(queue, end, waiting))
			continue;
		if (end->lives_on || never_read || !end->shared)
			stack_queue__abandon(queue, model, waiting);
		else
			source__append(source, waiting);
	}
	if (source->over && never_read && !source->served) {
		source__leave_line(queue, source);
		source__free(queue, source);
	} else if (source->over) {
		source->due_ns = 0;
		source__queue_turn(queue, source);
	}
}

void stack_queue__leave(struct stack_queue *queue, struct model *model,
			const struct process_end *end)
{
	struct source *source;

	pthread_mutex_lock(&queue->lock);
	source = stack_queue__find(queue, end->tgid, end->start_ticks);
	if (source)
		leave(queue, source, model, end);
	pthread_mutex_unlock(&queue->lock);
}

struct stack_queue *stack_queue__new(struct budget *budget, struct cpu_limit *limit)
{
	struct stack_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->more, NULL);
	queue->budget = budget;
	queue->limit = limit;
	queue->max_bytes = budget__share(budget, WAITING_SHARE, MAX_BYTES);
	queue->max_touch_bytes = budget__share(budget, TOUCHES_SHARE, MAX_TOUCH_BYTES);
	return queue;
}

void stack_queue__free(struct stack_queue *queue)
{
	struct source *source, *next;

	if (!queue)
		return;
	HASH_ITER (hh, queue->sources, source, next)
		source__free(queue, source);
	pthread_cond_destroy(&queue->more);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}
