/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack from a fuzzer's bytes: the kind, then registers and the copied words as a thread would
 * have them. Numbers below NEAR lie that far above the stack pointer, and the next ones as far
 * above where the other stack's copy begins, so that a fuzzer need not guess it. */
#ifndef MEMPROV_FUZZ_STACK_INPUT_H
#define MEMPROV_FUZZ_STACK_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "event.h"
#include "wire/machine.h"
#include "wire/python_frames.h"

#define INPUT_SP    0x7ffd00001000ULL
#define INPUT_NEAR  4096
#define INPUT_OTHER 0xc000001000ULL

static inline void stack_input_place(void *words, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t word;

		memcpy(&word, (uint8_t *)words + at, sizeof(word));
		if (word < INPUT_NEAR)
			word += INPUT_SP;
		else if (word < 2 * INPUT_NEAR)
			word += INPUT_OTHER - INPUT_NEAR;
		memcpy((uint8_t *)words + at, &word, sizeof(word));
	}
}

/* False when it is none that the BPF programs would write. */
static inline bool stack_input_place_copy(struct mp_stack *stack)
{
	struct mp_stack_copy *copy = (void *)stack->data;

	if (!pieces__are_whole(copy, stack->bytes))
		return false;
	stack_input_place(copy->regs, sizeof(copy->regs));
	stack_input_place(copy->bytes, stack->bytes - sizeof(*copy));
	copy->regs[MACHINE_SP] = INPUT_SP;
	if (!copy->other.len) {
		copy->other = (struct mp_stack_other){0};
		return true;
	}
	stack_input_place(&copy->other.pc, 3 * sizeof(copy->other.pc));
	copy->other.at = INPUT_OTHER;
	return true;
}

/* Of the very length, so that AddressSanitizer sees a read beyond it. NULL: too few bytes. */
static inline struct mp_stack *stack_input(const uint8_t *data, size_t size)
{
	size_t bytes = size ? (size - 1) / 8 * 8 : 0, python;
	struct mp_stack *stack;

	if (!size || (!(data[0] % 2) && bytes > MP_FP_MAX * sizeof(uint64_t)))
		return NULL;
	stack = malloc(sizeof(*stack) + bytes);
	if (!stack)
		abort();
	*stack = (struct mp_stack){.kind = data[0] % 2 ? MP_STACK_COPY : MP_STACK_FP,
				   .bytes = bytes};
	memcpy(stack->data, data + 1, bytes);
	/* The last words may be frames of Python. */
	python = data[0] / 2;
	if (python && python * 8 <= bytes &&
	    python__is_whole((const void *)(stack->data + bytes - python * 8), python * 8)) {
		stack->python = python;
		stack->bytes -= python * 8;
	}
	if (stack->kind == MP_STACK_COPY && !stack_input_place_copy(stack)) {
		free(stack);
		return NULL;
	}
	return stack;
}

/* What the unwinder reads of a copy; the caller frees ->words. */
static inline struct copied_stack stack_input_copy(const struct mp_stack *stack,
						   struct machine *machine)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;
	uint32_t *words = malloc(copied_stack__words(stack) * sizeof(*words) + 1);
	struct copied_stack ret;

	if (!words)
		abort();
	copied_stack__begin(&ret, stack, words);
	*machine = (struct machine){};
	for (unsigned reg = 0; reg < MACHINE_REGS; reg++)
		machine__set(machine, reg, copy->regs[reg]);
	return ret;
}

/* Each word that was read lies within the copy, and is recorded once. */
static inline void stack_input_check(const struct copied_stack *stack)
{
	uint64_t word;

	if (stack->n_words > stack->words_max)
		abort();
	for (size_t i = 0; i < stack->n_words; i++) {
		uint32_t offset = stack->words[i] & ~COPIED_WORD_COUNTS;

		if (!pieces__word(&stack->pieces, offset, &word))
			abort();
		for (size_t k = 0; k < i; k++) {
			if ((stack->words[k] & ~COPIED_WORD_COUNTS) == offset)
				abort();
		}
	}
}

#endif
