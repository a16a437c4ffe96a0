// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as Go's table of functions; looked up at the addresses that it has, and beyond. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "child/gopclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct gopclntab *table, uint64_t pc)
{
	const char *end = (const char *)table->data + table->size;
	struct gofunction function;

	if (gopclntab__find(table, pc, &function))
		return;
	if (!*function.name || function.name >= end || function.start > pc)
		abort();
	/* ASan sees an end that is beyond. */
	if (strlen(function.name) + (function.file ? strlen(function.file) : 0) > 2 * table->size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gopclntab table;
	uint64_t at;

	if (gopclntab__parse(data, size, &table))
		return 0;
	look_up(&table, table.text_start);
	look_up(&table, UINT64_MAX);
	at = table.functions;
	for (unsigned n = 0; n < 64 && at + 8 <= size; n++, at += 8) {
		uint64_t pc;
		uint32_t half;

		memcpy(&pc, data + at, sizeof(pc));
		memcpy(&half, data + at, sizeof(half));
		look_up(&table, pc);
		look_up(&table, table.text_start + half);
		look_up(&table, table.text_start + half + 7);
	}
	return 0;
}
