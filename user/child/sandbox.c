// SPDX-License-Identifier: BSD-2-Clause
#include "child/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/sanitized.h"
#include "util/syscall_filter.h"
#include "wire/wire.h"

#define NOBODY 65534U

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
	/* That it cannot fork is what matters; where this cannot be lowered, the rest holds. */
	limit(RLIMIT_NPROC, 0);
	return err;
}

static int become(unsigned id)
{
	return setresgid(id, id, id) || setresuid(id, id, id) ? -errno : 0;
}

/* A user of its own: processes of the user nobody may kill, limit and slow down each other.
 */
static int become_another_user(void)
{
	unsigned id;
	int err;

	if (setgroups(0, NULL))
		return -errno;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	err = become(WIRE_IDS_FIRST + id % WIRE_IDS);
	return err == -EINVAL ? become(NOBODY) : err;
}

static int drop_privileges(void)
{
	int err;

	if (geteuid() == 0) {
		capng_clear(CAPNG_SELECT_BOTH);
		/* The bounding set needs a capability of its own, so it goes first. */
		if (capng_apply(CAPNG_SELECT_BOUNDS) && errno != EPERM)
			return -EPERM;
		err = become_another_user();
		if (err)
			return err;
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

static const struct syscall_rule allowed[] = {
	CALL(brk),
	CALL(clock_gettime),
	CALL(close),
	CALL(dup),
	CALL(exit),
	CALL(exit_group),
	CALL(fcntl),
	CALL(fstat),
	CALL(newfstatat), /* fstat of newer C libraries, of a descriptor: nothing has a name */
	CALL(futex),
	CALL(getpid),
	CALL(getrandom),
	CALL(lseek),
	CALL(madvise),
	CALL(mremap),
	CALL(munmap),
	CALL(ppoll),
	CALL(poll),
	CALL(pread64),
	CALL(read),
	CALL(recvmsg),
	CALL(restart_syscall),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(sendmsg),
	CALL(sysinfo), /* qsort() asks how much memory there is, and is ten times slower without */
	/* Memory, but no code. */
	CALL_IF(mmap, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
	CALL_IF(mprotect, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
#if SANITIZED
	CALL(getppid),
	CALL(gettid),
	CALL(prctl),
	CALL(rt_sigaction),
	CALL(sched_yield),
	CALL(sigaltstack),
	CALL(tgkill),
	CALL(write),
#endif
};

/* What libraries try, and do without. */
static const struct syscall_rule refused[] = {
	CALL(access),
	CALL(faccessat),
	CALL(ioctl),
	CALL(open),
	CALL(openat),
	CALL(prlimit64),
	CALL(readlink),
	CALL(readlinkat),
	CALL(stat),
	CALL(statfs),
	CALL(statx),
	CALL(getdents64),
	CALL(sched_getaffinity),
};

static const struct syscall_list calls[] = {
	{SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed)},
	{SCMP_ACT_ERRNO(EACCES), refused, ARRAY_SIZE(refused)},
};

int sandbox__enter(int keep, uint64_t memory)
{
	int err = close_all_but(keep);

	if (err)
		return err;
	leave_namespaces();
	err = limit_resources(memory);
	err = err ?: drop_privileges();
	return err ?: syscall_filter__load(SCMP_ACT_KILL_PROCESS, calls, ARRAY_SIZE(calls));
}
