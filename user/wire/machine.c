// SPDX-License-Identifier: BSD-2-Clause
#include "wire/machine.h"

#include <string.h>

bool copied_stack__read(struct copied_stack *stack, uint64_t address, size_t size, uint64_t *ret)
{
	uint64_t offset = address - stack->sp, value = 0;

	/* A whole word, of which the caller may want a part: the record is of words. */
	if (address < stack->sp || stack->len < sizeof(value) ||
	    offset > stack->len - sizeof(value) || size > sizeof(value))
		return false;
	if (!(stack->seen[offset / 8] >> offset % 8 & 1)) {
		/* Fewer places than unaligned offsets: compilers align. */
		if (stack->n_words >= stack->len / sizeof(value))
			return false;
		stack->seen[offset / 8] |= 1 << offset % 8;
		stack->words[stack->n_words++] = offset;
	}
	memcpy(&value, stack->bytes + offset, size);
	*ret = value;
	return true;
}

bool copied_stack__peek(const struct copied_stack *stack, uint64_t address, uint64_t *ret)
{
	uint64_t offset = address - stack->sp;

	if (address < stack->sp || stack->len < sizeof(*ret) || offset > stack->len - sizeof(*ret))
		return false;
	memcpy(ret, stack->bytes + offset, sizeof(*ret));
	return true;
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
