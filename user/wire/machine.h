/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread's registers and the copy of its stack, from which the registers of the callers follow:
 * what the unwinder reads, and the record of what it has read.
 */
#ifndef MEMPROV_MACHINE_H
#define MEMPROV_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "event.h"
#include "util/pieces.h"

/* Numbers of DWARF's registers (the psABIs of x86-64 and AArch64) in struct mp_stack_copy. */
#if defined(__x86_64__)
enum { MACHINE_FP = 6, MACHINE_SP = 7, MACHINE_PC = 16, MACHINE_REGS = 17 };
#elif defined(__aarch64__)
enum { MACHINE_FP = 29, MACHINE_LR = 30, MACHINE_SP = 31, MACHINE_PC = 32, MACHINE_REGS = 33 };
#else
#error "which registers?"
#endif

/*
 * A register that a function has saved stays in memory until it is wanted: most are never
 * wanted, and what was not read is no part of what the frames follow from.
 */
struct machine {
	uint64_t regs[MACHINE_REGS]; /* values, or addresses of them */
	uint64_t known;		     /* a bit per register: there is something in it */
	uint64_t in_memory;	     /* it is an address */
};

#define COPIED_WORD_COUNTS (1U << 31)

struct copied_stack {
	struct pieces pieces;
	/* Offsets that were read, in order, with COPIED_WORD_COUNTS; room for words_max. */
	uint32_t *words;
	size_t words_max;
	size_t n_words;
	uint8_t seen[PIECES_MAX / 8 + 1]; /* a bit per offset */
};

/* How many words of a copy can be read, at most. */
static inline size_t copied_stack__words(const struct mp_stack *stack)
{
	return (stack->bytes - sizeof(struct mp_stack_copy)) / sizeof(uint64_t);
}

/* What is to be read of a stack that is a copy and whole; words: room for copied_stack__words(). */
static inline void copied_stack__begin(struct copied_stack *ret, const struct mp_stack *stack,
				       uint32_t *words)
{
	const struct mp_stack_copy *copy = (const void *)stack->data;

	*ret = (struct copied_stack){
		.pieces = pieces__of(copy, stack->bytes, copy->regs[MACHINE_SP]),
		.words = words,
		.words_max = copied_stack__words(stack),
	};
}

static inline void machine__set(struct machine *machine, unsigned reg, uint64_t value)
{
	machine->regs[reg] = value;
	machine->known |= 1ULL << reg;
	machine->in_memory &= ~(1ULL << reg);
}

static inline void machine__set_saved(struct machine *machine, unsigned reg, uint64_t address)
{
	machine__set(machine, reg, address);
	machine->in_memory |= 1ULL << reg;
}

/* False when it is not known, or saved outside the copy. */
bool machine__get(struct machine *machine, struct copied_stack *stack, unsigned reg, uint64_t *ret);

/* False when the address is outside the copy. `size` is 1 to 8 bytes. */
bool copied_stack__read(struct copied_stack *stack, uint64_t address, size_t size, uint64_t *ret);

/* The word that was read there counts as it is: a name follows from it. */
void copied_stack__count(struct copied_stack *stack, uint64_t address);

/* How far out an address lies; false when it is outside the copy. */
static inline bool copied_stack__offset(const struct copied_stack *stack, uint64_t address,
					uint32_t *ret)
{
	return pieces__offset(&stack->pieces, address, ret);
}

/* A word, without the record that it was read. */
bool copied_stack__peek(const struct copied_stack *stack, uint64_t address, uint64_t *ret);

#endif
