// SPDX-License-Identifier: BSD-2-Clause
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "model/code.h"
#include "model/learn.h"
#include "model/naming.h"
#include "model/promise.h"
#include "model/stacks.h"
#include "util/cleanup.h"

struct process {
	UT_hash_handle hh; /* by tgid: one process at a time has a number */
	pid_t tgid;
	uint64_t start_ticks;
	char comm[MP_COMM_LEN];
	struct space *space;
	enum knowledge knowledge;
	uint64_t since_ns;
	uint64_t lost_events;
	uint64_t lost_names;
	bool learned;
};

/* Losses are told before the events that came with them, so a process may have lost something
 * before its fork is known. */
struct early_loss {
	UT_hash_handle hh; /* by tgid */
	uint32_t tgid;
	struct mp_lost_range range;
};

struct model {
	struct model_config config;
	struct space_tools tools;
	struct process *processes;
	struct early_loss *early_losses;
	struct model_stats stats;
};

static const char *const resync_names[RESYNCS] = {
	[RESYNC_RING_FULL] = "ring_full",
	[RESYNC_STALE_RANGE] = "stale_range",
	[RESYNC_NEW_PROCESS] = "new_process",
	[RESYNC_DEAD_PROCESS] = "dead_process",
};

const char *resync__name(enum resync cause)
{
	return resync_names[cause];
}

struct model *model__new(const struct model_config *config)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->config = *config;
	model->tools.page_size = config->page_size;
	model->tools.pool = ledger_pool__new();
	if (!model->tools.pool) {
		free(model);
		return NULL;
	}
	return model;
}

static void tell_end(const struct model *model, const struct process *process)
{
	if (model->config.on_process_end)
		model->config.on_process_end(process->tgid, process->start_ticks,
					     model->config.stack_ctx);
}

static void forget_process(struct model *model, struct process *process)
{
	tell_end(model, process);
	HASH_DEL(model->processes, process);
	space__unref(process->space);
	free(process);
}

static void forget_losses(struct model *model)
{
	struct early_loss *early, *next;

	HASH_ITER (hh, model->early_losses, early, next) {
		HASH_DEL(model->early_losses, early);
		free(early);
	}
}

void model__free(struct model *model)
{
	struct process *process, *next;

	if (!model)
		return;
	HASH_ITER (hh, model->processes, process, next)
		forget_process(model, process);
	forget_losses(model);
	ledger_pool__free(model->tools.pool);
	free(model);
}

static struct process *find(const struct model *model, pid_t tgid)
{
	struct process *process;

	HASH_FIND_INT(model->processes, &tgid, process);
	return process;
}

static void set_comm(struct process *process, const char *comm)
{
	snprintf(process->comm, sizeof(process->comm), "%s", comm);
}

/* Enters a process in the place of whatever had its number; takes over the caller's space. NULL,
 * with the space let go, when it cannot. */
static struct process *enter(struct model *model, pid_t tgid, uint64_t start_ticks,
			     struct space *space)
{
	struct process *process = find(model, tgid);

	if (process)
		forget_process(model, process);
	process = NULL;
	if (space && HASH_COUNT(model->processes) < MODEL_MAX_PROCESSES)
		process = calloc(1, sizeof(*process));
	if (!process) {
		space__unref(space);
		model->stats.refused++;
		return NULL;
	}
	process->tgid = tgid;
	process->start_ticks = start_ticks;
	process->space = space;
	HASH_ADD_INT(model->processes, tgid, process);
	return process;
}

static void lose(struct model *model, struct process *process, const struct mp_lost_range *range)
{
	/* An exec may be among what was lost: a vfork child that went on in its parent's space
	 * would write its own mappings into it. */
	if (range->lo == 0 && range->hi == UINT64_MAX && process->space->users > 1) {
		struct space *space = space__new(&model->tools);

		if (space) {
			space__unref(process->space);
			process->space = space;
		}
	}
	process->lost_events = range->events;
	process->knowledge = KNOWS_RESYNCED;
	space__doubt(process->space, &model->tools, range->lo, range->hi, range->last_ns);
	model->stats.resyncs[RESYNC_RING_FULL]++;
}

/* A name of it was given that will never be known. */
static void lose_name(struct model *model, struct process *process)
{
	process->lost_names++;
	process->knowledge = KNOWS_RESYNCED;
}

static void remember_loss(struct model *model, uint32_t tgid, const struct mp_lost_range *range)
{
	struct early_loss *early;

	HASH_FIND_INT(model->early_losses, &tgid, early);
	if (!early) {
		/* Those whose process is dead stay; then the oldest goes. */
		if (HASH_COUNT(model->early_losses) >= MP_LOST_PROCESSES) {
			early = model->early_losses;
			HASH_DEL(model->early_losses, early);
			free(early);
		}
		early = calloc(1, sizeof(*early));
		if (!early) {
			model->stats.refused++;
			return;
		}
		early->tgid = tgid;
		HASH_ADD_INT(model->early_losses, tgid, early);
	}
	early->range = *range;
}

