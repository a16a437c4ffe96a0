/* SPDX-License-Identifier: BSD-2-Clause */
/* Which user is at the other end of a connection from this machine. */
#ifndef MEMPROV_PEER_H
#define MEMPROV_PEER_H

#include <sys/types.h>

/*
 * The uid of the process that made the connection: SO_PEERCRED for a unix socket; for TCP over
 * loopback the owner of the socket at the other end, as the kernel's own table of sockets has it
 * (sock_diag(7)). 0, or -errno with ret untouched: -ENOENT when there is no such socket, because
 * its owner has closed it, or because it is not on this machine.
 */
int peer__uid(int fd, uid_t *ret);

#endif
