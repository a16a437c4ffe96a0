// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/color.h"
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
	/* Addresses and paths: for its owner alone, whatever the umask. */
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
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

/* What to do about it. */
static const char *remedy(int err)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
		return "; its directory must be there";
	case EACCES:
	case EPERM:
	case EROFS:
	case EISDIR:
		return "; takes -o FILE where this user may write";
	case ENOSPC:
	case EDQUOT:
		return "; free some space, or take another place with -o FILE";
	}
	return "";
}

/* The directory of a file, as far as its name goes. */
static void directory(const char *file, char ret[PATH_MAX])
{
	const char *slash = strrchr(file, '/');

	snprintf(ret, PATH_MAX, "%.*s", slash ? (int)(slash - file) + 1 : 1, slash ? file : ".");
}

int output__check(const char *file)
{
	char path[PATH_MAX];
	struct stat st;
	int err = 0;

	if (stat(file, &st)) {
		directory(file, path);
		err = errno != ENOENT || access(path, W_OK | X_OK) ? -errno : 0;
	} else if (access(file, W_OK)) {
		err = -errno;
	} else if (S_ISDIR(st.st_mode)) {
		err = -EISDIR;
	}
	if (err)
		log_error("cannot write to %s: %s%s", file, strerror(-err), remedy(err));
	return err;
}

int output__check_binary(const char *file, int fd)
{
	if (file || !isatty(fd))
		return 0;
	log_error("a profile is not text, and this is a terminal: give -o FILE");
	return -EINVAL;
}

int output__write(const char *file, int fd, const char *text, size_t len)
{
	_cleanup_free_ char *target = NULL;
	struct stat st;
	int err;

	if (!file) {
		err = write_all(fd, text, len);
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
		log_error("cannot write to %s: %s%s",
			  file
				  ?: fd == STDOUT_FILENO ? "standard output"
							 : "standard error",
			  strerror(-err), remedy(err));
	return err;
}

int output__write_text(const struct options *options, const struct buf *text)
{
	bool colored = options->format == FORMAT_TEXT && !options->output &&
		       color__wanted(options->color, STDOUT_FILENO);
	_cleanup_buf_ struct buf shown = {};

	if (!colored)
		return output__write(options->output, STDOUT_FILENO, text->data, text->len);
	color__headings(text, &shown);
	return output__write(NULL, STDOUT_FILENO, shown.data, shown.len);
}
