// SPDX-License-Identifier: BSD-2-Clause
#include "proc/files.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/open.h"
#include "util/cleanup.h"
#include "util/fnv.h"
#include "util/hash.h"

#define CACHE_MAX 4096
#define HEAD_SIZE (64 << 10)

/* No padding: the key is hashed and compared as bytes. */
struct file_key {
	uint64_t inode;
	uint64_t path_hash;
	uint32_t major;
	uint32_t minor;
};

_Static_assert(sizeof(struct file_key) == 24, "no padding");

struct file_entry {
	struct file_key key;
	enum file_is is;
	UT_hash_handle hh;
};

/* uthash keeps the order in which entries came, so the first is the oldest. */
struct file_cache {
	pthread_mutex_t lock;
	struct file_entry *entries;
};

struct file_cache *file_cache__new(void)
{
	struct file_cache *cache = calloc(1, sizeof(*cache));

	if (cache)
		pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static void file_cache__drop(struct file_cache *cache, struct file_entry *entry)
{
	HASH_DEL(cache->entries, entry);
	free(entry);
}

void file_cache__free(struct file_cache *cache)
{
	if (!cache)
		return;
	while (cache->entries)
		file_cache__drop(cache, cache->entries);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static enum file_is file_cache__get(struct file_cache *cache, const struct file_key *key)
{
	enum file_is is = FILE_IS_UNKNOWN;
	struct file_entry *entry;

	pthread_mutex_lock(&cache->lock);
	HASH_FIND(hh, cache->entries, key, sizeof(*key), entry);
	if (entry)
		is = entry->is;
	pthread_mutex_unlock(&cache->lock);
	return is;
}

/* Out of memory, the file is only looked at again. */
static void file_cache__put(struct file_cache *cache, const struct file_key *key, enum file_is is)
{
	struct file_entry *entry, *other;

	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return;
	entry->key = *key;
	entry->is = is;
	pthread_mutex_lock(&cache->lock);
	/* Another thread may have looked at the same file meanwhile. */
	HASH_FIND(hh, cache->entries, key, sizeof(*key), other);
	if (other)
		file_cache__drop(cache, other);
	else if (HASH_COUNT(cache->entries) >= CACHE_MAX)
		file_cache__drop(cache, cache->entries);
	HASH_ADD(hh, cache->entries, key, sizeof(entry->key), entry);
	if (!HASH_HAS(entry))
		free(entry);
	pthread_mutex_unlock(&cache->lock);
}

/* --- looking ------------------------------------------------------------------------------- */

static enum file_is read_head(int fd)
{
	_cleanup_free_ char *head = malloc(HEAD_SIZE);
	size_t len = 0;
	ssize_t n;

	if (!head)
		return FILE_IS_UNKNOWN;
	while (len < HEAD_SIZE) {
		n = pread(fd, head + len, HEAD_SIZE - len, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return FILE_IS_UNKNOWN;
		if (!n)
			break;
		len += n;
	}
	return file__classify(head, len);
}

static enum file_is look(int pidfd, struct mounts *mounts, const struct vma *vma, const char *path)
{
	_cleanup_close_ int fd = -1;

	if (mounts__need(mounts, pidfd))
		return FILE_IS_UNKNOWN;
	fd = open__mapped(pidfd, mounts, vma, path, NULL);
	if (fd == -EMEDIUMTYPE)
		return FILE_IS_DATA;
	return fd < 0 ? FILE_IS_UNKNOWN : read_head(fd);
}

enum file_is file_cache__look(struct file_cache *cache, int pidfd, struct mounts *mounts,
			      const struct vma_set *set, const struct vma *vma)
{
	const char *path = vma_set__name(set, vma);
	struct file_key key = {
		.inode = vma->inode,
		.path_hash = fnv__bytes(path, strlen(path)),
		.major = vma->major,
		.minor = vma->minor,
	};
	enum file_is is;

	if (vma->kind != VMA_FILE && vma->kind != VMA_MEMFD && vma->kind != VMA_DEV_SHM)
		return FILE_IS_DATA;
	is = file_cache__get(cache, &key);
	if (is != FILE_IS_UNKNOWN)
		return is;
	is = look(pidfd, mounts, vma, path);
	if (is != FILE_IS_UNKNOWN)
		file_cache__put(cache, &key, is);
	return is;
}
