// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/symbols.h"

#include <errno.h>
#include <stdlib.h>

struct symbols {
	int unused;
};

struct symbols *symbols__new(size_t bytes)
{
	return calloc(1, sizeof(struct symbols));
}

void symbols__free(struct symbols *ctx)
{
	free(ctx);
}

void symbols__forget(struct symbols *ctx, const Dwfl_Module *module)
{
}

int symbols__lookup(struct symbols *ctx, Dwfl_Module *module, Dwarf_Addr pc, struct arena *arena,
		    const struct symbol **ret, size_t *ret_n)
{
	struct symbol *symbol = arena__alloc(arena, sizeof(*symbol));
	GElf_Off offset;
	GElf_Sym sym;
	const char *name;

	if (!symbol)
		return -ENOMEM;
	name = dwfl_module_addrinfo(module, pc, &offset, &sym, NULL, NULL, NULL);
	*ret = symbol;
	*ret_n = 0;
	if (!name)
		return 0;
	symbol->function = arena__strdup(arena, name);
	if (!symbol->function)
		return -ENOMEM;
	*ret_n = 1;
	return 0;
}
