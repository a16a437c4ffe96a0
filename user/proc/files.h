/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a file is that a process has mapped: an ELF object, one of Go?
 *
 * Files of other processes are opened with care (proc/open.h). Answers are kept in a bounded cache,
 * by device, inode and path.
 */
#ifndef MEMPROV_FILES_H
#define MEMPROV_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/mounts.h"
#include "proc/vma.h"

enum file_is {
	FILE_IS_UNKNOWN = 0, /* could not be looked at */
	FILE_IS_DATA,
	FILE_IS_ELF, /* a program or a shared object; not a core dump or an object file */
	FILE_IS_GO,  /* an ELF object with Go's build id note */
};

/* Thread-safe; one per program. NULL when out of memory; free accepts NULL. */
struct file_cache;
struct file_cache *file_cache__new(void);
void file_cache__free(struct file_cache *cache);

/* What the file behind a VMA of the process is; FILE_IS_DATA for a VMA without a regular file. The
 * process's mounts are read when the first of its files is opened. */
enum file_is file_cache__look(struct file_cache *cache, int pidfd, struct mounts *mounts,
			      const struct vma_set *set, const struct vma *vma);

/* Pure: the first bytes of a file (64 KiB are enough). Reads program headers and notes of either
 * word size and byte order; whatever does not fit in the buffer is not looked at. */
enum file_is file__classify(const void *head, size_t len);

#endif
