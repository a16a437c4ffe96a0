// SPDX-License-Identifier: BSD-2-Clause
#include "syscalls.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "proc/pagemap.h"
#include "util/cleanup.h"
#include "util/sanitized.h"
#include "util/syscall_filter.h"

/* These arguments are ints; what the upper half of a register holds is chance. */
#define EQUALS(n, value) SCMP_A##n(SCMP_CMP_MASKED_EQ, UINT32_MAX, value)

/* How to find what is missing here: docs/privileges.md. */
static const struct syscall_rule allowed[] = {
	/* Memory, but no code. */
	CALL(brk),
	CALL(madvise),
	CALL_IF(mmap, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
	CALL_IF(mprotect, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
	CALL(mremap),
	CALL(munmap),

	/* /proc, cgroups, the kubelet's links, files for the symbolizer. That they are opened for
	 * reading only cannot be said here: openat2 has its flags in memory. */
	CALL(access),
	CALL(close),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(fcntl),
	CALL(fstat),
	CALL(fstatfs),
	CALL(getdents64),
	CALL(lseek),
	CALL(lstat),
	CALL(memfd_create), /* the vdso, as a file */
	CALL(newfstatat),
	CALL(open),
	CALL(openat),
	CALL(openat2),
	CALL(pread64),
	CALL(read),
	CALL(readlink),
	CALL(readlinkat),
	CALL(stat),
	CALL(statfs),
	CALL(statx),
	CALL(inotify_add_watch),
	CALL(inotify_rm_watch),

	/* What of a target only such calls tell: names, pages, whose a namespace is. */
	CALL(process_vm_readv),
	CALL_IF(ioctl, EQUALS(1, PAGEMAP_SCAN_REQUEST)),
	CALL_IF(ioctl, EQUALS(1, NS_GET_OWNER_UID)),
	CALL_IF(ioctl, EQUALS(1, NS_GET_PARENT)),

	/* BPF maps, and the programs' counters; when it ends, the tracepoints. */
	CALL_IF(bpf, EQUALS(0, BPF_MAP_LOOKUP_ELEM)),
	CALL_IF(bpf, EQUALS(0, BPF_MAP_GET_NEXT_KEY)),
	CALL_IF(bpf, EQUALS(0, BPF_MAP_DELETE_ELEM)),
	CALL_IF(bpf, EQUALS(0, BPF_MAP_UPDATE_ELEM)),
	CALL_IF(bpf, EQUALS(0, BPF_OBJ_GET_INFO_BY_FD)),
	CALL_IF(ioctl, EQUALS(1, PERF_EVENT_IOC_DISABLE)),
	CALL_IF(ioctl, EQUALS(1, PERF_EVENT_IOC_PERIOD)), /* page faults: how many are told */

	/* Clients. For them only netlink's sockets are made, which ask whose a connection is. */
	CALL(accept4),
	CALL(epoll_ctl),
	CALL(epoll_pwait),
	CALL(epoll_wait),
	CALL(getpeername),
	CALL(getsockname),
	CALL(getsockopt),
	CALL(poll),
	CALL(ppoll),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(sendto),
	CALL(setsockopt),
	CALL(shutdown),
	CALL(writev),
	CALL_IF(socket, EQUALS(0, AF_NETLINK)),

	/* The launcher and the symbolizer: a pair of sockets for each child, and their end. */
	CALL_IF(socketpair, EQUALS(0, AF_UNIX)),
	CALL(wait4),
	CALL(waitid),

	/* Threads that were started a moment ago. There will be no others. */
	CALL_IF(prctl, EQUALS(0, PR_SET_NAME)),
	CALL(rseq),
	CALL(set_robust_list),

	/* Threads among each other, signals, time. */
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(exit),
	CALL(exit_group),
	CALL(futex),
	CALL(getpid),
	CALL(gettid),
	CALL(gettimeofday),
	CALL(restart_syscall),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(rt_sigtimedwait),
	CALL(sched_yield),

	/* Our ids, the size of the machine (malloc, qsort), and randomness (TLS). */
	CALL(getegid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getrandom),
	CALL(getuid),
	CALL(sched_getaffinity),
	CALL(sysinfo),
	CALL(uname),

	/* What it says: on standard error, with a line that is redrawn where that is a terminal;
	 * and to threads of its own. Its unix socket goes with it. */
	CALL(write),
	CALL_IF(ioctl, EQUALS(1, TCGETS)),
	CALL_IF(ioctl, EQUALS(1, TIOCGPGRP)),
	CALL_IF(ioctl, EQUALS(1, TIOCGWINSZ)),
	CALL(getpgrp),
	CALL(getpgid),
	CALL(unlink),
	CALL(unlinkat),
#if SANITIZED
	/* LeakSanitizer stops all threads from a process of its own, and looks at them. */
	CALL(clone),
	CALL(getdents),
	CALL(getppid),
	CALL(kill),
	CALL(pipe2),
	CALL(prctl),
	CALL(prlimit64),
	CALL(ptrace),
	CALL(rt_sigaction),
	CALL(sigaltstack),
	CALL(tgkill),
#endif
};

/* No library calls these for us, so an attacker does. */
static const struct syscall_rule deadly[] = {
	/* Another program. */
	CALL(execve),
	CALL(execveat),
/* Other processes. */
#if !SANITIZED
	CALL(ptrace),
#endif
	CALL(pidfd_getfd),
	CALL(process_vm_writev),
	/* Other users and namespaces. */
	CALL(setns),
	CALL(setresuid),
	CALL(setreuid),
	CALL(setuid),
	CALL(unshare),
	/* Other file systems, and files without a path. */
	CALL(chroot),
	CALL(fsmount),
	CALL(fsopen),
	CALL(mount),
	CALL(move_mount),
	CALL(open_by_handle_at),
	CALL(open_tree),
	CALL(pivot_root),
	CALL(umount2),
	/* The kernel itself. */
	CALL(finit_module),
	CALL(init_module),
	CALL(kexec_file_load),
	CALL(kexec_load),
	CALL_IF(bpf, EQUALS(0, BPF_PROG_LOAD)),
	/* What attackers of the kernel begin with. */
	CALL(add_key),
	CALL(io_uring_setup),
	CALL(keyctl),
	CALL(userfaultfd),
};

/* With --history FILE alone. */
static const struct syscall_rule for_files[] = {
	CALL(fchmod),	 CALL(fchown), CALL(fdatasync), CALL(flock),  CALL(fsync),
	CALL(ftruncate), CALL(getcwd), CALL(pwrite64),	CALL(rename), CALL(renameat),
};

/* With --alertmanager alone: connections, and questions to a DNS server. */
static const struct syscall_rule for_alerts[] = {
	CALL(connect),
	CALL(sendmmsg),
	CALL_IF(ioctl, EQUALS(1, FIONREAD)),
	CALL_IF(socket, EQUALS(0, AF_INET)),
	CALL_IF(socket, EQUALS(0, AF_INET6)),
};

/* Before it asks a DNS server, the C library looks for nscd, and does without. Other sockets of
 * this family are those of container runtimes. */
static const struct syscall_rule in_vain[] = {
	CALL_IF(socket, EQUALS(0, AF_UNIX)),
};

int syscalls__restrict(enum seccomp_mode mode, bool writes_files, bool sends_alerts)
{
	const struct syscall_list lists[] = {
		{SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed)},
		{SCMP_ACT_ALLOW, for_files, writes_files ? ARRAY_SIZE(for_files) : 0},
		{SCMP_ACT_ALLOW, for_alerts, sends_alerts ? ARRAY_SIZE(for_alerts) : 0},
		mode == SECCOMP_LOG
			? (struct syscall_list){SCMP_ACT_ERRNO(ENOSYS), in_vain,
						sends_alerts ? ARRAY_SIZE(in_vain) : 0}
			: (struct syscall_list){SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly)},
	};

	switch (mode) {
	case SECCOMP_ENFORCE:
		return syscall_filter__load(SCMP_ACT_ERRNO(ENOSYS), lists, ARRAY_SIZE(lists));
	case SECCOMP_LOG:
		return syscall_filter__load(SCMP_ACT_LOG, lists, ARRAY_SIZE(lists));
	case SECCOMP_OFF:
		break;
	}
	return 0;
}
