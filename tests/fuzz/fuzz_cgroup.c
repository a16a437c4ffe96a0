// SPDX-License-Identifier: BSD-2-Clause
/* Any text as /proc/PID/cgroup, as memory.stat, as smaps_rollup, as status, as mountinfo, as
 * meminfo and as pressure. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collect/kills.h"
#include "proc/cgroup.h"
#include "proc/credentials.h"
#include "proc/meminfo.h"
#include "proc/mounts.h"
#include "proc/nspid.h"
#include "proc/rollup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find_dir(const char *text, size_t size, bool v1)
{
	struct cgroup cgroup = {.path = "/a", .v1 = v1};
	char dir[256];

	if (!cgroup__dir(text, size, &cgroup, dir, sizeof(dir)) && !memchr(dir, '\0', sizeof(dir)))
		abort();
}

static void find_point(const char *text, size_t size)
{
	static const char path[] = "/a/b c/d";
	struct mounts mounts = {};

	if (mounts__parse(text, size, &mounts))
		return;
	if (mounts__point(&mounts, path) > (ssize_t)strlen(path))
		abort();
	for (size_t i = 0; i < mounts.n_devices; i++) {
		if (mounts__device(&mounts, mounts.devices[i].major, mounts.devices[i].minor) !=
		    &mounts.devices[i])
			abort();
	}
	mounts__free(&mounts);
}

static void shortage(const char *data, size_t size)
{
	char *text = strndup(data, size);
	uint64_t total, used;
	struct mp_kill kill;
	unsigned some;

	if (!meminfo__parse(text, &total, &used) && used > total)
		abort();
	if (!pressure__parse(text, &some) && some > 10099)
		abort();
	if (!kill__decode(data, size, &kill) && !memchr(kill.comm, '\0', sizeof(kill.comm)))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	static struct cgroup cgroup;
	struct cgroup_stat stat;
	struct rollup rollup;
	struct nspid nspid;
	struct credentials credentials;

	memset(&cgroup, 0, sizeof(cgroup));
	if (!cgroup__parse(text, size, &cgroup) &&
	    (cgroup.path[0] != '/' || !memchr(cgroup.path, '\0', sizeof(cgroup.path))))
		abort();
	cgroup__stat_value(text, size, "inactive_file");
	cgroup_stat__parse(text, size, size & 1, &stat);
	rollup__parse(text, size, &rollup);
	credentials__parse(text, size, &credentials);
	if (!nspid__parse(text, size, &nspid) && (nspid.pid < 0 || nspid.depth > size))
		abort();
	find_point(text, size);
	shortage(text, size);
	find_dir(text, size, false);
	find_dir(text, size, true);
	return 0;
}
