// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a token's file, and as what a caller shows in its place. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serve/token.h"

#define SECRET "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct token *secret(void)
{
	static struct token *token;
	static char path[32];
	int fd;

	if (token)
		return token;
	fd = memfd_create("token", 0);
	if (write(fd, SECRET, strlen(SECRET)) != (ssize_t)strlen(SECRET))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (token__open(path, &token))
		abort();
	return token;
}

static void check_header(const uint8_t *data, size_t size)
{
	char *header = calloc(1, size + 1);

	memcpy(header, data, size);
	if (token__accepts(secret(), header) &&
	    (strncasecmp(header, "bearer", 6) || strcmp(header + strlen(header) - 16, SECRET)))
		abort();
	free(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t half = size / 2;
	int len = token__check_text(text, size);

	if (len >= 0 && (len < TOKEN_MIN || len > TOKEN_MAX || (size_t)len > size ||
			 memchr(text, ' ', len) || !token__equal(text, len, text, len)))
		abort();
	if (token__equal(text, half, text + half, size - half) !=
	    (half && half == size - half && !memcmp(text, text + half, half)))
		abort();
	check_header(data, size);
	return 0;
}
