// SPDX-License-Identifier: BSD-2-Clause
#include "proc/pod_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define SUFFIX ".log"

/* Where a directory cannot be watched (it is not there, inotify's limits), it is read again now and
 * then. */
#define LOOK_AGAIN_NS NSEC_PER_SEC

enum { PODS, CONTAINERS, DIRECTORIES };

static const char *const directories[] = {[PODS] = "pods", [CONTAINERS] = "containers"};

struct pod_log {
	const char *key; /* the pod's UID, or the container's id */
	size_t key_len;
	const struct pod_names *names;
};

struct pod_log_list {
	struct pod_log *rows; /* sorted by key */
	size_t n, cap;
};

struct pod_logs {
	const char *dir;
	pthread_mutex_t lock; /* of all below */
	int inotify;
	int watches[DIRECTORIES]; /* -1: not watched */
	uint64_t read_ns;	  /* CLOCK_BOOTTIME; 0: never */
	struct arena *arena;
	struct pod_log_list lists[DIRECTORIES];
};

/* --- pure ---------------------------------------------------------------------------------- */

/* A DNS label, or with dots a subdomain (RFC 1123): what Kubernetes takes for names. */
static bool copy_name(const char *s, size_t len, bool dots, char *ret, size_t max)
{
	if (!len || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool edge = i == 0 || i == len - 1;

		if ((s[i] < 'a' || s[i] > 'z') && (s[i] < '0' || s[i] > '9') &&
		    (edge || (s[i] != '-' && (s[i] != '.' || !dots))))
			return false;
	}
	memcpy(ret, s, len);
	ret[len] = '\0';
	return true;
}

bool pod_log__parse_dir(const char *name, size_t len, struct pod_names *ret)
{
	const char *end = name + len, *pod, *uid;
	struct pod_names names = {};

	pod = memchr(name, '_', len);
	uid = pod ? memchr(pod + 1, '_', end - pod - 1) : NULL;
	if (!uid || !copy_name(name, pod - name, false, names.namespace, POD_NAMESPACE_MAX) ||
	    !copy_name(pod + 1, uid - pod - 1, true, names.pod, POD_NAME_MAX) ||
	    memchr(uid + 1, '_', end - uid - 1) ||
	    !container__copy_uid(uid + 1, end - uid - 1, names.uid))
		return false;
	*ret = names;
	return true;
}

bool pod_names__parse(const char *text, struct pod_names *ret)
{
	const char *slash = strchr(text, '/');
	struct pod_names names = {};

	if (!slash || !copy_name(text, slash - text, false, names.namespace, POD_NAMESPACE_MAX) ||
	    !copy_name(slash + 1, strlen(slash + 1), true, names.pod, POD_NAME_MAX))
		return false;
	*ret = names;
	return true;
}

/* The name that stands between the slash before *end and *end, which moves there. */
static size_t last_name(const char *path, const char **end, const char **ret)
{
	const char *name = *end, *stop = *end;

	while (name > path && name[-1] != '/')
		name--;
	*ret = name;
	*end = name > path ? name - 1 : path;
	return stop - name;
}

bool pod_log__parse_link(const char *name, const char *target, struct pod_names *ret,
			 char id[CONTAINER_ID_LEN + 1])
{
	const char *end = target + strlen(target), *dir, *container, *file;
	size_t len = strlen(name), dir_len, container_len, n;
	char expected[POD_NAME_MAX + 2 * POD_NAMESPACE_MAX + 4];
	struct pod_names names;

	last_name(target, &end, &file);
	container_len = last_name(target, &end, &container);
	dir_len = last_name(target, &end, &dir);
	if (!pod_log__parse_dir(dir, dir_len, &names) ||
	    !copy_name(container, container_len, false, names.container, POD_NAMESPACE_MAX))
		return false;
	n = snprintf(expected, sizeof(expected), "%s_%s_%s-", names.pod, names.namespace,
		     names.container);
	if (len < n + CONTAINER_ID_MIN + strlen(SUFFIX) || memcmp(name, expected, n) ||
	    strcmp(name + len - strlen(SUFFIX), SUFFIX))
		return false;
	name += n;
	n = len - n - strlen(SUFFIX);
	/* It is cut only where the whole would not fit. */
	if (!container__is_id(name, n) || (n < CONTAINER_ID_LEN && len != NAME_MAX))
		return false;
	memcpy(id, name, n);
	id[n] = '\0';
	*ret = names;
	return true;
}

