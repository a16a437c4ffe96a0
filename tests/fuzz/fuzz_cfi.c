// SPDX-License-Identifier: BSD-2-Clause
/* Any call frame information, carried out on any registers and stack. The first two bytes say how
 * long the information is; then come its instructions, then a stack. */
#include "elf_input.h"
#include "stack_input.h"

#include "child/cfi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 8

static void run(struct elf_module *module, const struct mp_stack *stack)
{
	struct machine machine, before;
	struct copied_stack copied = stack_input_copy(stack, &machine);
	uint64_t all = (1ULL << MACHINE_REGS) - 1;

	for (uint64_t i = 0; i < STEPS; i++) {
		const struct cfi_site *site = elf_module__cfi(module, INPUT_CODE_START + 16 * i);
		enum cfi_result result;

		if (!site)
			abort();
		if (!site->frame)
			continue;
		cfi__has_frame_pointer(site);
		before = machine;
		result = cfi__step(site, 0x10000, &copied, &machine);
		if (machine.known & ~all || machine.in_memory & ~machine.known)
			abort();
		/* The caller is somewhere, or nothing has changed but what was read. */
		if (result == CFI_CALLER ? !(machine.known >> MACHINE_PC & 1) ||
						   !(machine.known >> MACHINE_SP & 1)
					 : machine.known != before.known)
			abort();
	}
	stack_input_check(&copied);
	free(copied.words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_module *module;
	struct mp_stack *stack;
	uint16_t rules;

	if (size < sizeof(rules))
		return 0;
	memcpy(&rules, data, sizeof(rules));
	data += sizeof(rules);
	size -= sizeof(rules);
	if (rules > size || rules > INPUT_RULES_MAX)
		return 0;
	stack = stack_input(data + rules, size - rules);
	if (stack && stack->kind == MP_STACK_COPY) {
		module = elf_input_made(data, 0, data, rules, INPUT_CODE_LEN);
		run(module, stack);
		elf_module__free(module);
	}
	free(stack);
	return 0;
}
