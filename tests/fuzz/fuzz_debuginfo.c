// SPDX-License-Identifier: BSD-2-Clause
/* Any file's DWARF. */
#include "elf_input.h"

#include "child/debuginfo.h"
#include "child/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOOKED_AT 64

/* It ends, and is no longer than what it was made from. */
static void check_string(const char *text, size_t size)
{
	if (text && strlen(text) > 2 * size + DEMANGLE_OUT_MAX)
		abort();
}

static void look(struct debuginfo *info, uint64_t pc, size_t size)
{
	struct arena *arena = arena__new();
	struct symbol symbols[SYMBOLS_MAX];
	bool is_short;
	size_t n;

	if (!arena || debuginfo__lookup(info, pc, arena, symbols, &n, &is_short) || n > SYMBOLS_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		/* All but the outermost are inlined into the next one. */
		if (symbols[i].inlined != (i + 1 < n))
			abort();
		check_string(symbols[i].function, size);
		check_string(symbols[i].file, size);
	}
	arena__free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_input input = {data, size};
	struct elf_module *module = elf_input_module(&input);
	struct debuginfo *info;
	uint64_t address;

	if (!elf_module__load(module)) {
		if (debuginfo__new(elf_module__dwfl(module), &info))
			abort();
		for (uint64_t i = 0; i < LOOKED_AT; i++) {
			if (elf_module__address(module, size * i / LOOKED_AT, &address))
				look(info, address, size);
		}
		look(info, 0, size);
		look(info, UINT64_MAX, size);
		debuginfo__free(info);
	}
	elf_module__free(module);
	return 0;
}
