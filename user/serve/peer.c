// SPDX-License-Identifier: BSD-2-Clause
#include "serve/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "options/address.h"
#include "proc/credentials.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "proc/socket_holders.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/shortage.h"

#ifndef SO_PEERPIDFD /* since 6.5 */
#define SO_PEERPIDFD 77
#endif

/* Of every network namespace (net/core/dev.c). */
#define LOOPBACK_IFINDEX 1

#define FDINFO_MAX 4096

#define DIAG_CGROUP_ID 21 /* INET_DIAG_CGROUP_ID, in the headers since 5.9 */

static void fill_end(const struct address *address, __be16 *port, __be32 ret[4])
{
	const struct sockaddr_in6 *in6 = (const void *)&address->sa;
	const struct sockaddr_in *in = (const void *)&address->sa;

	if (address->sa.ss_family == AF_INET) {
		*port = in->sin_port;
		memcpy(ret, &in->sin_addr, sizeof(in->sin_addr));
	} else {
		*port = in6->sin6_port;
		memcpy(ret, &in6->sin6_addr, sizeof(in6->sin6_addr));
	}
}

/* The other end as the kernel would list it: its own address is our peer. An IPv4 connection of an
 * IPv6 socket is looked up as IPv4. */
static int fill_question(int fd, struct inet_diag_req_v2 *req)
{
	struct address ours = {.len = sizeof(ours.sa)}, theirs = {.len = sizeof(theirs.sa)};

	if (getsockname(fd, (struct sockaddr *)&ours.sa, &ours.len) ||
	    getpeername(fd, (struct sockaddr *)&theirs.sa, &theirs.len))
		return -errno;
	address__unmap(&ours);
	address__unmap(&theirs);
	req->sdiag_family = theirs.sa.ss_family;
	if (theirs.sa.ss_family != AF_INET && theirs.sa.ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	fill_end(&theirs, &req->id.idiag_sport, req->id.idiag_src);
	fill_end(&ours, &req->id.idiag_dport, req->id.idiag_dst);
	/* A socket that is bound to an interface is found by that one only, and all that comes over
	 * loopback comes from it. */
	req->id.idiag_if = LOOPBACK_IFINDEX;
	return 0;
}

union diag_answer {
	struct nlmsghdr header;
	char bytes[4096];
};

/* The one answer to a question of sock_diag(7), of at least min bytes behind its header. */
static int ask_kernel(const void *request, size_t len, size_t min, union diag_answer *ret)
{
	struct nlmsghdr header = {.nlmsg_len = NLMSG_LENGTH(len),
				  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				  .nlmsg_flags = NLM_F_REQUEST};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)request, len}};
	struct msghdr question = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};
	_cleanup_close_ int netlink =
		socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n;

	if (netlink < 0 || sendmsg(netlink, &question, 0) < 0)
		return -errno;
	n = recv(netlink, ret, sizeof(*ret), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&ret->header, (size_t)n))
		return -EBADMSG;
	if (ret->header.nlmsg_type == NLMSG_ERROR &&
	    ret->header.nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return ((struct nlmsgerr *)NLMSG_DATA(&ret->header))->error ?: -EBADMSG;
	if (ret->header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    ret->header.nlmsg_len < NLMSG_LENGTH(min))
		return -EBADMSG;
	return 0;
}

static void normalise(const struct inet_diag_msg *socket, const __be32 address[4], __be32 ret[4])
{
	struct in6_addr in6;

	memset(ret, 0, 4 * sizeof(*ret));
	memcpy(&in6, address, sizeof(in6));
	if (socket->idiag_family == AF_INET)
		ret[0] = address[0];
	else if (IN6_IS_ADDR_V4MAPPED(&in6))
		ret[0] = address[3];
	else
		memcpy(ret, address, sizeof(in6));
}

/*
 * Where the kernel finds no connected socket it answers with one that listens on the port,
 * whichever that belongs to; and what is left of a connection that was closed is shown as root's.
 * So only a socket with both ends of ours, that a process has open, is the other end.
 */
static bool is_other_end(const struct inet_diag_req_v2 *req, const struct inet_diag_msg *socket)
{
	__be32 src[4], dst[4];

	normalise(socket, socket->id.idiag_src, src);
	normalise(socket, socket->id.idiag_dst, dst);
	switch (socket->idiag_state) {
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT1: /* it has sent all that it will */
	case TCP_FIN_WAIT2:
	case TCP_CLOSE_WAIT:
		break;
	default:
		return false;
	}
	return socket->idiag_inode && socket->id.idiag_sport == req->id.idiag_sport &&
	       socket->id.idiag_dport == req->id.idiag_dport &&
	       !memcmp(src, req->id.idiag_src, sizeof(src)) &&
	       !memcmp(dst, req->id.idiag_dst, sizeof(dst));
}

/* 0: before 5.9. */
static uint64_t cgroup_of(const union diag_answer *answer)
{
	const char *attrs =
		(const char *)NLMSG_DATA(&answer->header) + sizeof(struct inet_diag_msg);
	const char *end = (const char *)answer + answer->header.nlmsg_len;
	uint64_t cgroup = 0;
	struct nlattr attr;

	for (; end - attrs >= NLA_HDRLEN; attrs += NLA_ALIGN(attr.nla_len)) {
		memcpy(&attr, attrs, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > end - attrs)
			break;
		if (attr.nla_type == DIAG_CGROUP_ID && attr.nla_len == NLA_HDRLEN + sizeof(cgroup))
			memcpy(&cgroup, attrs + NLA_HDRLEN, sizeof(cgroup));
	}
	return cgroup;
}

