// SPDX-License-Identifier: BSD-2-Clause
#include "live/unwinder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "live/bundle.h"
#include "reconcile/frames.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/thread.h"

#define MAX_BYTES      (32u << 20) /* of stacks that wait, and of their bundles */
#define MUCH_OF	       16	   /* of that: who has less is left alone when memory is short */
#define WAITING_SHARE  4	   /* of the tables' share, if that is less */
#define PATIENCE_NS    (1 * NSEC_PER_SEC)
#define PATIENCE_BYTES (2u << 20) /* whoever has more is no process that comes and goes */
#define MAX_BATCH      32	  /* stacks of one process that are answered in one go */
#define MAX_LOOK       1024	  /* of one process, to see whether they are known by now */

struct waiting {
	struct waiting *prev, *next;
	struct raw_stack raw;  /* its stack points behind this */
	struct bundle *bundle; /* that this is a piece of */
	size_t bytes;	       /* of the piece */
	uint64_t copy[];       /* of the stack */
};

/* A process that has had stacks to unwind: kept until it ends, to have it forgotten then. */
struct source {
	UT_hash_handle hh; /* by tgid */
	struct source *prev, *next;
	pid_t tgid;
	uint64_t start_ticks;
	struct waiting *stacks;
	size_t bytes;
	struct bundle *bundle; /* that its next stacks come into; NULL: there is none yet */
	uint64_t due_ns;       /* its turn is not before that */
	bool served;	       /* it is in the list of those whose turn comes, or is being served */
	bool over;	       /* it is to be forgotten */
	unsigned programs;     /* how often it began another one */
	struct process_end *left; /* when it last ended or began another; NULL: not yet */
};

struct unwinder {
	struct budget *budget;	       /* borrowed; NULL: nobody counts */
	struct symbolizer *symbolizer; /* the thread's own */
	struct callsite_table *table;
	struct owner *owner;
	pthread_t thread;
	bool running;
	uint64_t made_room_ns; /* the thread's own: when others last gave way */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;
	struct source *sources;
	struct source *turns;
	size_t bytes;
	size_t max_bytes;
	struct symbolizer_stats stats;
	bool stop;
};

struct telling {
	struct unwinder *unwinder;
	struct batch *batch;
};

struct batch {
	struct source *source;
	struct waiting *stacks[MAX_BATCH];
	struct unwound unwound[MAX_BATCH];
	struct callsite *sites[MAX_BATCH];
	bool again[MAX_BATCH]; /* to be unwound once more, by a newer map */
	size_t n;
	unsigned programs; /* the source's, when it was taken */
};

/* --- the queue; with the lock held ------------------------------------------------------------ */

static void queue_turn(struct unwinder *u, struct source *source)
{
	if (source->served)
		return;
	source->served = true;
	DL_APPEND(u->turns, source);
	pthread_cond_signal(&u->more);
}

static void hurry(struct unwinder *u, struct source *source)
{
	if (!source->due_ns)
		return;
	source->due_ns = 0;
	pthread_cond_signal(&u->more);
}

/* The first in line whose turn has come; else NULL, and *ret_due_ns is when the next one's comes.
 */
static struct source *next_turn(const struct unwinder *u, uint64_t *ret_due_ns)
{
	uint64_t now = clock__boot_ns();
	struct source *source;

	*ret_due_ns = UINT64_MAX;
	DL_FOREACH(u->turns, source)
	{
		if (source->over || source->due_ns <= now)
			return source;
		if (source->due_ns < *ret_due_ns)
			*ret_due_ns = source->due_ns;
	}
	return NULL;
}

static struct source *source_of(struct unwinder *u, pid_t tgid, uint64_t start_ticks)
{
	struct source *source;

	HASH_FIND_INT(u->sources, &tgid, source);
	if (source)
		return source;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->tgid = tgid;
	source->start_ticks = start_ticks;
	source->due_ns = clock__boot_ns() + PATIENCE_NS;
	HASH_ADD_INT(u->sources, tgid, source);
	return source;
}

static size_t waiting_bytes(const struct raw_stack *raw)
{
	return sizeof(struct waiting) + sizeof(*raw->stack) + raw->bytes;
}

static void append(struct source *source, struct waiting *waiting)
{
	DL_APPEND(source->stacks, waiting);
	source->bytes += waiting->bytes;
}

