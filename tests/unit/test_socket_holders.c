// SPDX-License-Identifier: BSD-2-Clause
/* Which processes have a socket open: real ones, which a fork has handed it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "proc/socket_holders.h"

#define OTHER 65533

static int the_socket = -1;
static uint64_t inode;

static int make_socket(void **state)
{
	int ends[2];
	struct stat st;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fstat(ends[0], &st))
		return -1;
	close(ends[1]);
	the_socket = ends[0];
	inode = st.st_ino;
	return 0;
}

static int close_socket(void **state)
{
	return close(the_socket);
}

static _Noreturn void *stay(void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* of this thread; another user has none from before */
	(void)!write(*(int *)arg, "", 1);
	for (;;)
		pause();
}

/* What a child does until it is killed. */
enum way { HAS_IT, HAS_CLOSED_IT, IS_ANOTHER_USERS, LEADER_HAS_EXITED };

static _Noreturn void child(enum way way, int ready)
{
	pthread_t thread;

	if (way == HAS_CLOSED_IT)
		close(the_socket);
	if (way == IS_ANOTHER_USERS && setresuid(OTHER, OTHER, OTHER))
		_exit(1);
	if (way != LEADER_HAS_EXITED)
		stay(&ready);
	if (pthread_create(&thread, NULL, stay, &ready))
		_exit(1);
	syscall(SYS_exit, 0);
	__builtin_unreachable();
}

static pid_t begin(enum way way)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child(way, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	/* Its leader may still be about to exit. */
	for (struct proc_stat stat = {}; way == LEADER_HAS_EXITED && stat.state != 'Z';
	     usleep(1000)) {
		int pidfd = procfs__open("/proc", pid);

		assert_int_equal(procfs__stat(pidfd, &stat), 0);
		close(pidfd);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct found {
	pid_t pids[4];
	size_t n;
	int result;
};

static int visit(int pidfd, void *ctx)
{
	struct found *found = ctx;
	struct proc_stat stat;

	assert_int_equal(procfs__stat(pidfd, &stat), 0);
	assert_true(found->n < 4);
	found->pids[found->n++] = stat.pid;
	return found->result;
}

static struct found find(uid_t uid)
{
	struct found found = {};

	assert_int_equal(socket_holders__each("/proc", uid, inode, visit, &found), 0);
	return found;
}

static void assert_is_the_only_one(enum way way)
{
	pid_t pid = begin(way);
	struct found found = find(geteuid());

	assert_int_equal(found.n, 1);
	assert_int_equal(found.pids[0], pid);
	end(pid);
}

static void one_that_has_it(void **state)
{
	assert_is_the_only_one(HAS_IT);
}

static void one_whose_leader_has_exited(void **state)
{
	assert_is_the_only_one(LEADER_HAS_EXITED);
}

static void we_are_none(void **state)
{
	pid_t pid = begin(HAS_CLOSED_IT);

	assert_int_equal(find(geteuid()).n, 0);
	end(pid);
}

static void another_user_s(void **state)
{
	pid_t pid;
	struct found found;

	pid = begin(IS_ANOTHER_USERS);
	assert_int_equal(find(geteuid()).n, 0);
	found = find(OTHER);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.pids[0], pid);
	end(pid);
}

static void several_until_one_is_refused(void **state)
{
	pid_t pids[] = {begin(HAS_IT), begin(HAS_IT)};
	struct found found = {.result = -EPERM};

	assert_int_equal(find(geteuid()).n, 2);
	assert_int_equal(socket_holders__each("/proc", geteuid(), inode, visit, &found), -EPERM);
	assert_int_equal(found.n, 1);
	end(pids[0]);
	end(pids[1]);
}

static void without_procfs(void **state)
{
	struct found found = {};

	assert_int_equal(socket_holders__each("/nowhere", 0, inode, visit, &found), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_has_it),
		cmocka_unit_test(one_whose_leader_has_exited),
		cmocka_unit_test(we_are_none),
		cmocka_unit_test(another_user_s),
		cmocka_unit_test(several_until_one_is_refused),
		cmocka_unit_test(without_procfs),
	};

	return cmocka_run_group_tests(tests, make_socket, close_socket);
}
