// SPDX-License-Identifier: BSD-2-Clause
#include "proc/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"

static ssize_t read_mem(int pidfd, uint64_t at, void *to, size_t len)
{
	_cleanup_close_ int mem = openat(pidfd, "mem", O_RDONLY | O_CLOEXEC);
	ssize_t n = mem < 0 ? -1 : pread(mem, to, len, at);

	if (n < 0 && errno == EIO)
		return -EFAULT;
	return n < 0 ? -errno : n;
}

ssize_t peek__read(int pidfd, pid_t pid, uint64_t at, void *to, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE), first = page - at % page;
	/* What is read of one piece is all or nothing. */
	struct iovec local = {to, len}, remote[2] = {{(void *)at, first < len ? first : len},
						     {(void *)(at + first), 0}};
	ssize_t n;

	if (!pid)
		return read_mem(pidfd, at, to, len);
	if (first < len)
		remote[1].iov_len = len - first;
	n = process_vm_readv(pid, &local, 1, remote, first < len ? 2 : 1, 0);
	return n < 0 ? -errno : n;
}
