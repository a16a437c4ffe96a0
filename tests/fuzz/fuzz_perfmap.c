// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a perf map: what is found at a pc is what the last line that has it says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "child/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t pcs[] = {0, 1, 0x10, 0x1000, 0x1fff, 0x2000, UINT64_MAX};
	struct perfmap_stats stats;
	struct perfmap *map;

	if (perfmap__parse((const char *)data, size, &map))
		return 0;
	for (size_t i = 0; i < sizeof(pcs) / sizeof(pcs[0]); i++) {
		const char *name = perfmap__find(map, pcs[i]);

		if (name && (!*name || strlen(name) > PERFMAP_NAME_MAX))
			abort();
	}
	perfmap__stats(map, &stats);
	if (stats.skipped > stats.lines)
		abort();
	perfmap__free(map);
	return 0;
}
