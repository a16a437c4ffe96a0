// SPDX-License-Identifier: BSD-2-Clause
/* Any text as /proc/PID/cgroup, as memory.stat and as mountinfo. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find_dir(const char *text, size_t size, bool v1)
{
	struct cgroup cgroup = {.path = "/a", .v1 = v1};
	char dir[256];

	if (!cgroup__dir(text, size, &cgroup, dir, sizeof(dir)) && !memchr(dir, '\0', sizeof(dir)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	static struct cgroup cgroup;

	memset(&cgroup, 0, sizeof(cgroup));
	if (!cgroup__parse(text, size, &cgroup) &&
	    (cgroup.path[0] != '/' || !memchr(cgroup.path, '\0', sizeof(cgroup.path))))
		abort();
	cgroup__stat_value(text, size, "inactive_file");
	find_dir(text, size, false);
	find_dir(text, size, true);
	return 0;
}
