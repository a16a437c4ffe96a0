// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Attach points, and nothing else: each hands what its kind of program is given to a handler.
 * Every program returns 0, which keeps perf from recording the event a second time.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "../include/event.h"
#include "sysarg.bpf.h"
#include "emit.bpf.h"
#include "stack.bpf.h"
#include "memory.bpf.h"
#include "process.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AT_ENTER(call, handler)                                                                    \
	SEC("tracepoint/syscalls/sys_enter_" #call)                                                \
	int enter_##call(void *ctx)                                                                \
	{                                                                                          \
		return handler(syscall_regs());                                                    \
	}

#define AT_EXIT(call, handler)                                                                     \
	SEC("tracepoint/syscalls/sys_exit_" #call)                                                 \
	int exit_##call(struct trace_event_raw_sys_exit *ctx)                                      \
	{                                                                                          \
		return handler(syscall_regs(), ctx->ret);                                          \
	}

AT_EXIT(mmap, on_mmap)
AT_ENTER(munmap, on_munmap)
AT_ENTER(mremap, on_mremap_enter)
AT_EXIT(mremap, on_mremap_exit)
AT_EXIT(brk, on_brk)
AT_EXIT(shmat, on_shmat)
AT_ENTER(shmdt, on_shmdt)
AT_EXIT(prctl, on_prctl)

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
