// SPDX-License-Identifier: BSD-2-Clause
#include "options/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "util/number.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	"0123456789"
#define HEX	"0123456789abcdefABCDEF"
/* What RFC 3986 has in names, users and paths. A '%' and two digits stand for any other byte. */
#define PLAIN	LETTERS DIGITS "-._~"
#define IN_USER PLAIN "!$&'()*+,;=:"
#define IN_PATH IN_USER "@/"

static bool consists_of(const char *text, size_t len, const char *allowed)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' && len - i > 2 && strspn(text + i + 1, HEX) >= 2 &&
		    memcmp(text + i + 1, "00", 2))
			i += 2;
		else if (!strchr(allowed, text[i]))
			return false;
	}
	return true;
}

/* Letters, digits and '-' between dots. A number at the end is none: 127.1 is an address to some.
 */
static bool is_name(const char *host)
{
	const char *last = strrchr(host, '.');
	size_t label;

	last = last ? last + 1 : host;
	if (*last && (strspn(last, DIGITS) == strlen(last) || !strncasecmp(last, "0x", 2)))
		return false;
	for (; *host; host += label + (host[label] == '.')) {
		label = strcspn(host, ".");
		if (!label || label > 63 || strspn(host, LETTERS DIGITS "-_") < label ||
		    host[0] == '-')
			return false;
	}
	return true;
}

static int set_host(const char *text, size_t len, struct url *ret)
{
	bool is_v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	struct in6_addr address;

	if (is_v6) {
		text++;
		len -= 2;
	}
	if (!len || len >= sizeof(ret->host))
		return -EINVAL;
	memcpy(ret->host, text, len);
	ret->host[len] = '\0';
	ret->is_address = inet_pton(is_v6 ? AF_INET6 : AF_INET, ret->host, &address) == 1;
	return ret->is_address || (!is_v6 && is_name(ret->host)) ? 0 : -EINVAL;
}

/* HOST[:PORT] */
static int set_authority(const char *text, size_t len, struct url *ret, const char **ret_wrong)
{
	const char *bracket = memchr(text, ']', len), *from = bracket ?: text;
	const char *colon = memchr(from, ':', text + len - from);
	char digits[sizeof("65535")] = "";
	uint64_t port;
	size_t n;

	*ret_wrong = "the host";
	if (set_host(text, colon ? (size_t)(colon - text) : len, ret))
		return -EINVAL;
	ret->port = ret->tls ? 443 : 80;
	if (!colon)
		return 0;
	*ret_wrong = "the port";
	n = text + len - colon - 1;
	if (n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, colon + 1, n);
	if (number__parse(digits, 1, 65535, &port))
		return -EINVAL;
	ret->port = port;
	return 0;
}

int url__parse(const char *text, struct url *ret, const char **ret_wrong)
{
	struct url url = {.tls = !strncmp(text, "https://", 8)};
	const char *place = text + (url.tls ? 8 : 7), *at;
	size_t len;

	*ret_wrong = "the scheme";
	if (!url.tls && strncmp(text, "http://", 7))
		return -EINVAL;
	*ret_wrong = "its length";
	if (strlen(text) > URL_MAX)
		return -EINVAL;
	len = strcspn(place, "/?#");
	at = memchr(place, '@', len);
	*ret_wrong = "the user or password";
	if (at && (at == place || !consists_of(place, at - place, IN_USER)))
		return -EINVAL;
	if (at) {
		len -= at + 1 - place;
		place = at + 1;
	}
	url.place = place;
	url.path = place + len;
	if (set_authority(place, len, &url, ret_wrong))
		return -EINVAL;
	*ret_wrong = "the path";
	if (!consists_of(url.path, strlen(url.path), IN_PATH))
		return -EINVAL;
	*ret = url;
	return 0;
}
