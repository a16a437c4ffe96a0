// SPDX-License-Identifier: BSD-2-Clause
/* Any text as /proc/PID/mountinfo: line by line, and as the mounts of a process. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/mountinfo.h"
#include "proc/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct mount_text text, const char *begin, const char *end)
{
	char decoded[32];

	if (text.data < begin || text.len > (size_t)(end - text.data))
		abort();
	if (!mount_text__decode(text, decoded, sizeof(decoded)) && strlen(decoded) > text.len)
		abort();
	mount_text__has(text, "memory");
}

static void check_mounts(const struct mounts *mounts)
{
	const char *names = mounts->names.data, *last = NULL;

	for (size_t i = 0; i < mounts->n_devices; i++) {
		const struct mount_device *device = &mounts->devices[i];

		if (mounts__device(mounts, device->major, device->minor) != device)
			abort();
	}
	for (size_t i = 0; i < mounts->n_points; i++) {
		const char *path = names + mounts->points[i].path;
		ssize_t len;

		if (last && strcmp(last, path) >= 0)
			abort();
		last = path;
		/* The kernel writes none that is not absolute and in its simplest form. */
		if (*path != '/' || strstr(path, "//") ||
		    (path[1] && path[strlen(path) - 1] == '/'))
			continue;
		len = mounts__point(mounts, path);
		if (mounts->points[i].remote ? len >= 0 : len > (ssize_t)strlen(path))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *pos = text, *end = text + size;
	struct mounts mounts = {};
	struct mount mount;
	int more;

	while ((more = mountinfo__next(&pos, end, &mount)) == 1) {
		check_text(mount.root, text, pos);
		check_text(mount.point, text, pos);
		check_text(mount.type, text, pos);
		check_text(mount.options, text, pos);
	}
	if (!more && pos != end)
		abort();
	if (!mounts__parse(text, size, &mounts))
		check_mounts(&mounts);
	else if (mounts.n_devices || mounts.n_points)
		abort();
	mounts__free(&mounts);
	return 0;
}
