/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of Java's methods, and their lines: Method → ConstMethod → ConstantPool → Symbol. */
#ifndef MEMPROV_HOTSPOT_METHOD_H
#define MEMPROV_HOTSPOT_METHOD_H

#include "child/hotspot_layout.h"
#include "child/symbol.h"
#include "util/arena.h"

#define HOTSPOT_NO_BCI -1 /* no bytecode in particular */

/* A compressed number (the layout's encoding); false when memory ends. *at moves on behind it. */
bool hotspot__number(struct remote *remote, const struct hotspot_layout *layout, uint64_t *at,
		     uint32_t *ret);

/* The bytecode index that an address in a method's code means; HOTSPOT_NO_BCI when it is none. */
int32_t hotspot_method__bci(struct remote *remote, const struct hotspot_layout *layout,
			    uint64_t method, uint64_t bcp);

/* "package.Class.method", the source file and the line of the bytecode. False when there is no
 * method, or no memory; strings are the arena's. */
bool hotspot_method__name(struct remote *remote, const struct hotspot_layout *layout,
			  uint64_t method, int32_t bci, struct arena *arena, struct symbol *ret);

#endif
