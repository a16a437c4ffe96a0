// SPDX-License-Identifier: BSD-2-Clause
#include "proc/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "util/cleanup.h"

/* The kernel nests them no deeper (MAX_PID_NS_LEVEL, and 32 for users). */
#define DEPTH_MAX 33

static int identify(int fd, struct ns_id *ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	return 0;
}

int namespace__read(int pidfd, const char *name, struct ns_id *ret)
{
	_cleanup_close_ int fd = openat(pidfd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : identify(fd, ret);
}

bool namespace__equal(const struct ns_id *a, const struct ns_id *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

bool namespace__is_within(int pidfd, const char *name, const struct ns_id *outer, uid_t *ret_owner)
{
	int fd = openat(pidfd, name, O_RDONLY | O_CLOEXEC), below = -1;
	struct ns_id here = {};
	bool within = false;

	for (int depth = 0; fd >= 0 && depth < DEPTH_MAX; depth++) {
		within = !identify(fd, &here) && namespace__equal(&here, outer);
		if (within)
			break;
		if (below >= 0)
			close(below);
		below = fd;
		fd = ioctl(below, NS_GET_PARENT);
	}
	if (within && below >= 0 && ret_owner && ioctl(below, NS_GET_OWNER_UID, ret_owner))
		within = false;
	if (fd >= 0)
		close(fd);
	if (below >= 0)
		close(below);
	return within;
}
