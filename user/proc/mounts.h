/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process's mounts, read once for many files: lookups by device and by path take logarithmic
 * time.
 */
#ifndef MEMPROV_MOUNTS_H
#define MEMPROV_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"

struct mount_device {
	uint32_t major;
	uint32_t minor;
	bool remote; /* a server or a daemon answers for it, and could keep us waiting */
};

struct mount_point {
	size_t path; /* into names */
	bool remote;
};

/* Zeroed: nothing has been read, and no file is known to be safe to open. */
struct mounts {
	bool asked; /* the process */
	bool known;
	struct mount_device *devices; /* sorted, each once */
	size_t n_devices;
	struct mount_point *points; /* sorted by path, each once */
	size_t n_points;
	struct buf names;
};

/* Pure: the text of /proc/PID/mountinfo. 0 or -errno; ret is then untouched. */
int mounts__parse(const char *text, size_t len, struct mounts *ret);

/* Reads those of the process, unless that was tried before. 0, or -errno and then -ENODATA. */
int mounts__need(struct mounts *mounts, int pidfd);
void mounts__free(struct mounts *mounts); /* a zeroed one is fine */

/* The device, or NULL: mounted nowhere. */
const struct mount_device *mounts__device(const struct mounts *mounts, uint32_t major,
					  uint32_t minor);

/* The length of the longest mount point that the absolute path names, 0 for the root; -EREMOTE if
 * that or one above it is remote, or there is none. */
ssize_t mounts__point(const struct mounts *mounts, const char *path);

#endif
