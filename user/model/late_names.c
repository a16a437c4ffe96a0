// SPDX-License-Identifier: BSD-2-Clause
#include "model/changes.h"
#include "model/model_parts.h"
#include "model/name.h"
#include "model/naming.h"

/* A name of it was given that will never be known. */
static void lose_name(struct model *model, struct process *process)
{
	process->lost_names++;
	process->knowledge = KNOWS_RESYNCED;
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

void late_names__apply(struct model *model, struct process *process, const struct mp_event_name *e,
		       struct trace *trace)
{
	struct late_name name = {
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.space_id = process->space->id,
		.addr = e->addr,
		.len = e->len,
		.name_ptr = e->name_ptr,
		.when_ns = e->head.time_ns,
		.late = late_text__new(trace),
	};
	uint64_t since;
	int err;

	if (!name.late) {
		lose_name(model, process);
		return;
	}
	name.was_mapped = is_mapped(process->space, e->name_ptr, &since);
	changes__begin(process->space, &e->head);
	err = naming__apply_late(process->space, e, name.late);
	if (err) {
		model->stats.refused++;
		late_text__unref(name.late);
	} else if (!model->config.on_late_name ||
		   !model->config.on_late_name(model, &name, model->config.ctx)) {
		model__name_was_lost(model, &name);
	}
}

/* The process and its space as they were when the name was given, or NULL. */
static struct process *namer(struct model *model, const struct late_name *name)
{
	struct process *process = model__find(model, name->tgid);

	return process && process->start_ticks == name->start_ticks &&
			       process->space->id == name->space_id
		       ? process
		       : NULL;
}

static void finish(struct model *model, struct process *process, const struct late_name *name)
{
	if (process && naming__join_late(process->space, name->addr, name->len))
		model->stats.refused++;
	late_text__unref(name->late);
}

void model__name_was_lost(struct model *model, const struct late_name *name)
{
	struct process *process = namer(model, name);

	late_text__set(name->late, NULL);
	model->stats.unread_names++;
	if (process)
		lose_name(model, process);
	finish(model, process, name);
}

void model__name_was_read(struct model *model, const struct late_name *name, const char *text)
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
		late_text__set_unreadable(name->late);
	} else {
		answer = text[0] ? name__new(NAMED_BY_PRCTL, text, late_text__trace(name->late))
				 : NULL;
		if (text[0] && !answer)
			model->stats.refused++;
		late_text__set(name->late, answer);
		name__unref(answer);
	}
	finish(model, process, name);
}
