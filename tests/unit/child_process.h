/* SPDX-License-Identifier: BSD-2-Clause */
/* The process of a symbolizer's child, as /proc shows it. */
#ifndef MEMPROV_CHILD_PROCESS_H
#define MEMPROV_CHILD_PROCESS_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "wire/wire.h"

/* 0 for a zombie, and for a process that is not there. */
static inline pid_t parent_of(pid_t pid)
{
	char path[64], text[4096];
	struct proc_stat stat;
	int parent = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (proc_stat__parse(text, n, &stat) || stat.state == 'Z')
		return 0;
	sscanf(strrchr(text, ')'), ") %*c %d", &parent);
	return parent;
}

/* The launcher's, which is ours. */
static inline int find_child(pid_t pid, void *ctx)
{
	pid_t *ret = ctx;
	char path[64], text[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	close(fd);
	if (n > 0 && memmem(text, n, WIRE_CHILD, sizeof(WIRE_CHILD)) &&
	    parent_of(parent_of(pid)) == getpid())
		*ret = pid;
	return 0;
}

static inline pid_t child_pid(void)
{
	pid_t pid = 0;

	/* It has no name before its exec. */
	for (int i = 0; i < 6000 && !pid; i++) {
		procfs__each("/proc", find_child, &pid);
		usleep(pid ? 0 : 10000);
	}
	assert_true(pid > 0);
	return pid;
}

#endif
