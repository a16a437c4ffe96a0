// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/program.h"
#include "util/cleanup.h"

#define STACK_SIZE 65536

static int keep_memory(void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
	return arg != NULL;
}

/* A process of ours that execs when it is told to, by the end of the pipe. */
static pid_t start(bool shared, int *ret_go, int *ret_pidfd)
{
	int go[2];
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (!pid) {
		char *stack = malloc(STACK_SIZE), c;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (shared && clone(keep_memory, stack + STACK_SIZE, CLONE_VM | SIGCHLD, NULL) < 0)
			_exit(1);
		if (!read(go[0], &c, 1))
			execl("/bin/sleep", "sleep", "600", NULL);
		_exit(1);
	}
	close(go[0]);
	*ret_go = go[1];
	*ret_pidfd = procfs__open("/proc", pid);
	assert_true(*ret_pidfd >= 0);
	return pid;
}

static void wait_for_exec(int pidfd)
{
	char exe[4096] = "";

	for (int i = 0; i < 5000 && !strstr(exe, "sleep"); i++) {
		assert_int_equal(process__link(pidfd, "exe", exe, sizeof(exe)), 0);
		usleep(1000);
	}
	assert_non_null(strstr(exe, "sleep"));
}

static void check_exec(bool shared)
{
	struct program before = {.pagemap = -1}, after = {.pagemap = -1};
	int go, pidfd;
	pid_t pid = start(shared, &go, &pidfd);

	assert_int_equal(program__open(pidfd, &before), 0);
	assert_true(program__runs(&before, pidfd));
	close(go);
	wait_for_exec(pidfd);
	assert_false(program__runs(&before, pidfd));
	assert_int_equal(program__open(pidfd, &after), 0);
	assert_true(program__runs(&after, pidfd));
	assert_true(before.id != after.id);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(program__runs(&after, pidfd));
	program__close(&before);
	program__close(&after);
	close(pidfd);
}

static void another_program(void **state)
{
	check_exec(false);
}

/* The map of the one before lives on in another process. */
static void another_program_behind_a_shared_map(void **state)
{
	check_exec(true);
}

static void none(void **state)
{
	struct program program = {.pagemap = -1};
	pid_t pid = fork();
	siginfo_t info;
	int pidfd;

	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	pidfd = procfs__open("/proc", pid);
	assert_int_equal(program__open(pidfd, &program), -ESRCH);
	assert_int_equal(program.pagemap, -1);
	program__close(&program);
	waitpid(pid, NULL, 0);
	assert_int_equal(program__open(pidfd, &program), -ESRCH);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_program),
		cmocka_unit_test(another_program_behind_a_shared_map),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
