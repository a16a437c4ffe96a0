// SPDX-License-Identifier: BSD-2-Clause
#include "proc/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/cgroup.h"
#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/number.h"

#define PROCS_MAX (1 << 20) /* bytes of one cgroup.procs */

struct walk {
	void (*visit)(struct walk *walk, int dirfd);
	cgroup_tree_fn *visit_cgroup;
	void (*visit_process)(pid_t pid, void *ctx);
	void *ctx;
	char path[PATH_MAX];
};

static void walk(struct walk *w, int dirfd, unsigned depth);

/* Only directories of a cgroup are cgroups. */
static void walk_below(struct walk *w, int dirfd, const char *name, unsigned depth)
{
	_cleanup_close_ int below = -1;
	size_t len = strlen(w->path), end = len == 1 ? 0 : len;

	if (end + 1 + strlen(name) >= sizeof(w->path))
		return;
	below = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return;
	snprintf(w->path + end, sizeof(w->path) - end, "/%s", name);
	walk(w, below, depth + 1);
	w->path[len] = '\0';
}

static void walk(struct walk *w, int dirfd, unsigned depth)
{
	int again = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;

	w->visit(w, dirfd);
	if (!dir && again >= 0)
		close(again);
	while (dir && depth < CGROUP_TREE_DEPTH && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			walk_below(w, dirfd, entry->d_name, depth);
	}
	if (dir)
		closedir(dir);
}

/* --- cgroups ------------------------------------------------------------------------------- */

static void visit_cgroup(struct walk *w, int dirfd)
{
	w->visit_cgroup(w->path, dirfd, w->ctx);
}

int cgroup_tree__each(cgroup_tree_fn *visit, void *ctx, bool *ret_v1)
{
	struct walk w = {.visit = visit_cgroup, .visit_cgroup = visit, .ctx = ctx, .path = "/"};
	struct cgroup root = {.path = "/", .v1 = true};
	_cleanup_close_ int dirfd = cgroup__open(&root);

	if (dirfd < 0) {
		root.v1 = false;
		dirfd = cgroup__open(&root);
	}
	if (dirfd < 0)
		return dirfd;
	*ret_v1 = root.v1;
	walk(&w, dirfd, 0);
	return 0;
}

/* --- processes ----------------------------------------------------------------------------- */

static void visit_processes(struct walk *w, int dirfd)
{
	_cleanup_buf_ struct buf text = {};
	const char *pos, *end;
	uint64_t pid;

	if (procfs__read(dirfd, "cgroup.procs", PROCS_MAX, &text))
		return;
	pos = text.data ?: "";
	end = pos + text.len;
	while (!number__scan(&pos, end, 10, &pid) && pos < end && *pos++ == '\n') {
		/* 0: of another PID namespace. */
		if (pid && pid <= INT_MAX)
			w->visit_process(pid, w->ctx);
	}
}

void cgroup_tree__each_process(int dirfd, void (*visit)(pid_t pid, void *ctx), void *ctx)
{
	struct walk w = {.visit = visit_processes, .visit_process = visit, .ctx = ctx, .path = "/"};

	walk(&w, dirfd, 0);
}
