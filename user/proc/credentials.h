/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose a process is, as the kernel's check of ptrace asks (__ptrace_may_access, kernel/ptrace.c).
 */
#ifndef MEMPROV_CREDENTIALS_H
#define MEMPROV_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct credentials {
	uid_t uids[3]; /* real, effective, saved */
	gid_t gids[3];
	uint64_t permitted; /* capabilities */
};

/* Pure: the text of /proc/PID/status. 0 or -EBADMSG. */
int credentials__parse(const char *text, size_t len, struct credentials *ret);

/*
 * May the user, who has no privileges, read the process opened as pidfd? They may when it is
 * dumpable, all its users are them, all its groups are one (which of theirs, a socket does not
 * tell), and it can do nothing that they cannot: it has no capabilities, or only in a user
 * namespace that is their own.
 */
bool credentials__may_read(int pidfd, uid_t uid);

#endif
