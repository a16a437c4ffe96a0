/* SPDX-License-Identifier: BSD-2-Clause */
/* ADDR:PORT, as --listen takes it: 127.0.0.1:6060, [::1]:6060, localhost:6060. */
#ifndef MEMPROV_ADDRESS_H
#define MEMPROV_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

#define ADDRESS_TEXT_LEN sizeof("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")

/* 0 or -EINVAL. Numeric addresses only, but for localhost, which is taken as 127.0.0.1 without
 * asking: a resolver must not decide what a daemon listens on. */
int address__parse(const char *text, struct address *ret);

bool address__is_loopback(const struct address *address);

/* An IPv4 address as a socket of "[::]" has it, ::ffff:10.0.0.1, becomes the IPv4 address. */
void address__unmap(struct address *address);
/* The same number for all ports of a host; of IPv6, for all of a /64. Never that of a user. */
uint64_t address__number(const struct address *address);

void address__format(const struct address *address, char ret[ADDRESS_TEXT_LEN]);

#endif
