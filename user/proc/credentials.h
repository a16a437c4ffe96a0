/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process may read which, as the kernel's check of ptrace has it (__ptrace_may_access,
 * kernel/ptrace.c, with PTRACE_MODE_READ_FSCREDS). */
#ifndef MEMPROV_CREDENTIALS_H
#define MEMPROV_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/namespace.h"

#define GROUPS_MAX 64 /* that are remembered; further ones give no rights */

struct credentials {
	uid_t uids[4]; /* real, effective, saved, file system */
	gid_t gids[4];
	uint64_t permitted; /* capabilities */
	uint64_t effective;
	gid_t groups[GROUPS_MAX];
	size_t n_groups;
};

/* Pure: the text of /proc/PID/status (proc(5)), its ids as our user namespace has them. 0 or
 * -EBADMSG. */
int credentials__parse(const char *text, size_t len, struct credentials *ret);

/* Of the process or thread with that directory; 0 or -errno. */
int credentials__read(int dir, struct credentials *ret);

/* Whether it is dumpable. Of processes whose effective user is root nothing tells: true. */
bool credentials__is_dumpable(const struct credentials *credentials, int dir);

/* A process that reads others: what the kernel checks of it. */
struct reader {
	uid_t uid; /* of the file system, as reading /proc counts */
	gid_t gid;
	uint64_t effective; /* capabilities, in its own user namespace */
	struct ns_id user;
	struct ns_id pid;
};

/* Of the process opened as pidfd. One that is not dumpable has gained rights by an exec that its
 * user did not have: its capabilities do not count. 0 or -errno. */
int reader__of(int pidfd, struct reader *ret);

bool reader__equal(const struct reader *a, const struct reader *b);

/*
 * May it read the process opened as pidfd? It must be able to see it: the process is in its PID
 * namespace or within. And either it has CAP_SYS_PTRACE over the process's user namespace, or the
 * process is dumpable, all its users and groups are the reader's, and it has no capabilities that
 * the reader lacks.
 */
bool reader__may_read(const struct reader *reader, int pidfd);

/* May it read every process of the procfs whose process 1 is opened as init? */
bool reader__may_read_all(const struct reader *reader, int init);

#endif
