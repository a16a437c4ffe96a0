// SPDX-License-Identifier: BSD-2-Clause
/* Any file's symbol tables. */
#include "elf_input.h"

#include "child/symtab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOOKED_AT 256

static void look(const struct symtab *symtab, uint64_t pc)
{
	size_t len = SIZE_MAX;
	const char *name = symtab__find(symtab, pc, &len);

	if (name && (!len || len > strlen(name) || !symtab__count(symtab)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_input input = {data, size};
	struct elf_module *module = elf_input_module(&input);
	struct symtab *symtab;
	uint64_t address;

	if (!elf_module__load(module)) {
		if (symtab__new(elf_module__dwfl(module), &symtab))
			abort();
		for (uint64_t i = 0; i < LOOKED_AT; i++) {
			if (elf_module__address(module, size * i / LOOKED_AT, &address))
				look(symtab, address);
		}
		look(symtab, 0);
		look(symtab, UINT64_MAX);
		symtab__free(symtab);
	}
	elf_module__free(module);
	return 0;
}