static void recall_loss(struct model *model, struct process *process)
{
	struct early_loss *early;

	HASH_FIND_INT(model->early_losses, &process->tgid, early);
	if (!early)
		return;
	/* Not those of an older process of that number. */
	if (early->range.last_ns / NSEC_PER_TICK >= process->start_ticks)
		lose(model, process, &early->range);
	HASH_DEL(model->early_losses, early);
	free(early);
}

/* A process that nobody announced. If it started before us that is as it must be. */
static struct process *enter_unannounced(struct model *model, pid_t tgid, uint64_t start_ticks)
{
	struct process *process = enter(model, tgid, start_ticks, space__new(&model->tools));
	/* Ticks are coarse: a process of the tick in which we attached counts as older. */
	bool older = start_ticks <= model->config.attached_ns / NSEC_PER_TICK;

	if (!process)
		return NULL;
	process->knowledge = older ? KNOWS_SINCE_ATTACH : KNOWS_RESYNCED;
	process->since_ns = model->config.attached_ns;
	if (!older)
		model->stats.resyncs[RESYNC_NEW_PROCESS]++;
	recall_loss(model, process);
	return process;
}

/* The process that made the event. NULL only when it cannot be entered. */
static struct process *maker(struct model *model, const struct mp_event_head *head)
{
	uint64_t start_ticks = head->start_ns / NSEC_PER_TICK;
	struct process *process = find(model, head->tgid);

	if (process && process->start_ticks == start_ticks)
		return process;
	return enter_unannounced(model, head->tgid, start_ticks);
}

static void apply_fork(struct model *model, const struct mp_event_fork *e)
{
	struct process *parent = maker(model, &e->head), *child;
	struct space *space;

	if (!parent)
		return;
	space = e->shares_vm ? space__ref(parent->space)
			     : space__fork(&model->tools, parent->space);
	child = enter(model, e->child_tgid, e->child_start_ns / NSEC_PER_TICK, space);
	if (!child)
		return;
	/* The parent is still there: decode has seen to it that their numbers differ. */
	set_comm(child, e->comm);
	child->knowledge = parent->knowledge;
	child->since_ns = parent->knowledge == KNOWS_ALL ? e->head.time_ns : parent->since_ns;
	child->learned = parent->learned;
	recall_loss(model, child);
}

static void apply_exec(struct model *model, const struct mp_event_exec *e)
{
	struct process *process = maker(model, &e->head);
	struct space *space;
	uint64_t mask = model->config.page_size - 1;

	if (!process)
		return;
	space = space__new(&model->tools);
	if (!space) { /* nothing is known of the new program */
		space__doubt(process->space, &model->tools, 0, UINT64_MAX, UINT64_MAX);
		process->knowledge = KNOWS_RESYNCED;
		model->stats.refused++;
		return;
	}
	space->exec_space = space->id;
	space->heap_end = (e->start_brk + mask) & ~mask;
	process->knowledge = KNOWS_ALL;
	process->since_ns = e->head.time_ns;
	/* What was lost after this exec, of the same drain, was the new program's. */
	if (process->space->doubt.hi && e->head.time_ns <= process->space->doubt.until) {
		space->doubt = process->space->doubt;
		process->knowledge = KNOWS_RESYNCED;
	}
	space__unref(process->space);
	process->space = space;
	process->learned = true;
	set_comm(process, e->comm);
}

static void apply_exit(struct model *model, const struct mp_event_head *head)
{
	struct process *process = find(model, head->tgid);

	if (process && process->start_ticks == head->start_ns / NSEC_PER_TICK)
		forget_process(model, process);
}

static int note_mapped(const struct ledger_range *range, void *ctx)
{
	*(uint64_t *)ctx = range->touched_ns;
	return range->record->origin != ORIGIN_UNKNOWN;
}

/* Whether something is known to be mapped at addr; and since when. */
static bool is_mapped(const struct space *space, uint64_t addr, uint64_t *since)
{
	return addr < UINT64_MAX &&
	       ledger__each(&space->ledger, addr, addr + 1, note_mapped, since);
}