/* --- reading ------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	const struct pod_log *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int add(struct pod_logs *logs, int which, const char *key, const struct pod_names *names)
{
	struct pod_log_list *list = &logs->lists[which];
	struct pod_names *copy = arena__alloc(logs->arena, sizeof(*copy));
	char *text = arena__strdup(logs->arena, key);

	if (!copy || !text)
		return -ENOMEM;
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		struct pod_log *rows = reallocarray(list->rows, cap, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		list->rows = rows;
		list->cap = cap;
	}
	*copy = *names;
	list->rows[list->n++] = (struct pod_log){text, strlen(text), copy};
	return 0;
}

static int add_entry(struct pod_logs *logs, int which, int dirfd, const char *name)
{
	char target[PATH_MAX], id[CONTAINER_ID_LEN + 1];
	struct pod_names names;
	ssize_t n;

	if (which == PODS)
		return pod_log__parse_dir(name, strlen(name), &names)
			       ? add(logs, which, names.uid, &names)
			       : 0;
	n = readlinkat(dirfd, name, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	return pod_log__parse_link(name, target, &names, id) ? add(logs, which, id, &names) : 0;
}

static void open_path(const struct pod_logs *logs, int which, char ret[PATH_MAX])
{
	if (snprintf(ret, PATH_MAX, "%s/%s", logs->dir, directories[which]) >= PATH_MAX)
		ret[0] = '\0';
}

static int read_directory(struct pod_logs *logs, int which)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[PATH_MAX];
	int err = 0;

	open_path(logs, which, path);
	dir = opendir(path);
	logs->lists[which].n = 0;
	while (dir && !err && logs->lists[which].n < POD_LOGS_MAX && (entry = readdir(dir)))
		err = add_entry(logs, which, dirfd(dir), entry->d_name);
	if (logs->lists[which].n)
		qsort(logs->lists[which].rows, logs->lists[which].n, sizeof(struct pod_log),
		      by_key);
	return err;
}

/* True when something has changed, or may have. */
static bool has_changed(struct pod_logs *logs)
{
	_Alignas(struct inotify_event) char events[4096];
	bool changed = !logs->read_ns;
	ssize_t n, at;

	while (logs->inotify >= 0 && (n = read(logs->inotify, events, sizeof(events))) > 0) {
		changed = true;
		for (at = 0; at < n;) {
			const struct inotify_event *event = (void *)(events + at);

			for (int i = 0; i < DIRECTORIES; i++) {
				if (event->wd != logs->watches[i] ||
				    !(event->mask & (IN_IGNORED | IN_MOVE_SELF)))
					continue;
				/* Another may come in its place. */
				inotify_rm_watch(logs->inotify, logs->watches[i]);
				logs->watches[i] = -1;
			}
			at += sizeof(*event) + event->len;
		}
	}
	for (int i = 0; i < DIRECTORIES; i++) {
		if (logs->watches[i] < 0)
			changed |= clock__boot_ns() - logs->read_ns > LOOK_AGAIN_NS;
	}
	return changed;
}

static void watch(struct pod_logs *logs, int which)
{
	char path[PATH_MAX];

	if (logs->inotify < 0 || logs->watches[which] >= 0)
		return;
	open_path(logs, which, path);
	logs->watches[which] = inotify_add_watch(
		logs->inotify, path,
		IN_ONLYDIR | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF);
}

static void refresh(struct pod_logs *logs)
{
	int err = 0;

	if (!has_changed(logs))
		return;
	/* Before they are read, so that nothing is missed in between. */
	for (int i = 0; i < DIRECTORIES; i++)
		watch(logs, i);
	arena__free(logs->arena);
	logs->arena = arena__new();
	for (int i = 0; i < DIRECTORIES; i++)
		logs->lists[i].n = 0;
	for (int i = 0; logs->arena && !err && i < DIRECTORIES; i++)
		err = read_directory(logs, i);
	/* Without memory, what was read is true, and the rest comes next time. */
	logs->read_ns = logs->arena && !err ? clock__boot_ns() : 0;
}

int pod_logs__new(const char *dir, struct pod_logs **ret)
{
	struct pod_logs *logs = calloc(1, sizeof(*logs));

	if (!logs)
		return -ENOMEM;
	logs->dir = dir;
	logs->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (int i = 0; i < DIRECTORIES; i++)
		logs->watches[i] = -1;
	pthread_mutex_init(&logs->lock, NULL);
	*ret = logs;
	return 0;
}

void pod_logs__free(struct pod_logs *logs)
{
	if (!logs)
		return;
	if (logs->inotify >= 0)
		close(logs->inotify);
	arena__free(logs->arena);
	for (int i = 0; i < DIRECTORIES; i++)
		free(logs->lists[i].rows);
	pthread_mutex_destroy(&logs->lock);
	free(logs);
}

/* --- looking up ---------------------------------------------------------------------------- */

static const struct pod_names *find_pod(const struct pod_logs *logs, const char *uid)
{
	const struct pod_log_list *list = &logs->lists[PODS];
	struct pod_log key = {.key = uid}, *found;

	found = list->n ? bsearch(&key, list->rows, list->n, sizeof(key), by_key) : NULL;
	return found ? found->names : NULL;
}

/* Of those that were cut short, one that fits is the one only if no other fits. */
static const struct pod_names *find_container(const struct pod_logs *logs,
					      const struct container *container)
{
	const struct pod_log_list *list = &logs->lists[CONTAINERS];
	const struct pod_names *found = NULL;

	for (size_t i = 0; container->id[0] && i < list->n; i++) {
		const struct pod_log *row = &list->rows[i];
		bool same_pod = !strcmp(row->names->uid, container->pod_uid);

		if (strncmp(row->key, container->id, row->key_len))
			continue;
		if (row->key_len == CONTAINER_ID_LEN)
			return same_pod || !container->pod_uid[0] ? row->names : NULL;
		if (!same_pod)
			continue;
		if (found && strcmp(found->container, row->names->container))
			return NULL;
		found = row->names;
	}
	return found;
}

bool pod_logs__find(struct pod_logs *logs, const struct container *container, struct pod_names *ret)
{
	const struct pod_names *names, *pod;

	if (container->delegated)
		return false;
	pthread_mutex_lock(&logs->lock);
	refresh(logs);
	names = find_container(logs, container);
	pod = names || !container->pod_uid[0] ? NULL : find_pod(logs, container->pod_uid);
	if (names || pod)
		*ret = names ? *names : *pod;
	pthread_mutex_unlock(&logs->lock);
	return names || pod;
}
