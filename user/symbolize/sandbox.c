// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "symbolize/wire.h"
#include "util/cleanup.h"

#define NOBODY 65534

/* AddressSanitizer reserves terabytes, tells what it finds on stderr, and looks for leaks. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static int close_all_but(int keep)
{
	int first = SANITIZED ? STDERR_FILENO + 1 : 0;

	if (keep > first && syscall(SYS_close_range, first, keep - 1, 0))
		return -errno;
	return syscall(SYS_close_range, keep + 1, ~0U, 0) ? -errno : 0;
}

/*
 * No network, and an empty file system as root. Without CAP_SYS_ADMIN there is none to be had; then
 * it is only seccomp that keeps files out of reach.
 */
static void leave_namespaces(void)
{
	/* One by one: a kernel may have been built without some. */
	unshare(CLONE_NEWNET);
	unshare(CLONE_NEWIPC);
	unshare(CLONE_NEWUTS);
	if (unshare(CLONE_NEWNS))
		return;
	/* Slaves: where the old root cannot be let go of, what the host unmounts goes here, too. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return;
	/* Any directory would do, and this one is always there. */
	if (mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=1,mode=0555") ||
	    chdir("/proc"))
		return;
	/* An initramfs cannot be pivoted away. */
	if (!syscall(SYS_pivot_root, ".", "."))
		umount2(".", MNT_DETACH);
	else if (chroot("."))
		return;
	if (chdir("/"))
		return;
	mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	      NULL);
}

static int limit(int resource, rlim_t value)
{
	struct rlimit rlimit = {value, value};

	return setrlimit(resource, &rlimit) ? -errno : 0;
}

static int limit_resources(uint64_t memory)
{
	int err = 0;

	/* What can be written counts as memory; files are only mapped. */
	if (!SANITIZED)
		err = limit(RLIMIT_DATA, memory) ?: limit(RLIMIT_AS, 2 * memory);
	err = err ?: limit(RLIMIT_FSIZE, 0);
	err = err ?: limit(RLIMIT_CORE, 0);
	/* A descriptor of ours and one of libelf's per file, and the debug files. */
	err = err ?: limit(RLIMIT_NOFILE, 3 * WIRE_FILES_MAX + 16);
	/* Not to be forked is what matters; whoever may not lower it has the rest. */
	limit(RLIMIT_NPROC, 0);
	setpriority(PRIO_PROCESS, 0, 5);
	return err;
}

static int drop_privileges(void)
{
	if (geteuid() == 0) {
		capng_clear(CAPNG_SELECT_BOTH);
		/* The bounding set needs a capability of its own, so it goes first. */
		if (capng_apply(CAPNG_SELECT_BOUNDS) && errno != EPERM)
			return -EPERM;
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			return -errno;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	/* After the change of user, which takes it back. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;
}

/* --- system calls -------------------------------------------------------------------------- */

static const int allowed[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), /* fstat of newer C libraries, of a descriptor: nothing has a name */
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(ppoll),
	SCMP_SYS(poll),
	SCMP_SYS(pread64),
	SCMP_SYS(read),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sysinfo), /* qsort() asks how much memory there is, and is ten times slower without
			    */
#if SANITIZED
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(prctl),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(tgkill),
	SCMP_SYS(write),
#endif
};

/* What libraries try, and do without. */
static const int refused[] = {
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(ioctl),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(prlimit64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(stat),
	SCMP_SYS(statfs),
	SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	SCMP_SYS(sched_getaffinity),
};

/* Newer architectures have never had some of the older calls. */
static int add_rule(scmp_filter_ctx filter, uint32_t action, int call)
{
	int err = seccomp_rule_add(filter, action, call, 0);

	return err == -EDOM ? 0 : err;
}

static int add_rules(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(allowed); i++)
		err = add_rule(filter, SCMP_ACT_ALLOW, allowed[i]);
	for (size_t i = 0; !err && i < ARRAY_SIZE(refused); i++)
		err = add_rule(filter, SCMP_ACT_ERRNO(EACCES), refused[i]);
	/* Memory, but no code. */
	err = err
		      ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	err = err
		      ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

static int filter_syscalls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!filter)
		return -ENOMEM;
	err = add_rules(filter);
	err = err ?: seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int sandbox__enter(int keep, uint64_t memory)
{
	int err = close_all_but(keep);

	if (err)
		return err;
	leave_namespaces();
	err = limit_resources(memory);
	err = err ?: drop_privileges();
	return err ?: filter_syscalls();
}
