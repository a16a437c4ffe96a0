// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "model/code.h"
#include "model/model_parts.h"

static int first_range(const struct ledger_range *range, void *ctx)
{
	*(struct ledger_range *)ctx = *range;
	return 1;
}

/* A thread's copied stack ends where its mapping does, and mostly that is near: what lies behind is
 * of no use, and need not wait for its turn. */
static uint32_t useful_bytes(const struct space *space, const struct mp_stack *stack)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;
	struct ledger_range range = {0};
	uint64_t at;

	/* Another stack's copy comes behind. */
	if (stack->kind != MP_STACK_COPY || copy->other.len)
		return stack->bytes;
	at = copy->regs[known_stacks__sp_register()] - copy->below;
	ledger__each(&space->ledger, at, UINT64_MAX, first_range, &range);
	if (range.start != at || range.end - at >= stack->bytes - sizeof(*copy))
		return stack->bytes;
	return sizeof(*copy) + ((range.end - at) & ~7ULL);
}

struct trace *raw_stacks__recognise(struct model *model, const struct process *process,
				    const union mp_event *event)
{
	const struct mp_stack *stack = event__stack(event);
	struct space *space = process->space;
	struct raw_stack raw = {
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.space_id = space->id,
		.taken_ns = event->head.time_ns,
		.code_added_ns = space->code_added_ns,
		.map_since_ns = space->code_gone_ns,
		.account = account__id(space->account),
		.is_touch = event->head.type == MP_EVENT_TOUCH,
		.pending = space->pending,
		.stack = stack,
	};

	if (!stack || !model->config.on_stack)
		return NULL;
	if (space->known_stacks)
		raw.trace = known_stacks__find(space->known_stacks, stack, raw.taken_ns);
	if (raw.trace)
		return trace__ref(raw.trace);
	raw.bytes = useful_bytes(space, stack);
	raw.trace = trace__new();
	if (!raw.trace || !model->config.on_stack(&raw, model->config.stack_ctx)) {
		model->stats.untaken_stacks++;
		trace__unref(raw.trace);
		return NULL;
	}
	/* The answer comes by a call of the owner, so not before this. */
	raw.pending->refs++;
	raw.pending->asked++;
	return raw.trace;
}

/* The space that the stack was taken in, or of a successor; NULL when it has gone. */
static struct space *space_of(const struct model *model, const struct raw_stack *raw)
{
	const struct process *process = model__find(model, raw->tgid);

	if (!process || process->start_ticks != raw->start_ticks ||
	    process->space->pending != raw->pending)
		return NULL;
	return process->space;
}

bool model__stack_is_known(struct model *model, const struct raw_stack *raw)
{
	const struct space *space = space_of(model, raw);
	struct trace *known;

	if (!space || space->id != raw->space_id || !space->known_stacks ||
	    raw->taken_ns < space->code_gone_ns ||
	    raw->taken_ns < known_stacks__newest_ns(space->known_stacks))
		return false;
	known = known_stacks__find(space->known_stacks, raw->stack, raw->taken_ns);
	if (!known)
		return false;
	raw->pending->answered++;
	trace__resolve(raw->trace, trace__site(known));
	pending__unref(raw->pending);
	return true;
}

bool model__map_was_stale(const struct model *model, const struct raw_stack *raw,
			  const struct unwound *unwound)
{
	const struct space *space = space_of(model, raw);
	uint64_t newest = space ? code__newest_ns(space, unwound) : 0;

	return (newest > unwound->map_read_ns && newest <= raw->taken_ns) ||
	       (space && code__changed(space, unwound, unwound->map_read_ns, raw->taken_ns));
}

/* What was unwound may not be what was there. */
static bool was_other_code(const struct space *space, const struct raw_stack *raw,
			   const struct unwound *unwound)
{
	return code__newest_ns(space, unwound) > raw->taken_ns ||
	       code__changed(space, unwound, raw->taken_ns, unwound->map_end_ns);
}

/* As long as the code is there that it ran through. */
static void learn(struct model *model, struct space *space, const struct raw_stack *raw,
		  const struct unwound *unwound)
{
	if (unwound->lasts == STACK_IS_ONCE || space->id != raw->space_id || !space->known_stacks ||
	    code__changed(space, unwound, raw->taken_ns, UINT64_MAX))
		return;
	giving_up__share_known_stacks(model, space->account);
	known_stacks__learn(space->known_stacks,
			    &(struct known_stack){raw->stack, raw->taken_ns, unwound, raw->trace},
			    code__newest_ns(space, unwound));
}

void model__stack_was_unwound(struct model *model, const struct raw_stack *raw,
			      const struct unwound *unwound, struct callsite *site)
{
	const struct process *process = model__find(model, raw->tgid);
	struct space *space = process ? process->space : NULL;

	raw->pending->answered++;
	if (unwound->tenant && space && space->id == raw->space_id)
		account__set_tenant(space->account, unwound->tenant);
	/* Of a process that has gone, its children may have inherited what it made. One that runs
	 * another program may have been unwound in that. */
	if (space && (process->start_ticks != raw->start_ticks || space->pending != raw->pending))
		site = process->start_ticks != raw->start_ticks ? site : NULL;
	else if (space && site && was_other_code(space, raw, unwound))
		site = NULL;
	trace__resolve(raw->trace, site);
	if (site && space)
		learn(model, space, raw, unwound);
	pending__unref(raw->pending);
}

/* Each space and each stack that waits holds them. */
static bool is_shared(const struct space *space)
{
	const struct pending *pending = space->pending;

	return pending->refs - (pending->asked - pending->answered) > 1 || space->users > 1;
}

/* Another process that has the same stacks waiting, and the same code. */
static const struct process *successor(const struct model *model, const struct process *of)
{
	const struct space *space = of->space;
	const struct process *process;

	for (process = model->processes; process; process = process->hh.next) {
		if (process != of && process->space->pending == space->pending &&
		    process->space->code_id == space->code_id)
			return process;
	}
	return NULL;
}

void raw_stacks__leave(struct model *model, const struct process *process, bool lives_on)
{
	const struct pending *pending = process->space->pending;
	struct process_end end = {
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.lives_on = lives_on,
	};
	const struct process *other = NULL;

	if (!model->config.on_process_end || (lives_on && pending->answered == pending->asked))
		return;
	end.shared = pending->answered < pending->asked && is_shared(process->space);
	if (end.shared)
		other = successor(model, process);
	if (other) {
		end.successor = other->tgid;
		end.successor_start_ticks = other->start_ticks;
	}
	model->config.on_process_end(model, &end, model->config.stack_ctx);
}

void model__want_stacks(const struct model *model, pid_t tgid, uint64_t space_id)
{
	const struct process *process = model__find(model, tgid);
	const struct pending *pending;

	if (!process || process->space->id != space_id)
		return;
	pending = process->space->pending;
	if (pending->answered < pending->asked && model->config.on_stacks_wanted)
		model->config.on_stacks_wanted(pending, tgid, model->config.stack_ctx);
}
