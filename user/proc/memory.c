// SPDX-License-Identifier: BSD-2-Clause
#include "proc/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/statm.h"
#include "util/cleanup.h"
#include "util/number.h"

#define STATUS_MAX (1 << 20) /* the list of groups can be long */

/* Amounts are multiplied: what the kernel cannot mean must not wrap around. */
#define AMOUNT_MAX (UINT64_MAX >> 16)

/* The first line is the name, which the process chose; the kernel escapes newlines in it. */
int proc_status__parse(const char *text, size_t len, const char *name, uint64_t *ret)
{
	static const char unit[] = " kB\n";
	const char *end = text + len, *pos;
	char key[32];
	uint64_t kb;
	int n = snprintf(key, sizeof(key), "\n%s:", name);

	pos = len ? memmem(text, len, key, n) : NULL;
	if (!pos)
		return -ENODATA;
	for (pos += n; pos < end && (*pos == ' ' || *pos == '\t'); pos++)
		;
	if (number__scan(&pos, end, 10, &kb) || kb > AMOUNT_MAX ||
	    (size_t)(end - pos) < sizeof(unit) - 1 || memcmp(pos, unit, sizeof(unit) - 1))
		return -EBADMSG;
	*ret = kb << 10;
	return 0;
}

static int try_statm(int dir, pid_t tid, void *ctx)
{
	_cleanup_close_ int fd = openat(dir, "statm", O_RDONLY | O_CLOEXEC);

	(void)tid;
	return fd < 0 ? -errno : procfs__statm(fd, ctx);
}

int procfs__memory(int pidfd, struct proc_memory *ret)
{
	int err = try_statm(pidfd, 0, ret);

	return err == -ESRCH ? process__visit(pidfd, try_statm, ret) : err;
}

bool process__has_map(int pidfd)
{
	struct proc_memory memory;

	return procfs__memory(pidfd, &memory) != -ESRCH;
}

int procfs__memory_of(const char *proc, pid_t pid, struct proc_memory *ret)
{
	_cleanup_close_ int fd = -1, pidfd = -1;
	char path[PATH_MAX];
	int err;

	if (snprintf(path, sizeof(path), "%s/%d/statm", proc, pid) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : procfs__statm(fd, ret);
	if (err != -ESRCH)
		return err;
	pidfd = procfs__open(proc, pid);
	return pidfd < 0 ? pidfd : procfs__memory(pidfd, ret);
}

int procfs__peak(int pidfd, uint64_t *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = process__read(pidfd, "status", STATUS_MAX, &text);

	if (!err)
		err = proc_status__parse(text.data, text.len, "VmHWM", ret);
	return err == -ENODATA ? -ESRCH : err;
}

int procfs__hugetlb(int pidfd, uint64_t *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = process__read(pidfd, "status", STATUS_MAX, &text);

	if (!err)
		err = proc_status__parse(text.data, text.len, "HugetlbPages", ret);
	if (err != -ENODATA)
		return err;
	*ret = 0; /* CONFIG_HUGETLB_PAGE is off */
	return 0;
}
