/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads of a process, and where their stacks are. */
#ifndef MEMPROV_THREADS_H
#define MEMPROV_THREADS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/vma.h"

#define PROC_THREAD_COMM_LEN 16 /* TASK_COMM_LEN */

struct proc_thread {
	pid_t tid;
	char comm[PROC_THREAD_COMM_LEN];
	uint64_t stack_pointer;
};

/* Pure: the stack pointer in the text of /proc/PID/task/TID/syscall ("0 0x3 … 0xSP 0xPC", or
 * "-1 0xSP 0xPC" outside of a call). -EAGAIN for a thread that is running: the kernel does not
 * know it then. -EBADMSG. */
int proc_syscall__parse(const char *text, size_t len, uint64_t *ret);

/* The threads, without the main one, whose stack pointer is known: waiting ones, which most are.
 * The caller frees *ret. At most max. 0 or -errno. */
int procfs__threads(int pidfd, pid_t pid, size_t max, struct proc_thread **ret, size_t *ret_n);

/* The VMA that is plainly the stack of a thread with this stack pointer: private anonymous memory
 * right above a guard that may not be touched, as every threading library lays it out; or NULL. */
const struct vma *vma_set__thread_stack(const struct vma_set *set, uint64_t stack_pointer);

#endif
