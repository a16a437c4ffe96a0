// SPDX-License-Identifier: BSD-2-Clause
#include "live/unwinder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "live/stack_queue.h"
#include "reconcile/frames.h"
#include "util/clock.h"
#include "util/thread.h"

/* Its thread is one of the crew, and left behind when a process keeps it from reading its map. Then
 * the next one has the symbolizer. */
struct unwinder {
	struct stack_queue *queue;
	struct symbolizer *symbolizer; /* the thread's own */
	struct callsite_table *table;
	struct cpu_limit *limit; /* borrowed; NULL: there is none */
	struct owner *owner;
	struct visitor alone; /* of no crew */
	pthread_t thread;     /* likewise */
	bool running;
	uint64_t made_room_ns; /* the thread's own: when others last gave way */

	pthread_mutex_t lock; /* guards what follows */
	struct symbolizer_stats stats;
};

struct telling {
	struct unwinder *unwinder;
	struct batch *batch;
	bool of_another; /* the process has begun another program since */
};

static void ask_model(struct model *model, void *arg)
{
	struct telling *telling = arg;

	stack_queue__take_batch(telling->unwinder->queue, model, telling->batch);
}

static void check_program(struct model *model, void *arg)
{
	struct telling *telling = arg;

	telling->of_another = stack_queue__is_of_another(telling->unwinder->queue, telling->batch);
}

/* Takes the stacks, then looks whose they are, then makes sure that this is of the program that had
 * them: a stack of what root runs is not for the child that reads its user's files. False when that
 * cannot be said. */
static bool take_batch(struct unwinder *u, struct batch *batch)
{
	struct telling telling = {.unwinder = u, .batch = batch};

	owner__call(u->owner, ask_model, &telling);
	if (!batch->n)
		return true;
	symbolizer__look(u->symbolizer, batch->tgid, batch->start_ticks);
	owner__call(u->owner, check_program, &telling);
	return !telling.of_another;
}

/* By a map that was read after it was taken, which is as new as is needed; and once more when files
 * could not be looked for, because the process was just changing its user or its program. */
static bool must_be_unwound_again(const struct model *model, struct raw_stack *raw,
				  const struct unwound *unwound)
{
	if (unwound->poor && !raw->was_poor) {
		raw->was_poor = true;
		return true;
	}
	if (raw->map_since_ns > raw->taken_ns || !model__map_was_stale(model, raw, unwound))
		return false;
	raw->map_since_ns = raw->taken_ns + 1;
	return true;
}

/* Everything that happened before this has been applied: whether the process has left meanwhile is
 * known. */
static void tell_model(struct model *model, void *arg)
{
	struct telling *telling = arg;
	struct batch *batch = telling->batch;

	stack_queue__correct(telling->unwinder->queue, batch);
	for (size_t i = 0; i < batch->n; i++) {
		if (!batch->stacks[i])
			continue;
		batch->again[i] =
			must_be_unwound_again(model, &batch->stacks[i]->raw, &batch->unwound[i]);
		if (!batch->again[i])
			model__stack_was_unwound(model, &batch->stacks[i]->raw, &batch->unwound[i],
						 batch->sites[i]);
	}
}

struct letting_go {
	uint64_t account;
	bool all;
};

static void let_go(struct model *model, void *arg)
{
	const struct letting_go *what = arg;

	model__let_go_sites(model, what->account, what->all);
}

/* When there is little room in the table of call sites for this one, the one with the most of it
 * gives way: only what it does not need, if it is this one or has not much more. */
static void make_room(struct unwinder *u, uint64_t account, uint64_t tenant)
{
	uint64_t now = clock__boot_ns();
	struct letting_go what;

	if (!callsite_table__is_short(u->table, account, tenant, &what.account, &what.all) ||
	    (!what.all && now - u->made_room_ns < NSEC_PER_SEC))
		return;
	u->made_room_ns = now;
	owner__call(u->owner, let_go, &what);
}

/* --- interpreters ---------------------------------------------------------------------------- */

struct finding {
	const struct interpreter *interpreter;
	bool is_there;
};

static void check_space(struct model *model, void *arg)
{
	struct finding *finding = arg;

	finding->is_there = model__is_in_space(model, finding->interpreter);
}

/* BPF reads frames of Python from now on, unless it was another program's. */
static void know_python(struct unwinder *u, const struct interpreter *interpreter,
			const struct found_python *found)
{
	struct collector *collector = owner__collector(u->owner);
	struct finding finding = {.interpreter = interpreter};
	struct mp_python_process process = {
		.start_ticks = interpreter->start_ticks,
		.runtime = found->runtime,
		.layout = found->file.layout,
	};

	owner__call(u->owner, check_space, &finding);
	if (found->runtime && finding.is_there)
		collector__know_python(collector, interpreter->tgid, &process);
}

