// SPDX-License-Identifier: BSD-2-Clause
/* The probes of what tracing takes. */
#include "cli/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collect/collector.h"
#include "collect/faults.h"
#include "collect/tracefs.h"
#include "util/cleanup.h"

/* A syscall of ours that is rarely called: attaching to it for a moment costs nothing. */
#define RARE_EVENT "syscalls/sys_enter_shmdt"

/* return 0; -- a program that does nothing. */
static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

static int load_tracepoint(void)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "memprov_probe", "GPL", nothing,
			       ARRAY_SIZE(nothing), NULL);

	return fd < 0 ? -errno : fd;
}

/* Attaches to RARE_EVENT as the daemon does, and lets go again. */
static int attach_tracepoint(int program)
{
	_cleanup_close_ int tracefs = tracefs__open();
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.wakeup_events = 1,
	};
	_cleanup_close_ int event = -1;
	int id;

	if (tracefs < 0)
		return tracefs;
	id = tracefs__event_id(tracefs, RARE_EVENT);
	if (id < 0)
		return id;
	attr.config = id;
	event = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0 || ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		return -errno;
	return 0;
}

bool probe__btf(char detail[PROBE_DETAIL_LEN])
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	snprintf(detail, PROBE_DETAIL_LEN, "%s%s%s", path, fd < 0 ? ": " : "",
		 fd < 0 ? strerror(errno) : "");
	return fd >= 0;
}

bool probe__tracefs(char detail[PROBE_DETAIL_LEN])
{
	_cleanup_close_ int tracefs = tracefs__open();
	int id = tracefs < 0 ? tracefs : tracefs__event_id(tracefs, RARE_EVENT);

	snprintf(detail, PROBE_DETAIL_LEN, "%s%s",
		 tracefs < 0 ? "can neither be mounted nor is it: "
		 : id < 0    ? "cannot read the ID of " RARE_EVENT ": "
			     : "tracepoint IDs can be read",
		 id < 0 ? strerror(-id) : "");
	return id >= 0;
}

bool probe__lockdown(char detail[PROBE_DETAIL_LEN])
{
	_cleanup_close_ int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 0) {
		snprintf(detail, PROBE_DETAIL_LEN, "none to be seen");
		return true;
	}
	text[strcspn(text, "\n")] = '\0';
	snprintf(detail, PROBE_DETAIL_LEN, "%s", text);
	/* LOCKDOWN_BPF_READ_KERNEL is of the confidentiality level (include/linux/security.h). */
	return !strstr(text, "[confidentiality]");
}

bool probe__load(char detail[PROBE_DETAIL_LEN])
{
	int fd = load_tracepoint();

	snprintf(detail, PROBE_DETAIL_LEN, "a tracepoint program %s%s",
		 fd < 0 ? "is refused: " : "was loaded", fd < 0 ? strerror(-fd) : "");
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool probe__attach(char detail[PROBE_DETAIL_LEN])
{
	_cleanup_close_ int program = load_tracepoint();
	int err = program < 0 ? program : attach_tracepoint(program);
	char why[128];

	if (!collector__prefers_fexit(why, sizeof(why))) {
		snprintf(detail, PROBE_DETAIL_LEN,
			 "fexit: calls that are not watched cost nothing (tracepoint: %s)",
			 err ? strerror(-err) : "possible, too");
		return true;
	}
	snprintf(detail, PROBE_DETAIL_LEN, "%s%s%s, not fexit: %s", err ? "none" : "tracepoint",
		 err ? ": " : "", err ? strerror(-err) : "", why);
	return !err;
}

bool probe__ring_buffer(char detail[PROBE_DETAIL_LEN])
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "memprov_probe", 0, 0, sysconf(_SC_PAGESIZE),
				NULL);

	snprintf(detail, PROBE_DETAIL_LEN, "a map of one page %s%s",
		 fd < 0 ? "is refused: " : "was made", fd < 0 ? strerror(errno) : "");
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool probe__page_faults(char detail[PROBE_DETAIL_LEN])
{
	struct faults *faults;

	if (faults__open(detail, PROBE_DETAIL_LEN, &faults))
		return false;
	faults__close(faults);
	snprintf(detail, PROBE_DETAIL_LEN, "told by perf events, one for each CPU");
	return true;
}
