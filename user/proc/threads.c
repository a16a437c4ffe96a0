// SPDX-License-Identifier: BSD-2-Clause
#include "proc/threads.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/number.h"

#define SYSCALL_MAX 512

/* The number of the call, six arguments, stack pointer, program counter; or -1 and the last two. */
#define FIELDS_IN_A_CALL  9
#define FIELDS_OUTSIDE_IT 3

int proc_syscall__parse(const char *text, size_t len, uint64_t *ret)
{
	static const char running[] = "running";
	const char *pos = text, *end = text + len;
	uint64_t fields[FIELDS_IN_A_CALL];
	size_t n = 0;

	if (len >= sizeof(running) - 1 && memcmp(text, running, sizeof(running) - 1) == 0)
		return -EAGAIN;
	if (pos < end && *pos == '-') /* no call is number -1 */
		pos++;
	while (n < FIELDS_IN_A_CALL) {
		if (end - pos > 2 && pos[0] == '0' && pos[1] == 'x')
			pos += 2;
		if (number__scan(&pos, end, n ? 16 : 10, &fields[n]))
			return -EBADMSG;
		n++;
		if (pos == end || *pos++ != ' ')
			break;
	}
	if (n != FIELDS_IN_A_CALL && n != FIELDS_OUTSIDE_IT)
		return -EBADMSG;
	*ret = fields[n - 2];
	return 0;
}

static int read_thread(int pidfd, pid_t tid, struct proc_thread *ret)
{
	_cleanup_buf_ struct buf call = {}, comm = {};
	struct proc_thread thread = {.tid = tid};
	char path[64];
	int err;

	snprintf(path, sizeof(path), "task/%d/syscall", tid);
	err = procfs__read(pidfd, path, SYSCALL_MAX, &call);
	if (!err)
		err = proc_syscall__parse(call.data, call.len, &thread.stack_pointer);
	snprintf(path, sizeof(path), "task/%d/comm", tid);
	if (!err)
		err = procfs__read(pidfd, path, SYSCALL_MAX, &comm);
	if (err)
		return err;
	if (comm.len && comm.data[comm.len - 1] == '\n')
		comm.data[--comm.len] = '\0';
	snprintf(thread.comm, sizeof(thread.comm), "%s", comm.len ? comm.data : "");
	*ret = thread;
	return 0;
}

int procfs__threads(int pidfd, pid_t pid, size_t max, struct proc_thread **ret, size_t *ret_n)
{
	_cleanup_dir_ DIR *dir = procfs__open_tasks(pidfd);
	_cleanup_free_ struct proc_thread *threads = NULL;
	const struct dirent *entry;
	size_t n = 0, cap = 0;
	uint64_t tid;

	if (!dir)
		return -errno;
	while (n < max && (entry = readdir(dir))) {
		if (number__parse(entry->d_name, 1, INT32_MAX, &tid) || (pid_t)tid == pid)
			continue;
		if (n == cap) {
			struct proc_thread *more;

			cap = cap ? cap * 2 : 16;
			more = reallocarray(threads, cap, sizeof(*more));
			if (!more)
				return -ENOMEM;
			threads = more;
		}
		if (!read_thread(pidfd, tid, &threads[n]))
			n++;
	}
	*ret = take_ptr(threads);
	*ret_n = n;
	return 0;
}

const struct vma *vma_set__thread_stack(const struct vma_set *set, uint64_t stack_pointer)
{
	const struct vma *vma = vma_set__find(set, stack_pointer);

	if (!vma || vma == set->vmas || vma->kind != VMA_ANON || memcmp(vma->perms, "rw", 2))
		return NULL;
	return vma[-1].end == vma->start && !memcmp(vma[-1].perms, "---p", 4) ? vma : NULL;
}
