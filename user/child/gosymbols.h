/* SPDX-License-Identifier: BSD-2-Clause */
/* The .gopclntab of a module: found, and asked by the addresses of a Dwfl. */
#ifndef MEMPROV_GOSYMBOLS_H
#define MEMPROV_GOSYMBOLS_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>

#include "child/symbol.h"

struct gosymbols;

/* NULL in *ret when the module is no Go program. It must outlive this. 0 or -ENOMEM. */
int gosymbols__new(Dwfl_Module *module, struct gosymbols **ret);
void gosymbols__free(struct gosymbols *go); /* accepts NULL */

/* True when Go knows the function; the strings are the module's. */
bool gosymbols__find(const struct gosymbols *go, Dwarf_Addr pc, struct symbol *ret);

#endif