/* The process cannot be looked into now, and may be later. */
static bool is_for_now(int err)
{
	return err == -ETIMEDOUT || err == -EUSERS || err == -EAGAIN;
}

/* If the process has ended, the next one that maps the file asks at once; what takes too long is
 * not asked about by each. */
static void answer_of_file(struct unwinder *u, const struct interpreter *interpreter,
			   const struct found_python *found, int err)
{
	struct collector *collector = owner__collector(u->owner);

	if (!interpreter->has_file)
		return;
	if (found->looked)
		collector__know_python_file(collector, &interpreter->file, &found->file);
	else if (!is_for_now(err))
		collector__forget_python_file(collector, &interpreter->file);
}

/* 0, or -ECANCELED as of unwind_stack(). */
static int look_at(struct unwinder *u, struct visitor *visitor,
		   const struct interpreter *interpreter)
{
	struct found_python found = {.addr = interpreter->addr};
	struct unwind_request request = {
		.tgid = interpreter->tgid,
		.start_ticks = interpreter->start_ticks,
		.taken_ns = interpreter->seen_ns,
		.map_since_ns = interpreter->addr ? interpreter->seen_ns : 0,
		.visitor = visitor,
	};
	int err = symbolizer__find_python(u->symbolizer, &request, &found);

	if (visitor->stop)
		return -ECANCELED;
	answer_of_file(u, interpreter, &found, err);
	if (!err)
		know_python(u, interpreter, &found);
	return 0;
}

/* Their processes have just begun, and what they do until this is done has no frames of theirs. */
static int look_at_interpreters(struct unwinder *u, struct visitor *visitor)
{
	struct interpreter interpreter;
	int err = 0;

	while (!err && stack_queue__take_interpreter(u->queue, &interpreter))
		err = look_at(u, visitor, &interpreter);
	return err;
}

/* --- stacks ---------------------------------------------------------------------------------- */

/* 0, or why the process cannot be looked into for now; -ECANCELED: the symbolizer may be another
 * thread's by now. */
static int unwind_stack(struct unwinder *u, struct visitor *visitor, struct batch *batch, size_t i,
			struct arena *arena)
{
	const struct raw_stack *raw = &batch->stacks[i]->raw;
	struct unwind_request request = {
		.tgid = raw->tgid,
		.start_ticks = raw->start_ticks,
		.stack = raw->stack,
		.taken_ns = raw->taken_ns,
		.code_added_ns = raw->code_added_ns,
		.map_since_ns = raw->map_since_ns,
		.enrich = raw->was_poor,
		.visitor = visitor,
	};
	struct unwound unwound;
	int err = symbolizer__unwind(u->symbolizer, &request, arena, &unwound);

	if (visitor->stop)
		return -ECANCELED;
	if (err)
		return is_for_now(err) ? err : 0;
	/* Not for each of a batch. */
	if (i == 0)
		make_room(u, raw->account, unwound.tenant);
	batch->unwound[i] = unwound;
	batch->sites[i] = callsite_table__intern(u->table, raw->account, &unwound);
	return 0;
}

static int unwind_batch(struct unwinder *u, struct visitor *visitor, struct batch *batch,
			struct arena *arena)
{
	struct telling telling = {.unwinder = u, .batch = batch};
	struct interpreter unseen;
	int err = 0;

	if (arena && stack_queue__is_unseen(u->queue, batch, &unseen))
		err = look_at(u, visitor, &unseen);
	for (size_t i = 0; !err && arena && i < batch->n; i++)
		err = look_at_interpreters(u, visitor) ?: unwind_stack(u, visitor, batch, i, arena);
	if (err)
		return err;
	owner__call(u->owner, tell_model, &telling);
	stack_queue__end_batch(u->queue, batch);
	return 0;
}

static void end_turn(struct unwinder *u, struct batch *batch)
{
	struct symbolizer_stats stats;

	symbolizer__stats(u->symbolizer, &stats);
	pthread_mutex_lock(&u->lock);
	u->stats = stats;
	pthread_mutex_unlock(&u->lock);
	if (!stack_queue__end_turn(u->queue, batch))
		return;
	symbolizer__forget(u->symbolizer, batch->tgid, batch->start_ticks);
	stack_queue__forget(u->queue, batch);
}

/* CPU time of the calling thread and of the children. */
static uint64_t used_ns(const struct unwinder *u)
{
	struct symbolizer_stats stats;

	symbolizer__stats(u->symbolizer, &stats);
	return clock__thread_cpu_ns() + stats.children_ns;
}

