// SPDX-License-Identifier: BSD-2-Clause
#include "options/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "util/number.h"

static int parse_v6(const char *host, uint64_t port, struct address *ret)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1)
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->sa, &sin6, sizeof(sin6));
	ret->len = sizeof(sin6);
	return 0;
}

static int parse_v4(const char *host, uint64_t port, struct address *ret)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (!strcmp(host, "localhost"))
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->sa, &sin, sizeof(sin));
	ret->len = sizeof(sin);
	return 0;
}

int address__parse(const char *text, struct address *ret)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t port;
	size_t len;

	if (!colon || number__parse(colon + 1, 0, 65535, &port))
		return -EINVAL;
	len = colon - text;
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return parse_v6(host + 1, port, ret);
	}
	return parse_v4(host, port, ret);
}

bool address__is_loopback(const struct address *address)
{
	const struct sockaddr_in6 *sin6 = (const void *)&address->sa;
	const struct sockaddr_in *sin = (const void *)&address->sa;

	if (address->sa.ss_family == AF_INET)
		return ntohl(sin->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->sa.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
}

void address__unmap(struct address *address)
{
	const struct sockaddr_in6 *sin6 = (const void *)&address->sa;
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = sin6->sin6_port};

	if (address->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
		return;
	memcpy(&sin.sin_addr, sin6->sin6_addr.s6_addr + 12, sizeof(sin.sin_addr));
	memset(address, 0, sizeof(*address));
	memcpy(&address->sa, &sin, sizeof(sin));
	address->len = sizeof(sin);
}

uint64_t address__number(const struct address *address)
{
	const struct sockaddr_in6 *sin6 = (const void *)&address->sa;
	const struct sockaddr_in *sin = (const void *)&address->sa;
	uint64_t number = 0;

	if (address->sa.ss_family == AF_INET)
		number = ntohl(sin->sin_addr.s_addr);
	else
		memcpy(&number, &sin6->sin6_addr, sizeof(number));
	return number | 1ULL << 63;
}

void address__format(const struct address *address, char ret[ADDRESS_TEXT_LEN])
{
	const struct sockaddr_in6 *sin6 = (const void *)&address->sa;
	const struct sockaddr_in *sin = (const void *)&address->sa;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa.ss_family == AF_INET) {
		inet_ntop(AF_INET, &sin->sin_addr, host, sizeof(host));
		snprintf(ret, ADDRESS_TEXT_LEN, "%s:%u", host, ntohs(sin->sin_port));
	} else {
		inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof(host));
		snprintf(ret, ADDRESS_TEXT_LEN, "[%s]:%u", host, ntohs(sin6->sin6_port));
	}
}
