// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any stack over code of three kinds: a file's, a file's that was moved to an anonymous mapping,
 * and code that was made at run time. The first byte holds what the hooks answer; then come the
 * lengths (two bytes each) of the file's call frame information and of its code, both, and the
 * stack, of which a number below INPUT_NEAR is near the stack, and one just above it a place in the
 * code.
 */
#include "elf_input.h"
#include "stack_input.h"

#include "child/unwind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_AT 0x550000001000ULL
#define BESIDE	0x550000003000ULL
#define MADE_AT 0x7f0000000000ULL
#define MAP_LEN 0x1000ULL
#define IN_CODE 0x10000ULL /* numbers from here on: which byte of the three mappings */

enum {
	ANSWER_SAME = 1,
	ANSWER_STOP = 2,
	ANSWER_OUTERMOST = 4,
	ANSWER_GO = 8,
	ANSWER_CALLERS = 16,
	ANSWER_MADE = 32
};

struct answers {
	uint8_t which;
	const struct code_row *entered;
};

static void enter(void *ctx, const struct code_row *row)
{
	((struct answers *)ctx)->entered = row;
}

static bool is_same(void *ctx, const struct code_row *row, uint64_t pc,
		    const struct code_place *place)
{
	const struct answers *answers = ctx;

	/* Which may be the last thing the child does, so it has said so. */
	if (answers->entered != row || !row->wire.beside || pc < row->wire.start ||
	    pc >= row->wire.end || !place->left)
		abort();
	return answers->which & ANSWER_SAME;
}

static bool made(void *ctx, const struct found_frame *frame, const struct machine *machine,
		 struct copied_stack *stack, struct made_frame *ret)
{
	const struct answers *answers = ctx;
	uint64_t sp;

	if (frame->module || !machine != !stack)
		abort();
	if (!(answers->which & ANSWER_MADE))
		return false;
	*ret = (struct made_frame){};
	if (machine) {
		ret->caller = *machine;
		ret->has_caller = machine__get(&ret->caller, stack, MACHINE_SP, &sp) &&
				  copied_stack__read(stack, sp, 8, &sp);
		machine__set(&ret->caller, MACHINE_PC, sp);
		machine__set(&ret->caller, MACHINE_SP, frame->pc % 16 ? sp + 8 : sp);
	}
	return true;
}

static bool look(void *ctx, const struct found_frame *frame, const struct made_frame *made_frame,
		 enum caller *ret)
{
	const struct answers *answers = ctx;

	if (frame->pc < frame->row->wire.start || frame->pc >= frame->row->wire.end ||
	    (frame->pc != frame->ip && frame->pc != frame->ip - 1) ||
	    (frame->module && frame->made))
		abort();
	*ret = CALLER_USUAL;
	if (answers->which & ANSWER_CALLERS)
		*ret = frame->pc % (CALLER_ENTERED + 1);
	else if (answers->which & ANSWER_OUTERMOST && frame->pc % 16 == 1)
		*ret = CALLER_NONE;
	return !(answers->which & ANSWER_STOP && frame->pc % 16 == 2);
}

static enum caller caller_of(void *ctx, const struct found_frame *frame)
{
	const struct answers *answers = ctx;

	if (answers->which & ANSWER_CALLERS)
		return frame->pc % (CALLER_ENTERED + 1);
	return answers->which & ANSWER_GO && frame->pc % 16 == 3 ? CALLER_NONE : CALLER_USUAL;
}

static uint64_t in_code(uint64_t word)
{
	static const uint64_t starts[] = {FILE_AT, BESIDE, MADE_AT};

	if (word < IN_CODE || word - IN_CODE >= 3 * MAP_LEN)
		return word;
	word -= IN_CODE;
	return starts[word / MAP_LEN] + word % MAP_LEN;
}

static void place_addresses(struct mp_stack *stack)
{
	for (size_t at = 0; at < stack->bytes; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, stack->data + at, sizeof(word));
		word = in_code(word);
		memcpy(stack->data + at, &word, sizeof(word));
	}
}

static void run(struct elf_module *module, const struct mp_stack *stack, uint8_t which)
{
	struct code_row rows[] = {
		{{.start = FILE_AT, .end = FILE_AT + MAP_LEN, .offset = INPUT_CODE_START}, module},
		{{.start = BESIDE,
		  .end = BESIDE + MAP_LEN,
		  .offset = INPUT_CODE_START,
		  .beside = BESIDE},
		 module},
		{{.start = MADE_AT, .end = MADE_AT + MAP_LEN}, NULL},
	};
	struct code_map map = {rows, sizeof(rows) / sizeof(rows[0])};
	struct answers answers = {.which = which};
	struct unwind_hooks hooks = {enter, is_same, made, look, caller_of, &answers};
	static struct found_stack found;
	struct machine machine;

	memset(&found, 0, sizeof(found));
	if (stack->kind == MP_STACK_COPY) {
		found.stack = stack_input_copy(stack, &machine);
		found.other = &((const struct mp_stack_copy *)stack->data)->other;
		unwind__copy(&map, (const void *)stack->data, &hooks, &found);
		stack_input_check(&found.stack);
		free(found.stack.words);
	} else {
		unwind__list(&map, (const uint64_t *)stack->data, stack->bytes / 8, &hooks, &found);
		if (found.n > stack->bytes / 8)
			abort();
	}
	if (found.n > FRAMES_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_module *module;
	struct mp_stack *stack;
	uint16_t lens[2];
	uint8_t which;

	if (size < sizeof(which) + sizeof(lens))
		return 0;
	which = data[0];
	memcpy(lens, data + 1, sizeof(lens));
	data += sizeof(which) + sizeof(lens);
	size -= sizeof(which) + sizeof(lens);
	if (lens[0] > INPUT_RULES_MAX || lens[1] > INPUT_CODE_LEN || lens[0] + lens[1] > size)
		return 0;
	stack = stack_input(data + lens[0] + lens[1], size - lens[0] - lens[1]);
	if (!stack)
		return 0;
	place_addresses(stack);
	/* Half of it is described. */
	module = elf_input_made(data + lens[0], lens[1], data, lens[0], INPUT_CODE_LEN / 2);
	run(module, stack, which);
	elf_module__free(module);
	free(stack);
	return 0;
}
