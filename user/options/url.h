/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH], as --alertmanager takes it. Pure, and stricter
 * than libcurl, so that both always find the same host: what is not in the grammar is refused.
 */
#ifndef MEMPROV_URL_H
#define MEMPROV_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_MAX	 2048 /* bytes of text */
#define URL_HOST 256  /* with its NUL */

struct url {
	bool tls;	     /* https */
	char host[URL_HOST]; /* without brackets */
	bool is_address;     /* the host is one, not a name */
	uint16_t port;	     /* that of the scheme where none is given */
	const char *path;    /* in the text, from its '/' on; "" when there is none */
	const char
		*place; /* in the text, from the host on: what may be shown, without a password */
};

#define URL_TAKES                                                                                  \
	"http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the host and a path "   \
	"behind it if wanted"

/* 0, or -EINVAL with a word for what is wrong, such as "the port". *ret points into the text. */
int url__parse(const char *text, struct url *ret, const char **ret_wrong);

#endif
