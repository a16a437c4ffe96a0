/* SPDX-License-Identifier: BSD-2-Clause */
/* The number of a process in its own PID namespace: the line "NStgid:" (proc(5)). */
#ifndef MEMPROV_NSPID_H
#define MEMPROV_NSPID_H

#include <stddef.h>
#include <sys/types.h>

struct nspid {
	pid_t pid;    /* its own number for itself */
	size_t depth; /* PID namespaces between it and the one that procfs shows; 0: none */
};

/* Pure: the text of /proc/PID/status. 0 or -EBADMSG. A comm cannot pose as the line: the kernel
 * escapes its newlines. */
int nspid__parse(const char *text, size_t len, struct nspid *ret);

/* 0 or -errno. */
int nspid__read(int pidfd, struct nspid *ret);

#endif
