// SPDX-License-Identifier: BSD-2-Clause
#include "serve/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"

#define BACKLOG SOMAXCONN
#define FLAGS	(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

int listen__tcp(const struct address *address, struct address *bound)
{
	_cleanup_close_ int fd = socket(address->sa.ss_family, FLAGS, 0);
	struct address real = {.len = sizeof(real.sa)};
	int on = 1, off = 0;

	if (fd < 0)
		return -errno;
	/* A restart must not wait for the old connections' TIME_WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* There is one option for one address: "[::]" takes IPv4 too, whatever net.ipv6.bindv6only
	 * says. */
	if (address->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)&address->sa, address->len) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&real.sa, &real.len))
		return -errno;
	*bound = real;
	return take_fd(fd);
}

static bool set_path(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path))
		return false;
	strcpy(ret->sun_path, path);
	return true;
}

/* Removes a socket file on which nothing answers; 0 or why it stays. */
static int remove_stale(const struct sockaddr_un *sun)
{
	_cleanup_close_ int fd = socket(AF_UNIX, FLAGS, 0);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (lstat(sun->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	/* EAGAIN would be a listener with a full backlog. */
	err = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) ? -errno : -EADDRINUSE;
	if (err != -ECONNREFUSED)
		return err == -EACCES ? err : -EADDRINUSE;
	return unlink(sun->sun_path) && errno != ENOENT ? -errno : 0;
}

int listen__unix(const char *path, struct unix_socket *ret)
{
	_cleanup_close_ int fd = socket(AF_UNIX, FLAGS, 0);
	struct sockaddr_un sun;
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (!set_path(path, &sun))
		return -ENAMETOOLONG;
	/* bind() gives the file the mode of the socket's own inode, less the umask (unix_bind_bsd,
	 * net/unix/af_unix.c): so it is never wider than this, not for a moment, and the umask,
	 * which all threads share, stays alone. */
	if (fchmod(fd, 0600))
		return -errno;
	err = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	if (err == -EADDRINUSE) {
		err = remove_stale(&sun);
		if (!err && bind(fd, (struct sockaddr *)&sun, sizeof(sun)))
			err = -errno;
	}
	if (err)
		return err;
	if (lstat(path, &st) || listen(fd, BACKLOG)) {
		err = -errno;
		unlink(path);
		return err;
	}
	*ret = (struct unix_socket){.path = path, .dev = st.st_dev, .ino = st.st_ino};
	return take_fd(fd);
}

void unix_socket__remove(struct unix_socket *socket)
{
	struct stat st;

	if (socket->path && !lstat(socket->path, &st) && st.st_dev == socket->dev &&
	    st.st_ino == socket->ino)
		unlink(socket->path);
	socket->path = NULL;
}
