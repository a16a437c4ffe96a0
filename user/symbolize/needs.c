// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/needs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc/open.h"
#include "proc/process.h"
#include "util/cleanup.h"

#define STATUS_MAX   65536
#define DEBUG_ROOT   "/usr/lib/debug"
#define PERF_MAP_MAX (64 << 20)

static int open_by_build_id(int pidfd, const struct mounts *mounts, const struct wire_need *need)
{
	char path[sizeof(DEBUG_ROOT "/.build-id//.debug") + 2 * WIRE_BUILD_ID_MAX];
	int n = snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/");

	for (uint32_t i = 0; i < need->len; i++)
		n += snprintf(path + n, sizeof(path) - n, i ? "%02x" : "%02x/",
			      (unsigned char)need->text[i]);
	snprintf(path + n, sizeof(path) - n, ".debug");
	return open__in_root(pidfd, mounts, path, NULL);
}

static int open_by_link(int pidfd, const struct mounts *mounts, const struct wire_need *need,
			const char *module)
{
	static const char *const formats[] = {"%.*s/%s", "%.*s/.debug/%s", DEBUG_ROOT "%.*s/%s"};
	const char *slash = module ? strrchr(module, '/') : NULL;
	char path[PATH_MAX];
	int fd = -ENOENT;

	if (!slash || module[0] != '/')
		return -ENOENT;
	for (size_t i = 0; fd < 0 && i < ARRAY_SIZE(formats); i++) {
		int n = snprintf(path, sizeof(path), formats[i], (int)(slash - module), module,
				 need->text);

		/* A link to itself is how some tools mark a file as stripped. */
		if (n < (int)sizeof(path) && strcmp(path, module))
			fd = open__in_root(pidfd, mounts, path, NULL);
	}
	return fd;
}

int needs__parse_status(const char *text, pid_t *ret_pid, uid_t *ret_uid)
{
	const char *uids = strstr(text, "\nUid:"), *pids = strstr(text, "\nNStgid:"), *eol, *last;
	unsigned long pid, uid;
	char *end;

	if (!uids || !pids)
		return -EBADMSG;
	/* Real, effective, … */
	strtoul(uids + strlen("\nUid:"), &end, 10);
	uid = strtoul(end, &end, 10);
	eol = strchr(pids + 1, '\n');
	if (!eol)
		return -EBADMSG;
	last = eol;
	while (last > pids && last[-1] >= '0' && last[-1] <= '9')
		last--;
	pid = strtoul(last, &end, 10);
	if (end != eol || last == eol || pid > INT_MAX || !pid)
		return -EBADMSG;
	*ret_pid = pid;
	*ret_uid = uid;
	return 0;
}

static int open_perf_map(int pidfd, const struct mounts *mounts)
{
	char path[sizeof("/tmp/perf-.map") + 12];
	_cleanup_buf_ struct buf status = {};
	_cleanup_close_ int fd = -1;
	struct stat st;
	pid_t pid;
	uid_t uid;
	int err;

	err = process__read(pidfd, "status", STATUS_MAX, &status);
	err = err ?: needs__parse_status(status.data, &pid, &uid);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
	fd = open__in_root(pidfd, mounts, path, &st);
	if (fd < 0)
		return fd;
	/* Anyone may write to /tmp. */
	if (st.st_uid != uid)
		return -EPERM;
	return st.st_size > PERF_MAP_MAX ? -EFBIG : take_fd(fd);
}

int needs__open(int pidfd, const struct mounts *mounts, const struct wire_need *need,
		const char *path)
{
	switch (need->what) {
	case WIRE_NEED_BUILD_ID:
		return open_by_build_id(pidfd, mounts, need);
	case WIRE_NEED_LINK:
		return open_by_link(pidfd, mounts, need, path);
	case WIRE_NEED_PERF_MAP:
		return open_perf_map(pidfd, mounts);
	}
	return -EINVAL;
}
