/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens files that other processes chose: only after stat says that they are regular files, never
 * by a path that the process could redirect to the host, never on a file system whose server could
 * keep us waiting (FUSE, NFS; docs/architecture.md, "Stacks and names").
 */
#ifndef MEMPROV_OPEN_H
#define MEMPROV_OPEN_H

#include <sys/stat.h>

#include "proc/mounts.h"
#include "proc/vma.h"

/*
 * The very file behind a VMA, named `path`, for reading: through map_files where that is allowed,
 * else by its name if that still leads to the same inode. A descriptor with its stat in *ret (which
 * may be NULL); -EREMOTE on a file system that could keep us waiting; -EMEDIUMTYPE when it is no
 * regular file; or what the kernel said.
 */
int open__mapped(int pidfd, const struct mounts *mounts, const struct vma *vma, const char *path,
		 struct stat *ret);

/*
 * A file by its path in the process's root, likewise. No mount point on the way that the path does
 * not name itself is crossed: symbolic links lead within one mount only.
 */
int open__in_root(int pidfd, const struct mounts *mounts, const char *path, struct stat *ret);

/* The same where the root is a descriptor, and `point` what mounts__point() said of the path: for
 * another process that opens it, with other rights. */
int open__below(int root, const char *path, size_t point, struct stat *ret);

#endif
