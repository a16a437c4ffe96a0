// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/number.h"

#define HEAD_MAX (16 * 1024)

int client__connect(const char *socket_path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_SEC};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	if (strlen(socket_path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, socket_path);
	/* Also bounds connect(), which waits while the daemon's backlog is full. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return take_fd(fd);
}

/* Finds "name:" at the start of a header line; its value up to the line's end. */
static const char *find_header(const char *head, const char *end, const char *name,
			       const char **value_end)
{
	size_t len = strlen(name);
	const char *line, *next;

	for (line = memchr(head, '\n', end - head); line; line = next) {
		line++;
		next = memchr(line, '\n', end - line);
		if (!next || (size_t)(next - line) <= len || strncasecmp(line, name, len))
			continue;
		*value_end = next[-1] == '\r' ? next - 1 : next;
		for (line += len; line < *value_end && *line == ' '; line++)
			;
		return line;
	}
	return NULL;
}

int response_head__parse(const char *text, size_t len, struct response_head *ret)
{
	static const char version[] = "HTTP/1.";
	const char *end = len ? memmem(text, len, "\r\n\r\n", 4) : NULL;
	const char *pos = text + sizeof(version) + 1, *value_end;
	size_t compare = len < sizeof(version) - 1 ? len : sizeof(version) - 1;
	uint64_t status, body_len;

	if (memcmp(text, version, compare))
		return -EBADMSG;
	if (!end)
		return len > HEAD_MAX ? -EBADMSG : -EAGAIN;
	end += 4;
	/* "HTTP/1.1 200 OK" */
	if (pos >= end || pos[-1] != ' ' || number__scan(&pos, end, 10, &status) || status < 100 ||
	    status > 599)
		return -EBADMSG;
	pos = find_header(text, end, "Content-Length:", &value_end);
	if (!pos || number__scan(&pos, value_end, 10, &body_len) || pos != value_end)
		return -EBADMSG;
	*ret = (struct response_head){status, end - text, body_len};
	return 0;
}

static int send_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len; text += n, len -= n) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : errno == EPIPE ? -ECONNRESET : -errno;
	}
	return 0;
}

/* One read; how many bytes, 0 at the end, or -errno. */
static ssize_t read_some(int fd, uint64_t until, struct buf *ret)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	uint64_t now = clock__boot_ns();
	ssize_t n = 0;

	if (now >= until)
		return -ETIMEDOUT;
	n = poll(&poll_fd, 1, (until - now) / 1000000 + 1);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -ETIMEDOUT;
	if (buf__reserve(ret, 64 * 1024))
		return -ENOMEM;
	n = recv(fd, ret->data + ret->len, ret->cap - ret->len - 1, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	ret->len += n;
	ret->data[ret->len] = '\0';
	return n;
}

static int read_answer(int fd, uint64_t until, struct buf *raw, struct response_head *ret)
{
	int head = -EAGAIN;
	ssize_t n;

	for (;;) {
		n = read_some(fd, until, raw);
		if (n == -EAGAIN)
			continue;
		if (n < 0)
			return n;
		if (head)
			head = response_head__parse(raw->data, raw->len, ret);
		if (head && head != -EAGAIN)
			return head;
		if (!head && ret->body_len > CLIENT_BODY_MAX)
			return -EFBIG;
		if (!head && raw->len - ret->head_len >= ret->body_len)
			return raw->len - ret->head_len > ret->body_len ? -EBADMSG : 0;
		if (!n)
			return -ECONNRESET;
	}
}

int client__get(int fd, const char *target, struct response *ret)
{
	uint64_t until = clock__boot_ns() + CLIENT_TIMEOUT_SEC * NSEC_PER_SEC;
	_cleanup_buf_ struct buf request = {}, raw = {};
	struct response_head head = {};
	int err;

	buf__printf(&request, "GET %s HTTP/1.1\r\nHost: memprov\r\nConnection: close\r\n\r\n",
		    target);
	err = buf__error(&request) ?: send_all(fd, request.data, request.len);
	if (!err)
		err = read_answer(fd, until, &raw, &head);
	if (err)
		return err;
	raw.len -= head.head_len;
	memmove(raw.data, raw.data + head.head_len, raw.len + 1);
	ret->status = head.status;
	ret->body = raw;
	raw = (struct buf){};
	return 0;
}
