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
	_cleanup_buf_ struct buf text = {};
	uint64_t used = CGROUP_UNKNOWN;
	uint64_t limit = pidfd < 0 ? CGROUP_UNKNOWN : cgroup__tightest_limit(pidfd, &used);
	int err = procfs__read_node(proc, "meminfo", TEXT_MAX, &text);

	ret->is_node = true;
	err = err ?: meminfo__parse(text.data ?: "", &ret->limit, &ret->used);
	if (err || limit == CGROUP_UNKNOWN || limit >= ret->limit)
		return err;
	*ret = (struct headroom){limit, used == CGROUP_UNKNOWN ? rss : used, false};
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
