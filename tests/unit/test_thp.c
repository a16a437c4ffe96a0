// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "proc/thp.h"

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *all, *small, *huge;
		bool several;
	} table[] = {
		{"always [madvise] never\n", "always inherit madvise [never]\n", "[always] never\n",
		 false},
		{"always [madvise] never\n", "[always] inherit madvise never\n", "", true},
		{"always madvise [never]\n", "always inherit [madvise] never\n", "", true},
		{"[always] madvise never\n", "always [inherit] madvise never\n", "", true},
		{"always madvise [never]\n", "always [inherit] madvise never\n", "", false},
	};
	char dir[] = "/tmp/memprov-thp-XXXXXX", path[300];

	assert_non_null(mkdtemp(dir));
	assert_false(thp__has_several_sizes(dir));
	put(dir, "hpage_pmd_size", "2097152\n");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/hugepages-%skB", dir, i ? "2048" : "64");
		assert_int_equal(mkdir(path, 0755), 0);
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		put(dir, "enabled", table[i].all);
		put(dir, "hugepages-64kB/enabled", table[i].small);
		put(dir, "hugepages-2048kB/enabled", table[i].huge);
		assert_int_equal(thp__has_several_sizes(dir), table[i].several);
	}
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
	assert_false(thp__has_several_sizes(dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes)};

	return cmocka_run_group_tests_name("thp", tests, NULL, NULL);
}
