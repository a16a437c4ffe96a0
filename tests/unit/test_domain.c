// SPDX-License-Identifier: BSD-2-Clause
/* Which processes may be together: user/proc/domain.h. Run as root. */
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/domain.h"
#include "proc/procfs.h"
#include "util/capability.h"

struct process {
	pid_t pid;
	struct domain domain;
	struct credentials credentials;
};

/* A process that has become what `become` makes of it; looked at while it waits. Until it
 * ends, nobody else's namespaces have the numbers of its own. */
static struct process begin(void (*become)(void))
{
	struct process process = {};
	int ready[2], pidfd;
	char byte;

	assert_int_equal(pipe(ready), 0);
	process.pid = fork();
	if (!process.pid) {
		become();
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	pidfd = procfs__open("/proc", process.pid);
	assert_int_equal(domain__of(pidfd, process.pid, 7, &process.domain, &process.credentials),
			 0);
	close(pidfd);
	return process;
}

static void end(const struct process *process)
{
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
}

static void be_user(uid_t uid)
{
	if (setgroups(2, (gid_t[]){12, 34}) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid) || prctl(PR_SET_DUMPABLE, 1))
		_exit(1);
}

static void nothing(void)
{
}

static void nobody(void)
{
	be_user(65534);
}

static void somebody(void)
{
	be_user(1234);
}

static void secretive(void)
{
	be_user(1234);
	prctl(PR_SET_DUMPABLE, 0);
}

static void weak_root(void)
{
	if (capability__keep(CAPABILITY_BIT(CAP_CHOWN)))
		_exit(1);
}

static void unshared(int flags)
{
	if (unshare(flags))
		_exit(1);
}

static void mounts_of_its_own(void)
{
	unshared(CLONE_NEWNS);
}

static void users_of_its_own(void)
{
	be_user(1234);
	unshared(CLONE_NEWUSER);
	prctl(PR_SET_DUMPABLE, 1);
}

static void another_root(void)
{
	if (chroot("/usr"))
		_exit(1);
}

#define KINDS 7

static void who_is_with_whom(void **state)
{
	static void (*const kinds[KINDS])(void) = {
		nothing,	   nobody,	     somebody,	  weak_root,
		mounts_of_its_own, users_of_its_own, another_root};
	struct process one[KINDS], other[KINDS];

	for (size_t i = 0; i < KINDS; i++) {
		one[i] = begin(kinds[i]);
		other[i] = begin(kinds[i]);
	}
	for (size_t i = 0; i < KINDS; i++) {
		assert_int_equal(one[i].domain.alone, 0);
		for (size_t j = 0; j < KINDS; j++) {
			/* Two that unshared have a namespace each. */
			bool same = i == j && kinds[i] != mounts_of_its_own &&
				    kinds[i] != users_of_its_own;

			assert_int_equal(domain__equal(&one[i].domain, &other[j].domain), same);
		}
		assert_true(domain__equal(&one[i].domain, &one[i].domain));
	}
	assert_int_equal(one[2].credentials.n_groups, 2);
	assert_int_equal(one[2].credentials.groups[0], 12);
	assert_int_equal(one[2].credentials.groups[1], 34);
	/* Whatever namespaces a user makes, it stays one tenant; root's containers are several. */
	assert_int_equal(domain__tenant(&one[2].domain), 1234);
	assert_int_equal(domain__tenant(&one[5].domain), 1234);
	assert_true(domain__tenant(&one[0].domain) == domain__tenant(&one[3].domain));
	assert_true(domain__tenant(&one[0].domain) != domain__tenant(&one[4].domain));
	assert_true(domain__shares_namespaces(&one[0].domain, &one[1].domain));
	assert_false(domain__shares_namespaces(&one[0].domain, &one[4].domain));
	assert_false(domain__shares_namespaces(&one[2].domain, &one[5].domain));
	for (size_t i = 0; i < KINDS; i++) {
		end(&one[i]);
		end(&other[i]);
	}
}

static void others_of_its_user_may_not_read_it(void **state)
{
	struct process one = begin(secretive), other = begin(secretive), open = begin(somebody);

	assert_int_equal(one.domain.alone, one.pid);
	assert_int_equal(one.domain.start_ticks, 7);
	assert_false(domain__equal(&one.domain, &other.domain));
	assert_false(domain__equal(&one.domain, &open.domain));
	end(&one);
	end(&other);
	end(&open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_with_whom),
		cmocka_unit_test(others_of_its_user_may_not_read_it),
	};

	return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
