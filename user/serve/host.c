// SPDX-License-Identifier: BSD-2-Clause
#include "serve/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "util/number.h"

#define HOST_MAX 255

static bool is_one_of(const char *host, const char *names)
{
	size_t len = strlen(host);

	for (; names; names = strchr(names, ',') ? strchr(names, ',') + 1 : NULL) {
		if (len && strcspn(names, ",") == len && !strncasecmp(names, host, len))
			return true;
	}
	return false;
}

bool host__is_ours(const char *host, const char *names)
{
	const char *colon = strrchr(host, ':'), *end = host + strlen(host);
	struct in6_addr address;
	char text[HOST_MAX + 1];
	uint64_t port;

	/* A colon within brackets is the address's. */
	if (colon && (host[0] != '[' || colon[-1] == ']')) {
		if (colon == host || number__parse(colon + 1, 0, 65535, &port))
			return false;
		end = colon;
	}
	if (end == host || end - host > HOST_MAX)
		return false;
	memcpy(text, host, end - host);
	text[end - host] = '\0';
	if (text[0] == '[') {
		if (end[-1] != ']')
			return false;
		text[end - host - 1] = '\0';
		return inet_pton(AF_INET6, text + 1, &address) == 1;
	}
	return !strcasecmp(text, "localhost") || inet_pton(AF_INET, text, &address) == 1 ||
	       is_one_of(text, names);
}
