// SPDX-License-Identifier: BSD-2-Clause
/* Memory cgroups: user/proc/cgroup.c, mountinfo.c. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/cgroup.h"
#include "proc/procfs.h"
#include "proc/rollup.h"
#include "report/cgroup.h"
#include "util/cleanup.h"

static void paths_of_v1_and_v2(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *path;
		bool v1;
	} cases[] = {
		{"0::/system.slice/redis.service\n", 0, "/system.slice/redis.service", false},
		{"4:memory:/a\n0::/b\n", 0, "/a", true},
		{"0::/b\n4:memory:/a\n", 0, "/a", true},
		{"3:cpu,memory,blkio:/x:y z\n1:name=systemd:/s\n", 0, "/x:y z", true},
		{"3:cpu:/a\n0::/\n", 0, "/", false},
		{"1:name=memory:/a\n0::/b\n", 0, "/b", false},
		{"1:memoryx,xmemory:/a\n0::/b\n", 0, "/b", false},
		{"0::/../outside\n", 0, "/../outside", false},
		{"0::/gone (deleted)\n", 0, "/gone (deleted)", false},
		{"", -ENOENT, "", false},
		{"3:cpu:/a\n", -ENOENT, "", false},
		{"0::/b", -EBADMSG, "", false},
		{"0::\n", -EBADMSG, "", false},
		{"0::b\n", -EBADMSG, "", false},
		{"0:memory:/b\n", -EBADMSG, "", false},
		{"3::/b\n", -EBADMSG, "", false},
		{"0:/b\n", -EBADMSG, "", false},
		{":memory:/b\n", -EBADMSG, "", false},
		{"x:memory:/b\n", -EBADMSG, "", false},
		{"\n0::/b\n", -EBADMSG, "", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup cgroup = {.path = "untouched", .current = 77};
		int err = cgroup__parse(cases[i].text, strlen(cases[i].text), &cgroup);

		if (err != cases[i].err)
			fail_msg("%d: %s", err, cases[i].text);
		assert_string_equal(cgroup.path, err ? "untouched" : cases[i].path);
		assert_int_equal(cgroup.v1, cases[i].v1);
		assert_int_equal(cgroup.current, 77);
	}
}

static void long_paths(void **state)
{
	static const size_t lengths[] = {CGROUP_PATH_MAX - 1, CGROUP_PATH_MAX};
	char text[CGROUP_PATH_MAX + 16];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct cgroup cgroup;

		memcpy(text, "0::", 3);
		memset(text + 3, '/', lengths[i]);
		text[3 + lengths[i]] = '\n';
		assert_int_equal(cgroup__parse(text, lengths[i] + 4, &cgroup),
				 i ? -ENAMETOOLONG : 0);
	}
	assert_int_equal(cgroup__parse("0::/a\0b\n", 8, &(struct cgroup){}), -EBADMSG);
}

static void values_of_memory_stat(void **state)
{
	static const char text[] = "cache 1\ninactive_file 4096\ntotal_inactive_file 8192\n"
				   "big 18446744073709551616\nword x\nlast 7\ncut 8";
	static const struct {
		const char *key;
		uint64_t value;
	} cases[] = {
		{"inactive_file", 4096},      {"total_inactive_file", 8192},
		{"inactive", CGROUP_UNKNOWN}, {"file", CGROUP_UNKNOWN},
		{"missing", CGROUP_UNKNOWN},  {"big", CGROUP_UNKNOWN},
		{"word", CGROUP_UNKNOWN},     {"last", 7},
		{"cut", CGROUP_UNKNOWN},      {"cache", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cgroup__stat_value(text, strlen(text), cases[i].key) != cases[i].value)
			fail_msg("%s", cases[i].key);
	}
	assert_true(cgroup__stat_value("", 0, "x") == CGROUP_UNKNOWN);
}

#define V1_CPU "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
#define V1_MEMORY                                                                                  \
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
#define V2    "41 31 0:38 / /sys/fs/cgroup/unified rw master:1 shared:2 - cgroup2 none rw\n"
#define OTHER "23 1 0:22 / /proc rw - proc proc rw\n"

static void directories_by_mountinfo(void **state)
{
	static const struct {
		const char *mountinfo;
		bool v1;
		const char *path;
		int err;
		const char *dir;
	} cases[] = {
		{OTHER V1_CPU V1_MEMORY V2, true, "/a/b", 0, "/sys/fs/cgroup/memory/a/b"},
		{OTHER V1_CPU V1_MEMORY V2, false, "/a", 0, "/sys/fs/cgroup/unified/a"},
		{OTHER V1_CPU V2, true, "/a", -ENOENT, NULL},
		{OTHER V1_MEMORY, false, "/a", -ENOENT, NULL},
		{"", false, "/a", -ENOENT, NULL},
		/* Mounted from below its root, as containers see it. */
		{"1 2 0:3 /docker/1 /cg rw - cgroup2 x rw\n", false, "/docker/1/x", 0, "/cg/x"},
		{"1 2 0:3 /docker/1 /cg rw - cgroup2 x rw\n", false, "/docker/1", 0, "/cg"},
		{"1 2 0:3 /docker/1 /cg rw - cgroup2 x rw\n", false, "/docker/12", -ENOENT, NULL},
		{"1 2 0:3 /docker/1 /cg rw - cgroup2 x rw\n" V2, false, "/b", 0,
		 "/sys/fs/cgroup/unified/b"},
		{"1 2 0:3 / /my\\040cg\\134 rw - cgroup2 x rw\n", false, "/b", 0, "/my cg\\/b"},
		{"1 2 0:3 / /my\\04 rw - cgroup2 x rw\n" V2, false, "/b", 0,
		 "/sys/fs/cgroup/unified/b"},
		/* Outside of our cgroup namespace. */
		{V2, false, "/..", -ENOENT, NULL},
		{V2, false, "/../b", -ENOENT, NULL},
		{V2, false, "/a/../../b", -ENOENT, NULL},
		{V2, false, "/a/..", -ENOENT, NULL},
		{V2, false, "/..a/b..", 0, "/sys/fs/cgroup/unified/..a/b.."},
		/* No mountinfo. */
		{"1 2 0:3 / /cg rw - cgroup2 x rw", false, "/b", -EBADMSG, NULL},
		{"1 2 0:3 / /cg rw cgroup2 x rw\n", false, "/b", -EBADMSG, NULL},
		{"1 2 0 / /cg rw - cgroup2 x rw\n", false, "/b", -EBADMSG, NULL},
		{"\n", false, "/b", -EBADMSG, NULL},
		{"x 2 0:3 / /cg rw - cgroup2 x rw\n", false, "/b", -EBADMSG, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup cgroup = {.v1 = cases[i].v1};
		char dir[64] = "untouched";
		int err;

		strcpy(cgroup.path, cases[i].path);
		err = cgroup__dir(cases[i].mountinfo, strlen(cases[i].mountinfo), &cgroup, dir,
				  sizeof(dir));
		if (err != cases[i].err)
			fail_msg("%d: %s in %s", err, cases[i].path, cases[i].mountinfo);
		assert_string_equal(dir, err ? "untouched" : cases[i].dir);
	}
	/* The directory's name and its NUL must fit. */
	assert_int_equal(
		cgroup__dir(V2, strlen(V2), &(struct cgroup){.path = "/b"}, (char[25]){}, 24),
		-ENAMETOOLONG);
	assert_int_equal(
		cgroup__dir(V2, strlen(V2), &(struct cgroup){.path = "/b"}, (char[25]){}, 25), 0);
}

