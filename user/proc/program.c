// SPDX-License-Identifier: BSD-2-Clause
#include "proc/program.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proc/process.h"
#include "util/cleanup.h"
#include "util/fnv.h"

#define AUXV_MAX 4096

static int read_id(int pidfd, uint64_t *ret)
{
	_cleanup_buf_ struct buf auxv = {};
	int err = process__read(pidfd, "auxv", AUXV_MAX, &auxv);

	if (!err)
		*ret = fnv__bytes(auxv.data, auxv.len);
	return err;
}

int program__open(int pidfd, struct program *ret)
{
	int fd = process__openat(pidfd, "pagemap", O_RDONLY), err;

	ret->pagemap = fd < 0 ? -1 : fd;
	err = fd < 0 ? fd : read_id(pidfd, &ret->id);
	return err == -ENOENT ? -ESRCH : err;
}

void program__close(const struct program *program)
{
	if (program->pagemap >= 0)
		close(program->pagemap);
}

/* pagemap_read() looks whether a process has the map before it looks whether the read is of whole
 * entries (fs/proc/task_mmu.c): an end of file, or EINVAL. */
static bool has_users(int pagemap)
{
	char c;

	return pread(pagemap, &c, 1, 1) < 0 && errno == EINVAL;
}

bool program__runs(const struct program *program, int pidfd)
{
	uint64_t id;

	return !read_id(pidfd, &id) && id == program->id && has_users(program->pagemap);
}
