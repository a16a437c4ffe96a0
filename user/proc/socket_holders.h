/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes have a socket open. The kernel keeps no way back from a socket to them, so this
 * looks through their descriptors as ss(8) and fuser(1) do, with as few calls as that takes: the
 * daemon answers no request over TCP before. */
#ifndef MEMPROV_SOCKET_HOLDERS_H
#define MEMPROV_SOCKET_HOLDERS_H

#include <stdint.h>
#include <sys/types.h>

/* At most so many descriptors are read, so that no user can make a search endless. */
#define SOCKET_HOLDERS_FDS_MAX 262144

/*
 * Calls visit with each process of the effective user that has the socket open, opened as pidfd,
 * but for ourselves; stops at its first non-zero result, which is returned. 0; -E2BIG when there
 * were more descriptors than SOCKET_HOLDERS_FDS_MAX; or why procfs cannot be listed.
 */
int socket_holders__each(const char *proc, uid_t uid, uint64_t inode,
			 int (*visit)(int pidfd, void *ctx), void *ctx);

#endif
