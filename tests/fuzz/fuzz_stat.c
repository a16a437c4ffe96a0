// SPDX-License-Identifier: BSD-2-Clause
/* Any text as /proc/PID/stat. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_stat stat = {.pid = -1};
	int err = proc_stat__parse((const char *)data, size, &stat);

	if (err ? stat.pid != -1 : stat.pid < 0)
		abort();
	if (!memchr(stat.comm, '\0', sizeof(stat.comm)))
		abort();
	return 0;
}
