// SPDX-License-Identifier: BSD-2-Clause
/* The figures of a process in one read: user/proc/memory.c, children.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/children.h"
#include "proc/memory.h"
#include "proc/procfs.h"
#include "proc/statm.h"
#include "util/cleanup.h"

#define MIB (1UL << 20)

static void statm_in_bytes(void **state)
{
	static const char text[] = "2501 431 397 7 0 113 0\n";
	struct proc_memory memory;

	assert_int_equal(proc_statm__parse(text, strlen(text), 4096, &memory), 0);
	assert_int_equal(memory.size, 2501 * 4096);
	assert_int_equal(memory.rss, 431 * 4096);
	assert_int_equal(memory.shared, 397 * 4096);
	assert_int_equal(proc_statm__parse("0 0 0", 5, 65536, &memory), 0);
	assert_int_equal(memory.size, 0);
}

static void bad_statm_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"\n",
		"1",
		"1 ",
		"1 2",
		"-1 2 3",
		"1-",
		"1  2 3",
		" 1 2 3",
		"1 2\n",
		"1 2 ",
		"1 2 x",
		"18446744073709551615 1 ",
		"1 99999999999999999999 ",
	};
	struct proc_memory memory = {7, 7, 7};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(proc_statm__parse(cases[i], strlen(cases[i]), 4096, &memory),
				 -EBADMSG);
		assert_int_equal(memory.rss, 7);
	}
}

static void peak_in_status(void **state)
{
	static const char text[] =
		"Name:\tx\nVmPeak:\t  90 kB\nVmHWM:\t    1724 kB\nVmRSS:\t 9 kB\n"
		"HugetlbPages:\t    2048 kB\nCoreDumping:\t0\n";
	/* The name is the process's own choice; the kernel writes its newline as "\n". */
	static const char named[] = "Name:\tVmHWM:\t5 kB\\nVmHWM:\t6 kB\nVmHWM:\t7 kB\n";
	uint64_t peak;

	assert_int_equal(proc_status__parse(text, strlen(text), "VmHWM", &peak), 0);
	assert_int_equal(peak, 1724 << 10);
	assert_int_equal(proc_status__parse(text, strlen(text), "HugetlbPages", &peak), 0);
	assert_int_equal(peak, 2048 << 10);
	assert_int_equal(proc_status__parse(text, strlen(text), "Hugetlb", &peak), -ENODATA);
	assert_int_equal(proc_status__parse(named, strlen(named), "VmHWM", &peak), 0);
	assert_int_equal(peak, 7 << 10);
}

static void bad_status_is_refused(void **state)
{
	static const struct {
		const char *text;
		int err;
	} cases[] = {
		{"", -ENODATA},
		{"Name:\tx\nState:\tZ (zombie)\n", -ENODATA},
		{"VmHWM:\t1 kB\n", -ENODATA},
		{"\nVmHWM:", -EBADMSG},
		{"\nVmHWM:\t", -EBADMSG},
		{"\nVmHWM:\t12", -EBADMSG},
		{"\nVmHWM:\t12 kB", -EBADMSG},
		{"\nVmHWM:\t12 MB\n", -EBADMSG},
		{"\nVmHWM:\t18446744073709551615 kB\n", -EBADMSG},
	};
	uint64_t peak = 7;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;

		assert_int_equal(proc_status__parse(text, strlen(text), "VmHWM", &peak),
				 cases[i].err);
		assert_int_equal(peak, 7);
	}
}

static void our_own(void **state)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", getpid());
	struct proc_memory before, with, after;
	uint64_t peak;
	void *p;

	assert_int_equal(procfs__memory(pidfd, &before), 0);
	p = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, 32 * MIB);
	assert_int_equal(procfs__memory(pidfd, &with), 0);
	munmap(p, 32 * MIB);
	assert_int_equal(procfs__memory(pidfd, &after), 0);
	assert_true(with.size >= before.size + 32 * MIB);
	assert_true(with.rss >= before.rss + 31 * MIB);
	assert_true(after.rss <= with.rss - 31 * MIB);
	assert_int_equal(procfs__peak(pidfd, &peak), 0);
	assert_true(peak >= after.rss + 31 * MIB);
}

static void numbers_of_children(void **state)
{
	static const char text[] = "12 345 4194304 ", bad[] = "7 -1 ";
	const char *pos = text, *end = text + strlen(text);
	pid_t pid;

	assert_int_equal(proc_children__next(&pos, end, &pid), 0);
	assert_int_equal(pid, 12);
	assert_int_equal(proc_children__next(&pos, end, &pid), 0);
	assert_int_equal(proc_children__next(&pos, end, &pid), 0);
	assert_int_equal(pid, 4194304);
	assert_int_equal(proc_children__next(&pos, end, &pid), -ENODATA);
	assert_int_equal(proc_children__next(&pos, end, &pid), -ENODATA);
	pos = bad;
	assert_int_equal(proc_children__next(&pos, bad + strlen(bad), &pid), 0);
	assert_int_equal(proc_children__next(&pos, bad + strlen(bad), &pid), -EBADMSG);
	pos = "99999999999 ";
	assert_int_equal(proc_children__next(&pos, pos + strlen(pos), &pid), -EBADMSG);
}

static void children_of_children(void **state)
{
	struct proc_family family;
	int fds[2];
	char c;

	assert_int_equal(procfs__family("/proc", getpid()).n, 0);
	assert_int_equal(pipe(fds), 0);
	if (!fork()) {
		signal(SIGUSR1, SIG_DFL);
		if (!fork() && write(fds[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	family = procfs__family("/proc", getpid());
	kill(0, SIGUSR1);
	while (wait(NULL) > 0)
		;
	assert_int_equal(family.n, 2);
	assert_true(family.rss > 2 * (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
	setpgid(0, 0); /* the children go with it */
	signal(SIGUSR1, SIG_IGN);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statm_in_bytes),
		cmocka_unit_test(bad_statm_is_refused),
		cmocka_unit_test(peak_in_status),
		cmocka_unit_test(bad_status_is_refused),
		cmocka_unit_test(our_own),
		cmocka_unit_test(numbers_of_children),
		cmocka_unit_test(children_of_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