static void apply_cold_name(struct model *model, struct process *process,
			    const struct mp_event_name *e, struct trace *trace)
{
	struct cold_name name = {
		.tgid = process->tgid,
		.tid = e->head.tid,
		.start_ticks = process->start_ticks,
		.space_id = process->space->id,
		.addr = e->addr,
		.len = e->len,
		.name_ptr = e->name_ptr,
		.when_ns = e->head.time_ns,
		.promise = promise__new(trace),
	};
	uint64_t since;
	int err;

	if (!name.promise) {
		lose_name(model, process);
		return;
	}
	name.was_mapped = is_mapped(process->space, e->name_ptr, &since);
	err = naming__apply_late(process->space, &model->tools, e, name.promise);
	if (err) {
		model->stats.refused++;
		promise__unref(name.promise);
	} else if (!model->config.on_cold_name ||
		   !model->config.on_cold_name(model, &name, model->config.ctx)) {
		model__name_was_lost(model, &name);
	}
}

/* The process and its space as they were when the name was given, or NULL. */
static struct process *namer(struct model *model, const struct cold_name *name)
{
	struct process *process = find(model, name->tgid);

	return process && process->start_ticks == name->start_ticks &&
			       process->space->id == name->space_id
		       ? process
		       : NULL;
}

static void settle(struct model *model, struct process *process, const struct cold_name *name)
{
	if (process && naming__settle(process->space, &model->tools, name->addr, name->len))
		model->stats.refused++;
	promise__unref(name->promise);
}

void model__name_was_lost(struct model *model, const struct cold_name *name)
{
	struct process *process = namer(model, name);

	promise__keep(name->promise, NULL);
	model->stats.unread_names++;
	if (process)
		lose_name(model, process);
	settle(model, process, name);
}

void model__name_was_read(struct model *model, const struct cold_name *name, const char *text)
{
	struct process *process = namer(model, name);
	struct name *answer = NULL;
	uint64_t since = 0;

	/* Was it read from another program? From what was mapped there afterwards? Is it not there
	 * any more, though it was? */
	if (!process ||
	    (text ? is_mapped(process->space, name->name_ptr, &since) && since > name->when_ns
		  : name->was_mapped)) {
		model__name_was_lost(model, name);
		return;
	}
	if (!text) {
		model->stats.unread_names++;
		promise__keep_before(name->promise);
	} else {
		answer = text[0] ? name__new(NAMED_BY_PRCTL, text, promise__trace(name->promise))
				 : NULL;
		if (text[0] && !answer)
			model->stats.refused++;
		promise__keep(name->promise, answer);
		name__unref(answer);
	}
	settle(model, process, name);
}

/* The trace of an event's stack, with a reference; NULL when it has none, or it cannot be known. */
static struct trace *recognise(struct model *model, const struct process *process,
			       const union mp_event *event)
{
	const struct mp_stack *stack = event__stack(event);
	struct space *space = process->space;
	struct raw_stack raw = {
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.space_id = space->id,
		.code_id = space->code_id,
		.taken_ns = event->head.time_ns,
		.family = space->family,
		.stack = stack,
	};

	if (!stack || !model->config.on_stack)
		return NULL;
	if (space->image)
		raw.trace = image__find(space->image, stack);
	if (raw.trace)
		return trace__ref(raw.trace);
	raw.trace = trace__new();
	if (!raw.trace || !model->config.on_stack(&raw, model->config.stack_ctx)) {
		model->stats.untaken_stacks++;
		trace__unref(raw.trace);
		return NULL;
	}
	return raw.trace;
}

void model__stack_was_unwound(struct model *model, const struct raw_stack *raw,
			      const struct unwound *unwound, struct callsite *site)
{
	const struct process *process = find(model, raw->tgid);
	struct space *space;

	if (!process || process->space->id != raw->space_id) {
		trace__resolve(raw->trace, site); /* its children may have inherited it */
		return;
	}
	space = process->space;
	if (site && !code__was_there(space, unwound, raw->taken_ns))
		site = NULL;
	trace__resolve(raw->trace, site);
	if (site && space->image)
		image__learn(space->image, raw->stack, unwound, raw->trace);
}

static void apply_to_space(struct model *model, const union mp_event *event)
{
	struct process *process = maker(model, &event->head);
	struct trace *trace;

	if (!process)
		return;
	trace = recognise(model, process, event);
	if (event->head.type == MP_EVENT_NAME && event->name.state == MP_NAME_COLD)
		apply_cold_name(model, process, &event->name, trace);
	else if (event->head.type == MP_EVENT_NAME && event->name.state == MP_NAME_TOO_LONG)
		model->stats.unread_names++;
	else if (space__apply(process->space, &model->tools, event, trace))
		model->stats.refused++;
	trace__unref(trace);
}

