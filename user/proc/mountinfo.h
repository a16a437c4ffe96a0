/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of /proc/PID/mountinfo (proc(5)), from a buffer. */
#ifndef MEMPROV_MOUNTINFO_H
#define MEMPROV_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the text, still escaped; lives as long as that. */
struct mount_text {
	const char *data;
	size_t len;
};

struct mount {
	uint64_t id;
	uint32_t major;
	uint32_t minor;
	struct mount_text root;	   /* what of the file system is mounted */
	struct mount_text point;   /* where */
	struct mount_text type;	   /* "ext4", "cgroup2", "fuse.sshfs" */
	struct mount_text options; /* of the file system: "rw,memory" */
};

/* Pure. Moves *pos from line to line: 1 and *ret, 0 at the end, -EBADMSG for a line that is none.
 */
int mountinfo__next(const char **pos, const char *end, struct mount *ret);

/* Undoes the escapes ("\040" for a space): 0, -EBADMSG, -ENAMETOOLONG; NUL-terminated. */
int mount_text__decode(struct mount_text text, char *ret, size_t len);

bool mount_text__is(struct mount_text text, const char *what);

/* True when `option` is one of the comma-separated words of the text. */
bool mount_text__has(struct mount_text text, const char *option);

#endif