/* A copy at the end of the source's; false when out of memory. */
static bool add(struct unwinder *u, struct source *source, const struct raw_stack *raw)
{
	size_t bytes = waiting_bytes(raw);
	struct bundle *bundle;
	struct waiting *waiting = bundle__cut(&source->bundle, bytes, &bundle);
	struct mp_stack *stack;

	if (!waiting)
		return false;
	*waiting = (struct waiting){.raw = *raw, .bundle = bundle, .bytes = bytes};
	stack = memcpy(waiting->copy, raw->stack, bytes - sizeof(*waiting));
	stack->bytes = raw->bytes;
	waiting->raw.stack = stack;
	trace__ref(raw->trace);
	append(source, waiting);
	u->bytes += bytes;
	budget__take(u->budget, BUDGET_WAITING_STACKS, bytes);
	return true;
}

static void waiting_free(struct unwinder *u, struct waiting *waiting)
{
	size_t left;

	trace__unref(waiting->raw.trace);
	left = bundle__put(waiting->bundle);
	u->bytes -= left;
	budget__put(u->budget, BUDGET_WAITING_STACKS, left);
}

/* Nobody can unwind it any more. Called from within the model. */
static void give_up(struct unwinder *u, struct model *model, struct waiting *waiting)
{
	model__stack_was_unwound(model, &waiting->raw, &(struct unwound){}, NULL);
	waiting_free(u, waiting);
}

/* From within the model, which knows many of those that wait by what was answered last: a program
 * that does the same a thousand times has one stack unwound. */
static void take_batch(struct unwinder *u, struct model *model, struct batch *batch)
{
	struct source *source = batch->source;
	struct waiting *waiting;

	batch->programs = source->programs;
	for (size_t i = 0; i < MAX_LOOK && batch->n < MAX_BATCH && source->stacks; i++) {
		waiting = source->stacks;
		DL_DELETE(source->stacks, waiting);
		source->bytes -= waiting->bytes;
		if (model__stack_is_known(model, &waiting->raw))
			waiting_free(u, waiting);
		else
			batch->stacks[batch->n++] = waiting;
	}
}

/* Conditions know no CLOCK_BOOTTIME. */
static void wait_until(struct unwinder *u, uint64_t due_ns)
{
	uint64_t now = clock__boot_ns(), left = due_ns > now ? due_ns - now : 0;
	struct timespec due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	left += due.tv_nsec;
	due.tv_sec += left / NSEC_PER_SEC;
	due.tv_nsec = left % NSEC_PER_SEC;
	pthread_cond_clockwait(&u->more, &u->lock, CLOCK_MONOTONIC, &due);
}

/* Waits for whose turn it is; NULL when there will be nobody. */
static struct source *take_turn(struct unwinder *u)
{
	struct source *source;
	uint64_t due_ns;

	pthread_mutex_lock(&u->lock);
	while (!(source = next_turn(u, &due_ns)) && !u->stop) {
		if (due_ns == UINT64_MAX)
			pthread_cond_wait(&u->more, &u->lock);
		else
			wait_until(u, due_ns);
	}
	if (u->stop)
		source = NULL;
	if (source)
		DL_DELETE(u->turns, source);
	pthread_mutex_unlock(&u->lock);
	return source;
}

static void forget_source(struct unwinder *u, struct source *source)
{
	struct waiting *waiting, *next;

	DL_FOREACH_SAFE(source->stacks, waiting, next)
	{
		pending__unref(waiting->raw.pending); /* the answer's */
		waiting_free(u, waiting);
	}
	bundle__detach(&source->bundle);
	HASH_DEL(u->sources, source);
	free(source->left);
	free(source);
}

/* Lets the heir have it; true when it can. */
static bool pass_on(struct unwinder *u, const struct process_end *end, struct waiting *waiting)
{
	struct source *source;

	if (!end || !end->heir)
		return false;
	source = source_of(u, end->heir, end->heir_start_ticks);
	if (!source || source->over || source->start_ticks != end->heir_start_ticks)
		return false;
	waiting->raw.tgid = end->heir;
	waiting->raw.start_ticks = end->heir_start_ticks;
	append(source, waiting);
	queue_turn(u, source);
	return true;
}

