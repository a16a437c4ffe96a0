// SPDX-License-Identifier: BSD-2-Clause
#include "proc/children.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "proc/memory.h"
#include "proc/procfs.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/number.h"

#define MAX_FAMILY   4096
#define CHILDREN_MAX (1 << 20)

int proc_children__next(const char **pos, const char *end, pid_t *ret)
{
	const char *p = *pos;
	uint64_t pid;

	while (p < end && (*p == ' ' || *p == '\n'))
		p++;
	if (p == end)
		return -ENODATA;
	if (number__scan(&p, end, 10, &pid) || !pid || pid > INT_MAX)
		return -EBADMSG;
	*pos = p;
	*ret = pid;
	return 0;
}

struct search {
	pid_t *found;
	size_t n;
};

static void add(struct search *search, pid_t pid)
{
	if (search->n < MAX_FAMILY)
		search->found[search->n++] = pid;
}

/* Each thread has the list of those that it started itself. */
static void add_children(struct search *search, int pidfd)
{
	_cleanup_dir_ DIR *tasks = procfs__open_tasks(pidfd);
	char path[NAME_MAX + sizeof("/children")];
	struct dirent *entry;
	pid_t pid;

	while (tasks && (entry = readdir(tasks))) {
		_cleanup_buf_ struct buf text = {};
		const char *pos;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/children", entry->d_name);
		if (procfs__read(dirfd(tasks), path, CHILDREN_MAX, &text))
			continue;
		pos = text.data;
		while (text.len && !proc_children__next(&pos, text.data + text.len, &pid))
			add(search, pid);
	}
}

struct proc_family procfs__family(const char *proc, pid_t pid)
{
	_cleanup_free_ pid_t *found = calloc(MAX_FAMILY, sizeof(*found));
	struct search search = {.found = found};
	struct proc_family family = {};
	struct proc_memory memory;

	if (!found)
		return family;
	for (size_t next = 0;; next++) {
		_cleanup_close_ int pidfd = procfs__open(proc, next ? found[next - 1] : pid);

		if (pidfd >= 0) {
			add_children(&search, pidfd);
			if (next && !procfs__memory(pidfd, &memory)) {
				family.n++;
				family.rss += memory.rss;
			}
		}
		if (next == search.n)
			return family;
	}
}
