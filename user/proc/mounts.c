// SPDX-License-Identifier: BSD-2-Clause
#include "proc/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proc/mountinfo.h"
#include "proc/process.h"
#include "util/array.h"
#include "util/cleanup.h"

#define MOUNTINFO_MAX (4 << 20)

/* File systems on which every answer, even fstatfs(2)'s, comes from a server or a daemon. */
static const char *const remote_types[] = {
	"9p",	"afs", "autofs", "ceph",   "cifs",  "coda",	"fuse", "fuseblk",
	"gfs2", "nfs", "nfs4",	 "lustre", "ocfs2", "orangefs", "smb3", "virtiofs",
};

static bool is_remote(struct mount_text type)
{
	if (type.len > strlen("fuse.") && !memcmp(type.data, "fuse.", strlen("fuse.")))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(remote_types); i++) {
		if (mount_text__is(type, remote_types[i]))
			return true;
	}
	return false;
}

static int by_device(const void *a, const void *b)
{
	const struct mount_device *x = a, *y = b;

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	return (x->minor > y->minor) - (x->minor < y->minor);
}

static int by_path(const void *a, const void *b, void *names)
{
	const struct mount_point *x = a, *y = b;

	return strcmp((char *)names + x->path, (char *)names + y->path);
}

static int add(struct mounts *mounts, const struct mount *mount, size_t cap[2])
{
	char path[PATH_MAX];

	if (array__grow(&mounts->devices, &cap[0], mounts->n_devices, sizeof(*mounts->devices)) ||
	    array__grow(&mounts->points, &cap[1], mounts->n_points, sizeof(*mounts->points)))
		return -ENOMEM;
	mounts->devices[mounts->n_devices++] = (struct mount_device){
		mount->major,
		mount->minor,
		is_remote(mount->type),
	};
	/* Nothing below a path that is too long can be asked for. */
	if (mount_text__decode(mount->point, path, sizeof(path)))
		return 0;
	mounts->points[mounts->n_points++] =
		(struct mount_point){mounts->names.len, is_remote(mount->type)};
	buf__add(&mounts->names, path, strlen(path) + 1);
	return buf__error(&mounts->names);
}

/* What is there several times is remote if it is once. */
static void sort(struct mounts *mounts)
{
	size_t n = 0;

	if (mounts->n_devices)
		qsort(mounts->devices, mounts->n_devices, sizeof(*mounts->devices), by_device);
	for (size_t i = 0; i < mounts->n_devices; i++) {
		if (n && !by_device(&mounts->devices[n - 1], &mounts->devices[i]))
			mounts->devices[n - 1].remote |= mounts->devices[i].remote;
		else
			mounts->devices[n++] = mounts->devices[i];
	}
	mounts->n_devices = n;
	n = 0;
	if (mounts->n_points)
		qsort_r(mounts->points, mounts->n_points, sizeof(*mounts->points), by_path,
			mounts->names.data);
	for (size_t i = 0; i < mounts->n_points; i++) {
		if (n && !by_path(&mounts->points[n - 1], &mounts->points[i], mounts->names.data))
			mounts->points[n - 1].remote |= mounts->points[i].remote;
		else
			mounts->points[n++] = mounts->points[i];
	}
	mounts->n_points = n;
}

int mounts__parse(const char *text, size_t len, struct mounts *ret)
{
	_cleanup_(mounts__free) struct mounts mounts = {.asked = true, .known = true};
	const char *pos = text, *end = text + len;
	size_t cap[2] = {};
	struct mount mount;
	int err = 0, more;

	while (!err && (more = mountinfo__next(&pos, end, &mount)) > 0)
		err = add(&mounts, &mount, cap);
	if (err || more < 0)
		return err ?: more;
	sort(&mounts);
	*ret = mounts;
	mounts = (struct mounts){};
	return 0;
}

int mounts__need(struct mounts *mounts, int pidfd)
{
	_cleanup_buf_ struct buf text = {};
	_cleanup_close_ int fd = -1;
	int err;

	if (mounts->asked)
		return mounts->known ? 0 : -ENODATA;
	mounts->asked = true;
	fd = process__openat(pidfd, "mountinfo", O_RDONLY);
	err = fd < 0 ? fd : buf__read_fd(&text, fd, MOUNTINFO_MAX);
	return err ? err : mounts__parse(text.data ?: "", text.len, mounts);
}

void mounts__free(struct mounts *mounts)
{
	free(mounts->devices);
	free(mounts->points);
	buf__free(&mounts->names);
	*mounts = (struct mounts){};
}

const struct mount_device *mounts__device(const struct mounts *mounts, uint32_t major,
					  uint32_t minor)
{
	struct mount_device key = {.major = major, .minor = minor};

	return mounts->n_devices
		       ? bsearch(&key, mounts->devices, mounts->n_devices, sizeof(key), by_device)
		       : NULL;
}

/* The mount point that is the first len bytes of the path. */
static const struct mount_point *find_point(const struct mounts *mounts, const char *path,
					    size_t len)
{
	size_t lo = 0, hi = mounts->n_points;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;
		const char *point = mounts->names.data + mounts->points[middle].path;
		int order = strncmp(point, path, len);

		if (!order && !point[len])
			return &mounts->points[middle];
		if (order < 0)
			lo = middle + 1;
		else
			hi = middle; /* the path, or longer */
	}
	return NULL;
}

ssize_t mounts__point(const struct mounts *mounts, const char *path)
{
	const struct mount_point *point = find_point(mounts, "/", 1);
	ssize_t best = point ? 0 : -EREMOTE;
	size_t len;

	if (point && point->remote)
		return -EREMOTE;
	for (len = strcspn(path + 1, "/") + 1; len > 1;) {
		point = find_point(mounts, path, len);
		if (point && point->remote)
			return -EREMOTE;
		if (point)
			best = len;
		if (!path[len])
			break;
		len += strcspn(path + len + 1, "/") + 1;
	}
	return best;
}
