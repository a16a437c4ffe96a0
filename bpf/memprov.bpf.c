// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Attach points, and nothing else: each hands what its kind of program is given to a handler.
 * Every program returns 0, which keeps perf from recording the event a second time.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "../include/event.h"
#include "../include/python.h"
#include "sysarg.bpf.h"
#include "emit.bpf.h"
#include "share.bpf.h"
#include "stack.bpf.h"
#include "memory.bpf.h"
#include "kill.bpf.h"
#include "lazyfree.bpf.h"
#include "process.bpf.h"
#include "touch.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The system calls are watched in one of two ways, and user/collect/backend.c says which half of
 * these programs is loaded: tracepoints, which every call of every program on the node pays for, or
 * fentry and fexit, for which only these calls do. Those come to where a task can lose its CPU in
 * the middle; Linux 6.10 lets a program forbid that, but not at its end.
 */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

const volatile bool keep_cpu; /* the kernel has these two */

#if defined(__TARGET_ARCH_x86)
#define SYSCALL_FUNCTION(call) "__x64_sys_" #call
#else
#define SYSCALL_FUNCTION(call) "__arm64_sys_" #call
#endif

#define KEEPING_CPU(handle)                                                                        \
	if (keep_cpu)                                                                              \
		bpf_preempt_disable();                                                             \
	handle;                                                                                    \
	if (keep_cpu)                                                                              \
		bpf_preempt_enable();                                                              \
	return 0;

#define AT_ENTER(call, handler)                                                                    \
	SEC("tracepoint/syscalls/sys_enter_" #call)                                                \
	int enter_##call(void *ctx)                                                                \
	{                                                                                          \
		return handler(syscall_regs());                                                    \
	}                                                                                          \
	SEC("fentry/" SYSCALL_FUNCTION(call))                                                      \
	int fentry_##call(void *ctx)                                                               \
	{                                                                                          \
		KEEPING_CPU(handler(syscall_regs()))                                               \
	}

#define AT_EXIT(call, handler)                                                                     \
	SEC("tracepoint/syscalls/sys_exit_" #call)                                                 \
	int exit_##call(struct trace_event_raw_sys_exit *ctx)                                      \
	{                                                                                          \
		return handler(syscall_regs(), ctx->ret);                                          \
	}                                                                                          \
	SEC("fexit/" SYSCALL_FUNCTION(call))                                                       \
	int fexit_##call(__u64 *ctx) /* the arguments, of which there is one, and the result */    \
	{                                                                                          \
		KEEPING_CPU(handler(syscall_regs(), ctx[1]))                                       \
	}

AT_EXIT(mmap, on_mmap)
AT_ENTER(munmap, on_munmap)
AT_ENTER(mremap, on_mremap_enter)
AT_EXIT(mremap, on_mremap_exit)
AT_EXIT(brk, on_brk)
AT_EXIT(shmat, on_shmat)
AT_ENTER(shmdt, on_shmdt)
AT_EXIT(prctl, on_prctl)
AT_ENTER(madvise, on_madvise)
AT_ENTER(process_madvise, on_process_madvise)

struct raw_args {
	__u64 args[3];
};

SEC("raw_tracepoint/sched_process_fork")
int raw_fork(struct raw_args *ctx)
{
	return on_fork((struct task_struct *)ctx->args[0], (struct task_struct *)ctx->args[1]);
}

SEC("raw_tracepoint/sched_process_exec")
int raw_exec(struct raw_args *ctx)
{
	return on_exec((struct task_struct *)ctx->args[0]);
}

SEC("raw_tracepoint/sched_process_exit")
int raw_exit(struct raw_args *ctx)
{
	return on_exit((struct task_struct *)ctx->args[0]);
}

SEC("raw_tracepoint/task_rename")
int raw_rename(struct raw_args *ctx)
{
	return on_rename((struct task_struct *)ctx->args[0], (const char *)ctx->args[1]);
}

SEC("raw_tracepoint/mark_victim")
int raw_victim(struct raw_args *ctx)
{
	return on_victim(ctx->args[0], ctx->args[1]);
}

SEC("perf_event")
int page_fault(struct bpf_perf_event_data *ctx)
{
	return on_fault(ctx);
}
