// SPDX-License-Identifier: BSD-2-Clause
/* Any text as /proc/PID/task/TID/syscall. */
#include <stdint.h>
#include <stdlib.h>

#include "proc/threads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t sp = 42;

	if (proc_syscall__parse((const char *)data, size, &sp) && sp != 42)
		abort();
	return 0;
}
