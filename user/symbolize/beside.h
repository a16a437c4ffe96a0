/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs replace their own text by anonymous memory with the same content, to have it in huge
 * pages (node --use-largepages, ClickHouse, HHVM). Then an anonymous mapping lies where a file's
 * code belongs:
 *
 *     r--p 00000000 program      ◀── says where the rest of the file belongs
 *     r-xp          (anonymous)
 *     r--p 00003000 program
 *
 * Whether it is that code, the child finds out, which can compare; a JIT's may lie there, too.
 */
#ifndef MEMPROV_BESIDE_H
#define MEMPROV_BESIDE_H

#include "proc/vma.h"

/* Where a walk through the set is. Zeroed to begin with, and with the set. */
struct beside {
	const struct vma_set *set;
	size_t at;
	size_t next;		 /* the first file's mapping behind it */
	const struct vma *first; /* of the mappings of the file before it */
};

/* The mapping of the file in whose middle, or before whose rest, the anonymous one at `index` lies;
 * NULL: none. Indices ascend from call to call. Pure. */
const struct vma *beside__find(struct beside *beside, size_t index);

#endif
