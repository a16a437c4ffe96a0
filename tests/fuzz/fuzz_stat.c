// SPDX-License-Identifier: BSD-2-Clause
/* Any text as /proc/PID/stat, statm, status and children. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/children.h"
#include "proc/memory.h"
#include "proc/procfs.h"
#include "proc/statm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_memory memory = {.rss = UINT64_MAX};
	struct proc_stat stat = {.pid = -1};
	uint64_t peak = UINT64_MAX;
	const char *pos = (const char *)data, *end = pos + size;
	pid_t pid;
	int err = proc_stat__parse((const char *)data, size, &stat);

	if (err ? stat.pid != -1 : stat.pid < 0)
		abort();
	if (!memchr(stat.comm, '\0', sizeof(stat.comm)))
		abort();
	err = proc_statm__parse((const char *)data, size, 4096, &memory);
	if (err ? memory.rss != UINT64_MAX : memory.rss % 4096)
		abort();
	err = proc_status__parse((const char *)data, size, "VmHWM", &peak);
	if (err ? peak != UINT64_MAX : peak % 1024)
		abort();
	while (!proc_children__next(&pos, end, &pid)) {
		if (pid <= 0 || pos > end)
			abort();
	}
	return 0;
}
