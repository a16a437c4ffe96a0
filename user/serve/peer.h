/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process of this machine is at the other end of a connection. */
#ifndef MEMPROV_PEER_H
#define MEMPROV_PEER_H

#include <stdint.h>
#include <sys/types.h>

struct reader;

/*
 * What the kernel says at once. By SO_PEERCRED and SO_PEERPIDFD for a unix socket. For TCP over
 * loopback, the owner and the inode of the socket at the other end, as the kernel's own table of
 * sockets has it (sock_diag(7)).
 */
struct peer {
	uid_t uid;	 /* of whichever made the socket */
	uint64_t inode;	 /* of the socket at the other end; 0: a unix socket */
	uint64_t cgroup; /* of v2, in which the socket was made, by number; 0: not known */
	int process;	 /* unix socket: the directory of the process in procfs; else -1 */
};

/*
 * 0, or -errno with ret untouched: -ENOENT when there is no such socket, because its owner has
 * closed it, or because it is not on this machine; -ESRCH when the process has ended. To be let go
 * with peer__put().
 */
int peer__look(int fd, const char *proc, struct peer *ret);
void peer__put(struct peer *peer);

/*
 * The process itself. Any process that has the socket may be the one that asks; so where several
 * have it, they must all have the same rights. Reads through the descriptors of all processes of
 * the user for TCP, so it is not for a thread that others wait for. Nothing of it holds for the
 * next request of a connection: a socket can be passed to another process between two, and each
 * holder can change its rights. 0, or -errno: -ESRCH   no process of the user that made the socket
 * has it -EPERM   one that has it is of another user by now, or several differ in their rights
 *   -E2BIG   the user's processes have too many descriptors to be searched
 */
int peer__identify(const struct peer *peer, const char *proc, struct reader *ret);

#endif
