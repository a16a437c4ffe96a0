// SPDX-License-Identifier: BSD-2-Clause
/* Whose connections are, for quotas: user/serve/source.c. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "serve/source.h"

#define POD "/kubepods/pod01234567-89ab-cdef-0123-456789abcdef"
#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static const char *const dirs[] = {
	"/kubepods",
	POD,
	POD "/" ID "0",
	POD "/" ID "0/inner",
	POD "/" ID "1",
	"/system.slice",
	"/user.slice",
	"/user.slice/user-1000.slice",
	"/user.slice/user-1000.slice/user@1000.service",
	"/user.slice/user-1000.slice/user@1000.service/docker-" ID "2.scope",
};
#define DIRS (sizeof(dirs) / sizeof(dirs[0]))

static void containers_are_sources(void **state)
{
	char root[] = "/tmp/memprov-source-XXXXXX", path[512];
	struct sources *sources = sources__new();
	uint64_t of[DIRS], other;
	struct stat st;

	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < DIRS; i++) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	sources__list(sources, open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (size_t i = 0; i < DIRS; i++) {
		struct peer peer = {.uid = 7, .process = -1};

		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		assert_int_equal(stat(path, &st), 0);
		peer.cgroup = st.st_ino;
		of[i] = sources__of(sources, &peer);
		peer.uid = 8;
		other = sources__of(sources, &peer);
		/* A container's users are one source. */
		assert_int_equal(other, of[i] == 7 ? 8 : of[i]);
	}
	assert_true(of[2] >> 62 == 1 && of[4] >> 62 == 1);
	assert_int_not_equal(of[2], of[4]);
	assert_int_equal(of[2], of[3]);
	/* What is no container, or a user's word alone, is of its user. */
	for (size_t i = 0; i < DIRS; i++) {
		if (i < 2 || i > 4)
			assert_int_equal(of[i], 7);
	}
	for (size_t i = DIRS; i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		rmdir(path);
	}
	rmdir(root);
	assert_int_equal(sources__of(sources, &(struct peer){.uid = 9, .process = -1}), 9);
	sources__free(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(containers_are_sources)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
