// SPDX-License-Identifier: BSD-2-Clause
#include "growth/headroom.h"

#include <errno.h>
#include <stdlib.h>

#include "proc/cgroup.h"
#include "proc/meminfo.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/number.h"

#define TEXT_MAX 65536

int headroom__of(const char *proc, pid_t pid, uint64_t rss, struct headroom *ret)
{
	_cleanup_close_ int pidfd = procfs__open(proc, pid);
	_cleanup_free_ struct cgroup *cgroup = malloc(sizeof(*cgroup));
	_cleanup_buf_ struct buf text = {};
	uint64_t limit = pidfd < 0 ? CGROUP_UNKNOWN : cgroup__tightest_limit(pidfd);
	int err = cgroup ? procfs__read_node(proc, "meminfo", TEXT_MAX, &text) : -ENOMEM;

	ret->is_node = true;
	err = err ?: meminfo__parse(text.data ?: "", &ret->limit, &ret->used);
	if (err || limit == CGROUP_UNKNOWN || limit >= ret->limit)
		return err;
	*ret = (struct headroom){limit, rss, false};
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

	if (procfs__read_node(proc, "sys/vm/max_map_count", TEXT_MAX, &text) || !text.len)
		return 0;
	pos = text.data;
	return number__scan(&pos, text.data + text.len, 10, &value) ? 0 : value;
}
