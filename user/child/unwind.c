// SPDX-License-Identifier: BSD-2-Clause
#include "child/unwind.h"

#include <string.h>

#include "child/cfi.h"
#include "child/unwind_parts.h"
#include "util/pac.h"
#include "wire/fp.h"

const struct code_row *code_map__find(const struct code_map *map, uint64_t pc)
{
	size_t lo = 0, hi = map->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (map->rows[mid].wire.end <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < map->n && map->rows[lo].wire.start <= pc ? &map->rows[lo] : NULL;
}

/* An anonymous mapping beside a file's: is the code the one that belongs there? The file is asked
 * where, the process what it has there. */
static bool belongs(const struct code_row *row, uint64_t pc, const struct unwind_hooks *hooks,
		    uint64_t *ret_offset)
{
	struct code_place place;

	hooks->enter(hooks->ctx, row);
	if (elf_module__load(row->module) ||
	    !elf_module__place(row->module, row->wire.beside, row->wire.offset, pc, &place) ||
	    !hooks->is_same(hooks->ctx, row, pc, &place))
		return false;
	*ret_offset = place.offset;
	return true;
}

bool unwind__find_code(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc,
		       struct code *ret)
{
	const struct code_row *row = code_map__find(map, pc);

	if (!row)
		return false;
	*ret = (struct code){row, row->module, pc - row->wire.start + row->wire.offset};
	if (row->module && row->wire.beside && !belongs(row, pc, hooks, &ret->offset))
		ret->module = NULL;
	return true;
}

/* Which frame an instruction pointer means; false when no code is there. */
bool unwind__locate(const struct code_map *map, uint64_t ip, bool is_call,
		    const struct unwind_hooks *hooks, struct found_frame *ret)
{
	uint64_t pc = ip - (is_call ? 1 : 0);
	struct code code;

	if (!unwind__find_code(map, hooks, pc, &code))
		return false;
	*ret = (struct found_frame){
		.ip = ip, .pc = pc, .row = code.row, .made = !code.module, .offset = code.offset};
	if (code.module) {
		hooks->enter(hooks->ctx, code.row);
		if (!elf_module__load(code.module) &&
		    elf_module__address(code.module, code.offset, &ret->address))
			ret->module = code.module;
	}
	return true;
}

/* The bytes before a return address, if it lies in a file. */
bool unwind__read_before(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc,
			 uint8_t *ret)
{
	struct code code;
	uint64_t offset;

	if (!unwind__find_code(map, hooks, pc - 1, &code) || !code.module)
		return false;
	offset = code.offset + 1;
	return offset >= CALL_LEN_MAX && elf_module__read(code.module, offset - CALL_LEN_MAX, ret,
							  CALL_LEN_MAX) == CALL_LEN_MAX;
}

/*
 * Code that was made at run time cannot be read. Compilers that make it keep frame pointers, so
 * what its own say is believed; of others' frames, if the frame that it would have leads on.
 */
static bool may_return_to_jit(const struct code_map *map, const struct unwind_hooks *hooks,
			      const struct found_frame *frame, struct found_stack *found,
			      const struct machine *caller)
{
	struct machine jit = *caller, beyond;
	uint8_t before[CALL_LEN_MAX];
	struct code code;
	uint64_t pc;

	if (frame->made)
		return true;
	if (!fp__step(&jit, &found->stack, &beyond, &pc))
		return false;
	if (!unwind__find_code(map, hooks, pc - 1, &code))
		return false;
	return !code.module ||
	       (unwind__read_before(map, hooks, pc, before) && fp__is_call(before, sizeof(before)));
}

static bool may_return_to(const struct code_map *map, const struct unwind_hooks *hooks,
			  const struct found_frame *frame, uint64_t pc, struct found_stack *found,
			  const struct machine *caller)
{
	uint8_t before[CALL_LEN_MAX];
	struct found_frame first;
	struct code code;

	found->left_code = !unwind__find_code(map, hooks, pc - 1, &code);
	if (found->left_code)
		return false;
	if (!code.module)
		return may_return_to_jit(map, hooks, frame, found, caller);
	if (unwind__read_before(map, hooks, pc, before) && fp__is_call(before, sizeof(before)))
		return true;
	if (unwind__is_trampoline(map, hooks, pc))
		return true;
	/* Go makes a goroutine's first function return to where no call is. */
	return unwind__locate(map, pc, true, hooks, &first) &&
	       hooks->caller_of(hooks->ctx, &first) == CALLER_NONE;
}

bool unwind__call_target(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc,
			 uint64_t *ret)
{
	uint8_t before[CALL_LEN_MAX];

	return unwind__read_before(map, hooks, pc, before) &&
	       fp__call_target(before, sizeof(before), pc, ret);
}

#define LEAF_MAX 4096 /* bytes of such a function: they are written by hand */

/*
 * A function that sets up no frame, such as Go's for system calls: the frame pointer is its
 * caller's, which would be left out. Told by what calls say: the word on top of the stack is where
 * a call to just before here returns to, and the call that made the frame was one to somewhere
 * else.
 */
static bool step_leaf(const struct code_map *map, const struct unwind_hooks *hooks,
		      const struct found_frame *frame, uint64_t frame_pc, struct found_stack *found,
		      struct machine *machine)
{
	uint64_t sp, pc, target, frame_target;

	if (!fp__leaf_return(machine, &found->stack, &pc, &sp) ||
	    !unwind__call_target(map, hooks, pc, &target) ||
	    !unwind__call_target(map, hooks, frame_pc, &frame_target))
		return false;
	if (target > frame->ip || frame->ip - target >= LEAF_MAX)
		return false;
	/* The frame is its own after all. */
	if (frame_target >= target && frame_target <= frame->ip)
		return false;
	machine__set(machine, MACHINE_SP, sp);
	machine__set(machine, MACHINE_PC, pc);
	return true;
}

enum step { STEP_CALLER, STEP_ENTERED, STEP_INTERRUPTED, STEP_OUTERMOST, STEP_UNKNOWN };

/* Without call frame information. */
static enum step step_bare(const struct code_map *map, const struct unwind_hooks *hooks,
			   const struct found_frame *frame, struct found_stack *found,
			   struct machine *machine)
{
	uint8_t code[SIGRETURN_LEN];
	struct machine caller;
	uint64_t pc;
	ssize_t n;

	if (frame->module) {
		uint64_t offset = frame->offset + (frame->ip - frame->pc);

		n = elf_module__read(frame->module, offset, code, sizeof(code));
		if (n > 0 && fp__is_sigreturn(code, n)) {
			if (!fp__step_signal(machine, &found->stack, &caller))
				return STEP_UNKNOWN;
			*machine = caller;
			return STEP_INTERRUPTED;
		}
	}
	found->by_fp = true;
	if (frame->module && unwind__is_entry(map, hooks, frame->pc))
		return STEP_OUTERMOST;
	/* A frame that lies where nothing was copied. */
	if (fp__leads_out(machine, &found->stack))
		return STEP_UNKNOWN;
	/* Where a thread begins, the chain ends with zeros. */
	if (!fp__step(machine, &found->stack, &caller, &pc) ||
	    (pc && !may_return_to(map, hooks, frame, pc, found, &caller)))
		return unwind__scan(map, hooks, frame, found, machine) ? STEP_CALLER : STEP_UNKNOWN;
	/* Only a function that has made no call can be without a frame. */
	if (frame->pc == frame->ip && step_leaf(map, hooks, frame, pc, found, machine))
		return STEP_CALLER;
	*machine = caller;
	return STEP_CALLER;
}

static enum step step_cfi(const struct cfi_site *site, const struct found_frame *frame,
			  struct found_stack *found, struct machine *machine)
{
	switch (cfi__step(site, frame->pc - frame->address, &found->stack, machine)) {
	case CFI_CALLER:
		return site->signal ? STEP_INTERRUPTED : STEP_CALLER;
	case CFI_OUTERMOST:
		return STEP_OUTERMOST;
	case CFI_UNKNOWN:
		break;
	}
	return STEP_UNKNOWN;
}

/* To the caller. A return address points behind its call, but what signal handlers return to was
 * never called: its own first byte is meant. */
static enum step step(const struct code_map *map, const struct unwind_hooks *hooks,
		      const struct found_frame *frame, const struct cfi_site *site,
		      struct found_stack *found, struct machine *machine)
{
	if (site && site->frame)
		return step_cfi(site, frame, found, machine);
	return step_bare(map, hooks, frame, found, machine);
}

/* The frame has made no call: its instruction is meant. */
static void mean_itself(struct found_frame *frame)
{
	frame->address += frame->ip - frame->pc;
	frame->offset += frame->ip - frame->pc;
	frame->pc = frame->ip;
}

/* A coroutine's first function returns to the beginning of another one. */
static bool was_called(const struct code_map *map, const struct unwind_hooks *hooks,
		       const struct found_frame *frame)
{
	uint8_t before[CALL_LEN_MAX];

	return !unwind__read_before(map, hooks, frame->ip, before) ||
	       fp__is_call(before, sizeof(before));
}

static const struct cfi_site *find_site(const struct code_map *map,
					const struct unwind_hooks *hooks, struct found_frame *frame)
{
	const struct cfi_site *site;

	if (!frame->module)
		return NULL;
	site = elf_module__cfi(frame->module, frame->address);
	if (!site || frame->pc == frame->ip)
		return site;
	frame->uncalled = !site->frame && !was_called(map, hooks, frame);
	if (site->signal || frame->uncalled)
		mean_itself(frame);
	return frame->uncalled ? elf_module__cfi(frame->module, frame->address) : site;
}

/* Where the thread has got to. */
struct way {
	uint64_t sp;
	bool is_call; /* the next frame has made a call */
	bool entered; /* it has not begun, and has no frame yet */
};

static bool further_out(struct machine *machine, struct copied_stack *stack, uint64_t *sp,
			bool has_called)
{
	uint32_t from, to;
	uint64_t next;

	if (!machine__get(machine, stack, MACHINE_SP, &next))
		return false;
	/* The other stack lies further out, wherever that is. */
	if (!copied_stack__offset(stack, *sp, &from) || !copied_stack__offset(stack, next, &to)) {
		from = next < *sp;
		to = next > *sp;
	}
	/* On arm64 a function that calls no other need not touch its stack. */
	if (to < from || (to == from && has_called))
		return false;
	*sp = next;
	return true;
}

/* From a frame whose name says nothing of its caller, or says that this is on another stack. */
static enum step step_out(const struct code_map *map, const struct unwind_hooks *hooks,
			  struct found_frame *frame, enum caller caller, struct found_stack *found,
			  struct machine *machine)
{
	switch (caller) {
	case CALLER_NONE:
		return STEP_OUTERMOST;
	case CALLER_ELSEWHERE:
		return STEP_UNKNOWN;
	case CALLER_FRAMED:
		return step_bare(map, hooks, frame, found, machine);
	case CALLER_SWITCHED:
	case CALLER_C:
		return unwind__to_goroutine(map, hooks, caller, found, machine) ? STEP_CALLER
										: STEP_UNKNOWN;
	case CALLER_ENTERED:
		return unwind__to_entered(found, machine) ? STEP_ENTERED : STEP_UNKNOWN;
	default:
		break;
	}
	if (frame->uncalled && unwind__to_resumer(map, hooks, found, machine))
		return STEP_CALLER;
	return step(map, hooks, frame, find_site(map, hooks, frame), found, machine);
}

/* To where the thread was when it entered the function of the frame. */
static bool leave_entered(const struct code_map *map, const struct unwind_hooks *hooks,
			  struct found_stack *found, struct machine *machine)
{
	uint8_t before[CALL_LEN_MAX];
	uint64_t pc, sp;

	if (!fp__leaf_return(machine, &found->stack, &pc, &sp) ||
	    !unwind__read_before(map, hooks, pc, before) || !fp__is_call(before, sizeof(before)))
		return false;
	machine__set(machine, MACHINE_PC, pc);
	machine__set(machine, MACHINE_SP, sp);
	return true;
}

/* Whether a runtime tells of the frame. */
static bool is_made(const struct unwind_hooks *hooks, const struct found_frame *frame,
		    const struct machine *machine, struct found_stack *found,
		    struct made_frame *ret)
{
	if (frame->module ||
	    !hooks->made(hooks->ctx, frame, machine, machine ? &found->stack : NULL, ret))
		return false;
	if (ret->is_once)
		found->lasts = STACK_IS_ONCE;
	else if (found->lasts == STACK_LASTS)
		found->lasts = STACK_PASSES;
	return true;
}

void unwind__copy(const struct code_map *map, const struct mp_stack_copy *copy,
		  const struct unwind_hooks *hooks, struct found_stack *found)
{
	struct machine machine = {};
	struct way way = {.sp = copy->regs[MACHINE_SP]};
	bool outermost = false, interrupted = false;
	uint64_t pc;

	for (unsigned reg = 0; reg < MACHINE_REGS; reg++)
		machine__set(&machine, reg, copy->regs[reg]);
	machine__set(&machine, MACHINE_PC, pac__strip(copy->regs[MACHINE_PC]));
	found->truncated = true;
	while (found->n < FRAMES_MAX && machine__get(&machine, &found->stack, MACHINE_PC, &pc)) {
		struct found_frame *frame = &found->frames[found->n];
		enum step next = STEP_CALLER;
		struct made_frame told;
		enum caller caller;
		bool made;

		/* Where a thread begins; or a call through a pointer that led nowhere. */
		if (!pc && interrupted) {
			if (!leave_entered(map, hooks, found, &machine))
				break;
			way.is_call = true;
			interrupted = false;
			continue;
		}
		outermost = found->n && !pc;
		if (outermost)
			break;
		found->left_code = !unwind__locate(map, pc, way.is_call, hooks, frame);
		if (found->left_code)
			break;
		find_site(map, hooks, frame);
		frame->sp = way.sp;
		found->n++;
		made = is_made(hooks, frame, &machine, found, &told);
		if (!hooks->look(hooks->ctx, frame, made ? &told : NULL, &caller))
			break;
		if (made) {
			machine = told.caller;
			next = told.has_caller ? STEP_CALLER : STEP_UNKNOWN;
		} else if (!way.entered || !leave_entered(map, hooks, found, &machine))
			next = step_out(map, hooks, frame, caller, found, &machine);
		outermost = next == STEP_OUTERMOST;
		interrupted = next == STEP_INTERRUPTED;
		way.is_call = next == STEP_CALLER || next == STEP_ENTERED;
		way.entered = next == STEP_ENTERED;
		if (next == STEP_OUTERMOST || next == STEP_UNKNOWN)
			break;
		/* The interrupted function's stack may be another one, and lie anywhere. */
		if (next == STEP_INTERRUPTED)
			machine__get(&machine, &found->stack, MACHINE_SP, &way.sp);
		else if (!further_out(&machine, &found->stack, &way.sp, frame->pc != frame->ip))
			break;
	}
	found->truncated = !outermost;
}

void unwind__list(const struct code_map *map, const uint64_t *ips, size_t n,
		  const struct unwind_hooks *hooks, struct found_stack *found)
{
	enum caller caller = CALLER_USUAL;

	found->by_fp = true;
	for (size_t i = 0; i < n && found->n < FRAMES_MAX && caller != CALLER_NONE; i++) {
		struct found_frame *frame = &found->frames[found->n];
		const struct cfi_site *site;
		struct made_frame told;
		bool made;

		/* Code without frame pointers has other things in that register. */
		found->left_code = !unwind__locate(map, ips[i], i > 0, hooks, frame);
		if (found->left_code)
			break;
		site = find_site(map, hooks, frame);
		found->n++;
		made = is_made(hooks, frame, NULL, found, &told);
		if (!hooks->look(hooks->ctx, frame, made ? &told : NULL, &caller))
			break;
		/* Go's keep the register when they switch, so the list goes on behind them. Up to
		 * Go 1.20 the runtime's function that wanted the other stack is not in it. */
		if (caller == CALLER_SWITCHED || caller == CALLER_C)
			continue;
		if (caller == CALLER_ELSEWHERE || caller == CALLER_ENTERED)
			break;
		/* The register has its caller's frame pointer, or something else: the next in the
		 * list is not its caller. A system call's wrapper has none as a rule. */
		if (site && site->frame && !cfi__has_frame_pointer(site))
			break;
	}
	found->truncated = caller != CALLER_NONE;
}
