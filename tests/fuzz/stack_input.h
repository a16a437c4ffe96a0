/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack from a fuzzer's bytes: the kind, then registers and the copied words as a thread would
 * have them. Numbers below NEAR lie that far above the stack pointer, so that a fuzzer need not
 * guess it. */
#ifndef MEMPROV_FUZZ_STACK_INPUT_H
#define MEMPROV_FUZZ_STACK_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "event.h"
#include "wire/machine.h"

#define INPUT_SP   0x7ffd00001000ULL
#define INPUT_NEAR 4096

/* Of the very length, so that AddressSanitizer sees a read beyond it. NULL: too few bytes. */
static inline struct mp_stack *stack_input(const uint8_t *data, size_t size)
{
	size_t bytes = size ? (size - 1) / 8 * 8 : 0;
	struct mp_stack *stack;

	if (!size || bytes > sizeof(struct mp_stack_copy) + MP_STACK_MAX)
		return NULL;
	if (data[0] % 2 && bytes < sizeof(struct mp_stack_copy))
		return NULL;
	stack = malloc(sizeof(*stack) + bytes);
	if (!stack)
		abort();
	stack->kind = data[0] % 2 ? MP_STACK_COPY : MP_STACK_FP;
	stack->bytes = bytes;
	memcpy(stack->data, data + 1, bytes);
	if (stack->kind == MP_STACK_COPY) {
		for (size_t at = 0; at < bytes; at += 8) {
			uint64_t word;

			memcpy(&word, stack->data + at, sizeof(word));
			if (word < INPUT_NEAR)
				word += INPUT_SP;
			memcpy(stack->data + at, &word, sizeof(word));
		}
		((struct mp_stack_copy *)stack->data)->regs[MACHINE_SP] = INPUT_SP;
	}
	return stack;
}

/* What the unwinder reads of a copy; the caller frees ->words. */
static inline struct copied_stack stack_input_copy(const struct mp_stack *stack,
						   struct machine *machine)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;
	struct copied_stack ret = {.sp = copy->regs[MACHINE_SP],
				   .bytes = copy->bytes,
				   .len = stack->bytes - sizeof(*copy)};

	*machine = (struct machine){};
	for (unsigned reg = 0; reg < MACHINE_REGS; reg++)
		machine__set(machine, reg, copy->regs[reg]);
	ret.words = malloc(ret.len / 8 * sizeof(*ret.words) + 1);
	if (!ret.words)
		abort();
	return ret;
}

/* Each word that was read lies within the copy, and is recorded once. */
static inline void stack_input_check(const struct copied_stack *stack)
{
	if (stack->n_words > stack->len / 8)
		abort();
	for (size_t i = 0; i < stack->n_words; i++) {
		if (stack->words[i] + 8 > stack->len)
			abort();
		for (size_t k = 0; k < i; k++) {
			if (stack->words[k] == stack->words[i])
				abort();
		}
	}
}

#endif
