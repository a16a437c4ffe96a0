// SPDX-License-Identifier: BSD-2-Clause
/* The ways to another stack. Each is confirmed by what calls say, because the copy of it was found
 * by what registers and memory had. */
#include "child/cfi.h"
#include "child/unwind_parts.h"
#include "util/pac.h"
#include "wire/fp.h"

/* The word there, if a call to such a function has left it. */
static bool returns_from(const struct code_map *map, const struct unwind_hooks *hooks,
			 enum caller caller, struct found_stack *found, uint64_t at, uint64_t *ret)
{
	struct found_frame called;
	uint64_t pc, target;

	if (!copied_stack__peek(&found->stack, at, &pc))
		return false;
	pc = pac__strip(pc);
	if (!unwind__call_target(map, hooks, pc, &target) ||
	    !unwind__locate(map, target, false, hooks, &called) ||
	    hooks->caller_of(hooks->ctx, &called) != caller)
		return false;
	*ret = pc;
	return copied_stack__read(&found->stack, at, sizeof(pc), &pc);
}

/* The caller's registers, when its return address lies at `at`, and its frame pointer was saved at
 * `fp_at`; 0: it still has that. */
static void resume(struct machine *machine, uint64_t pc, uint64_t sp, uint64_t fp_at, uint64_t fp)
{
	*machine = (struct machine){};
	machine__set(machine, MACHINE_PC, pc);
	machine__set(machine, MACHINE_SP, sp);
	if (fp_at)
		machine__set_saved(machine, MACHINE_FP, fp_at);
	else
		machine__set(machine, MACHINE_FP, fp);
}

#if defined(__x86_64__)
#define RETURN_TO_SP 8 /* from where the return address lies to the caller's stack pointer */
#else
#define RETURN_TO_SP 16
#endif

#define STAY_MAX 256 /* bytes of the frame */

/* Called when the thread was on its system stack already: the caller is here. Where it aligns the
 * stack pointer, how far it moves that is not known. */
static bool stay(const struct code_map *map, const struct unwind_hooks *hooks,
		 struct found_stack *found, struct machine *machine)
{
	uint64_t sp, fp, pc;

	if (!machine__get(machine, &found->stack, MACHINE_SP, &sp) ||
	    !machine__get(machine, &found->stack, MACHINE_FP, &fp))
		return false;
	for (uint64_t at = sp; at - sp < STAY_MAX; at += sizeof(pc)) {
		if (!returns_from(map, hooks, CALLER_C, found, at, &pc))
			continue;
		/* With a frame, that lies in front of it. */
		resume(machine, pc, at + RETURN_TO_SP, fp == at - sizeof(pc) ? fp : 0, fp);
		return true;
	}
	return false;
}

bool unwind__to_goroutine(const struct code_map *map, const struct unwind_hooks *hooks,
			  enum caller caller, struct found_stack *found, struct machine *machine)
{
	const struct mp_stack_other *other = found->other;
	uint64_t fp = other->fp, pc;

#if defined(__x86_64__)
	/* Up to Go 1.20 they set up no frame. */
	if (other->sp && returns_from(map, hooks, caller, found, other->sp, &pc)) {
		resume(machine, pc, other->sp + RETURN_TO_SP, 0, fp);
		return true;
	}
	if (other->sp)
		fp = other->sp;
#else
	if (other->sp)
		fp = other->sp - sizeof(fp);
#endif
	if (!fp || !returns_from(map, hooks, caller, found, fp + sizeof(fp), &pc))
		return caller == CALLER_C && stay(map, hooks, found, machine);
	resume(machine, pc, fp + sizeof(fp) + RETURN_TO_SP, fp, 0);
	return true;
}

bool unwind__to_entered(const struct found_stack *found, struct machine *machine)
{
	const struct mp_stack_other *other = found->other;

	if (!other->pc)
		return false;
	resume(machine, pac__strip(other->pc), other->sp, 0, other->fp);
	return true;
}

/* Whether the call that returns to pc, and left that at `at`, is one of the function whose frame
 * pointer is fp: then its call frame information leads from the one to the other. */
static bool has_called(const struct code_map *map, const struct unwind_hooks *hooks,
		       struct found_stack *found, uint64_t at, uint64_t pc)
{
	uint64_t fp = found->other->fp, target, sp;
	const struct cfi_site *site = NULL;
	struct found_frame frame;
	struct machine caller;

	if (unwind__call_target(map, hooks, pc, &target) &&
	    unwind__locate(map, pc, true, hooks, &frame) && frame.module)
		site = elf_module__cfi(frame.module, frame.address);
	if (!site || !site->frame)
		return false;
	resume(&caller, pc, at + RETURN_TO_SP, 0, fp);
	return cfi__step(site, frame.pc - frame.address, &found->stack, &caller) == CFI_CALLER &&
	       machine__get(&caller, &found->stack, MACHINE_SP, &sp) && sp == fp + 2 * sizeof(fp);
}

/*
 * What resumes a coroutine calls a function that saves its registers and leaves the call's return
 * address where the stack pointer was. The coroutine's frame pointer is still that of the function
 * which has made it: the call lies below, in a function whose frame this is.
 */
bool unwind__to_resumer(const struct code_map *map, const struct unwind_hooks *hooks,
			struct found_stack *found, struct machine *machine)
{
	const struct mp_stack_other *other = found->other;
	uint64_t at = other->fp, pc;

	if (!other->fp || other->sp)
		return false;
	do {
		at -= sizeof(pc);
		if (at < other->at || !copied_stack__peek(&found->stack, at, &pc))
			return false;
	} while (!has_called(map, hooks, found, at, pc));
	copied_stack__read(&found->stack, at, sizeof(pc), &pc);
	resume(machine, pc, at + RETURN_TO_SP, 0, other->fp);
	found->by_fp = true;
	return true;
}
