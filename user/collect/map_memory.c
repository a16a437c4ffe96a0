// SPDX-License-Identifier: BSD-2-Clause
#include "collect/map_memory.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/number.h"

uint64_t map_memory__bytes(int fd)
{
	char path[64], line[128];
	_cleanup_file_ FILE *f = NULL;
	uint64_t bytes;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *pos = line + sizeof("memlock:\t") - 1;

		if (strncmp(line, "memlock:\t", sizeof("memlock:\t") - 1) == 0 &&
		    !number__scan(&pos, line + strlen(line), 10, &bytes))
			return bytes;
	}
	return 0;
}
