/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a process of the host's procfs. The directory of a process is opened once and all its
 * files through that descriptor: when the process goes and its number is taken by another, reads
 * fail with ESRCH instead of showing the other one. What a leader that has exited cannot show is
 * read as proc/process.h says.
 */
#ifndef MEMPROV_PROCFS_H
#define MEMPROV_PROCFS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"

#define PROC_COMM_LEN	   64 /* TASK_COMM_LEN is 16; kernel threads' names can be longer in stat */
#define PROC_TICKS_PER_SEC 100 /* USER_HZ, the unit of times in /proc/PID/stat */

struct proc_stat {
	pid_t pid;
	char comm[PROC_COMM_LEN]; /* raw bytes, as the process set them */
	char state;		  /* 'R', 'S', 'Z', … */
	uint32_t flags;		  /* PF_* */
	uint64_t start_ticks;	  /* since boot, in PROC_TICKS_PER_SEC */
	uint64_t threads;
};

/* Pure: the text of /proc/PID/stat. comm may hold any byte, ")" and newlines among them: it ends
 * at the last ")". 0 or -EBADMSG. */
int proc_stat__parse(const char *text, size_t len, struct proc_stat *ret);

bool proc_stat__is_kernel_thread(const struct proc_stat *stat);

/* The directory of the process: a descriptor that the caller closes, or -ENOENT, -EACCES, … */
int procfs__open(const char *proc, pid_t pid);
/* The same, or -ESRCH when the number is another process's by now. */
int procfs__open_begun(const char *proc, pid_t pid, uint64_t start_ticks);
/* The list of threads, which the caller closes; NULL with errno. */
DIR *procfs__open_tasks(int pidfd);

/* In the directory of a process that is gone the kernel answers ESRCH to every name; when it goes
 * while the name is being looked up, ENOENT (proc_pident_lookup() in fs/proc/base.c), also to names
 * that every process has. */
int procfs__gone_if_missing(int err); /* -ESRCH for -ENOENT; else err */

/* From stat (proc(5)). 0; -ESRCH when the process has gone; or -errno. */
int procfs__stat(int pidfd, struct proc_stat *ret);

/* Appends a whole file of the directory, at most max bytes. 0; -ENOENT or -ESRCH when the process
 * has gone; -EFBIG, -ENOMEM, or -errno. */
int procfs__read(int pidfd, const char *file, size_t max, struct buf *ret);

/* The same of a file of the procfs itself. */
int procfs__read_node(const char *proc, const char *file, size_t max, struct buf *ret);

/* A text that differs from an earlier one when a task has come or gone since; but for one that came
 * when all numbers had been given out once around. 0 or -errno. */
#define PROC_TASKS_LEN 64
int procfs__tasks(const char *proc, char ret[PROC_TASKS_LEN]);

/* Calls visit for every process directory of procfs, in no order; stops at its first non-zero
 * result, which is returned. 0 or -errno. */
int procfs__each(const char *proc, int (*visit)(pid_t pid, void *ctx), void *ctx);

#endif
