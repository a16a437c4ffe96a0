// SPDX-License-Identifier: BSD-2-Clause
#include "report/directories.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "report/metrics.h"
#include "util/arena.h"
#include "util/array.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define MEMFD	"/memfd:"
#define SYSV	"/SYSV"
#define DELETED " (deleted)"

struct file {
	const char *name;
	size_t fixed; /* where its only directory ends that no slash does; 0: it has a path */
	uint64_t rss;
};

struct directories {
	struct arena *strings;
	struct file *files;
	size_t n_files;
	size_t files_cap;
	struct directory *open; /* of the file before, each in the one before it */
	size_t n_open;
	size_t open_cap;
	struct directory *found;
	size_t n_found;
	size_t found_cap;
};

struct directories *directories__new(void)
{
	struct directories *directories = calloc(1, sizeof(*directories));

	if (!directories)
		return NULL;
	directories->strings = arena__new();
	if (!directories->strings) {
		free(directories);
		return NULL;
	}
	return directories;
}

void directories__free(struct directories *directories)
{
	if (!directories)
		return;
	arena__free(directories->strings);
	free(directories->files);
	free(directories->open);
	free(directories->found);
	free(directories);
}

/* "/memfd:pool-17 (deleted)" → "/memfd:pool-N"; NULL when out of memory. */
static const char *collapse_memfd(struct arena *strings, const char *name)
{
	_cleanup_buf_ struct buf collapsed = {};
	size_t len = strlen(name);

	if (len >= strlen(MEMFD DELETED) && !strcmp(name + len - strlen(DELETED), DELETED))
		len -= strlen(DELETED);
	name = arena__printf(strings, "%.*s", (int)(len - strlen(MEMFD)), name + strlen(MEMFD));
	buf__puts(&collapsed, MEMFD);
	if (name)
		metrics__collapse_name(name, &collapsed);
	return name && !buf__error(&collapsed) ? arena__strdup(strings, collapsed.data) : NULL;
}

int directories__add(struct directories *directories, enum category category, const char *name,
		     uint64_t rss)
{
	struct file file = {.name = name, .rss = rss};
	int err;

	/* A file on a disk may be called so, too. */
	if (category == CATEGORY_SHARED_MEMORY && !strncmp(name, MEMFD, strlen(MEMFD))) {
		file.name = collapse_memfd(directories->strings, name);
		file.fixed = strlen(MEMFD);
	} else if (category == CATEGORY_SHARED_MEMORY && !strncmp(name, SYSV, strlen(SYSV))) {
		file.name = SYSV;
		file.fixed = strlen(SYSV);
	}
	if (!file.name)
		return -ENOMEM;
	err = array__grow(&directories->files, &directories->files_cap, directories->n_files,
			  sizeof(file));
	if (!err)
		directories->files[directories->n_files++] = file;
	return err;
}

/* Where the next directory ends, behind one that ends at `from`; 0: there is none. Without a slash
 * at its end it has the terminator, so that "/memfd:x" is not the beginning of "/memfd:xy". */
static size_t next_end(const struct file *file, size_t from)
{
	const char *slash;

	if (file->fixed) {
		size_t len = strlen(file->name);

		return from < file->fixed ? file->fixed : from <= len ? len + 1 : 0;
	}
	if (*file->name != '/')
		return 0;
	slash = strchr(file->name + (from ?: 1), '/');
	return slash ? slash + 1 - file->name : 0;
}

/* With the terminator, if they are equal. */
static size_t common_length(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n + (a[n] == b[n]);
}

/* What is left of a directory when its last file has been: a row, or its parent's. */
static int close_directory(struct directories *directories, uint64_t limit)
{
	struct directory *closed = &directories->open[--directories->n_open];
	int err;

	if (closed->rss <= limit) {
		if (directories->n_open) {
			closed[-1].rss += closed->rss;
			closed[-1].files += closed->files;
		}
		return 0;
	}
	err = array__grow(&directories->found, &directories->found_cap, directories->n_found,
			  sizeof(*closed));
	if (!err)
		directories->found[directories->n_found++] = *closed;
	return err;
}

static int close_until(struct directories *directories, size_t common, uint64_t limit)
{
	int err = 0;

	while (!err && directories->n_open &&
	       directories->open[directories->n_open - 1].len > common)
		err = close_directory(directories, limit);
	return err;
}

static int open_all(struct directories *directories, const struct file *file)
{
	size_t end = directories->n_open ? directories->open[directories->n_open - 1].len : 0;
	int err = 0;

	while (!err && (end = next_end(file, end))) {
		err = array__grow(&directories->open, &directories->open_cap, directories->n_open,
				  sizeof(*directories->open));
		if (!err)
			directories->open[directories->n_open++] =
				(struct directory){.name = file->name, .len = end};
	}
	if (!err && directories->n_open) {
		directories->open[directories->n_open - 1].rss += file->rss;
		directories->open[directories->n_open - 1].files++;
	}
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int by_directory(const void *a, const void *b)
{
	const struct directory *x = a, *y = b;
	int order = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

int directories__find(struct directories *directories, uint64_t limit, const struct directory **ret,
		      size_t *ret_n)
{
	struct file *files = directories->files;
	int err = 0;

	directories->n_found = 0;
	if (directories->n_files)
		qsort(files, directories->n_files, sizeof(*files), by_name);
	for (size_t i = 0; !err && i < directories->n_files; i++) {
		if (i)
			err = close_until(directories,
					  common_length(files[i - 1].name, files[i].name), limit);
		if (!err)
			err = open_all(directories, &files[i]);
	}
	if (!err)
		err = close_until(directories, 0, limit);
	if (err)
		return err;
	if (directories->n_found)
		qsort(directories->found, directories->n_found, sizeof(*directories->found),
		      by_directory);
	*ret = directories->found;
	*ret_n = directories->n_found;
	return 0;
}
