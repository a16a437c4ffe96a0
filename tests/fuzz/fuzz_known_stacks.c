// SPDX-License-Identifier: BSD-2-Clause
/* Any two stacks in the tree of known ones: what is learned is found again, and nothing is left.
 * The first byte says where the second begins. */
#include "stack_input.h"

#include "model/known_stacks.h"
#include "util/pac.h"
#include "wire/fp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX 64

/* By frame pointers alone: every return address is a frame. */
static struct unwound unwind(const struct mp_stack *stack, struct frame frames[MAX],
			     struct stack_word words[MAX])
{
	struct unwound ret = {.frames = frames, .words = words};
	struct machine machine, caller;
	struct copied_stack copied;
	uint64_t pc;

	if (stack->kind != MP_STACK_COPY) {
		for (; ret.n < MAX && ret.n < stack->bytes / 8; ret.n++)
			memcpy(&frames[ret.n].ip, stack->data + ret.n * 8, 8);
		return ret;
	}
	copied = stack_input_copy(stack, &machine);
	frames[ret.n++].ip = pac__strip(machine.regs[MACHINE_PC]);
	while (ret.n < MAX && fp__step(&machine, &copied, &caller, &pc)) {
		frames[ret.n++].ip = pc;
		machine = caller;
	}
	for (; ret.n_words < MAX && ret.n_words < copied.n_words; ret.n_words++) {
		words[ret.n_words].offset = copied.words[ret.n_words];
		if (!pieces__word(&copied.pieces, words[ret.n_words].offset,
				  &words[ret.n_words].value))
			abort();
	}
	free(copied.words);
	return ret;
}

static void learn(struct known_stacks *known, const struct mp_stack *stack, struct trace *trace)
{
	struct frame frames[MAX] = {};
	struct stack_word words[MAX] = {};
	struct unwound unwound = unwind(stack, frames, words);
	struct trace *before = known_stacks__find(known, stack, 1), *after;

	/* As a runtime would have told of every other one. */
	unwound.lasts = stack->bytes / 8 % 2 ? STACK_LASTS : STACK_PASSES;
	for (size_t i = 0; i < unwound.n_words; i++)
		words[i].counts = words[i].value % 4 == 1;
	known_stacks__learn(known, &(struct known_stack){stack, 1, &unwound, trace}, 1);
	after = known_stacks__find(known, stack, 1);
	/* It may part from another one at no word; then nothing is learned, and nothing forgotten.
	 */
	if (before ? after != before : after && after != trace)
		abort();
	for (size_t i = 0; i < unwound.n; i++) {
		if (!known_stacks__runs_through(known, frames[i].ip - 1, 1))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first = size ? data[0] * 8 : 0;
	struct known_stacks_pool pool = {};
	struct known_stacks *known = known_stacks__new(&pool, NULL);
	struct trace *traces[] = {trace__new(), trace__new()};
	struct mp_stack *stacks[] = {NULL, NULL};

	if (size > first + 1) {
		stacks[0] = stack_input(data + 1, first);
		stacks[1] = stack_input(data + 1 + first, size - 1 - first);
	}
	for (size_t i = 0; i < 2; i++) {
		if (stacks[i])
			learn(known, stacks[i], traces[i]);
		free(stacks[i]);
	}
	known_stacks__unref(known);
	if (pool.bytes || !trace__is_sole(traces[0]) || !trace__is_sole(traces[1]))
		abort();
	trace__unref(traces[0]);
	trace__unref(traces[1]);
	return 0;
}
