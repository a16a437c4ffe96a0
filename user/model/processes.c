// SPDX-License-Identifier: BSD-2-Clause
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/changes.h"
#include "model/code.h"
#include "model/learn.h"
#include "model/model_parts.h"
#include "model/name.h"
#include "model/naming.h"
#include "model/stack_names.h"
#include "model/touching.h"
#include "proc/procfs.h"
#include "proc/threads.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define KNOWN_STACKS_SHARE 8 /* of the tables' share, if that is less than what they may have */

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
	model->tools.budget = config->budget;
	model->tools.known_stacks.max =
		budget__share(config->budget, KNOWN_STACKS_SHARE, KNOWN_STACKS_MAX_BYTES);
	model->tools.pool = ledger_pool__new();
	model->unknown = trace__new();
	if (!model->tools.pool || !model->unknown) {
		model__free(model);
		return NULL;
	}
	trace__resolve(model->unknown, NULL);
	return model;
}

static void forget_process(struct model *model, struct process *process)
{
	raw_stacks__leave(model, process, false);
	if (model->config.on_forgotten)
		model->config.on_forgotten(process->tgid, process->start_ticks,
					   model->config.forgotten_ctx);
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
	/* Our end is none of theirs: history would say that all have ended. */
	model->config.on_forgotten = NULL;
	HASH_ITER (hh, model->processes, process, next)
		forget_process(model, process);
	forget_losses(model);
	ledger_pool__free(model->tools.pool);
	trace__unref(model->unknown);
	free(model);
}

struct process *model__find(const struct model *model, pid_t tgid)
{
	struct process *process;

	HASH_FIND_INT(model->processes, &tgid, process);
	return process;
}

static void set_comm(struct process *process, const char *comm)
{
	snprintf(process->comm, sizeof(process->comm), "%.*s", MP_COMM_LEN - 1, comm);
}

/* Enters a process in the place of whatever had its number; takes over the caller's space. NULL,
 * with the space let go, when it cannot. */
static struct process *enter(struct model *model, pid_t tgid, uint64_t start_ticks,
			     struct space *space)
{
	struct process *process = model__find(model, tgid);

	if (process)
		forget_process(model, process);
	process = NULL;
	if (space && HASH_COUNT(model->processes) < MODEL_MAX_PROCESSES)
		process = calloc(1, sizeof(*process));
	if (process) {
		process->tgid = tgid;
		process->start_ticks = start_ticks;
		process->space = space;
		HASH_ADD_INT(model->processes, tgid, process);
	}
	if (!process || !HASH_HAS(process)) {
		free(process);
		space__unref(space);
		model->stats.refused++;
		return NULL;
	}
	return process;
}

static void lose(struct model *model, struct process *process, const struct mp_lost_range *range)
{
	/* An exec may be among what was lost: a vfork child that went on in its parent's space
	 * would write its own mappings into it. */
	if (range->lo == 0 && range->hi == UINT64_MAX && process->space->users > 1) {
		struct space *space = space__new(&model->tools);

		if (space) {
			account__set_tenant(space->account,
					    account__tenant(process->space->account));
			space__unref(process->space);
			process->space = space;
		}
	}
	process->lost_events = range->events;
	process->knowledge = KNOWS_RESYNCED;
	changes__suspect(process->space, range->lo, range->hi, range->last_ns);
	model->stats.resyncs[RESYNC_RING_FULL]++;
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
		if (early) {
			early->tgid = tgid;
			HASH_ADD_INT(model->early_losses, tgid, early);
		}
		if (!early || !HASH_HAS(early)) {
			free(early);
			model->stats.refused++;
			return;
		}
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

/* A process that no event announced: as it must be, if it started before us. */
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
	struct process *process = model__find(model, head->tgid);

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
	parent->space->forked_from |= !e->shares_vm;
	space = e->shares_vm ? space__ref(parent->space) : space__fork(parent->space);
	child = enter(model, e->child_tgid, e->child_start_ns / NSEC_PER_TICK, space);
	if (!child)
		return;
	if (!e->shares_vm)
		child->space->forked_ns = e->head.time_ns;
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
		changes__suspect(process->space, 0, UINT64_MAX, UINT64_MAX);
		process->knowledge = KNOWS_RESYNCED;
		model->stats.refused++;
		return;
	}
	raw_stacks__leave(model, process, true);
	account__set_tenant(space->account, account__tenant(process->space->account));
	space->exec_space = space->id;
	space->code_gone_ns = e->head.time_ns;
	space->heap_end = (e->start_brk + mask) & ~mask;
	space->heap_end_ns = e->head.time_ns;
	process->knowledge = KNOWS_ALL;
	process->since_ns = e->head.time_ns;
	/* What was lost after this exec, of the same drain, was the new program's. */
	if (process->space->suspect.hi && e->head.time_ns <= process->space->suspect.until) {
		space->suspect = process->space->suspect;
		process->knowledge = KNOWS_RESYNCED;
	}
	space__unref(process->space);
	process->space = space;
	process->learned = true;
	set_comm(process, e->comm);
}

