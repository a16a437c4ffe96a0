// SPDX-License-Identifier: BSD-2-Clause
/* A process whose leader has exited and whose other threads live for two milliseconds each:
 * whatever is read of it, one of them is found, and what is read is the process's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/cgroup.h"
#include "proc/credentials.h"
#include "proc/memory.h"
#include "proc/nspid.h"
#include "proc/open.h"
#include "proc/peek.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/resident.h"
#include "proc/rollup.h"
#include "proc/vmas.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/sanitized.h"

#define ROUNDS 300

/* A thread has to live as long as reading its smaps takes; with the shadow of a sanitizer that is
 * more. */
#define LIFE_US (SANITIZED ? 20000 : 2000)

/* The child has it at the same address. */
static char secret[] = "of the child";
static pid_t parent;

static void *hand_over(void *arg)
{
	pthread_t next;

	usleep(LIFE_US);
	if (getppid() != parent || pthread_create(&next, NULL, hand_over, arg))
		_exit(1);
	pthread_detach(next);
	return NULL;
}

static void *stay(void *arg)
{
	while (getppid() == parent)
		usleep(1000);
	_exit(0);
	return arg;
}

static pid_t start(void *(*thread_fn)(void *), int *ret_pidfd)
{
	struct proc_stat stat = {};
	pthread_t thread;
	pid_t pid;

	parent = getpid();
	pid = fork();
	if (!pid) {
		pthread_create(&thread, NULL, thread_fn, NULL);
		syscall(SYS_exit, 0); /* this thread only */
	}
	*ret_pidfd = procfs__open("/proc", pid);
	assert_true(*ret_pidfd >= 0);
	for (int i = 0; i < 5000 && stat.state != 'Z'; i++) {
		assert_int_equal(procfs__stat(*ret_pidfd, &stat), 0);
		usleep(1000);
	}
	assert_int_equal(stat.state, 'Z');
	return pid;
}

static void end(pid_t pid, int pidfd)
{
	struct vma_set set = {};

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(process__has_map(pidfd));
	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set), -ESRCH);
	close(pidfd);
}

/* --- each way of reading; they assert ------------------------------------------------------- */

static void read_maps(pid_t pid, int pidfd)
{
	struct vma_set set = {};

	(void)pid;
	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set), 0);
	assert_non_null(vma_set__find(&set, (uintptr_t)secret));
	vma_set__free(&set);
}

static void read_smaps(pid_t pid, int pidfd)
{
	struct vma_set set = {};

	(void)pid;
	assert_int_equal(procfs__vmas(pidfd, SMAPS_FULL, NULL, &set), 0);
	assert_true(vma_set__find(&set, (uintptr_t)secret)->rss > 0);
	vma_set__free(&set);
}

static void read_resident(pid_t pid, int pidfd)
{
	struct resident resident = {};

	(void)pid;
	assert_int_equal(resident__read(pidfd, RESIDENT_ANY_SIZE, NULL, &resident), 0);
	assert_true(resident.summed && resident.rss > 0 && resident.pss > 0);
	vma_set__free(&resident.set);
}

static void read_figures(pid_t pid, int pidfd)
{
	struct proc_memory memory = {};
	struct rollup rollup = {};
	uint64_t peak = 0;

	assert_int_equal(procfs__memory(pidfd, &memory), 0);
	assert_true(memory.rss > 0);
	assert_int_equal(procfs__memory_of("/proc", pid, &memory), 0);
	assert_int_equal(rollup__read(pidfd, &rollup), 0);
	assert_true(rollup.rss > 0);
	assert_int_equal(procfs__peak(pidfd, &peak), 0);
	assert_true(peak > 0);
}

static void read_whose(pid_t pid, int pidfd)
{
	_cleanup_free_ struct cgroup *cgroup = calloc(2, sizeof(*cgroup));
	int self = procfs__open("/proc", getpid());
	struct nspid nspid = {};
	struct reader ours, theirs;

	assert_int_equal(nspid__read(pidfd, &nspid), 0);
	assert_int_equal(nspid.pid, pid);
	assert_int_equal(reader__of(self, &ours), 0);
	assert_int_equal(reader__of(pidfd, &theirs), 0);
	assert_true(reader__equal(&ours, &theirs));
	ours.effective &= ~CAPABILITY_BIT(CAP_SYS_PTRACE);
	assert_int_equal(reader__may_read(&ours, pidfd), !(theirs.effective & ~ours.effective));
	assert_int_equal(cgroup__read(pidfd, &cgroup[0]), 0);
	assert_int_equal(cgroup__read(self, &cgroup[1]), 0);
	assert_string_equal(cgroup[0].path, cgroup[1].path);
	close(self);
}

