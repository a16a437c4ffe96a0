// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/needs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proc/mounts.h"
#include "proc/process.h"
#include "symbolize/opening.h"
#include "util/cleanup.h"

#define STATUS_MAX   65536
#define DEBUG_ROOT   "/usr/lib/debug"
#define PERF_MAP_MAX (64 << 20)

/* --- where to look -------------------------------------------------------------------------- */

struct places {
	const struct mounts *mounts;
	struct opener_request request;
};

/* A path that does not fit, or lies where the child must not look, is left out. */
static __attribute__((format(printf, 2, 3))) void places__add(struct places *places,
							      const char *format, ...)
{
	struct opener_path *path = &places->request.paths[places->request.n];
	ssize_t point;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(path->text, sizeof(path->text), format, args);
	va_end(args);
	if (len < 0 || len >= (int)sizeof(path->text))
		return;
	point = mounts__point(places->mounts, path->text);
	if (point < 0)
		return;
	path->point = point;
	places->request.n++;
}

static void add_build_id(struct places *places, const struct build_id *id)
{
	char hex[2 * BUILD_ID_MAX + 1] = "";

	for (size_t i = 1; i < id->len; i++)
		snprintf(hex + 2 * (i - 1), 3, "%02x", id->bytes[i]);
	places__add(places, DEBUG_ROOT "/.build-id/%02x/%s.debug", id->bytes[0], hex);
}

static void add_link(struct places *places, const char *module, const char *link)
{
	int dir = strrchr(module, '/') - module;

	/* A link to itself is how some tools mark a file as stripped. */
	if (strcmp(module + dir + 1, link))
		places__add(places, "%.*s/%s", dir, module, link);
	places__add(places, "%.*s/.debug/%s", dir, module, link);
	places__add(places, DEBUG_ROOT "%.*s/%s", dir, module, link);
}

static int open_there(struct launcher *launcher, const struct needy *needy, struct places *places,
		      bool (*suits)(int fd, void *ctx), void *ctx)
{
	_cleanup_close_ int root = process__openat(needy->pidfd, "root", O_PATH | O_DIRECTORY);

	if (root < 0)
		return root;
	places->request.credentials = *needy->credentials;
	return opening__open(launcher, root, &places->request, suits, ctx);
}

/* --- debug files ---------------------------------------------------------------------------- */

static bool has_id(int fd, void *ctx)
{
	struct build_id id;

	return !build_id__read(fd, &id) && build_id__equal(&id, ctx);
}

static int open_debug(struct launcher *launcher, const struct needy *needy, struct places *places,
		      const char *link)
{
	struct build_id id = needy->id;

	if (!needy->module || needy->module[0] != '/' || !id.len)
		return -ENOENT;
	add_build_id(places, &id);
	if (*link)
		add_link(places, needy->module, link);
	return open_there(launcher, needy, places, has_id, &id);
}

/* --- perf maps ------------------------------------------------------------------------------ */

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

/* Any user may write to /tmp. */
static bool is_map_of(int fd, void *ctx)
{
	const uid_t *uid = ctx;
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == *uid && st.st_size <= PERF_MAP_MAX;
}

static int open_perf_map(struct launcher *launcher, const struct needy *needy,
			 struct places *places)
{
	_cleanup_buf_ struct buf status = {};
	pid_t pid;
	uid_t uid;
	int err = process__read(needy->pidfd, "status", STATUS_MAX, &status);

	err = err ?: needs__parse_status(status.data, &pid, &uid);
	if (err)
		return err;
	places__add(places, "/tmp/perf-%d.map", pid);
	return open_there(launcher, needy, places, is_map_of, &uid);
}

int needs__open(struct launcher *launcher, const struct needy *needy, const struct wire_need *need)
{
	struct places places = {.mounts = needy->mounts};

	switch (need->what) {
	case WIRE_NEED_DEBUG:
		return open_debug(launcher, needy, &places, need->text);
	case WIRE_NEED_PERF_MAP:
		return open_perf_map(launcher, needy, &places);
	}
	return -EINVAL;
}
