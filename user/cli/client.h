/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the daemon: one GET over its unix socket. */
#ifndef MEMPROV_CLIENT_H
#define MEMPROV_CLIENT_H

#include <stddef.h>

#include "util/buf.h"

#define CLIENT_BODY_MAX	   (256UL << 20)
#define CLIENT_TIMEOUT_SEC 60

struct response {
	unsigned status;
	struct buf body;
};

/* A connected socket, or -errno: -ENOENT or -ECONNREFUSED when no daemon is there. */
int client__connect(const char *socket_path);

/*
 * Sends the request and reads all of the answer. 0 with *ret filled (its body is the caller's to
 * free); -ETIMEDOUT when it took longer than CLIENT_TIMEOUT_SEC in all; -ECONNRESET when the answer
 * ended too soon; -EBADMSG when it is not HTTP as the daemon speaks it; -EFBIG; or -errno.
 */
int client__get(int fd, const char *target, struct response *ret);

/* The pure part: the head of an answer, len bytes that may still be incomplete. 0; -EAGAIN: read
 * more; -EBADMSG. */
struct response_head {
	unsigned status;
	size_t head_len; /* of status line and headers */
	size_t body_len; /* as Content-Length says */
};

int response_head__parse(const char *text, size_t len, struct response_head *ret);

#endif
