// SPDX-License-Identifier: BSD-2-Clause
#include "report/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/directories.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* Other files and shared memory are named one by one when they are more than this share of RSS, and
 * the directories of those that are less when they are together. */
#define LARGE_FILE_SHARE 10

/* Rows are kept by category and name. */
struct row {
	UT_hash_handle hh;
	enum category category;
	uint64_t rss;
	uint64_t size;
	uint64_t regions;
	char *key; /* the category in front of the name */
	const char *name;
};

struct summary {
	struct report sums; /* only its figures */
	struct row *rows;
};

struct summary *summary__new(void)
{
	return calloc(1, sizeof(struct summary));
}

void summary__free(struct summary *summary)
{
	struct row *row, *next;

	if (!summary)
		return;
	HASH_ITER (hh, summary->rows, row, next) {
		HASH_DEL(summary->rows, row);
		free(row->key);
		free(row);
	}
	free(summary);
}

static int add_to_row(struct summary *summary, enum category category, const char *name,
		      const struct part *part)
{
	_cleanup_free_ char *key = NULL;
	struct row *row;
	int len = asprintf(&key, "%c%s", 'a' + category, name);

	if (len < 0) {
		key = NULL;
		return -ENOMEM;
	}
	HASH_FIND(hh, summary->rows, key, len, row);
	if (!row) {
		row = calloc(1, sizeof(*row));
		if (!row)
			return -ENOMEM;
		row->category = category;
		row->key = take_ptr(key);
		row->name = row->key + 1;
		HASH_ADD_KEYPTR(hh, summary->rows, row->key, len, row);
		if (!HASH_HAS(row)) {
			free(row->key);
			free(row);
			return -ENOMEM;
		}
	}
	row->rss += part->rss;
	row->size += part->end - part->start;
	row->regions++;
	return 0;
}

int summary__add(struct summary *summary, const struct part *part, const char *binary)
{
	summary->sums.by_category[part->category] += part->rss;
	summary->sums.by_coverage[part->coverage] += part->rss;
	switch (part->category) {
	case CATEGORY_NAMED:
		return add_to_row(summary, part->category, part->given_name, part);
	case CATEGORY_BINARY:
		return add_to_row(summary, part->category, binary, part);
	case CATEGORY_OTHER_FILE:
	case CATEGORY_SHARED_MEMORY:
		return add_to_row(summary, part->category, part->name ? part->name : "", part);
	default:
		return 0;
	}
}

void summary__add_totals(struct summary *summary, const struct totals *totals)
{
	summary->sums.totals.size += totals->size;
	summary->sums.totals.rss += totals->rss;
	summary->sums.totals.pss += totals->pss;
	summary->sums.totals.swap += totals->swap;
	page_kinds__add(&summary->sums.totals.kinds, &totals->kinds);
}

static int larger_row(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	if (x->rss != y->rss)
		return x->rss < y->rss ? 1 : -1;
	return strcmp(x->key, y->key); /* so that equal rows do not change places */
}

static int fill_named(struct report *report, struct row *const *rows, size_t n)
{
	report->named = arena__alloc(report->strings, n * sizeof(*report->named));
	report->n_named = 0;
	if (!report->named)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct named_row *named = &report->named[report->n_named];

		if (rows[i]->category != CATEGORY_NAMED)
			continue;
		named->name = arena__strdup(report->strings, rows[i]->name);
		named->rss = rows[i]->rss;
		named->size = rows[i]->size;
		named->regions = rows[i]->regions;
		if (!named->name)
			return -ENOMEM;
		report->n_named++;
	}
	return 0;
}

static int add_file_row(struct report *report, const char *kind, const char *name, uint64_t rss)
{
	struct file_row *row = &report->files[report->n_files];

	if (!rss)
		return 0;
	row->name = name ? arena__printf(report->strings, "%s %s", kind, name) : kind;
	row->rss = rss;
	if (!row->name)
		return -ENOMEM;
	report->n_files++;
	return 0;
}