static int look_tcp(const struct inet_diag_req_v2 *req, struct peer *ret)
{
	union diag_answer answer;
	const struct inet_diag_msg *socket = NLMSG_DATA(&answer.header);
	int err = ask_kernel(req, sizeof(*req), sizeof(*socket), &answer);

	if (!err && !is_other_end(req, socket))
		err = -ENOENT;
	if (!err)
		*ret = (struct peer){.uid = socket->idiag_uid,
				     .inode = socket->idiag_inode,
				     .cgroup = cgroup_of(&answer),
				     .process = -1};
	return err;
}

/* Before 6.5: the other socket's inode, from the kernel's table of sockets. */
static int look_unix_inode(int fd, struct peer *ret)
{
	struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = -1,
		.udiag_show = UDIAG_SHOW_PEER,
		.udiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
	};
	union diag_answer answer;
	const struct unix_diag_msg *socket = NLMSG_DATA(&answer.header);
	const struct nlattr *attr = (const void *)(socket + 1);
	struct stat st;
	uint32_t inode;
	int err;

	if (fstat(fd, &st))
		return -errno;
	req.udiag_ino = st.st_ino;
	err = ask_kernel(&req, sizeof(req), sizeof(*socket) + NLA_HDRLEN + sizeof(inode), &answer);
	if (err)
		return err;
	if (attr->nla_type != UNIX_DIAG_PEER || attr->nla_len != NLA_HDRLEN + sizeof(inode))
		return -ENOENT;
	memcpy(&inode, (const char *)attr + NLA_HDRLEN, sizeof(inode));
	ret->inode = inode;
	return inode ? 0 : -ENOENT;
}

/* The number, in the PID namespace of the procfs, of a process that has not ended: 0, -ESRCH, or
 * what there is too little of to look. */
static int pid_of_pidfd(const char *proc, int pidfd, pid_t *ret)
{
	static const char key[] = "\nPid:\t";
	_cleanup_buf_ struct buf text = {};
	_cleanup_close_ int self = procfs__open(proc, self__pid(proc));
	char path[sizeof("fdinfo/") + 11];
	const char *at;
	uint64_t pid;
	int err;

	snprintf(path, sizeof(path), "fdinfo/%d", pidfd);
	err = self < 0 ? self : procfs__read(self, path, FDINFO_MAX, &text);
	if (err || !text.len)
		return is_shortage(err) ? err : -ESRCH;
	at = memmem(text.data, text.len, key, strlen(key));
	if (!at)
		return -ESRCH;
	at += strlen(key);
	/* -1: it has ended; 0: it is outside of that namespace. */
	if (number__scan(&at, text.data + text.len, 10, &pid) || !pid || pid > INT32_MAX)
		return -ESRCH;
	*ret = pid;
	return 0;
}

static int look_unix(int fd, const char *proc, struct peer *ret)
{
	struct peer peer = {.process = -1};
	_cleanup_close_ int pidfd = -1;
	struct ucred credentials;
	socklen_t len = sizeof(credentials);
	pid_t pid, again;
	int err;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len))
		return -errno;
	peer.uid = credentials.uid;
	len = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len)) {
		pidfd = -1;
		err = look_unix_inode(fd, &peer);
	} else {
		err = pid_of_pidfd(proc, pidfd, &pid);
		if (!err)
			peer.process = procfs__open(proc, pid);
		/* It was still there after its directory was opened: that is its own. */
		if (!err && peer.process < 0)
			err = is_shortage(peer.process) ? peer.process : -ESRCH;
		err = err ?: pid_of_pidfd(proc, pidfd, &again);
	}
	if (err)
		peer__put(&peer);
	else
		*ret = peer;
	return err;
}

int peer__look(int fd, const char *proc, struct peer *ret)
{
	struct inet_diag_req_v2 req = {
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = -1,
		.id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
	};
	int err = fill_question(fd, &req);

	if (err == -EAFNOSUPPORT)
		return look_unix(fd, proc, ret);
	return err ?: look_tcp(&req, ret);
}

void peer__put(struct peer *peer)
{
	if (peer->process >= 0)
		close(take_fd(peer->process));
}

struct holders {
	uid_t uid;
	bool found;
	struct reader reader;
};

/* 0, -EPERM when it is of other rights than those before it, or not of the socket's user, or why it
 * cannot be told. */
static int add_holder(int pidfd, void *ctx)
{
	struct holders *holders = ctx;
	struct reader reader;
	int err = reader__of(pidfd, &reader);

	if (err)
		return err == -EACCES ? -EPERM : err;
	if (reader.uid != holders->uid ||
	    (holders->found && !reader__equal(&reader, &holders->reader)))
		return -EPERM;
	holders->reader = reader;
	holders->found = true;
	return 0;
}

int peer__identify(const struct peer *peer, const char *proc, struct reader *ret)
{
	struct holders holders = {.uid = peer->uid};
	int err;

	if (peer->process >= 0)
		err = add_holder(peer->process, &holders);
	else
		err = socket_holders__each(proc, peer->uid, peer->inode, add_holder, &holders);
	if (!err && !holders.found)
		err = -ESRCH;
	if (!err)
		*ret = holders.reader;
	return err;
}
