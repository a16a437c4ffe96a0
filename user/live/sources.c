// SPDX-License-Identifier: BSD-2-Clause
/* Processes with stacks that wait, and whose turn it is: sources.h. */
#include <stdlib.h>
#include <utlist.h>

#include "live/sources.h"
#include "util/clock.h"

#define PATIENCE_NS (1 * NSEC_PER_SEC)

/* Stacks that no request waits for: so many a second, after so many at once. */
#define UNWANTED_NS	 (NSEC_PER_SEC / 200)
#define UNWANTED_AT_ONCE 4096

void source__queue_turn(struct stack_queue *queue, struct source *source)
{
	if (source->in_line || source->served)
		return;
	source->in_line = true;
	if (source->wanted)
		DL_PREPEND(queue->turns, source);
	else
		DL_APPEND(queue->turns, source);
	pthread_cond_signal(&queue->more);
}

void source__leave_line(struct stack_queue *queue, struct source *source)
{
	if (source->in_line)
		DL_DELETE(queue->turns, source);
	source->in_line = false;
}

void source__want(struct stack_queue *queue, struct source *source)
{
	source->due_ns = 0;
	source->wanted = true;
	source__leave_line(queue, source);
	source__queue_turn(queue, source);
}

void source__hurry(struct stack_queue *queue, struct source *source)
{
	if (!source->due_ns)
		return;
	source->due_ns = 0;
	pthread_cond_signal(&queue->more);
}

/* When the source's turn comes, if it is the first in line. */
static uint64_t due_ns(const struct stack_queue *queue, const struct source *source)
{
	uint64_t due = source->over ? 0 : source->due_ns, ahead = UNWANTED_AT_ONCE * UNWANTED_NS;

	/* The first is only to be forgotten. */
	if (!source->stacks || source->wanted)
		return due;
	if (due + ahead < queue->next_unwanted_ns)
		due = queue->next_unwanted_ns - ahead;
	return due > queue->affordable_ns ? due : queue->affordable_ns;
}

/* The first in line whose turn has come; else NULL, and *ret_due_ns is when the next one's comes.
 */
struct source *stack_queue__next_turn(struct stack_queue *queue, uint64_t *ret_due_ns)
{
	uint64_t now = clock__boot_ns(), due;
	struct source *source;

	*ret_due_ns = UINT64_MAX;
	if (queue->limit)
		queue->affordable_ns = now + cpu_limit__wait_ns(queue->limit, now);
	DL_FOREACH(queue->turns, source)
	{
		due = due_ns(queue, source);
		if (due <= now)
			return source;
		if (due < *ret_due_ns)
			*ret_due_ns = due;
	}
	return NULL;
}

void stack_queue__count_unwanted(struct stack_queue *queue, size_t n)
{
	uint64_t now = clock__boot_ns();

	if (queue->next_unwanted_ns < now)
		queue->next_unwanted_ns = now;
	queue->next_unwanted_ns += n * UNWANTED_NS;
}

struct source *stack_queue__find(struct stack_queue *queue, pid_t tgid, uint64_t start_ticks)
{
	struct source_id id = {tgid, start_ticks};
	struct source *source;

	HASH_FIND(hh, queue->sources, &id, sizeof(id), source);
	return source;
}

struct source *stack_queue__source(struct stack_queue *queue, pid_t tgid, uint64_t start_ticks)
{
	struct source *source = stack_queue__find(queue, tgid, start_ticks);

	if (source)
		return source;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->id = (struct source_id){tgid, start_ticks};
	source->due_ns = clock__boot_ns() + PATIENCE_NS;
	HASH_ADD(hh, queue->sources, id, sizeof(source->id), source);
	if (!HASH_HAS(source)) {
		free(source);
		return NULL;
	}
	return source;
}

void source__count(struct source *source, const struct waiting *waiting)
{
	source->bytes += waiting->bytes;
	source->touch_bytes += waiting->raw.is_touch ? waiting->bytes : 0;
}

void source__append(struct source *source, struct waiting *waiting)
{
	if (source->touches && !waiting->raw.is_touch)
		DL_PREPEND_ELEM(source->stacks, source->touches, waiting);
	else
		DL_APPEND(source->stacks, waiting);
	if (!source->touches && waiting->raw.is_touch)
		source->touches = waiting;
	source__count(source, waiting);
}

struct waiting *source__take_first(struct source *source)
{
	struct waiting *waiting = source->stacks;

	DL_DELETE(source->stacks, waiting);
	if (source->touches == waiting)
		source->touches = source->stacks;
	source->bytes -= waiting->bytes;
	source->touch_bytes -= waiting->raw.is_touch ? waiting->bytes : 0;
	return waiting;
}

struct waiting *source__take_all(struct source *source)
{
	struct waiting *stacks = source->stacks;

	source->stacks = source->touches = NULL;
	source->bytes = source->touch_bytes = 0;
	return stacks;
}

/* A copy at the end of the source's; false when out of memory. */
bool source__add(struct stack_queue *queue, struct source *source, const struct raw_stack *raw)
{
	struct waiting *waiting = waiting__new(
		&queue->spare, raw->is_touch ? &source->touch_bundle : &source->bundle, raw);

	if (!waiting)
		return false;
	source__append(source, waiting);
	queue->bytes += waiting->bytes;
	queue->touch_bytes += raw->is_touch ? waiting->bytes : 0;
	budget__take(queue->budget, BUDGET_WAITING_STACKS, waiting->bytes);
	return true;
}

void stack_queue__drop(struct stack_queue *queue, struct waiting *waiting)
{
	bool is_touch = waiting->raw.is_touch;
	size_t left = waiting__free(&queue->spare, waiting);

	queue->touch_bytes -= is_touch ? left : 0;
	queue->bytes -= left;
	budget__put(queue->budget, BUDGET_WAITING_STACKS, left);
	if (!queue->bytes)
		spare__free(&queue->spare);
}

/* It cannot be unwound any more. Called from within the model. */
void stack_queue__abandon(struct stack_queue *queue, struct model *model, struct waiting *waiting)
{
	model__stack_was_unwound(model, &waiting->raw, &(struct unwound){}, NULL);
	stack_queue__drop(queue, waiting);
}

void source__free(struct stack_queue *queue, struct source *source)
{
	struct waiting *waiting, *next;

	DL_FOREACH_SAFE(source->stacks, waiting, next)
	{
		pending__unref(waiting->raw.pending); /* the answer's */
		stack_queue__drop(queue, waiting);
	}
	bundle__detach(&source->bundle);
	bundle__detach(&source->touch_bundle);
	HASH_DEL(queue->sources, source);
	free(source->left);
	free(source);
}

/* Lets the successor have it; true when it can. */
bool source__pass_on(struct stack_queue *queue, const struct process_end *end,
		     struct waiting *waiting)
{
	struct source *source;

	if (!end || !end->successor)
		return false;
	source = stack_queue__source(queue, end->successor, end->successor_start_ticks);
	if (!source || source->over)
		return false;
	waiting->raw.tgid = end->successor;
	waiting->raw.start_ticks = end->successor_start_ticks;
	source__append(source, waiting);
	source__queue_turn(queue, source);
	return true;
}
