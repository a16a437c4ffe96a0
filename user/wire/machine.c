// SPDX-License-Identifier: BSD-2-Clause
#include "wire/machine.h"

#include <string.h>

bool copied_stack__read(struct copied_stack *stack, uint64_t address, size_t size, uint64_t *ret)
{
	uint64_t word, value = 0;
	uint32_t offset;

	/* A whole word, of which the caller may want a part: the record is of words. */
	if (size > sizeof(value) || !pieces__offset(&stack->pieces, address, &offset) ||
	    !pieces__word(&stack->pieces, offset, &word))
		return false;
	if (!(stack->seen[offset / 8] >> offset % 8 & 1)) {
		/* Fewer places than unaligned offsets: compilers align. */
		if (stack->n_words >= stack->words_max)
			return false;
		stack->seen[offset / 8] |= 1 << offset % 8;
		stack->words[stack->n_words++] = offset;
	}
	memcpy(&value, &word, size);
	*ret = value;
	return true;
}

void copied_stack__count(struct copied_stack *stack, uint64_t address)
{
	uint32_t offset;

	if (!pieces__offset(&stack->pieces, address, &offset))
		return;
	/* It was read just before, as a rule. */
	for (size_t i = stack->n_words; i > 0; i--) {
		if ((stack->words[i - 1] & ~COPIED_WORD_COUNTS) != offset)
			continue;
		stack->words[i - 1] |= COPIED_WORD_COUNTS;
		return;
	}
}

bool copied_stack__peek(const struct copied_stack *stack, uint64_t address, uint64_t *ret)
{
	uint32_t offset;

	return pieces__offset(&stack->pieces, address, &offset) &&
	       pieces__word(&stack->pieces, offset, ret);
}

bool machine__get(struct machine *machine, struct copied_stack *stack, unsigned reg, uint64_t *ret)
{
	uint64_t value;

	if (reg >= MACHINE_REGS || !(machine->known >> reg & 1))
		return false;
	value = machine->regs[reg];
	if (machine->in_memory >> reg & 1) {
		if (!copied_stack__read(stack, value, sizeof(value), &value))
			return false;
		machine__set(machine, reg, value);
	}
	*ret = value;
	return true;
}
