// SPDX-License-Identifier: BSD-2-Clause
#include "proc/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/number.h"

#define STATUS_MAX (64 * 1024)

/* The n numbers of the line that begins with key, each behind a tab. 0 or -EBADMSG. */
static int scan_line(const char *text, size_t len, const char *key, int base, uint64_t *ret,
		     size_t n)
{
	const char *end = text + len, *eol;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', end - text);
		if (!eol)
			return -EBADMSG;
		if ((size_t)(eol - text) < strlen(key) || memcmp(text, key, strlen(key)))
			continue;
		text += strlen(key);
		for (size_t i = 0; i < n; i++) {
			if (text == eol || *text++ != '\t' ||
			    number__scan(&text, eol, base, &ret[i]))
				return -EBADMSG;
		}
		return 0;
	}
	return -EBADMSG;
}

int credentials__parse(const char *text, size_t len, struct credentials *ret)
{
	uint64_t uids[3], gids[3];
	struct credentials c;

	if (scan_line(text, len, "Uid:", 10, uids, 3) ||
	    scan_line(text, len, "Gid:", 10, gids, 3) ||
	    scan_line(text, len, "CapPrm:", 16, &c.permitted, 1))
		return -EBADMSG;
	for (int i = 0; i < 3; i++) {
		if (uids[i] > UINT32_MAX || gids[i] > UINT32_MAX)
			return -EBADMSG;
		c.uids[i] = uids[i];
		c.gids[i] = gids[i];
	}
	*ret = c;
	return 0;
}

static bool is_own_namespace(int pidfd, uid_t uid)
{
	_cleanup_close_ int fd = openat(pidfd, "ns/user", O_RDONLY | O_CLOEXEC);
	struct stat theirs, ours;
	uid_t owner;

	if (fd < 0 || fstat(fd, &theirs) || stat("/proc/self/ns/user", &ours))
		return false;
	/* Of our own namespace they may be the owner, and still have no rights here. */
	if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev)
		return false;
	return !ioctl(fd, NS_GET_OWNER_UID, &owner) && owner == uid;
}

bool credentials__may_read(int pidfd, uid_t uid)
{
	_cleanup_buf_ struct buf text = {};
	struct credentials c;
	struct stat st;

	/* Who owns this file is the effective user while the process is dumpable, else root
	 * (task_dump_owner, fs/proc/base.c); the directory itself is the user's in any case. */
	if (fstatat(pidfd, "environ", &st, 0) || st.st_uid != uid)
		return false;
	if (procfs__read(pidfd, "status", STATUS_MAX, &text) ||
	    credentials__parse(text.data ?: "", text.len, &c))
		return false;
	for (int i = 0; i < 3; i++) {
		if (c.uids[i] != uid || c.gids[i] != c.gids[0])
			return false;
	}
	return !c.permitted || is_own_namespace(pidfd, uid);
}
