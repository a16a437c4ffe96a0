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

#include "proc/mountinfo.h"
#include "proc/process.h"
#include "util/cleanup.h"

#define MOUNTINFO_MAX (4 << 20)

/* File systems whose every answer, that to fstatfs(2) too, comes from a server or a daemon. */
static const char *const remote_types[] = {
	"9p",	"afs", "autofs", "ceph",   "cifs",  "coda",	"fuse", "fuseblk",
	"gfs2", "nfs", "nfs4",	 "lustre", "ocfs2", "orangefs", "smb3", "virtiofs",
};

static bool is_remote(struct mount_text type)
{
	if (type.len > strlen("fuse.") && !memcmp(type.data, "fuse.", strlen("fuse.")))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(remote_types); i++) {
		if (mount_text__is(type, remote_types[i]))
			return true;
	}
	return false;
}

int open__read_mounts(int pidfd, struct buf *ret)
{
	_cleanup_close_ int fd = process__openat(pidfd, "mountinfo", O_RDONLY);

	return fd < 0 ? fd : buf__read_fd(ret, fd, MOUNTINFO_MAX);
}

/*
 * Whether the file can be asked about without waiting for someone: by the process's own list of
 * mounts, since any call upon the file itself may be the one that waits (NFS revalidates even for
 * O_PATH). What is mounted nowhere has been unmounted lazily, or is the kernel's own memfd.
 */
static bool is_local(const struct buf *mounts, const struct vma *vma)
{
	const char *pos = mounts->data, *end = pos + mounts->len;
	struct mount mount;

	if (vma->kind == VMA_MEMFD)
		return true;
	while (mountinfo__next(&pos, end, &mount) > 0) {
		if (mount.major == vma->major && mount.minor == vma->minor)
			return !is_remote(mount.type);
	}
	/* A disk of the host's below a container's overlay, say. */
	return vma->major != 0;
}

/* The length of the mount point's name if the path lies below it; else -1. */
static ssize_t covers(const char *point, const char *path)
{
	size_t len = strlen(point);

	if (!strcmp(point, "/"))
		return 0;
	if (strncmp(path, point, len) || (path[len] != '/' && path[len]))
		return -1;
	return len;
}

/* The longest mount point that the path names, to ret; -EREMOTE if it or one above it is such. */
static int find_mount(const struct buf *mounts, const char *path, char *ret)
{
	const char *pos = mounts->data, *end = pos + mounts->len;
	char point[PATH_MAX];
	struct mount mount;
	ssize_t best = -1;

	while (mountinfo__next(&pos, end, &mount) > 0) {
		ssize_t len;

		if (mount_text__decode(mount.point, point, sizeof(point)))
			continue;
		len = covers(point, path);
		if (len < 0)
			continue;
		if (is_remote(mount.type))
			return -EREMOTE;
		if (len > best) {
			best = len;
			strcpy(ret, point);
		}
	}
	return best < 0 ? -EREMOTE : (int)best;
}

/* By the name, in the process's root: an O_PATH descriptor or -errno. */
static int locate_in_root(int pidfd, const struct buf *mounts, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC};
	_cleanup_close_ int root = -1, mount = -1;
	char point[PATH_MAX];
	int len, fd;

	if (path[0] != '/')
		return -EINVAL;
	len = find_mount(mounts, path, point);
	if (len < 0)
		return len;
	root = process__openat(pidfd, "root", O_PATH | O_DIRECTORY);
	if (root < 0)
		return root;
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

/* The very file that is mapped, without its name; needs CAP_CHECKPOINT_RESTORE. */
static int locate_mapped(int pidfd, const struct buf *mounts, const struct vma *vma,
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
	/* O_NONBLOCK: not to wait for whoever holds a lease on it. */
	snprintf(again, sizeof(again), "/proc/self/fd/%d", located);
	fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ret)
		*ret = st;
	return fd;
}

int open__mapped(int pidfd, const struct buf *mounts, const struct vma *vma, const char *path,
		 struct stat *ret)
{
	_cleanup_close_ int located = -1;

	if (!is_local(mounts, vma))
		return -EREMOTE;
	located = locate_mapped(pidfd, mounts, vma, path);
	return located < 0 ? located : reopen(located, ret);
}

int open__in_root(int pidfd, const struct buf *mounts, const char *path, struct stat *ret)
{
	_cleanup_close_ int located = locate_in_root(pidfd, mounts, path);

	return located < 0 ? located : reopen(located, ret);
}
