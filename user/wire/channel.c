// SPDX-License-Identifier: BSD-2-Clause
#include "wire/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

#define NSEC_PER_MSEC 1000000
#define SHORT_MS      10

/* The kernel has no memory for a packet now, or too many descriptors are in flight. No event says
 * when that is over. */
static bool is_short(int err)
{
	return err == ENOMEM || err == ENOBUFS || err == ETOOMANYREFS;
}

static int wait_while_short(uint64_t deadline)
{
	if (deadline != CHANNEL_FOREVER && clock__boot_ns() >= deadline)
		return -ETIMEDOUT;
	poll(NULL, 0, SHORT_MS);
	return 0;
}

static int wait_for(int socket, short events, uint64_t deadline)
{
	struct pollfd pollfd = {.fd = socket, .events = events};
	uint64_t now;
	int ms = -1, n;

	for (;;) {
		if (deadline != CHANNEL_FOREVER) {
			now = clock__boot_ns();
			if (now >= deadline)
				return -ETIMEDOUT;
			ms = (deadline - now) / NSEC_PER_MSEC + 1;
		}
		n = poll(&pollfd, 1, ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int channel__send_pieces(int socket, const struct iovec *pieces, size_t n, int fd,
			 uint64_t deadline)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = n};
	int err;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && !is_short(errno))
			return -errno;
		err = is_short(errno) ? wait_while_short(deadline)
				      : wait_for(socket, POLLOUT, deadline);
		if (err)
			return err;
	}
}

int channel__send(int socket, const void *packet, size_t len, int fd, uint64_t deadline)
{
	const struct iovec piece = {(void *)(uintptr_t)packet, len};

	return channel__send_pieces(socket, &piece, 1, fd, deadline);
}

static int take_descriptor(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

ssize_t channel__receive(int socket, void *packet, size_t size, int *ret_fd, uint64_t deadline)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {packet, size};
	struct msghdr message;
	ssize_t n;
	int err, fd;

	for (;;) {
		message = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};
		if (ret_fd) {
			message.msg_control = &control;
			message.msg_controllen = sizeof(control.bytes);
		}
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && !is_short(errno))
			return -errno;
		err = is_short(errno) ? wait_while_short(deadline)
				      : wait_for(socket, POLLIN, deadline);
		if (err)
			return err;
	}
	fd = ret_fd ? take_descriptor(&message) : -1;
	if (message.msg_flags & MSG_TRUNC) {
		if (fd >= 0)
			close(fd);
		return -EMSGSIZE;
	}
	if (ret_fd)
		*ret_fd = fd;
	return n;
}
