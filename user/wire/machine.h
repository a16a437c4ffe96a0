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

struct copied_stack {
	uint64_t sp;
	const uint8_t *bytes;
	size_t len;
	uint32_t *words; /* offsets that were read, in order; room for len / 8 */
	size_t n_words;
	uint8_t seen[MP_STACK_MAX / 8]; /* a bit per offset */
};

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

/* A word, without the record that it was read. */
bool copied_stack__peek(const struct copied_stack *stack, uint64_t address, uint64_t *ret);

#endif
