// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a file that a process has mapped, and as its debug file. */
#include "elf_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOOKED_AT 64

/* Every code byte has one address; what is mapped where it belongs, is found there. */
static void check_place(struct elf_module *module, uint64_t offset, size_t size)
{
	struct code_place place;
	uint64_t address;

	struct function_start function;

	if (elf_module__address(module, offset, &address)) {
		elf_module__cfi(module, address);
		if (elf_module__function(module, address, &function) && function.address > address)
			abort();
	}
	if (!elf_module__place(module, 0x7f0000000000, offset & ~0xfffULL,
			       0x7f0000000000 + offset % 0x1000, &place))
		return;
	if (!place.left || !elf_module__address(module, place.offset, &address))
		abort();
}

static void check(struct elf_module *module, const struct elf_input *input)
{
	const unsigned char *id;
	uint8_t byte;

	if (elf_module__read(module, 0, &byte, 1) != (input->size ? 1 : 0) ||
	    elf_module__read(module, UINT64_MAX, &byte, 1) >= 0)
		abort();
	if (elf_module__load(module)) {
		if (elf_module__load(module) >= 0 || elf_module__address(module, 0, &(uint64_t){0}))
			abort();
		return;
	}
	elf_module__build_id(module, &id);
	for (uint64_t i = 0; i < LOOKED_AT; i++)
		check_place(module, input->size * i / LOOKED_AT, input->size);
	if (elf_module__bytes(module) < input->size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_input input = {data, size};
	struct elf_module *module = elf_input_module(&input);

	check(module, &input);
	elf_module__unload(module);
	if (elf_module__dwfl(module) || elf_module__bytes(module))
		abort();
	check(module, &input);
	elf_module__free(module);
	return 0;
}
