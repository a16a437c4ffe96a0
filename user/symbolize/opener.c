// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/opener.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proc/open.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/channel.h"

static int compare_groups(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return (x > y) - (x < y);
}

/* A daemon that may not change its groups opens for processes that have the same ones. */
static bool has_groups(const struct credentials *credentials)
{
	gid_t ours[GROUPS_MAX], theirs[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, ours);

	if (n < 0 || (size_t)n != credentials->n_groups)
		return false;
	memcpy(theirs, credentials->groups, n * sizeof(*theirs));
	qsort(ours, n, sizeof(*ours), compare_groups);
	qsort(theirs, n, sizeof(*theirs), compare_groups);
	return !memcmp(ours, theirs, n * sizeof(*ours));
}

/* Its real and effective user stay, so that the user whose files it opens may not signal it. */
static int become(const struct credentials *credentials)
{
	uid_t uid = credentials->uids[3];
	gid_t gid = credentials->gids[3];

	if (capability__keep(CAPABILITY_BIT(CAP_SETUID) | CAPABILITY_BIT(CAP_SETGID)))
		return -EPERM;
	if (setgroups(credentials->n_groups, credentials->groups) && !has_groups(credentials))
		return -EPERM;
	setfsgid(gid);
	setfsuid(uid);
	/* They tell what was before, never that they have failed; -1 changes nothing. */
	if ((gid_t)setfsgid(-1) != gid || (uid_t)setfsuid(-1) != uid)
		return -EPERM;
	return capability__keep(0);
}

static bool is_whole(const struct opener_request *request, ssize_t len)
{
	return len == sizeof(*request) && request->n <= OPENER_PATHS_MAX &&
	       request->credentials.n_groups <= GROUPS_MAX;
}

static int answer(int socket, int32_t err, int fd)
{
	return channel__send(socket, &err, sizeof(err), fd, clock__boot_ns() + OPENER_ANSWER_NS);
}

void opener__main(int socket)
{
	struct opener_request *request = calloc(1, sizeof(*request));
	int root = -1, err;
	ssize_t len;

	prctl(PR_SET_NAME, "memprov-open");
	if (!request)
		_exit(1);
	len = channel__receive(socket, request, sizeof(*request), &root,
			       clock__boot_ns() + OPENER_ANSWER_NS);
	if (!is_whole(request, len) || root < 0)
		_exit(1);
	err = become(&request->credentials);
	for (size_t i = 0; i < request->n; i++) {
		const struct opener_path *path = &request->paths[i];
		_cleanup_close_ int fd = -1;

		fd = err ?: open__below(root, path->text, path->point, NULL);
		if (answer(socket, fd < 0 ? fd : 0, fd))
			break;
	}
	_exit(0);
}
