// SPDX-License-Identifier: BSD-2-Clause
/* Directories of many small files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/directories.h"
#include "util/cleanup.h"

#define FILES_MAX 12

struct expected {
	const char *name;
	uint64_t rss;
	uint64_t files;
};

struct row {
	const char *what;
	enum category category;
	uint64_t limit;
	const char *files[FILES_MAX]; /* of 10 bytes each */
	struct expected directories[4];
};

#define OTHER  CATEGORY_OTHER_FILE
#define SHARED CATEGORY_SHARED_MEMORY

static const struct row rows[] = {
	{"nothing", OTHER, 10, {NULL}, {}},
	{"one directory", OTHER, 19, {"/d/a", "/d/b", "/e/a"}, {{"/d/", 20, 2}}},
	{"no more than the limit", OTHER, 20, {"/d/a", "/d/b"}, {}},
	{"a file for each directory",
	 OTHER,
	 29,
	 {"/srv/db/3/seg", "/srv/db/1/seg", "/srv/db/2/seg", "/srv/x"},
	 {{"/srv/db/", 30, 3}}},
	{"what a deeper one has is not its parent's",
	 OTHER,
	 19,
	 {"/d/a/1", "/d/a/2", "/d/b/1", "/d/b/2", "/d/c", "/d/e", "/d/f/1"},
	 {{"/d/", 30, 3}, {"/d/a/", 20, 2}, {"/d/b/", 20, 2}}},
	{"all over the place", OTHER, 19, {"/a/x", "/b/x", "/c/x", "/x"}, {}},
	{"in the root", OTHER, 19, {"/a", "/b", "/c"}, {}},
	{"one name is the beginning of another",
	 OTHER,
	 19,
	 {"/ab/1", "/a/1", "/a b/1", "/a/2", "/ab/2"},
	 {{"/a/", 20, 2}, {"/ab/", 20, 2}}},
	{"a directory that is gone, and a deleted file",
	 OTHER,
	 19,
	 {"/tmp/x/1 (deleted)", "/tmp/x/1", "/tmp/y"},
	 {{"/tmp/x/", 20, 2}}},
	{"any bytes", OTHER, 19, {"/\xff\n/1", "/\xff\n/2", "/\xff/1"}, {{"/\xff\n/", 20, 2}}},
	{"no path", OTHER, 9, {"", "anon_inode:[x]/y"}, {}},
	{"numbered memfds",
	 SHARED,
	 29,
	 {"/memfd:x-1 (deleted)", "/memfd:x-23 (deleted)", "/memfd:y-1 (deleted)",
	  "/memfd:x-456 (deleted)"},
	 {{"/memfd:x-N", 30, 3}}},
	{"memfds without a common name",
	 SHARED,
	 29,
	 {"/memfd:a (deleted)", "/memfd:ab (deleted)", "/memfd:b/c (deleted)", "/dev/shm/x"},
	 {{"/memfd:", 30, 3}}},
	{"a memfd whose name begins as another",
	 SHARED,
	 19,
	 {"/memfd:a (deleted)", "/memfd:a1 (deleted)", "/memfd:a2 (deleted)"},
	 {{"/memfd:aN", 20, 2}}},
	{"a file on a disk that is called so", OTHER, 19, {"/memfd:x-1", "/memfd:x-2"}, {}},
	{"System V and POSIX",
	 SHARED,
	 19,
	 {"/SYSV00000001 (deleted)", "/dev/shm/a", "/SYSV0000beef (deleted)", "/dev/shm/b"},
	 {{"/SYSV", 20, 2}, {"/dev/shm/", 20, 2}}},
};

static void check(const struct row *row)
{
	struct directories *directories = directories__new();
	const struct directory *found;
	size_t n, i;

	for (i = 0; i < FILES_MAX && row->files[i]; i++)
		assert_int_equal(directories__add(directories, row->category, row->files[i], 10),
				 0);
	assert_int_equal(directories__find(directories, row->limit, &found, &n), 0);
	for (i = 0; i < n; i++) {
		const struct expected *expected = &row->directories[i];
		_cleanup_free_ char *name = strndup(found[i].name, found[i].len);

		if (i == ARRAY_SIZE(row->directories) || !expected->name ||
		    strcmp(name, expected->name) != 0 || found[i].rss != expected->rss ||
		    found[i].files != expected->files)
			fail_msg("%s: %s has %lu bytes in %lu files", row->what, name, found[i].rss,
				 found[i].files);
	}
	if (i < ARRAY_SIZE(row->directories) && row->directories[i].name)
		fail_msg("%s: there is no %s", row->what, row->directories[i].name);
	directories__free(directories);
}

static void finds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

/* Paths of a hostile program: as deep as they can be, and every one different near its end. */
static void deep_paths(void **state)
{
	static char names[500][4096];
	struct directories *directories = directories__new();
	const struct directory *found;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t at = 0; at + 8 < sizeof(names[i]); at += 2)
			memcpy(&names[i][at], "/d", 2);
		names[i][4000] = 'a' + (char)(i % 26);
		snprintf(&names[i][4086], 8, "/%zu", i);
		assert_int_equal(directories__add(directories, OTHER, names[i], 1), 0);
	}
	assert_int_equal(directories__find(directories, 26, &found, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(found->files, 500);
	assert_true(found->len <= 4000);
	directories__free(directories);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(deep_paths),
	};

	return cmocka_run_group_tests_name("directories", tests, NULL, NULL);
}
