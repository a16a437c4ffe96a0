// SPDX-License-Identifier: BSD-2-Clause
#include "serve/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proc/cgroup.h"
#include "proc/container.h"
#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/fnv.h"
#include "util/clock.h"
#include "util/hash.h"

#define CGROUPS_MAX 16384
#define DEPTH_MAX   16
#define TEXT_MAX    65536
#define REST	    20		 /* times as long as the list took, until it is made again */
#define CONTAINERS  (1ULL << 62) /* users have 32 bits, addresses the bit above */

struct known {
	UT_hash_handle hh; /* by cgroup */
	uint64_t cgroup;
	uint64_t source; /* 0: of its user */
};

struct sources {
	pthread_mutex_t lock;
	struct known *known;
	uint64_t listed_ns; /* when, and how long it took */
	uint64_t took_ns;
};

struct sources *sources__new(void)
{
	struct sources *sources = calloc(1, sizeof(*sources));

	if (sources)
		pthread_mutex_init(&sources->lock, NULL);
	return sources;
}

static void forget(struct sources *sources)
{
	while (sources->known) {
		struct known *known = sources->known;

		HASH_DEL(sources->known, known);
		free(known);
	}
}

void sources__free(struct sources *sources)
{
	if (!sources)
		return;
	forget(sources);
	pthread_mutex_destroy(&sources->lock);
	free(sources);
}

static uint64_t number_of(const struct container *container)
{
	if (container->delegated || !container->id[0])
		return 0;
	return CONTAINERS | fnv__bytes(container->id, strlen(container->id)) >> 2;
}

static bool add(struct sources *sources, uint64_t cgroup, const char *path)
{
	struct container container;
	struct known *known;

	if (HASH_COUNT(sources->known) >= CGROUPS_MAX)
		return false;
	known = calloc(1, sizeof(*known));
	if (!known)
		return false;
	known->cgroup = cgroup;
	if (!container__parse(path, strlen(path), &container))
		known->source = number_of(&container);
	HASH_ADD(hh, sources->known, cgroup, sizeof(known->cgroup), known);
	if (!HASH_HAS(known)) {
		free(known);
		return false;
	}
	return true;
}

/* Takes dirfd; path is of the directory, with room for more. */
static void list(struct sources *sources, int dirfd, char path[PATH_MAX], unsigned depth)
{
	_cleanup_dir_ DIR *dir = fdopendir(dirfd);
	size_t len = strlen(path);
	struct dirent *entry;

	if (!dir)
		close(dirfd);
	while (dir && (entry = readdir(dir))) {
		int fd;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    len + 1 + strlen(entry->d_name) >= PATH_MAX)
			continue;
		snprintf(path + len, PATH_MAX - len, "/%s", entry->d_name);
		if (!add(sources, entry->d_ino, path))
			break;
		fd = depth < DEPTH_MAX ? openat(dirfd, entry->d_name,
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				       : -1;
		if (fd >= 0)
			list(sources, fd, path, depth + 1);
	}
	path[len] = '\0';
}

/* The lock is held. */
static void list_all(struct sources *sources, int dirfd)
{
	uint64_t began = clock__boot_ns();
	char path[PATH_MAX] = "/";
	struct stat st;

	forget(sources);
	if (!fstat(dirfd, &st))
		add(sources, st.st_ino, path);
	path[0] = '\0';
	list(sources, dirfd, path, 0);
	sources->listed_ns = clock__boot_ns();
	sources->took_ns = sources->listed_ns - began;
}

void sources__list(struct sources *sources, int dirfd)
{
	pthread_mutex_lock(&sources->lock);
	list_all(sources, dirfd);
	pthread_mutex_unlock(&sources->lock);
}

static struct known *find(struct sources *sources, uint64_t cgroup)
{
	struct known *known;

	HASH_FIND(hh, sources->known, &cgroup, sizeof(cgroup), known);
	return known;
}

static uint64_t by_cgroup(struct sources *sources, uint64_t cgroup)
{
	static const struct cgroup root = {.path = "/"};
	uint64_t now = clock__boot_ns(), source;
	struct known *known;
	int fd;

	pthread_mutex_lock(&sources->lock);
	known = find(sources, cgroup);
	if (!known && now - sources->listed_ns >= sources->took_ns * REST) {
		fd = cgroup__open(&root);
		if (fd >= 0)
			list_all(sources, fd);
		known = find(sources, cgroup);
	}
	source = known ? known->source : 0;
	pthread_mutex_unlock(&sources->lock);
	return source;
}

static uint64_t by_process(int process)
{
	_cleanup_buf_ struct buf text = {};
	struct container container;

	if (procfs__read(process, "cgroup", TEXT_MAX, &text) ||
	    container__find(text.data ?: "", text.len, &container))
		return 0;
	return number_of(&container);
}

uint64_t sources__of(struct sources *sources, const struct peer *peer)
{
	uint64_t source = 0;

	if (peer->process >= 0)
		source = by_process(peer->process);
	else if (peer->cgroup)
		source = by_cgroup(sources, peer->cgroup);
	return source ?: peer->uid;
}