static void apply_exit(struct model *model, const struct mp_event_head *head)
{
	struct process *process = model__find(model, head->tgid);

	if (process && process->start_ticks == head->start_ns / NSEC_PER_TICK)
		forget_process(model, process);
}

static void apply_to_space(struct model *model, const union mp_event *event)
{
	struct process *process = maker(model, &event->head);
	struct trace *trace;

	if (!process)
		return;
	trace = raw_stacks__recognise(model, process, event);
	if (event->head.type == MP_EVENT_NAME && event->name.state == MP_NAME_LATE)
		late_names__apply(model, process, &event->name, trace);
	else if (event->head.type == MP_EVENT_NAME && event->name.state == MP_NAME_TOO_LONG)
		model->stats.unread_names++;
	else if (changes__apply(process->space, event, trace))
		model->stats.refused++;
	trace__unref(trace);
}

/* Neither changes the map. */
static void apply_touch(struct model *model, const union mp_event *event)
{
	struct process *process = maker(model, &event->head);
	struct trace *trace;

	if (!process)
		return;
	if (event->head.type == MP_EVENT_EMPTY) {
		touching__follow(process->space, event);
		return;
	}
	trace = raw_stacks__recognise(model, process, event);
	/* One that cannot be unwound keeps its share: known ones do not get it. */
	if (model->config.on_stack)
		touching__apply(process->space, &event->touch, trace ?: model->unknown);
	trace__unref(trace);
}

static void apply(struct model *model, const union mp_event *event)
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
	case MP_EVENT_INTERPRETER:
		process = maker(model, &event->head);
		if (process)
			interpreters__apply(model, process, &event->interpreter);
		return;
	case MP_EVENT_TOUCH:
	case MP_EVENT_EMPTY:
		apply_touch(model, event);
		return;
	default:
		apply_to_space(model, event);
	}
}

void model__apply(struct model *model, const union mp_event *event)
{
	apply(model, event);
	giving_up__check(model);
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
	process = model__find(model, tgid);
	if (!process)
		remember_loss(model, tgid, range);
	else if (process->lost_events != range->events)
		lose(model, process, range);
}

void model__empty_lost(struct model *model, uint32_t tgid, const struct mp_lost_range *range)
{
	struct process *process = tgid ? model__find(model, tgid) : model->processes;

	/* Of one whose fork is still to come, its parent's samples are as old. */
	for (; process; process = tgid ? NULL : process->hh.next)
		touching__suspect(process->space, range->lo, range->hi, range->last_ns);
}

/* What was given up of its memory is missing as if its events had been lost. */
static uint64_t losses_of(const struct process *process)
{
	return process->lost_events + process->lost_names + process->space->given_up;
}

static enum knowledge knowledge_of(const struct process *process)
{
	return process->space->given_up ? KNOWS_RESYNCED : process->knowledge;
}

static bool is_unshared(const struct process *process)
{
	const struct space *space = process->space;

	return knowledge_of(process) == KNOWS_ALL && space->exec_space == space->id &&
	       !space->forked_from;
}

