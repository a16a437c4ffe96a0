// SPDX-License-Identifier: BSD-2-Clause
#include "serve/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"

union name {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The other end as the kernel would list it: its own address is our peer. */
static int fill_id(int fd, struct inet_diag_req_v2 *req)
{
	union name ours = {}, theirs = {};
	socklen_t ours_len = sizeof(ours), theirs_len = sizeof(theirs);

	if (getsockname(fd, &ours.sa, &ours_len) || getpeername(fd, &theirs.sa, &theirs_len))
		return -errno;
	req->sdiag_family = theirs.sa.sa_family;
	switch (theirs.sa.sa_family) {
	case AF_INET:
		req->id.idiag_sport = theirs.in.sin_port;
		req->id.idiag_dport = ours.in.sin_port;
		memcpy(req->id.idiag_src, &theirs.in.sin_addr, sizeof(theirs.in.sin_addr));
		memcpy(req->id.idiag_dst, &ours.in.sin_addr, sizeof(ours.in.sin_addr));
		return 0;
	case AF_INET6:
		req->id.idiag_sport = theirs.in6.sin6_port;
		req->id.idiag_dport = ours.in6.sin6_port;
		memcpy(req->id.idiag_src, &theirs.in6.sin6_addr, sizeof(theirs.in6.sin6_addr));
		memcpy(req->id.idiag_dst, &ours.in6.sin6_addr, sizeof(ours.in6.sin6_addr));
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

static int ask_kernel(const struct inet_diag_req_v2 *req, struct inet_diag_msg *ret)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 req;
	} question = {
		.header = {.nlmsg_len = sizeof(question),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST},
		.req = *req,
	};
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	_cleanup_close_ int netlink =
		socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n;

	if (netlink < 0 || send(netlink, &question, sizeof(question), 0) < 0)
		return -errno;
	n = recv(netlink, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&answer.header, (size_t)n))
		return -EBADMSG;
	if (answer.header.nlmsg_type == NLMSG_ERROR &&
	    answer.header.nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return ((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error ?: -EBADMSG;
	if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(*ret)))
		return -EBADMSG;
	memcpy(ret, NLMSG_DATA(&answer.header), sizeof(*ret));
	return 0;
}

int peer__uid(int fd, uid_t *ret)
{
	struct inet_diag_req_v2 req = {
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = -1,
		.id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
	};
	struct inet_diag_msg socket;
	struct ucred unix_peer;
	socklen_t len = sizeof(unix_peer);
	int err;

	err = fill_id(fd, &req);
	if (err == -EAFNOSUPPORT) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &unix_peer, &len))
			return -errno;
		*ret = unix_peer.uid;
		return 0;
	}
	if (!err)
		err = ask_kernel(&req, &socket);
	if (err)
		return err;
	/* What is left of a socket that was closed has no owner, and is shown as root's. */
	if (socket.idiag_state == TCP_TIME_WAIT || socket.idiag_state == TCP_SYN_RECV ||
	    socket.idiag_state == TCP_CLOSE || !socket.idiag_inode)
		return -ENOENT;
	*ret = socket.idiag_uid;
	return 0;
}
