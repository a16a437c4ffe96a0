/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens what the child asks for: debug files, and the map that a JIT writes of its code. */
#ifndef MEMPROV_NEEDS_H
#define MEMPROV_NEEDS_H

#include <sys/types.h>

#include "proc/mounts.h"
#include "symbolize/wire.h"

/*
 * A debug file for the module `path`, in the process's root, as gdb looks for it: below
 * /usr/lib/debug by build id; by the name in .gnu_debuglink next to the module, in .debug/, and
 * below /usr/lib/debug. The JIT's map is /tmp/perf-PID.map, by the number that the process has in
 * its own pid namespace, and must be the process's own file. `need` has passed wire__check_need().
 * A descriptor or -errno.
 */
int needs__open(int pidfd, const struct mounts *mounts, const struct wire_need *need,
		const char *path);

/* Pure: the number in the innermost pid namespace and the effective user, from the text of
 * /proc/PID/status. 0 or -EBADMSG. */
int needs__parse_status(const char *text, pid_t *ret_pid, uid_t *ret_uid);

#endif
