// SPDX-License-Identifier: BSD-2-Clause
#include "proc/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "proc/mountinfo.h"
#include "proc/procfs.h"
#include "util/cleanup.h"

#define CACHE_MAX     4096
#define HEAD_SIZE     (64 << 10)
#define MOUNTINFO_MAX (4 << 20)

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
	/* How uthash says that it could not. */
	if (!entry->hh.tbl)
		free(entry);
	pthread_mutex_unlock(&cache->lock);
}

/* --- looking ------------------------------------------------------------------------------- */

/* File systems whose every answer, that to fstatfs(2) too, comes from a server or a daemon. */
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

/*
 * Whether the file can be asked about without waiting for someone: by the process's own list of
 * mounts, since any call upon the file itself may be the one that waits (NFS revalidates even for
 * O_PATH). What is mounted nowhere has been unmounted lazily, or is the kernel's own memfd.
 */
static bool is_local(int pidfd, const struct vma *vma)
{
	_cleanup_buf_ struct buf text = {};
	const char *pos, *end;
	struct mount mount;

	if (vma->kind == VMA_MEMFD)
		return true;
	if (procfs__read(pidfd, "mountinfo", MOUNTINFO_MAX, &text))
		return false;
	pos = text.data;
	end = pos + text.len;
	while (mountinfo__next(&pos, end, &mount) > 0) {
		if (mount.major == vma->major && mount.minor == vma->minor)
			return !is_remote(mount.type);
	}
	/* A disk of the host's below a container's overlay, say. */
	return vma->major != 0;
}

/* By the name, in the process's root; only when it is still the file that was mapped. */
static int open_by_path(int pidfd, const char *path, uint64_t inode)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int root = -1, fd = -1;
	struct stat st;

	root = openat(pidfd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_ino != inode)
		return -ESTALE;
	return take_fd(fd);
}

/* The very file that is mapped, without its name; needs CAP_CHECKPOINT_RESTORE. */
static int open_mapped(int pidfd, const struct vma *vma, const char *path)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, vma->start, vma->end);
	fd = openat(pidfd, link, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	/* Not there in the directory of a thread, which stands in for a leader that has exited. */
	if (errno != EPERM && errno != EACCES && errno != ENOENT)
		return -errno;
	return open_by_path(pidfd, path, vma->inode);
}

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

static enum file_is look(int pidfd, const struct vma *vma, const char *path)
{
	_cleanup_close_ int mapped = -1, fd = -1;
	char again[sizeof("/proc/self/fd/") + 12];
	struct stat st;

	if (!is_local(pidfd, vma))
		return FILE_IS_UNKNOWN;
	mapped = open_mapped(pidfd, vma, path);
	if (mapped < 0 || fstat(mapped, &st))
		return FILE_IS_UNKNOWN;
	if (!S_ISREG(st.st_mode))
		return FILE_IS_DATA;
	/* O_NONBLOCK: not to wait for whoever holds a lease on it. */
	snprintf(again, sizeof(again), "/proc/self/fd/%d", mapped);
	fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? FILE_IS_UNKNOWN : read_head(fd);
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

enum file_is file_cache__look(struct file_cache *cache, int pidfd, const struct vma_set *set,
			      const struct vma *vma)
{
	const char *path = vma_set__name(set, vma);
	struct file_key key = {
		.inode = vma->inode,
		.path_hash = hash_text(path),
		.major = vma->major,
		.minor = vma->minor,
	};
	enum file_is is;

	if (vma->kind != VMA_FILE && vma->kind != VMA_MEMFD && vma->kind != VMA_DEV_SHM)
		return FILE_IS_DATA;
	is = file_cache__get(cache, &key);
	if (is != FILE_IS_UNKNOWN)
		return is;
	is = look(pidfd, vma, path);
	if (is != FILE_IS_UNKNOWN)
		file_cache__put(cache, &key, is);
	return is;
}