static void end_turn(struct unwinder *u, struct source *source)
{
	struct symbolizer_stats stats;

	bool over;

	symbolizer__stats(u->symbolizer, &stats);
	pthread_mutex_lock(&u->lock);
	u->stats = stats;
	source->served = false;
	over = source->over && !source->stacks;
	if (source->stacks)
		queue_turn(u, source);
	pthread_mutex_unlock(&u->lock);
	if (!over)
		return;
	/* Nobody adds to one that is over. */
	symbolizer__forget(u->symbolizer, source->tgid, source->start_ticks);
	pthread_mutex_lock(&u->lock);
	forget_source(u, source);
	pthread_mutex_unlock(&u->lock);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* What could not be unwound because the process left, or was unwound in another program perhaps,
 * the heir gets; else nobody knows. */
static void correct(struct unwinder *u, struct batch *batch)
{
	const struct source *source = batch->source;
	bool other_program = source->programs != batch->programs;

	for (size_t i = 0; i < batch->n; i++) {
		if (!other_program && (batch->sites[i] || !source->over))
			continue;
		if (pass_on(u, source->left, batch->stacks[i])) {
			batch->stacks[i] = NULL;
		} else if (other_program) {
			callsite__unref(batch->sites[i]);
			batch->sites[i] = NULL;
		}
	}
}

static void ask_model(struct model *model, void *arg)
{
	struct telling *telling = arg;

	pthread_mutex_lock(&telling->unwinder->lock);
	take_batch(telling->unwinder, model, telling->batch);
	pthread_mutex_unlock(&telling->unwinder->lock);
}

/* By a map that was read after it was taken, which is as new as is needed. */
static bool must_be_unwound_again(const struct model *model, struct raw_stack *raw,
				  const struct unwound *unwound)
{
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

	pthread_mutex_lock(&telling->unwinder->lock);
	correct(telling->unwinder, batch);
	pthread_mutex_unlock(&telling->unwinder->lock);
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

/* Keeps of the batch what is to be unwound again. */
static void end_batch(struct unwinder *u, struct batch *batch)
{
	size_t n = 0;

	pthread_mutex_lock(&u->lock);
	for (size_t i = 0; i < batch->n; i++) {
		callsite__unref(batch->sites[i]);
		batch->sites[i] = NULL;
		batch->unwound[i] = (struct unwound){};
		if (batch->stacks[i] && batch->again[i])
			batch->stacks[n++] = batch->stacks[i];
		else if (batch->stacks[i])
			waiting_free(u, batch->stacks[i]);
	}
	batch->n = n;
	pthread_mutex_unlock(&u->lock);
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

/* When there is little room in the table of call sites for this one, who has most of it gives way:
 * what it needs not, if it is itself or one that has not much more, and not for each batch. */
static void make_room(struct unwinder *u, const struct batch *batch)
{
	uint64_t own = batch->stacks[0]->raw.account, now = clock__boot_ns();
	struct letting_go what;

	if (!callsite_table__is_short(u->table, own, &what.account, &what.all) ||
	    (!what.all && now - u->made_room_ns < NSEC_PER_SEC))
		return;
	u->made_room_ns = now;
	owner__call(u->owner, let_go, &what);
}

static void unwind(struct unwinder *u, struct batch *batch, struct arena *arena)
{
	struct telling telling = {u, batch};

	make_room(u, batch);
	for (size_t i = 0; i < batch->n; i++) {
		const struct raw_stack *raw = &batch->stacks[i]->raw;
		struct unwind_request request = {
			.tgid = raw->tgid,
			.start_ticks = raw->start_ticks,
			.stack = raw->stack,
			.taken_ns = raw->taken_ns,
			.code_added_ns = raw->code_added_ns,
			.map_since_ns = raw->map_since_ns,
		};

		if (arena &&
		    !symbolizer__unwind(u->symbolizer, &request, arena, &batch->unwound[i]))
			batch->sites[i] =
				callsite_table__intern(u->table, raw->account, &batch->unwound[i]);
	}
	owner__call(u->owner, tell_model, &telling);
	end_batch(u, batch);
}

static void *unwinder_thread(void *arg)
{
	struct unwinder *u = arg;
	struct batch *batch = malloc(sizeof(*batch));
	struct source *source;

	while (batch && (source = take_turn(u))) {
		struct arena *arena = arena__new();

		*batch = (struct batch){.source = source};
		owner__call(u->owner, ask_model, &(struct telling){u, batch});
		while (batch->n)
			unwind(u, batch, arena);
		arena__free(arena);
		end_turn(u, source);
	}
	free(batch);
	return NULL;
}

/* --- what the model calls --------------------------------------------------------------------- */

bool unwinder__take(const struct raw_stack *raw, void *ctx)
{
	size_t bytes = waiting_bytes(raw);
	struct unwinder *u = ctx;
	struct source *source = NULL;
	bool taken;

	pthread_mutex_lock(&u->lock);
	if (!u->stop)
		source = source_of(u, raw->tgid, raw->start_ticks);
	/* One that is over has the number of this process, and is about to be forgotten. */
	taken = source && !source->over &&
		budget__is_fair(source->bytes, bytes, u->bytes, u->max_bytes) &&
		add(u, source, raw);
	if (taken) {
		if (source->bytes > PATIENCE_BYTES)
			hurry(u, source);
		queue_turn(u, source);
	}
	pthread_mutex_unlock(&u->lock);
	return taken;
}

static struct source *longest(const struct unwinder *u)
{
	struct source *longest = NULL;

	for (struct source *source = u->sources; source; source = source->hh.next) {
		if (!longest || source->bytes > longest->bytes)
			longest = source;
	}
	return longest;
}

size_t unwinder__give_up(struct model *model, size_t bytes, void *ctx)
{
	struct unwinder *u = ctx;
	struct source *source;
	struct waiting *stacks, *waiting, *next;
	size_t found = 0;

	pthread_mutex_lock(&u->lock);
	while (found < bytes && (source = longest(u)) && source->bytes > u->max_bytes / MUCH_OF) {
		stacks = source->stacks;
		found += source->bytes;
		source->stacks = NULL;
		source->bytes = 0;
		DL_FOREACH_SAFE(stacks, waiting, next)
		{
			budget__count(u->budget, GIVE_UP_WAITING_STACKS, 1);
			give_up(u, model, waiting);
		}
	}
	pthread_mutex_unlock(&u->lock);
	return found;
}

void unwinder__hurry(const struct pending *pending, void *ctx)
{
	struct unwinder *u = ctx;
	struct source *source;

	pthread_mutex_lock(&u->lock);
	DL_FOREACH(u->turns, source)
	{
		if (!source->stacks || source->stacks->raw.pending != pending)
			continue;
		/* Somebody waits: before all others. */
		source->due_ns = 0;
		DL_DELETE(u->turns, source);
		DL_PREPEND(u->turns, source);
		break;
	}
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
}

/* Its stacks that wait are its heir's now, or nobody's: of most processes, which come and go,
 * nobody ever reads the map. */
static void leave(struct unwinder *u, struct source *source, struct model *model,
		  const struct process_end *end)
{
	struct waiting *stacks = source->stacks, *waiting, *next;
	bool never_read = source->due_ns > clock__boot_ns();

	if (!source->left)
		source->left = malloc(sizeof(*source->left));
	if (source->left)
		*source->left = *end;
	source->over |= !end->lives_on;
	source->programs += end->lives_on;
	source->bytes = 0;
	source->stacks = NULL;
	DL_FOREACH_SAFE(stacks, waiting, next)
	{
		if (pass_on(u, end, waiting))
			continue;
		if (end->lives_on || never_read)
			give_up(u, model, waiting);
		else
			append(source, waiting);
	}
	if (source->over && never_read) {
		if (source->served)
			DL_DELETE(u->turns, source);
		forget_source(u, source);
	} else if (source->over) {
		source->due_ns = 0;
		queue_turn(u, source);
	}
}

void unwinder__leave(struct model *model, const struct process_end *end, void *ctx)
{
	struct unwinder *u = ctx;
	struct source *source;

	pthread_mutex_lock(&u->lock);
	HASH_FIND_INT(u->sources, &end->tgid, source);
	if (source && source->start_ticks == end->start_ticks)
		leave(u, source, model, end);
	pthread_mutex_unlock(&u->lock);
}

static void judge(struct callsite *site)
{
	struct frames_class class = frames__class(site->frames, site->n);

	site->owner = frames__owner(site->frames, site->n);
	site->use = class.use;
	site->as_reserved = class.as_reserved;
	site->private_only = class.private_only;
}

int unwinder__new(const struct symbolizer_config *config, struct budget *budget,
		  struct unwinder **ret)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->more, NULL);
	u->budget = budget;
	u->max_bytes = budget__share(budget, WAITING_SHARE, MAX_BYTES);
	u->table = callsite_table__new(judge, budget);
	err = u->table ? symbolizer__new(config, &u->symbolizer) : -ENOMEM;
	if (err) {
		unwinder__free(u);
		return err;
	}
	*ret = u;
	return 0;
}

void unwinder__free(struct unwinder *u)
{
	struct source *source, *next;

	if (!u)
		return;
	HASH_ITER (hh, u->sources, source, next)
		forget_source(u, source);
	symbolizer__free(u->symbolizer);
	callsite_table__free(u->table);
	pthread_cond_destroy(&u->more);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

int unwinder__start(struct unwinder *u, struct owner *owner)
{
	int err = symbolizer__start(u->symbolizer);

	if (err)
		return err;
	u->owner = owner;
	err = thread__start(&u->thread, "unwinder", unwinder_thread, u);
	u->running = !err;
	return err;
}

void unwinder__stop(struct unwinder *u)
{
	if (!u || !u->running)
		return;
	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	u->running = false;
}

void unwinder__stats(struct unwinder *u, struct unwinder_stats *ret)
{
	pthread_mutex_lock(&u->lock);
	ret->symbolizer = u->stats;
	pthread_mutex_unlock(&u->lock);
	callsite_table__stats(u->table, &ret->callsites);
}
