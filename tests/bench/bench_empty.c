// SPDX-License-Identifier: BSD-2-Clause
/*
 * The least that a tracer of system calls can do: a BPF program that returns 0, on one syscall
 * tracepoint that no call reaches. Every system call of the node pays for the flag that this sets.
 * Prints "ready"; ends with its input.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collect/tracefs.h"
#include "util/cleanup.h"

int main(void)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1};
	int program = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "empty", "GPL", code,
				    ARRAY_SIZE(code), NULL);
	int tracefs = tracefs__open(), id, event;

	id = tracefs < 0 ? tracefs : tracefs__event_id(tracefs, "syscalls/sys_enter_shmdt");
	if (program < 0 || id < 0)
		return 1;
	attr.config = id;
	event = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0 || ioctl(event, PERF_EVENT_IOC_SET_BPF, program) ||
	    ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return 1;
	puts("ready");
	fflush(stdout);
	getchar();
	return 0;
}
