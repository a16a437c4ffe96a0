// SPDX-License-Identifier: BSD-2-Clause
#include "proc/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proc/process.h"
#include "util/cleanup.h"

struct peek {
	pid_t pid;
	uint64_t at;
	void *to;
	size_t len;
	ssize_t n;
};

static ssize_t read_mem(int dir, const struct peek *peek)
{
	_cleanup_close_ int mem = openat(dir, "mem", O_RDONLY | O_CLOEXEC);
	ssize_t n = mem < 0 ? -1 : pread(mem, peek->to, peek->len, peek->at);

	if (n < 0 && errno == EIO)
		return -EFAULT;
	return n < 0 ? -errno : n;
}

static ssize_t read_by_number(pid_t pid, const struct peek *peek)
{
	size_t page = sysconf(_SC_PAGESIZE), first = page - peek->at % page, len = peek->len;
	/* What is read of one piece is all or nothing. */
	struct iovec local = {peek->to, len};
	struct iovec remote[2] = {{(void *)peek->at, first < len ? first : len},
				  {(void *)(peek->at + first), first < len ? len - first : 0}};
	ssize_t n = process_vm_readv(pid, &local, 1, remote, first < len ? 2 : 1, 0);

	return n < 0 ? -errno : n;
}

static int try_read(int dir, pid_t tid, void *ctx)
{
	struct peek *peek = ctx;

	peek->n = peek->pid ? read_by_number(tid ?: peek->pid, peek) : read_mem(dir, peek);
	return 0;
}

ssize_t peek__read(int pidfd, pid_t pid, uint64_t at, void *to, size_t len)
{
	struct peek peek = {pid, at, to, len, 0};
	int err = process__visit(pidfd, try_read, &peek);

	return err ? err : peek.n;
}
