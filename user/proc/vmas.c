// SPDX-License-Identifier: BSD-2-Clause
#include "proc/vmas.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "util/cleanup.h"

#define MAP_TRIES 3
#define READ_SIZE 16384

static int feed_fd(struct smaps_parser *parser, int fd, const atomic_bool *stop)
{
	char text[READ_SIZE];
	ssize_t n;
	int err;

	for (;;) {
		if (stop && *stop)
			return -ECANCELED;
		n = read(fd, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		err = smaps_parser__feed(parser, text, n);
		if (err)
			return err;
	}
}

struct map_reading {
	const char *file;
	enum smaps_format format;
	const atomic_bool *stop;
	struct vma_set set;
};

/*
 * Reads one file of maps. A memory map that goes away (exit, exec) ends the text early but cleanly,
 * between two records, which looks like the end; so it is asked afterwards whether the map
 * is still there. -ESRCH: there was none to begin with; -EAGAIN: it went away meanwhile.
 */
static int try_maps(int dir, pid_t tid, void *ctx)
{
	_cleanup_(smaps_parser__freep) struct smaps_parser *parser = NULL;
	struct map_reading *reading = ctx;
	_cleanup_close_ int fd = -1;
	ssize_t n;
	char c;
	int err;

	(void)tid;
	vma_set__free(&reading->set);
	parser = smaps_parser__new(reading->format);
	if (!parser)
		return -ENOMEM;
	fd = openat(dir, reading->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return procfs__gone_if_missing(-errno);
	err = feed_fd(parser, fd, reading->stop);
	if (err)
		return err;
	err = smaps_parser__finish(parser, &reading->set);
	if (err)
		return err;
	n = reading->set.n ? pread(fd, &c, 1, 0) : 0;
	if (n > 0)
		return 0;
	return reading->set.n ? -EAGAIN : -ESRCH;
}

int procfs__vmas(int pidfd, enum smaps_format format, const atomic_bool *stop, struct vma_set *ret)
{
	struct map_reading reading = {
		.file = format == SMAPS_FULL ? "smaps" : "maps",
		.format = format,
		.stop = stop,
	};
	int err = -EAGAIN;

	for (int i = 0; i < MAP_TRIES && err == -EAGAIN; i++)
		err = process__visit(pidfd, try_maps, &reading);
	if (!err)
		*ret = reading.set;
	else
		vma_set__free(&reading.set);
	return err == -EAGAIN ? -ESRCH : err;
}
