// SPDX-License-Identifier: BSD-2-Clause
/* Processes in procfs: user/proc/stat.c, procfs.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

#define AFTER_COMM ") S 1 2 3 4 -1 4194560 0 0 0 0 1 2 3 4 20 0 7 0 153438 1000 5\n"

static void comm_may_hold_anything(void **state)
{
	static const struct {
		const char *comm;
		const char *kept;
	} cases[] = {
		{"bash", "bash"},
		{"", ""},
		{")", ")"},
		{"a) R 1 2 3 (b", "a) R 1 2 3 (b"},
		{"two\nlines \t", "two\nlines \t"},
		{"\xff\x80(", "\xff\x80("},
		{"kworker/u8:3-events_unbound_and_a_long_name_of_a_workqueue_beyond_63_bytes",
		 "kworker/u8:3-events_unbound_and_a_long_name_of_a_workqueue_beyo"},
	};
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct proc_stat stat;

		snprintf(text, sizeof(text), "4242 (%s" AFTER_COMM, cases[i].comm);
		assert_int_equal(proc_stat__parse(text, strlen(text), &stat), 0);
		assert_string_equal(stat.comm, cases[i].kept);
		assert_int_equal(stat.pid, 4242);
		assert_int_equal(stat.state, 'S');
		assert_int_equal(stat.flags, 4194560);
		assert_int_equal(stat.threads, 7);
		assert_int_equal(stat.start_ticks, 153438);
		assert_false(proc_stat__is_kernel_thread(&stat));
	}
}

static void bad_text_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"\n",
		"1",
		"1 ",
		"1 (a",
		"1 (a)",
		"1 (a) ",
		"1 (a) S",
		"1 )",
		"1 ) (",
		"1)" AFTER_COMM,
		"1 a" AFTER_COMM,
		"x (a" AFTER_COMM,
		"-1 (a" AFTER_COMM,
		"2147483648 (a" AFTER_COMM,
		"99999999999999999999 (a" AFTER_COMM,
		"1 (a) S 1 2 3 4 -1 x 0 0 0 0 1 2 3 4 20 0 7 0 153438 1000 5\n",
		"1 (a) S 1 2 3 4 -1 4194560 0 0 0 0 1 2 3 4 20 0 7 0 99999999999999999999 1\n",
		"1 (a) S 1 2 3 4 -1 4194560 0 0 0 0 1 2 3 4 20 0 7 0 \n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct proc_stat stat = {.pid = 77};

		if (proc_stat__parse(cases[i], strlen(cases[i]), &stat) != -EBADMSG)
			fail_msg("read: %s", cases[i]);
		assert_int_equal(stat.pid, 77);
	}
}

/* A cut within the start time would be another time, and so another process. */
static void a_cut_before_the_start_time_is_seen(void **state)
{
	static const char text[] = "1 (a" AFTER_COMM;
	size_t enough = strstr(text, "153438 ") - text + strlen("153438 ");
	struct proc_stat stat;

	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(proc_stat__parse(text, len, &stat), len < enough ? -EBADMSG : 0);
}

static void ourselves_and_a_kernel_thread(void **state)
{
	struct proc_stat stat;
	struct vma_set set = {};
	char path[4096], expected[4096] = "";
	int fd;

	assert_int_equal(prctl(PR_SET_NAME, "x) R (y\nz"), 0);
	fd = procfs__open("/proc", getpid());
	assert_true(fd >= 0);
	assert_int_equal(procfs__stat(fd, &stat), 0);
	assert_int_equal(stat.pid, getpid());
	assert_string_equal(stat.comm, "x) R (y\nz");
	assert_int_equal(stat.state, 'R');
	assert_true(stat.start_ticks > 0);
	assert_int_equal(process__link(fd, "exe", path, sizeof(path)), 0);
	assert_true(readlink("/proc/self/exe", expected, sizeof(expected) - 1) > 0);
	assert_string_equal(path, expected);
	assert_int_equal(process__link(fd, "exe", path, strlen(expected)), -ENAMETOOLONG);
	assert_int_equal(process__link(fd, "exe", path, strlen(expected) + 1), 0);
	close(fd);

	/* Not there when the tests run in a pid namespace of their own. */
	fd = procfs__open("/proc", 2);
	if (fd >= 0 && !procfs__stat(fd, &stat) && !strcmp(stat.comm, "kthreadd")) {
		assert_true(proc_stat__is_kernel_thread(&stat));
		assert_int_equal(procfs__vmas(fd, SMAPS_FULL, NULL, &set), -ESRCH);
	}
	if (fd >= 0)
		close(fd);
}

