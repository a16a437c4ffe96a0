/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets. Both kinds are made here rather than by libmicrohttpd, which cannot say why
 * one could not be made. */
#ifndef MEMPROV_LISTEN_H
#define MEMPROV_LISTEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "options/address.h"

/* A socket listening at the address; *bound is where it really listens (port 0: a free one).
 * fd or -errno. */
int listen__tcp(const struct address *address, struct address *bound);

/* A unix socket and the file it made. */
struct unix_socket {
	const char *path; /* NULL: none. The caller's */
	dev_t dev;
	ino_t ino;
};

/*
 * A socket file that only its owner can use. One that a dead daemon left behind is replaced.
 * fd or -errno: -EADDRINUSE when a process answers on it, -EEXIST when the path is taken by
 * something that is not a socket. path must outlive ret.
 */
int listen__unix(const char *path, struct unix_socket *ret);

/* Removes the file if it is still the one that was made. */
void unix_socket__remove(struct unix_socket *socket);

#endif