#define UNKNOWN CGROUP_UNKNOWN

static void charges_by_kind(void **state)
{
	static const struct {
		const char *text;
		bool v1;
		struct cgroup_stat stat;
	} cases[] = {
		/* Linux 6.1 */
		{"anon 100\nfile 50\nkernel 9\nkernel_stack 2\npagetables 3\nsec_pagetables 0\n"
		 "percpu 1\nsock 7\nvmalloc 0\nshmem 20\nfile_mapped 30\ninactive_file 5\n"
		 "slab_reclaimable 1\nslab_unreclaimable 2\nslab 3\n",
		 false,
		 {100, 50, 20, 9, 3, 2, 3, 7}},
		/* before 5.18: its parts are there */
		{"anon 1\nfile 2\nkernel_stack 4\npagetables 8\nsock 16\nshmem 32\nslab 64\n",
		 false,
		 {1, 2, 32, 76, 64, 4, 8, 16}},
		/* before 5.15 */
		{"anon 1\nfile 2\nkernel_stack 4\nsock 16\nshmem 32\nslab 64\n",
		 false,
		 {1, 2, 32, 68, 64, 4, UNKNOWN, 16}},
		{"cache 7\nrss 7\nshmem 7\ntotal_cache 50\ntotal_rss 100\ntotal_shmem 20\n",
		 true,
		 {100, 50, 20, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
		{"",
		 false,
		 {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup_stat stat;

		cgroup_stat__parse(cases[i].text, strlen(cases[i].text), cases[i].v1, &stat);
		if (memcmp(&stat, &cases[i].stat, sizeof(stat)))
			fail_msg("row %zu", i);
	}
}

static void sums_of_smaps_rollup(void **state)
{
	static const char good[] = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss: 1612 kB\n"
				   "Pss:                 206 kB\nPss_Dirty: 116 kB\n"
				   "Pss_Anon: 116 kB\nPss_File:   89 kB\nPss_Shmem: 1 kB\n"
				   "Shared_Hugetlb: 2048 kB\nPrivate_Hugetlb: 4096 kB\n"
				   "LazyFree: 8 kB\nAnonHugePages: 0 kB\n"
				   "Swap: 12 kB\nSwapPss: 6 kB\nx";
#define OTHERS "Rss: 1 kB\nShared_Hugetlb: 0 kB\nPrivate_Hugetlb: 0 kB\nSwap: 0 kB\n"
	static const char *const bad[] = {
		"",
		OTHERS "Pss: 1 kB\n", /* before 5.4 */
		OTHERS "Pss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\n",
		"Rss: 1 kB\nPss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\nPss_Shmem: 1 kB\n",
		OTHERS "Pss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\nPss_Shmem: 1 kB\n"
		       "KSM: 1 MB\n",
		OTHERS "Pss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\nPss_Shmem: x kB\n",
		OTHERS "Pss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\nPss_Shmem: 1 MB\n",
		OTHERS "Pss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\nPss_Shmem: 1 kB",
		OTHERS "Pss: 1 kB\nPss_Anon: 1 kB\nPss_File: 1 kB\n"
		       "Pss_Shmem: 18446744073709551615 kB\n",
	};
	struct rollup rollup;

	assert_int_equal(rollup__parse(good, strlen(good) - 1, &rollup), 0);
	assert_int_equal(rollup.rss, 1612 * 1024);
	assert_int_equal(rollup.swap, 12 * 1024);
	assert_int_equal(rollup.kinds.bytes[PAGES_HUGETLB], 6144 * 1024);
	assert_int_equal(rollup.kinds.bytes[PAGES_LAZYFREE], 8 * 1024);
	assert_int_equal(rollup.kinds.bytes[PAGES_ANON_HUGE], 0);
	/* Lines that older kernels do not have. */
	assert_true(rollup.kinds.bytes[PAGES_KSM] == UNKNOWN_BYTES);
	assert_true(rollup.kinds.bytes[PAGES_FILE_HUGE] == UNKNOWN_BYTES);
	assert_int_equal(rollup.pss, 206 * 1024);
	assert_int_equal(rollup.anonymous, 116 * 1024);
	assert_int_equal(rollup.file, 89 * 1024);
	assert_int_equal(rollup.shmem, 1024);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rollup__parse(bad[i], strlen(bad[i]), &rollup), -EBADMSG);
	assert_int_equal(rollup__parse(good, strlen(good), &rollup), -EBADMSG); /* cut */
}

/* From what the processes have to what the cgroup is charged for, without a gap. */
static void bridges(void **state)
{
	const struct rollup members = {.anonymous = 90, .file = 45, .shmem = 5};
	struct cgroup_stat stat = {.anonymous = 100,
				   .file = 50,
				   .shmem = 20,
				   .kernel = 9,
				   .slab = 3,
				   .kernel_stack = UNKNOWN,
				   .sockets = 7};
	struct report_bridge b, untouched = {.pss = 77};

	assert_true(report_bridge__compute(&members, &stat, 170, &b));
	assert_int_equal(b.pss, 140);
	assert_int_equal(b.anonymous, 10);
	assert_int_equal(b.page_cache, -15); /* 30 charged, 45 mapped */
	assert_int_equal(b.shared_memory, 15);
	assert_int_equal(b.kernel, 9);
	assert_int_equal(b.slab, 3);
	assert_true(b.kernel_stack == UNKNOWN);
	assert_int_equal(b.other, 4);
	assert_int_equal(b.pss + b.anonymous + b.page_cache + b.shared_memory + b.kernel +
				 b.sockets + b.other,
			 170);
	assert_false(report_bridge__compute(&members, &stat, UNKNOWN, &untouched));
	stat.shmem = UNKNOWN;
	assert_false(report_bridge__compute(&members, &stat, 170, &untouched));
	assert_int_equal(untouched.pss, 77);
}

/* Whatever this machine has: figures that fit together, or none. */
static void our_own(void **state)
{
	int pidfd = procfs__open("/proc", getpid());
	struct cgroup cgroup;
	int err = cgroup__read(pidfd, &cgroup);

	close(pidfd);
	if (err == -ENOENT)
		return;
	assert_int_equal(err, 0);
	assert_int_equal(cgroup.path[0], '/');
	print_message("%s v%d: current %ju, limit %ju, working set %ju\n", cgroup.path,
		      cgroup.v1 ? 1 : 2, (uintmax_t)cgroup.current, (uintmax_t)cgroup.limit,
		      (uintmax_t)cgroup.working_set);
	if (cgroup.current != CGROUP_UNKNOWN && cgroup.working_set != CGROUP_UNKNOWN)
		assert_true(cgroup.working_set <= cgroup.current);
	if (cgroup.limit != CGROUP_UNKNOWN)
		assert_true(cgroup.limit < 1ULL << 62);
}

/* In a mount namespace of its own. */
static int see_a_moved_one(void)
{
	_cleanup_close_ int self = procfs__open("/proc", getpid());
	_cleanup_buf_ struct buf mountinfo = {};
	char moved[] = "/tmp/test_cgroup.XXXXXX", point[256];
	const char *pos, *end;
	struct cgroup cgroup;
	struct mount found;
	int err = 1;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    procfs__read(self, "mountinfo", 1 << 20, &mountinfo))
		return 1;
	if (cgroup__read(self, &cgroup) || cgroup.current == CGROUP_UNKNOWN)
		return 0; /* none is mounted here */
	if (!mkdtemp(moved))
		return 1;
	pos = mountinfo.data;
	end = pos + mountinfo.len;
	while (mountinfo__next(&pos, end, &found) > 0) {
		if (!(cgroup.v1 ? mount_text__is(found.type, "cgroup") &&
					  mount_text__has(found.options, "memory")
				: mount_text__is(found.type, "cgroup2")))
			continue;
		if (mount_text__decode(found.point, point, sizeof(point)) ||
		    mount(point, moved, NULL, MS_MOVE, NULL))
			break;
		err = cgroup__read(self, &cgroup) || cgroup.current == CGROUP_UNKNOWN ? 2 : 0;
		umount2(moved, MNT_DETACH);
		break;
	}
	rmdir(moved);
	return err;
}

static void mounts_that_move_are_found(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		_exit(see_a_moved_one());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_v1_and_v2),
		cmocka_unit_test(long_paths),
		cmocka_unit_test(values_of_memory_stat),
		cmocka_unit_test(directories_by_mountinfo),
		cmocka_unit_test(charges_by_kind),
		cmocka_unit_test(sums_of_smaps_rollup),
		cmocka_unit_test(bridges),
		cmocka_unit_test(our_own),
		cmocka_unit_test(mounts_that_move_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