void model__apply(struct model *model, const union mp_event *event)
{
	struct process *process;

	switch (event->head.type) {
	case MP_EVENT_FORK:
		apply_fork(model, &event->fork);
		return;
	case MP_EVENT_EXEC:
		apply_exec(model, &event->exec);
		return;
	case MP_EVENT_EXIT:
		apply_exit(model, &event->head);
		return;
	case MP_EVENT_COMM:
		process = maker(model, &event->head);
		if (process && event->head.tid == event->head.tgid)
			set_comm(process, event->comm.comm);
		else
			apply_to_space(model, event);
		return;
	default:
		apply_to_space(model, event);
	}
}

void model__lost(struct model *model, uint32_t tgid, const struct mp_lost_range *range)
{
	struct mp_lost_range all = *range;
	struct process *process, *next;

	if (!tgid) {
		HASH_ITER (hh, model->processes, process, next) {
			all.events = process->lost_events; /* how many were its own is not known */
			lose(model, process, &all);
		}
		return;
	}
	process = find(model, tgid);
	if (!process)
		remember_loss(model, tgid, range);
	else if (process->lost_events != range->events)
		lose(model, process, range);
}

int model__view(struct model *model, pid_t tgid, struct view *ret)
{
	const struct process *process = find(model, tgid);

	if (!process)
		return -ESRCH;
	space__settle(process->space, &model->tools);
	*ret = (struct view){
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.knowledge = process->knowledge,
		.since_ns = process->since_ns,
		.lost_events = process->lost_events + process->lost_names,
		.learned = process->learned,
		.exec_space = process->space->exec_space,
		.space_id = process->space->id,
		.generation = process->space->generation,
		.late_names = process->space->late_names,
		.ledger = ledger__copy(&process->space->ledger),
	};
	ret->uses = uses__list(process->space->uses, &ret->n_uses);
	memcpy(ret->comm, process->comm, sizeof(ret->comm));
	return 0;
}

void view__free(struct view *view)
{
	ledger__free(&view->ledger);
	uses__free_list(view->uses, view->n_uses);
}

void model__want_stacks(const struct model *model, pid_t tgid, uint64_t space_id)
{
	const struct process *process = find(model, tgid);

	if (process && process->space->id == space_id && model->config.on_stacks_wanted)
		model->config.on_stacks_wanted(process->space->family, model->config.stack_ctx);
}

void model__learn(struct model *model, pid_t tgid, uint64_t start_ticks, const char *comm,
		  uint64_t space_id, uint64_t began_ns, const struct vma_set *maps)
{
	struct process *process = find(model, tgid);
	struct record *record;

	if (!process || process->start_ticks != start_ticks) {
		if (space_id)
			return; /* it was there when its maps were read, and has gone */
		process = enter_unannounced(model, tgid, start_ticks);
		if (!process)
			return;
	} else if (space_id && process->space->id != space_id) {
		return;
	}
	if (!process->comm[0])
		set_comm(process, comm);
	space__settle(process->space, &model->tools);
	if (learn__drop_strays(process->space, &model->tools, maps, began_ns))
		model->stats.resyncs[RESYNC_STALE_RANGE]++;
	if (process->space->heap_end == HEAP_END_UNKNOWN) {
		process->space->heap_end = learn__heap_end(maps);
		process->space->heap_end_learned = true;
	}
	if (process->learned)
		return;
	process->learned = true;
	if (process->knowledge != KNOWS_SINCE_ATTACH)
		return;
	record = record__new(ORIGIN_PREDATES, process->space->id, NULL, NULL, NULL);
	if (!record || learn__take_in(process->space, &model->tools, maps, record, began_ns))
		model->stats.refused++;
	record__unref(record);
}

void model__stack_found(struct model *model, pid_t tgid, uint64_t space_id, uint64_t began_ns,
			uint32_t tid, const char *comm, uint64_t lo, uint64_t hi)
{
	struct process *process = find(model, tgid);

	if (process && process->space->id == space_id &&
	    stacks__found(process->space, &model->tools, tid, comm, lo, hi, began_ns))
		model->stats.refused++;
}

void model__bury(struct model *model, pid_t tgid, uint64_t start_ticks)
{
	struct process *process = find(model, tgid);

	if (!process || process->start_ticks != start_ticks)
		return;
	forget_process(model, process);
	model->stats.resyncs[RESYNC_DEAD_PROCESS]++;
}

int model__processes(const struct model *model, struct known_process **ret, size_t *ret_n)
{
	struct known_process *list = calloc(HASH_COUNT(model->processes) + 1, sizeof(*list));
	struct process *process, *next;
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	HASH_ITER (hh, model->processes, process, next)
		list[n++] = (struct known_process){process->tgid, process->start_ticks,
						   process->learned};
	*ret = list;
	*ret_n = n;
	return 0;
}

void model__stats(const struct model *model, struct model_stats *ret)
{
	*ret = model->stats;
	ret->attached_ns = model->config.attached_ns;
	ret->processes = HASH_COUNT(model->processes);
}