int model__view(struct model *model, pid_t tgid, struct view *ret)
{
	const struct process *process = model__find(model, tgid);

	if (!process)
		return -ESRCH;
	changes__drop_suspect(process->space);
	*ret = (struct view){
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.knowledge = knowledge_of(process),
		.since_ns = process->since_ns,
		.lost_events = losses_of(process),
		.learned = process->learned,
		.exec_space = process->space->exec_space,
		.space_id = process->space->id,
		.generation = process->space->generation,
		.late_names = process->space->late_names,
		.ledger = ledger__copy(&process->space->ledger),
		.touches = touches__copy(&process->space->touches),
		.forked_ns = process->space->forked_ns,
		.unshared = is_unshared(process),
	};
	ret->uses = uses__list(process->space->uses, &ret->n_uses);
	memcpy(ret->comm, process->comm, sizeof(ret->comm));
	return 0;
}

bool model__view_holds(const struct model *model, const struct view *view)
{
	const struct process *process = model__find(model, view->tgid);

	return process && process->start_ticks == view->start_ticks &&
	       process->space->id == view->space_id &&
	       process->space->generation == view->generation &&
	       is_unshared(process) == view->unshared && knowledge_of(process) == view->knowledge &&
	       losses_of(process) == view->lost_events;
}

void view__free(struct view *view)
{
	ledger__free(&view->ledger);
	touches__free(&view->touches);
	uses__free_list(view->uses, view->n_uses);
}

void model__pages_are_gone(struct model *model, pid_t tgid, uint64_t space_id,
			   const uint64_t *pages, size_t n, uint64_t until)
{
	struct process *process = model__find(model, tgid);

	if (!process || process->space->id != space_id)
		return;
	for (size_t i = 0; i < n; i++)
		touches__erase(&process->space->touches, pages[i], pages[i] + 1, until);
}

void model__learn(struct model *model, pid_t tgid, const struct proc_stat *stat, uint64_t space_id,
		  uint64_t began_ns, const struct vma_set *maps)
{
	struct process *process = model__find(model, tgid);
	struct record *record;

	if (!process || process->start_ticks != stat->start_ticks) {
		if (space_id)
			return; /* it was there when its maps were read, and has gone */
		process = enter_unannounced(model, tgid, stat->start_ticks);
		if (!process)
			return;
	} else if (space_id && process->space->id != space_id) {
		return;
	}
	if (!process->comm[0])
		set_comm(process, stat->comm);
	changes__drop_suspect(process->space);
	if (learn__drop_unmapped(process->space, maps, began_ns))
		model->stats.resyncs[RESYNC_STALE_RANGE]++;
	if (process->space->heap_end == HEAP_END_UNKNOWN) {
		process->space->heap_end = learn__heap_end(maps);
		process->space->heap_end_ns = began_ns;
		process->space->heap_end_learned = true;
	}
	if (process->learned)
		return;
	process->learned = true;
	interpreters__look(model, process, maps, began_ns);
	if (process->knowledge != KNOWS_SINCE_ATTACH)
		return;
	record = record__new(ORIGIN_PREDATES, process->space->id, NULL, NULL, NULL);
	if (!record || learn__take_in(process->space, maps, record, began_ns))
		model->stats.refused++;
	record__unref(record);
}

void model__stack_found(struct model *model, const struct view *now, uint64_t began_ns,
			const struct proc_thread *thread, const struct vma *stack)
{
	struct process *process = model__find(model, now->tgid);

	if (process && process->space->id == now->space_id &&
	    stack_names__found(process->space, thread->tid, thread->comm, stack->start, stack->end,
			       began_ns))
		model->stats.refused++;
}

void model__process_is_gone(struct model *model, pid_t tgid, uint64_t start_ticks)
{
	struct process *process = model__find(model, tgid);

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
		list[n++] = (struct known_process){
			.tgid = process->tgid,
			.start_ticks = process->start_ticks,
			.learned = process->learned,
			.space_id = process->space->id,
			.generation = process->space->generation,
		};
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
