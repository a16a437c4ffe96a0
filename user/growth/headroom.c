// SPDX-License-Identifier: BSD-2-Clause
#include "growth/headroom.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "proc/cgroup.h"
#include "proc/meminfo.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/number.h"

#define TEXT_MAX 65536

static int read_text(const char *proc, const char *file, struct buf *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", proc, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : buf__read_fd(ret, fd, TEXT_MAX);
}

int headroom__of(const char *proc, pid_t pid, uint64_t rss, struct headroom *ret)
{
	_cleanup_close_ int pidfd = procfs__open(proc, pid);
	_cleanup_free_ struct cgroup *cgroup = malloc(sizeof(*cgroup));
	_cleanup_buf_ struct buf text = {};
	uint64_t limit = pidfd < 0 ? CGROUP_UNKNOWN : cgroup__tightest_limit(pidfd);
	int err = cgroup ? read_text(proc, "meminfo", &text) : -ENOMEM;

	err = err ?: meminfo__parse(text.data ?: "", &ret->limit, &ret->used);
	if (err || limit == CGROUP_UNKNOWN || limit >= ret->limit)
		return err;
	*ret = (struct headroom){limit, rss};
	/* Where it is that of a cgroup around, only the process itself is known. */
	if (!cgroup__read(pidfd, cgroup) && cgroup->limit == limit &&
	    cgroup->working_set != CGROUP_UNKNOWN)
		ret->used = cgroup->working_set;
	return 0;
}

uint64_t headroom__max_map_count(const char *proc)
{
	_cleanup_buf_ struct buf text = {};
	const char *pos;
	uint64_t value;

	if (read_text(proc, "sys/vm/max_map_count", &text) || !text.len)
		return 0;
	pos = text.data;
	return number__scan(&pos, text.data + text.len, 10, &value) ? 0 : value;
}