static void the_dead_and_the_reused(void **state)
{
	struct vma_set set = {.n = 77};
	_cleanup_buf_ struct buf text = {};
	struct proc_stat stat;
	pid_t pid = fork();
	siginfo_t info;
	int fd;

	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	fd = procfs__open("/proc", pid);
	assert_true(fd >= 0);
	assert_int_equal(procfs__stat(fd, &stat), 0);
	assert_int_equal(stat.state, 'Z');
	assert_int_equal(procfs__vmas(fd, SMAPS_FULL, NULL, &set), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procfs__stat(fd, &stat), -ESRCH);
	assert_int_equal(procfs__read(fd, "status", 4096, &text), -ESRCH);
	assert_int_equal(procfs__vmas(fd, SMAPS_FULL, NULL, &set), -ESRCH);
	assert_int_equal(set.n, 77);
	close(fd);
	assert_int_equal(procfs__open("/proc", pid), -ENOENT);
	fd = procfs__open("/proc", getpid());
	assert_int_equal(procfs__read(fd, "no-such-file", 4096, &text), -ENOENT);
	close(fd);
}

static void *sleep_on(void *arg)
{
	/* Of each thread its own: the leader's went with it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
	return arg;
}

static void a_leader_that_is_gone(void **state)
{
	struct vma_set set = {};
	struct proc_stat stat = {};
	pid_t pid = fork();
	pthread_t thread;
	int fd;

	if (!pid) {
		pthread_create(&thread, NULL, sleep_on, NULL);
		syscall(SYS_exit, 0); /* this thread only */
	}
	fd = procfs__open("/proc", pid);
	assert_true(fd >= 0);
	for (int i = 0; i < 1000 && stat.state != 'Z'; i++) {
		assert_int_equal(procfs__stat(fd, &stat), 0);
		usleep(1000);
	}
	assert_int_equal(stat.state, 'Z');
	assert_int_equal(procfs__vmas(fd, SMAPS_FULL, NULL, &set), 0);
	assert_true(set.n > 5);
	vma_set__free(&set);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void stop_is_heeded(void **state)
{
	atomic_bool stop = true;
	struct vma_set set = {};
	int fd = procfs__open("/proc", getpid());

	assert_int_equal(procfs__vmas(fd, SMAPS_FULL, &stop, &set), -ECANCELED);
	stop = false;
	assert_int_equal(procfs__vmas(fd, SMAPS_FULL, &stop, &set), 0);
	vma_set__free(&set);
	close(fd);
}

static int count_self(pid_t pid, void *ctx)
{
	*(int *)ctx += pid == getpid();
	return 0;
}

static int stop_at_once(pid_t pid, void *ctx)
{
	return -EINTR;
}

static void each_process_once(void **state)
{
	int count = 0;

	assert_int_equal(procfs__each("/proc", count_self, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(procfs__each("/proc", stop_at_once, NULL), -EINTR);
	assert_int_equal(procfs__each("/no/such/proc", count_self, &count), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comm_may_hold_anything),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(a_cut_before_the_start_time_is_seen),
		cmocka_unit_test(ourselves_and_a_kernel_thread),
		cmocka_unit_test(the_dead_and_the_reused),
		cmocka_unit_test(a_leader_that_is_gone),
		cmocka_unit_test(stop_is_heeded),
		cmocka_unit_test(each_process_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
