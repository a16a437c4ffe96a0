// SPDX-License-Identifier: BSD-2-Clause
#include "collect/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "collect/detached.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/number.h"

static const char *const usual_places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

int tracefs__open(void)
{
	int root = detached__mount("tracefs");

	if (root >= 0)
		return root;
	for (size_t i = 0; i < ARRAY_SIZE(usual_places); i++) {
		char events[PATH_MAX];

		/* An unmounted place is an empty directory. */
		snprintf(events, sizeof(events), "%s/events", usual_places[i]);
		if (access(events, R_OK) == 0)
			return open(usual_places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return root;
}

int tracefs__event_id(int tracefs, const char *event)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	_cleanup_buf_ struct buf text = {0};
	const char *pos;
	uint64_t id;
	int err;

	snprintf(path, sizeof(path), "events/%s/id", event);
	fd = openat(tracefs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = buf__read_fd(&text, fd, 64);
	if (err)
		return err;
	pos = text.data;
	err = number__scan(&pos, text.data + text.len, 10, &id);
	return err ? err : id > INT_MAX ? -ERANGE : (int)id;
}
