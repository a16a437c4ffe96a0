// SPDX-License-Identifier: BSD-2-Clause
#include "proc/open.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc/process.h"
#include "util/cleanup.h"

/*
 * Whether the file can be asked about without waiting for a server: by the process's own list of
 * mounts, since any call upon the file itself may be the one that waits (NFS revalidates even for
 * O_PATH). What is mounted nowhere has been unmounted lazily, or is the kernel's own memfd.
 */
static bool is_local(const struct mounts *mounts, const struct vma *vma)
{
	const struct mount_device *device = mounts__device(mounts, vma->major, vma->minor);

	if (vma->kind == VMA_MEMFD)
		return true;
	if (device)
		return !device->remote;
	/* A disk of the host's below a container's overlay, say. */
	return mounts->known && vma->major != 0;
}

/* An O_PATH descriptor or -errno. The path begins with so many bytes of a mount point. */
static int locate_below(int root, const char *path, size_t len)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC};
	_cleanup_close_ int mount = -1;
	char point[PATH_MAX];
	int fd;

	if (len >= sizeof(point))
		return -ENAMETOOLONG;
	snprintf(point, sizeof(point), "%.*s", len ? (int)len : 1, path);
	/* The kernel's own name of a mount point leads over no symbolic link. */
	how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
	mount = syscall(SYS_openat2, root, point, &how, sizeof(how));
	if (mount < 0)
		return -errno;
	/* The mount of a file: the file is the mount point. */
	if (!path[len])
		return take_fd(mount);
	how.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
	/* An absolute link in the root's own mount is one of the process's, elsewhere it leads out.
	 */
	how.resolve |= len ? RESOLVE_BENEATH : RESOLVE_IN_ROOT;
	path += len;
	while (*path == '/')
		path++;
	fd = syscall(SYS_openat2, mount, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* By the name, in the process's root: an O_PATH descriptor or -errno. */
static int locate_in_root(int pidfd, const struct mounts *mounts, const char *path)
{
	_cleanup_close_ int root = -1;
	ssize_t len;

	if (path[0] != '/')
		return -EINVAL;
	len = mounts__point(mounts, path);
	if (len < 0)
		return len;
	root = process__openat(pidfd, "root", O_PATH | O_DIRECTORY);
	return root < 0 ? root : locate_below(root, path, len);
}

/* The very file that is mapped, without its name; needs CAP_CHECKPOINT_RESTORE. */
static int locate_mapped(int pidfd, const struct mounts *mounts, const struct vma *vma,
			 const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	char link[64];

	snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, vma->start, vma->end);
	fd = process__openat(pidfd, link, O_PATH);
	if (fd >= 0)
		return take_fd(fd);
	/* Not allowed, or the mapping is another one by now. */
	if (fd != -EPERM && fd != -EACCES && fd != -ENOENT)
		return fd;
	fd = locate_in_root(pidfd, mounts, path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	return st.st_ino == vma->inode ? take_fd(fd) : -ESTALE;
}

/* From a descriptor that only names the file to one that reads it. */
static int reopen(int located, struct stat *ret)
{
	char again[sizeof("/proc/self/fd/") + 12];
	struct stat st;
	int fd;

	if (fstat(located, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	/* O_NONBLOCK: do not wait for a process that holds a lease on it. */
	snprintf(again, sizeof(again), "/proc/self/fd/%d", located);
	fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ret)
		*ret = st;
	return fd;
}

int open__mapped(int pidfd, const struct mounts *mounts, const struct vma *vma, const char *path,
		 struct stat *ret)
{
	_cleanup_close_ int located = -1;

	if (!is_local(mounts, vma))
		return -EREMOTE;
	located = locate_mapped(pidfd, mounts, vma, path);
	return located < 0 ? located : reopen(located, ret);
}

int open__in_root(int pidfd, const struct mounts *mounts, const char *path, struct stat *ret)
{
	_cleanup_close_ int located = locate_in_root(pidfd, mounts, path);

	return located < 0 ? located : reopen(located, ret);
}

int open__below(int root, const char *path, size_t point, struct stat *ret)
{
	_cleanup_close_ int located = locate_below(root, path, point);

	return located < 0 ? located : reopen(located, ret);
}