static void free_directories(struct directories **directories)
{
	directories__free(*directories);
}

/* "Other Files /var/lib/x/ (150 files)". What they have goes off the rest. */
static int add_directories(struct report *report, const char *kind, struct directories *directories,
			   uint64_t *rest)
{
	const struct directory *found;
	size_t n;
	int err = directories__find(directories, report->totals.rss / LARGE_FILE_SHARE, &found, &n);

	for (size_t i = 0; !err && i < n; i++) {
		const char *name = arena__printf(report->strings, "%.*s (%" PRIu64 " files)",
						 (int)found[i].len, found[i].name, found[i].files);

		err = name ? add_file_row(report, kind, name, found[i].rss) : -ENOMEM;
		*rest -= found[i].rss;
	}
	return err;
}

/* A row for each large file of the category, then for directories of small ones, then one for all
 * the others. */
static int add_files(struct report *report, const char *kind, enum category category,
		     struct row *const *rows, size_t n)
{
	_cleanup_(free_directories) struct directories *directories = directories__new();
	uint64_t rest = report->by_category[category];
	int err = directories ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < n; i++) {
		if (rows[i]->category != category || !rows[i]->rss)
			continue;
		if (rows[i]->rss <= report->totals.rss / LARGE_FILE_SHARE) {
			err = directories__add(directories, category, rows[i]->name, rows[i]->rss);
			continue;
		}
		err = add_file_row(report, kind, rows[i]->name, rows[i]->rss);
		rest -= rows[i]->rss;
	}
	if (!err)
		err = add_directories(report, kind, directories, &rest);
	return err ? err : add_file_row(report, kind, NULL, rest);
}

static int add_binaries(struct report *report, struct row *const *rows, size_t n)
{
	int err = 0;

	/* A process has one; a node's are too many to name. */
	if (!report->pid)
		return add_file_row(report, "Binaries", NULL, report->by_category[CATEGORY_BINARY]);
	for (size_t i = 0; !err && i < n; i++) {
		if (rows[i]->category == CATEGORY_BINARY)
			err = add_file_row(report, "Binary", rows[i]->name, rows[i]->rss);
	}
	return err;
}

/* At most nine files or directories of each kind are more than a tenth. */
#define MAX_FILE_ROWS (2 + 2 * LARGE_FILE_SHARE)

static int fill_files(struct report *report, struct row *const *rows, size_t n)
{
	int err;

	report->n_files = 0;
	report->files = arena__alloc(report->strings, (n + MAX_FILE_ROWS) * sizeof(*report->files));
	if (!report->files)
		return -ENOMEM;
	err = add_file_row(report, "Shared Libraries", NULL, report->by_category[CATEGORY_LIBRARY]);
	if (!err)
		err = add_binaries(report, rows, n);
	if (!err)
		err = add_files(report, "Other Files", CATEGORY_OTHER_FILE, rows, n);
	if (!err)
		err = add_files(report, "Shared Memory", CATEGORY_SHARED_MEMORY, rows, n);
	return err;
}

int summary__fill(const struct summary *summary, struct report *report)
{
	size_t n = 0, count = HASH_COUNT(summary->rows);
	_cleanup_free_ struct row **rows = calloc(count + 1, sizeof(*rows));
	struct row *row, *next;
	int err;

	if (!rows)
		return -ENOMEM;
	HASH_ITER (hh, summary->rows, row, next)
		rows[n++] = row;
	qsort(rows, n, sizeof(*rows), larger_row);

	report->totals = summary->sums.totals;
	memcpy(report->by_category, summary->sums.by_category, sizeof(report->by_category));
	memcpy(report->by_coverage, summary->sums.by_coverage, sizeof(report->by_coverage));
	err = fill_named(report, rows, n);
	return err ? err : fill_files(report, rows, n);
}
