/* SPDX-License-Identifier: BSD-2-Clause */
/* A program stopped by ptrace behind its mmap of MAGIC bytes, and the copy of its stack there, as
 * the BPF programs would have taken it. */
#ifndef MEMPROV_TRACED_H
#define MEMPROV_TRACED_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "proc/procfs.h"
#include "wire/machine.h"

#define MAGIC 0x123000

struct traced {
	pid_t pid;
	uint64_t start_ticks;
	pid_t tid; /* that made the call */
	struct mp_stack *stack;
};

#if defined(__x86_64__)
static inline void traced__copy_regs(__u64 *to, const struct user_regs_struct *r)
{
	memcpy(to,
	       (__u64[]){r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
			 r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip},
	       MACHINE_REGS * sizeof(__u64));
}

static inline bool traced__has_mapped(const struct user_regs_struct *r, size_t len)
{
	return r->orig_rax == SYS_mmap && r->rsi == len && (int64_t)r->rax > 0;
}
#elif defined(__aarch64__)
static inline void traced__copy_regs(__u64 *to, const struct user_regs_struct *r)
{
	memcpy(to, r, MACHINE_REGS * sizeof(__u64)); /* x0 … x30, sp, pc */
}

static inline bool traced__has_mapped(const struct user_regs_struct *r, size_t len)
{
	return r->regs[8] == SYS_mmap && r->regs[1] == len && (int64_t)r->regs[0] > 0;
}
#endif

static inline struct mp_stack *traced__copy_stack(pid_t tid, size_t max)
{
	struct mp_stack *stack = calloc(1, sizeof(*stack) + sizeof(struct mp_stack_copy) + max);
	struct mp_stack_copy *copy = (void *)stack->data;
	struct user_regs_struct r;
	struct iovec iov = {&r, sizeof(r)};
	size_t len = 0;
	uint64_t sp;

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov))
		abort();
	traced__copy_regs(copy->regs, &r);
	sp = copy->regs[MACHINE_SP];
	while (len < max) {
		size_t piece = 4096 - (sp + len) % 4096;
		struct iovec to = {copy->bytes + len, piece < max - len ? piece : max - len};
		struct iovec from = {(void *)(sp + len), to.iov_len};
		ssize_t n = process_vm_readv(tid, &to, 1, &from, 1, 0);

		if (n <= 0)
			break;
		len += n;
	}
	stack->kind = MP_STACK_COPY;
	stack->bytes = sizeof(*copy) + len / 8 * 8;
	return stack;
}

static inline bool traced__is_magic(pid_t tid)
{
	struct user_regs_struct r;
	struct iovec iov = {&r, sizeof(r)};

	return !ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) && traced__has_mapped(&r, MAGIC);
}

/* Runs until some thread's mmap of MAGIC bytes has returned. */
static inline void traced__run_to_magic(struct traced *traced)
{
	for (;;) {
		int status, signal = 0;
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 || (tid == traced->pid && !WIFSTOPPED(status)))
			abort();
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && traced__is_magic(tid)) {
			traced->tid = tid;
			return;
		}
		if (WSTOPSIG(status) != (SIGTRAP | 0x80) && WSTOPSIG(status) != SIGTRAP &&
		    WSTOPSIG(status) != SIGSTOP)
			signal = WSTOPSIG(status);
		ptrace(PTRACE_SYSCALL, tid, 0, signal);
	}
}

static inline struct traced traced__start(char *const argv[], size_t max)
{
	struct traced traced = {.pid = fork()};
	struct proc_stat stat;
	int status, pidfd;

	if (!traced.pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[0], argv);
		_exit(127);
	}
	if (waitpid(traced.pid, &status, 0) != traced.pid || !WIFSTOPPED(status))
		abort();
	ptrace(PTRACE_SETOPTIONS, traced.pid, 0,
	       PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE);
	ptrace(PTRACE_SYSCALL, traced.pid, 0, 0);
	traced__run_to_magic(&traced);
	pidfd = procfs__open("/proc", traced.pid);
	if (pidfd < 0 || procfs__stat(pidfd, &stat))
		abort();
	close(pidfd);
	traced.start_ticks = stat.start_ticks;
	traced.stack = traced__copy_stack(traced.tid, max);
	return traced;
}

static inline void traced__end(struct traced *traced)
{
	int status;

	kill(traced->pid, SIGKILL);
	/* The leader is not reported before the others have been. */
	if (traced->tid != traced->pid)
		waitpid(traced->tid, &status, __WALL);
	while (waitpid(traced->pid, &status, __WALL) == traced->pid && WIFSTOPPED(status))
		;
	free(traced->stack);
}

#endif
