// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/mounts.h"
#include "proc/procfs.h"
#include "util/cleanup.h"

static const char text[] = "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
			   "23 22 0:30 / /srv rw - fuse.sshfs me@there: rw\n"
			   "24 22 0:31 / /srv-of-ours rw - tmpfs none rw\n"
			   "25 24 0:32 / /srv-of-ours/a\\040b rw - tmpfs none rw\n"
			   "26 25 8:1 /home /srv-of-ours/a\\040b/deep/er rw - ext4 /dev/sda rw\n"
			   "27 22 0:33 / /over rw - tmpfs none rw\n"
			   "28 22 0:34 / /over rw - nfs there:/ rw\n";

static void devices(void **state)
{
	static const struct {
		uint32_t major, minor;
		int remote; /* -1: not there */
	} cases[] = {
		{8, 1, 0},  {0, 30, 1},	 {0, 31, 0}, {0, 32, 0}, {0, 33, 0},
		{0, 34, 1}, {0, 35, -1}, {8, 0, -1}, {9, 1, -1},
	};
	_cleanup_(mounts__free) struct mounts mounts = {};

	assert_null(mounts__device(&mounts, 8, 1));
	assert_int_equal(mounts__parse(text, strlen(text), &mounts), 0);
	assert_int_equal(mounts.n_devices, 6);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct mount_device *device =
			mounts__device(&mounts, cases[i].major, cases[i].minor);

		assert_int_equal(device ? device->remote : -1, cases[i].remote);
	}
}

static void points(void **state)
{
	static const struct {
		const char *path;
		ssize_t len;
	} cases[] = {
		{"/", 0},
		{"/x", 0},
		{"/srv", -EREMOTE},
		{"/srv/x/y", -EREMOTE},
		{"/srv-of", 0},
		{"/srv-of-ours", 12},
		{"/srv-of-ours/a", 12},
		{"/srv-of-ours/a b", 16},
		{"/srv-of-ours/a b/x", 16},
		{"/srv-of-ours/a b/deep", 16},
		{"/srv-of-ours/a b/deep/er/x", 24},
		{"/srv-of-ours/a bc/deep/er/x", 12},
		{"/over/x", -EREMOTE},
		{"//x//", 0},
	};
	_cleanup_(mounts__free) struct mounts mounts = {};

	assert_int_equal(mounts__point(&mounts, "/"), -EREMOTE);
	assert_int_equal(mounts__parse(text, strlen(text), &mounts), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (mounts__point(&mounts, cases[i].path) != cases[i].len)
			fail_msg("%s: %zd", cases[i].path, mounts__point(&mounts, cases[i].path));
	}
}

static void bad_text(void **state)
{
	static const char bad[] = "22 1 8:1 / / rw - ext4 /dev/sda rw\n22 1 8 / / rw\n";
	struct mounts mounts = {};

	assert_int_equal(mounts__parse(bad, strlen(bad), &mounts), -EBADMSG);
	assert_false(mounts.known);
	assert_int_equal(mounts__parse("", 0, &mounts), 0);
	assert_true(mounts.known);
	assert_int_equal(mounts__point(&mounts, "/"), -EREMOTE);
	mounts__free(&mounts);
}

/* They are asked for once, whatever came of it: a list of megabytes would be read for each file. */
static void asked_once(void **state)
{
	struct mounts mounts = {};
	int pidfd = procfs__open("/proc", getpid());

	assert_int_equal(mounts__need(&mounts, -1), -EBADF);
	assert_int_equal(mounts__need(&mounts, pidfd), -ENODATA);
	assert_null(mounts__device(&mounts, 8, 1));
	mounts__free(&mounts);
	assert_int_equal(mounts__need(&mounts, pidfd), 0);
	assert_int_equal(mounts__need(&mounts, -1), 0);
	assert_true(mounts.n_devices > 0 && mounts__point(&mounts, "/proc/self") >= 0);
	mounts__free(&mounts);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices),
		cmocka_unit_test(points),
		cmocka_unit_test(bad_text),
		cmocka_unit_test(asked_once),
	};

	return cmocka_run_group_tests_name("mounts", tests, NULL, NULL);
}