static void take_turn(struct unwinder *u, struct visitor *visitor, struct batch *batch)
{
	uint64_t before = used_ns(u);
	struct arena *arena = take_batch(u, batch) ? arena__new() : NULL;
	int err = 0;

	while (!err && batch->n)
		err = unwind_batch(u, visitor, batch, arena);
	arena__free(arena);
	/* Else the symbolizer may be another thread's by now. */
	if (u->limit && !batch->wanted && !visitor->stop)
		cpu_limit__spend(u->limit, CPU_STACKS, clock__boot_ns(), used_ns(u) - before);
	if (!err)
		end_turn(u, batch);
	else if (batch->source) /* else that was done when the thread was left behind */
		stack_queue__put_back(u->queue, batch);
}

static void run(struct visitor *visitor, void *arg)
{
	struct unwinder *u = arg;
	struct batch *batch = calloc(1, sizeof(*batch));

	visitor->job = batch;
	while (batch && stack_queue__take_turn(u->queue, &visitor->stop, batch)) {
		if (batch->source)
			take_turn(u, visitor, batch);
		else
			look_at_interpreters(u, visitor);
	}
	free(batch);
}

static void replaced(struct visitor *visitor, void *arg)
{
	struct unwinder *u = arg;

	stack_queue__put_back(u->queue, visitor->job);
}

static void wake(void *arg)
{
	struct unwinder *u = arg;

	stack_queue__wake(u->queue);
}

static const struct crew_work unwinding = {"unwinder", run, replaced, wake};

static void *unwinder_thread(void *arg)
{
	struct unwinder *u = arg;

	run(&u->alone, u);
	return NULL;
}

/* --- what the model calls --------------------------------------------------------------------- */

bool unwinder__take(const struct raw_stack *raw, void *unwinder)
{
	return stack_queue__take(((struct unwinder *)unwinder)->queue, raw);
}

void unwinder__hurry(const struct pending *pending, pid_t tgid, void *unwinder)
{
	stack_queue__hurry(((struct unwinder *)unwinder)->queue, pending, tgid);
}

void unwinder__leave(struct model *model, const struct process_end *end, void *unwinder)
{
	stack_queue__leave(((struct unwinder *)unwinder)->queue, model, end);
}

size_t unwinder__give_up(struct model *model, size_t bytes, void *unwinder)
{
	return stack_queue__give_up(((struct unwinder *)unwinder)->queue, model, bytes);
}

void unwinder__look_at(const struct interpreter *interpreter, void *unwinder)
{
	stack_queue__look_at(((struct unwinder *)unwinder)->queue, interpreter);
}

unsigned unwinder__touch_backlog(void *unwinder)
{
	return stack_queue__touch_backlog(((struct unwinder *)unwinder)->queue);
}

static void classify(struct callsite *site)
{
	struct frames_class class = frames__class(site->frames, site->n);

	site->owner = frames__owner(site->frames, site->n);
	site->use = class.use;
	site->as_reserved = class.as_reserved;
	site->private_only = class.private_only;
}

int unwinder__new(const struct symbolizer_config *config, struct budget *budget,
		  struct cpu_limit *limit, struct unwinder **ret)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	u->limit = limit;
	u->queue = stack_queue__new(budget, limit);
	u->table = callsite_table__new(classify, budget);
	err = u->queue && u->table ? symbolizer__new(config, &u->symbolizer) : -ENOMEM;
	if (err) {
		unwinder__free(u);
		return err;
	}
	*ret = u;
	return 0;
}

void unwinder__free(struct unwinder *u)
{
	if (!u)
		return;
	stack_queue__free(u->queue);
	symbolizer__free(u->symbolizer);
	callsite_table__free(u->table);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

int unwinder__start(struct unwinder *u, struct owner *owner, struct crew *crew)
{
	int err = symbolizer__start(u->symbolizer);

	if (err)
		return err;
	u->owner = owner;
	if (crew)
		return crew__start(crew, &unwinding, u);
	err = thread__start(&u->thread, unwinding.name, unwinder_thread, u);
	u->running = !err;
	return err;
}

void unwinder__stop(struct unwinder *u)
{
	if (!u)
		return;
	stack_queue__close(u->queue);
	if (!u->running)
		return;
	u->alone.stop = true;
	stack_queue__wake(u->queue);
	pthread_join(u->thread, NULL);
	u->running = false;
}

enum launcher_state unwinder__launcher(const struct unwinder *u)
{
	return symbolizer__launcher(u->symbolizer);
}

void unwinder__stats(struct unwinder *u, struct unwinder_stats *ret)
{
	ret->launcher = unwinder__launcher(u);
	pthread_mutex_lock(&u->lock);
	ret->symbolizer = u->stats;
	pthread_mutex_unlock(&u->lock);
	callsite_table__stats(u->table, &ret->callsites);
}