static void read_files(pid_t pid, int pidfd)
{
	_cleanup_(mounts__free) struct mounts mounts = {};
	char exe[4096], ours[4096] = "";
	struct vma_set set = {};
	struct stat st, expected;
	const struct vma *vma;
	int fd;

	(void)pid;
	assert_true(readlink("/proc/self/exe", ours, sizeof(ours) - 1) > 0);
	assert_int_equal(stat(ours, &expected), 0);
	assert_int_equal(process__link(pidfd, "exe", exe, sizeof(exe)), 0);
	assert_string_equal(exe, ours);
	assert_int_equal(mounts__need(&mounts, pidfd), 0);
	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set), 0);
	vma = vma_set__find(&set, (uintptr_t)secret);
	fd = open__mapped(pidfd, &mounts, vma, vma_set__name(&set, vma), &st);
	assert_true(fd >= 0);
	assert_int_equal(st.st_ino, expected.st_ino);
	close(fd);
	fd = open__in_root(pidfd, &mounts, exe, &st);
	assert_true(fd >= 0);
	assert_int_equal(st.st_ino, expected.st_ino);
	close(fd);
	vma_set__free(&set);
}

static void read_memory(pid_t pid, int pidfd)
{
	for (int by_number = 0; by_number < 2; by_number++) {
		char text[sizeof(secret)] = "";

		assert_int_equal(peek__read(pidfd, by_number ? pid : 0, (uintptr_t)secret, text,
					    sizeof(text)),
				 sizeof(text));
		assert_string_equal(text, "of the child");
	}
	assert_int_equal(peek__read(pidfd, pid, 0, &(char){0}, 1), -EFAULT);
}

static void (*const ways[])(pid_t, int) = {
	read_maps, read_smaps, read_resident, read_figures, read_whose, read_files, read_memory,
};

static void threads_that_hand_over(void **state)
{
	int pidfd;
	pid_t pid = start(hand_over, &pidfd);

	strcpy(secret, "of ours");
	for (int i = 0; i < ROUNDS; i++) {
		for (size_t way = 0; way < ARRAY_SIZE(ways); way++)
			ways[way](pid, pidfd);
	}
	strcpy(secret, "of the child");
	end(pid, pidfd);
}

static void a_thread_that_stays(void **state)
{
	int pidfd;
	pid_t pid = start(stay, &pidfd);

	strcpy(secret, "of ours");
	for (size_t way = 0; way < ARRAY_SIZE(ways); way++)
		ways[way](pid, pidfd);
	strcpy(secret, "of the child");
	end(pid, pidfd);
}

static int count_visits(int dir, pid_t tid, void *ctx)
{
	pid_t *tids = ctx;

	assert_true(dir >= 0);
	tids[0] = tids[1];
	tids[1] = tid;
	return 7;
}

static void who_is_visited(void **state)
{
	pid_t tids[2] = {-1, -1}, pid;
	int pidfd = procfs__open("/proc", getpid());

	assert_int_equal(process__visit(pidfd, count_visits, tids), 7);
	assert_int_equal(tids[0], -1);
	assert_int_equal(tids[1], 0);
	close(pidfd);

	pid = start(stay, &pidfd);
	assert_int_equal(process__visit(pidfd, count_visits, tids), 7);
	assert_int_equal(tids[0], 0);
	assert_true(tids[1] > 0 && tids[1] != pid);
	end(pid, pidfd);
}

static void what_has_no_map(void **state)
{
	_cleanup_buf_ struct buf text = {};
	pid_t tids[2] = {-1, -1}, pid = fork();
	siginfo_t info;
	int pidfd;

	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	pidfd = procfs__open("/proc", pid);
	assert_int_equal(process__visit(pidfd, count_visits, tids), -ESRCH);
	assert_int_equal(process__openat(pidfd, "smaps", O_RDONLY), -ESRCH);
	assert_int_equal(process__read(pidfd, "status", 1 << 16, &text), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(process__read(pidfd, "status", 1 << 16, &text), -ESRCH);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_visited),
		cmocka_unit_test(what_has_no_map),
		cmocka_unit_test(a_thread_that_stays),
		cmocka_unit_test(threads_that_hand_over),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
