// SPDX-License-Identifier: BSD-2-Clause
/*
 * Makes system calls inside another process, to see what its seccomp filter makes of them:
 *
 *	inject PID NUMBER[,ARGUMENT…] …
 *
 * prints the result of each (-errno where it failed), and nothing more once the process is dead.
 * With ptrace and the general registers alone: gdb 13 writes all of the extended state too, which
 * the kernel refuses on CPUs that have more of it than gdb knows (AMX).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifdef __x86_64__
#define INSTRUCTION_SIZE 2
#define PC(r)		 ((r)->rip)
#define RESULT(r)	 ((long)(r)->rax)
#else
#define INSTRUCTION_SIZE 4
#define PC(r)		 ((r)->pc)
#define RESULT(r)	 ((long)(r)->regs[0])
#endif

/* False when the thread is no more. */
static int registers(int request, int pid, struct user_regs_struct *regs)
{
	struct iovec iov = {regs, sizeof(*regs)};

	return !ptrace(request, pid, NT_PRSTATUS, &iov);
}

static void set_call(struct user_regs_struct *regs, const long call[7])
{
#ifdef __x86_64__
	regs->orig_rax = -1; /* the call that was interrupted is not begun again yet */
	regs->rax = call[0];
	regs->rdi = call[1];
	regs->rsi = call[2];
	regs->rdx = call[3];
	regs->r10 = call[4];
	regs->r8 = call[5];
	regs->r9 = call[6];
#else
	for (int i = 0; i < 6; i++)
		regs->regs[i] = call[i + 1];
	regs->regs[8] = call[0];
#endif
}

static int stopped(int pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
}

static int inject(int pid, const struct user_regs_struct *saved, char *words)
{
	struct user_regs_struct regs = *saved;
	long call[7] = {0};

	for (int i = 0; i < 7 && words; i++)
		call[i] = strtol(strsep(&words, ","), NULL, 0);
	set_call(&regs, call);
	PC(&regs) -= INSTRUCTION_SIZE;
	if (!registers(PTRACE_SETREGSET, pid, &regs) || ptrace(PTRACE_SINGLESTEP, pid, 0, 0) ||
	    !stopped(pid) || !registers(PTRACE_GETREGSET, pid, &regs))
		return 0;
	printf("%ld\n", RESULT(&regs));
	return 1;
}

int main(int argc, char **argv)
{
	int pid = argc > 1 ? atoi(argv[1]) : 0;
	struct user_regs_struct saved;

	/* It is blocked in a system call: the instruction is right before where it goes on. */
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    !stopped(pid) || !registers(PTRACE_GETREGSET, pid, &saved)) {
		fprintf(stderr, "inject: %s\n", strerror(errno));
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		if (!inject(pid, &saved, argv[i]))
			return 0;
	}
	registers(PTRACE_SETREGSET, pid, &saved);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}
