// SPDX-License-Identifier: BSD-2-Clause
/* Any entries of pagemap: never more pages than entries. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/pagemap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first 8 bytes are the frame number of the zero page. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pagemap_counts counts = {};
	uint64_t *words, page = sysconf(_SC_PAGESIZE);
	size_t n = size / sizeof(*words);

	if (!n)
		return 0;
	words = malloc(n * sizeof(*words));
	if (!words)
		abort();
	memcpy(words, data, n * sizeof(*words));
	pagemap__add_entries(words + 1, n - 1, words[0], &counts);
	if (counts.resident % page || counts.swapped % page ||
	    counts.resident + counts.swapped > (n - 1) * page)
		abort();
	free(words);
	return 0;
}
