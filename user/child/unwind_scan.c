// SPDX-License-Identifier: BSD-2-Clause
/* From functions of which nothing says how they are left: unwind_parts.h. */
#include <elf.h>
#include <stddef.h>

#include "child/unwind_parts.h"
#include "wire/fp.h"

bool unwind__is_trampoline(const struct code_map *map, const struct unwind_hooks *hooks,
			   uint64_t pc)
{
	uint8_t bytes[SIGRETURN_LEN];
	struct code code;
	ssize_t n;

	if (!unwind__find_code(map, hooks, pc, &code) || !code.module)
		return false;
	n = elf_module__read(code.module, code.offset, bytes, sizeof(bytes));
	return n > 0 && fp__is_sigreturn(bytes, n);
}

#define SCAN_MAX  2048 /* bytes of the stack that a function's frame may take */
#define ENTRY_MAX 64   /* of a program's first function */
#define JUMPS_MAX 4    /* that lead from a function's name to itself */
#define TAIL_MAX  256  /* bytes of a function that ends by a jump to another one */

/* Whether the code at an offset of the file jumps to `distance` bytes from there, as a function
 * does that calls another one last. */
static bool jumps_on(const struct elf_module *module, uint64_t offset, int64_t distance)
{
	uint8_t bytes[TAIL_MAX];
	ssize_t n = elf_module__read(module, offset, bytes, sizeof(bytes));
	int32_t jump;

	for (ssize_t at = 0; at + CALL_LEN_MAX <= n; at += INSTRUCTION_STEP) {
		if (fp__is_jump(bytes + at, &jump) && at + jump == distance)
			return true;
	}
	return false;
}

/* Whether a call to target runs the frame's function; a name of it may only jump there. */
static bool leads_to(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t target,
		     const struct found_frame *frame, const struct function_start *function)
{
	uint64_t begin = frame->pc - (frame->address - function->address);
	uint8_t bytes[CALL_LEN_MAX];
	struct code code;

	for (int jumps = 0; jumps < JUMPS_MAX; jumps++) {
		int32_t distance;

		if (!unwind__find_code(map, hooks, target, &code) || !code.module)
			return false;
		if (code.module == frame->module && target == begin)
			return true;
		if (elf_module__read(code.module, code.offset, bytes, sizeof(bytes)) !=
		    sizeof(bytes))
			return false;
		/* Where that leads the loader has written; to another module at least. */
		if (fp__is_import(bytes))
			return code.module != frame->module && function->global;
		if (!fp__is_jump(bytes, &distance))
			return code.module == frame->module &&
			       jumps_on(code.module, code.offset, begin - target);
		target += distance;
	}
	return false;
}

bool unwind__is_entry(const struct code_map *map, const struct unwind_hooks *hooks, uint64_t pc)
{
	uint64_t entry, address;
	struct code code;

	return unwind__find_code(map, hooks, pc, &code) && code.module &&
	       elf_module__read(code.module, offsetof(Elf64_Ehdr, e_entry), &entry,
				sizeof(entry)) == sizeof(entry) &&
	       elf_module__address(code.module, code.offset, &address) && address >= entry &&
	       address - entry < ENTRY_MAX;
}

/* What a word of the stack can be to the frame's function. */
enum word {
	WORD_OTHER,   /* not where it returns to */
	WORD_RETURN,  /* where it returns to */
	WORD_PERHAPS, /* that, if the register that was called by held its address */
	WORD_ENTRY,   /* of a program's first function, which may have called by another's name */
};

static enum word judge_word(const struct code_map *map, const struct unwind_hooks *hooks,
			    uint64_t pc, const struct found_frame *frame,
			    const struct function_start *function)
{
	uint8_t before[CALL_LEN_MAX];
	uint64_t target;

	if (unwind__is_trampoline(map, hooks, pc))
		return WORD_RETURN;
	if (!unwind__read_before(map, hooks, pc, before) || !fp__is_call(before, sizeof(before)))
		return WORD_OTHER;
	if (!fp__call_target(before, sizeof(before), pc, &target))
		return WORD_PERHAPS;
	if (leads_to(map, hooks, target, frame, function))
		return WORD_RETURN;
	return unwind__is_entry(map, hooks, pc - 1) ? WORD_ENTRY : WORD_OTHER;
}

/* How much of the stack is the function's own, by the code that has run before the call; false when
 * that is not known. */
static bool frame_size(const struct found_frame *frame, const struct function_start *function,
		       uint64_t *ret)
{
	uint64_t done = frame->address - function->address;
	uint8_t code[PROLOGUE_MAX];
	ssize_t n;

	/* Its file's bytes in front of pc are those in front of its address. */
	if (done > frame->offset)
		return false;
	n = elf_module__read(frame->module, frame->offset - done, code, sizeof(code));
	return n > 0 && fp__frame_size(code, n, done, ret) && *ret < SCAN_MAX &&
	       *ret % sizeof(uint64_t) == 0;
}

bool unwind__scan(const struct code_map *map, const struct unwind_hooks *hooks,
		  const struct found_frame *frame, struct found_stack *found,
		  struct machine *machine)
{
	struct function_start function;
	uint64_t sp, pc, own = 0;
	bool known, perhaps = false;

	if (!frame->module || !machine__get(machine, &found->stack, MACHINE_SP, &sp) ||
	    !elf_module__function(frame->module, frame->address, &function))
		return false;
	known = frame_size(frame, &function, &own);
	if (!known)
		own = 0;
	for (uint64_t at = sp + own; at - sp < SCAN_MAX; at += sizeof(pc)) {
		enum word word;

		if (!copied_stack__peek(&found->stack, at, &pc))
			return false;
		word = judge_word(map, hooks, pc, frame, &function);
		if (word == WORD_PERHAPS && known && at == sp + own)
			word = WORD_RETURN;
		perhaps |= word == WORD_PERHAPS;
		if (word != WORD_RETURN && (word != WORD_ENTRY || perhaps))
			continue;
		if (!copied_stack__read(&found->stack, at, sizeof(pc), &pc))
			return false;
		*machine = (struct machine){};
		machine__set(machine, MACHINE_SP, at + sizeof(pc));
		machine__set(machine, MACHINE_PC, pc);
		return true;
	}
	return false;
}
