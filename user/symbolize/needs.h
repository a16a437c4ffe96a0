/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens what the child asks for: debug files, and the map that a JIT writes of its code. */
#ifndef MEMPROV_NEEDS_H
#define MEMPROV_NEEDS_H

#include <sys/types.h>

#include "proc/build_id.h"
#include "proc/credentials.h"
#include "proc/mounts.h"
#include "symbolize/launch.h"
#include "wire/wire.h"

/* The process that the child asks about; nothing in here comes from the child. */
struct needy {
	int pidfd;			       /* the process */
	const struct mounts *mounts;	       /* its own */
	const struct credentials *credentials; /* its own */
	const char *module; /* the file as the process names it; NULL: it has not mapped it */
	struct build_id id; /* of that file, as we have read it */
};

/*
 * A debug file for the module, in the process's root, as gdb looks for it: below /usr/lib/debug by
 * build id; by the name in .gnu_debuglink next to the module, in .debug/, and below /usr/lib/debug.
 * It is an ELF file with the module's build id. The JIT's map is /tmp/perf-PID.map, by the number
 * that the process has in its own pid namespace, and must be the process's own file. Either is a
 * file that the process itself may read. `need` has passed wire__check_need(). A descriptor or
 * -errno, which does not tell what is not there from what may not be read.
 */
int needs__open(struct launcher *launcher, const struct needy *needy, const struct wire_need *need);

/* Pure: the number in the innermost pid namespace and the effective user, from the text of
 * /proc/PID/status. 0 or -EBADMSG. */
int needs__parse_status(const char *text, pid_t *ret_pid, uid_t *ret_uid);

#endif
