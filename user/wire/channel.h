/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets with at most one descriptor over a SOCK_SEQPACKET socket (unix(7)). */
#ifndef MEMPROV_CHANNEL_H
#define MEMPROV_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define CHANNEL_FOREVER UINT64_MAX

/* Sends a packet, with fd unless it is negative. Waits for room until the deadline
 * (clock__boot_ns()). 0, -ETIMEDOUT, -EPIPE … */
int channel__send(int socket, const void *packet, size_t len, int fd, uint64_t deadline);

/* The same of a packet that lies in pieces. */
int channel__send_pieces(int socket, const struct iovec *pieces, size_t n, int fd,
			 uint64_t deadline);

/* The length of the packet, at most `size`; 0 at the end, -EMSGSIZE when it was longer, -ETIMEDOUT,
 * … When ret_fd is NULL, descriptors that come with it are not taken. */
ssize_t channel__receive(int socket, void *packet, size_t size, int *ret_fd, uint64_t deadline);

#endif
