// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

static int write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len; text += n, len -= n) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return -errno;
	}
	return 0;
}

static int write_in_place(const char *file, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : write_all(fd, text, len);
}

static int write_beside(const char *file, const char *text, size_t len)
{
	char beside[PATH_MAX];
	int fd, err;

	if (snprintf(beside, sizeof(beside), "%s.%d.tmp", file, getpid()) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text, len);
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(beside, file))
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

int output__write(const char *file, const char *text, size_t len)
{
	_cleanup_free_ char *target = NULL;
	struct stat st;
	int err;

	if (!file) {
		err = write_all(STDOUT_FILENO, text, len);
	} else if (stat(file, &st)) {
		err = errno == ENOENT ? write_beside(file, text, len) : -errno;
	} else if (!S_ISREG(st.st_mode)) {
		err = write_in_place(file, text, len);
	} else {
		/* What a link points to is replaced, not the link. */
		target = realpath(file, NULL);
		err = target ? write_beside(target, text, len) : -errno;
	}
	if (err && err != -EPIPE)
		log_error("cannot write to %s: %s", file ?: "standard output", strerror(-err));
	return err;
}
