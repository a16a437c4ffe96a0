// SPDX-License-Identifier: BSD-2-Clause
#include "cli/run_child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "proc/self.h"
#include "util/cleanup.h"
#include "util/number.h"

#define MAX_THREADS 4096

/* ptrace and wait number threads as our own PID namespace does. */
#define OWN_PROC "/proc"

struct thread {
	pid_t tid;
	bool leaving; /* it has been at its PTRACE_EVENT_EXIT */
};

struct run_child {
	pid_t pid; /* in our PID namespace */
	pid_t host_pid;
	bool watched;
	bool alone;   /* the main thread has left, and others may live on */
	bool last;    /* nothing but the end is expected */
	pid_t parked; /* the thread that is RUN_CHILD_LEAVING; 0: none */
	bool ended;
	int status;
	struct thread *threads; /* that are seized; the main one is the first */
	size_t n_threads;
};

/* --- starting ------------------------------------------------------------------------------ */

/* What the new process says before it becomes CMD, and when it cannot become CMD. */
struct word {
	pid_t pid; /* its own, as config->proc numbers it */
	int exec_errno;
};

struct start {
	const struct run_child_config *config;
	int go[2];    /* a byte: go on. Closed: do not */
	int words[2]; /* from the child; exec closes it */
};

/* After fork in a process with threads: nothing here may allocate or lock. */
static _Noreturn void become(const struct start *start)
{
	const struct run_child_config *config = start->config;
	struct word word = {.pid = self__pid(config->proc)};
	char go;

	close(start->go[1]);
	if (write(start->words[1], &word, sizeof(word)) != sizeof(word) ||
	    read(start->go[0], &go, 1) != 1)
		_exit(EXIT_FAILURE);
	sigaction(SIGCHLD, &config->chld, NULL);
	sigaction(SIGPIPE, &config->broken, NULL);
	sigprocmask(SIG_SETMASK, &config->mask, NULL);
	execvp(config->argv[0], config->argv);
	word.exec_errno = errno;
	if (write(start->words[1], &word, sizeof(word)) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

static int add_thread(struct run_child *child, pid_t tid)
{
	struct thread *more =
		reallocarray(child->threads, child->n_threads + 1, sizeof(*child->threads));

	if (!more)
		return -ENOMEM;
	child->threads = more;
	child->threads[child->n_threads++] = (struct thread){.tid = tid};
	return 0;
}

static int seize(pid_t tid)
{
	return ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC) ? -errno : 0;
}

static void go_on(pid_t tid, int number)
{
	ptrace(PTRACE_CONT, tid, 0, (long)number);
}

/* Signals may come before exec too. 0 when it has become CMD, 1 when it has ended instead. */
static int wait_for_exec(struct run_child *child)
{
	int status;

	for (;;) {
		if (waitpid(child->pid, &status, __WALL) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (!WIFSTOPPED(status)) {
			child->ended = true;
			child->status = status;
			return 1;
		}
		go_on(child->pid, status >> 16 ? 0 : WSTOPSIG(status));
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return 0;
	}
}

static int read_word(int fd, struct word *ret)
{
	ssize_t n;

	do {
		n = read(fd, ret, sizeof(*ret));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(*ret) ? 0 : n < 0 ? -errno : -ESRCH;
}

/* 0, 1 or -errno as run_child__start. */
static int launch(struct run_child *child, struct start *start, int *ret_exec_errno)
{
	struct word word;
	int err = read_word(start->words[0], &word);

	if (err)
		return err;
	child->host_pid = word.pid;
	/* Refused (by a security module): then its end will not be caught, no more. */
	child->watched = start->config->ptrace && !seize(child->pid);
	err = add_thread(child, child->pid);
	if (err)
		return err;
	if (write(start->go[1], "", 1) != 1)
		return -errno;
	if (child->watched) {
		err = wait_for_exec(child);
		if (err < 0)
			return err;
	}
	/* Not watched: this waits until exec, or a failure. */
	err = read_word(start->words[0], &word);
	if (!err && word.exec_errno) {
		*ret_exec_errno = word.exec_errno;
		return 1;
	}
	return err == -ESRCH ? 0 : err;
}

/* It has not become CMD. */
static void end(const struct run_child *child)
{
	int status;

	if (child->pid <= 0 || child->ended)
		return;
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, &status, __WALL) == child->pid && WIFSTOPPED(status))
		go_on(child->pid, 0);
}

int run_child__start(const struct run_child_config *config, struct run_child **ret,
		     int *ret_exec_errno)
{
	struct start start = {.config = config, .go = {-1, -1}, .words = {-1, -1}};
	struct run_child *child = calloc(1, sizeof(*child));
	int err = 0;

	if (!child)
		return -ENOMEM;
	if (pipe2(start.go, O_CLOEXEC) || pipe2(start.words, O_CLOEXEC))
		err = -errno;
	if (!err) {
		child->pid = fork();
		if (!child->pid)
			become(&start);
		err = child->pid < 0 ? -errno : 0;
	}
	for (int i = 0; i < 2; i++) {
		int *theirs = i ? &start.words[1] : &start.go[0];

		if (*theirs >= 0)
			close(*theirs);
	}
	if (!err)
		err = launch(child, &start, ret_exec_errno);
	for (int i = 0; i < 2; i++) {
		int ours = i ? start.words[0] : start.go[1];

		if (ours >= 0)
			close(ours);
	}
	if (err) {
		end(child);
		run_child__free(child);
		return err;
	}
	*ret = child;
	return 0;
}

void run_child__free(struct run_child *child)
{
	if (!child)
		return;
	if (child->parked)
		go_on(child->parked, 0);
	free(child->threads);
	free(child);
}

/* --- watching ------------------------------------------------------------------------------ */

static struct thread *find_thread(struct run_child *child, pid_t tid)
{
	for (size_t i = 0; i < child->n_threads; i++) {
		if (child->threads[i].tid == tid)
			return &child->threads[i];
	}
	return NULL;
}

/* True when the thread has called exit(2) itself, which ends it alone; false when all end. */
static bool exits_alone(pid_t tid)
{
	char number[sizeof("-1234567")];
	_cleanup_buf_ struct buf text = {};
	_cleanup_close_ int pidfd = procfs__open(OWN_PROC, tid);
	size_t len;

	if (pidfd < 0 || procfs__read(pidfd, "syscall", 4096, &text) || !text.len)
		return false;
	snprintf(number, sizeof(number), "%d ", SYS_exit);
	len = strlen(number);
	return text.len > len && !memcmp(text.data, number, len);
}

static bool is_alive(int tasks, const char *tid)
{
	_cleanup_close_ int fd = openat(tasks, tid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_stat stat;

	return fd >= 0 && !procfs__stat(fd, &stat) && stat.state != 'Z' && stat.state != 'X';
}

/* How many threads live on; with take, those that are not seized are. */
static size_t others(struct run_child *child, bool take)
{
	_cleanup_close_ int pidfd = procfs__open(OWN_PROC, child->pid);
	_cleanup_dir_ DIR *tasks = pidfd < 0 ? NULL : procfs__open_tasks(pidfd);
	const struct thread *known;
	struct dirent *entry;
	uint64_t tid;
	size_t n = 0;

	while (tasks && (entry = readdir(tasks))) {
		if (number__parse(entry->d_name, 1, INT32_MAX, &tid))
			continue;
		known = find_thread(child, tid);
		if (known && known->leaving)
			continue;
		n += is_alive(dirfd(tasks), entry->d_name);
		if (take && !known && child->n_threads < MAX_THREADS && !seize(tid) &&
		    add_thread(child, tid))
			ptrace(PTRACE_DETACH, tid, 0, 0);
	}
	return n;
}

static enum run_child_event on_exit_stop(struct run_child *child, struct thread *thread)
{
	pid_t tid = thread->tid;
	bool is_main = tid == child->pid, lives_on;

	thread->leaving = true;
	lives_on = !child->last && exits_alone(tid) && others(child, false);
	/* What the main thread leaves behind is looked at too: if those that live on cannot be
	 * seized, it has to do. */
	if (!child->last && (is_main || !lives_on)) {
		child->alone |= is_main;
		child->last = !lives_on;
		child->parked = tid;
		return RUN_CHILD_LEAVING;
	}
	go_on(tid, 0);
	return RUN_CHILD_NOTHING;
}

/* exec leaves one thread, with the number of the process. */
static enum run_child_event on_exec(struct run_child *child)
{
	bool stays = child->alone;

	child->alone = child->last = false;
	child->threads[0].leaving = false;
	child->n_threads = 1;
	return stays ? RUN_CHILD_STAYS : RUN_CHILD_NOTHING;
}

static enum run_child_event on_stop(struct run_child *child, struct thread *thread, int status)
{
	int number = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case PTRACE_EVENT_EXIT:
		return on_exit_stop(child, thread);
	case PTRACE_EVENT_STOP:
		/* A stop by SIGSTOP and its like lasts until SIGCONT. */
		if (number == SIGTRAP)
			go_on(thread->tid, 0);
		else
			ptrace(PTRACE_LISTEN, thread->tid, 0, 0);
		break;
	case PTRACE_EVENT_EXEC:
		go_on(thread->tid, 0);
		return on_exec(child);
	default:
		go_on(thread->tid, event ? 0 : number);
	}
	return RUN_CHILD_NOTHING;
}

static enum run_child_event on_status(struct run_child *child, size_t i, int status)
{
	if (WIFSTOPPED(status))
		return on_stop(child, &child->threads[i], status);
	if (i) {
		child->threads[i] = child->threads[--child->n_threads];
		return RUN_CHILD_NOTHING;
	}
	child->ended = true;
	child->status = status;
	return RUN_CHILD_ENDED;
}

enum run_child_event run_child__next(struct run_child *child)
{
	enum run_child_event event = RUN_CHILD_NOTHING;
	pid_t tid;
	int status;

	if (child->ended)
		return RUN_CHILD_ENDED;
	if (child->parked)
		return RUN_CHILD_NOTHING;
	for (size_t i = 0; i < child->n_threads && !event; i++) {
		tid = child->threads[i].tid;
		while (!event && i < child->n_threads && child->threads[i].tid == tid &&
		       waitpid(tid, &status, WNOHANG | __WALL) > 0)
			event = on_status(child, i, status);
	}
	if (event || !child->alone)
		return event;
	/* A main thread that has exited, or that is seized still, cannot be seized: if this one
	 * can, another thread has taken its place by exec. */
	if (!seize(child->pid))
		return on_exec(child);
	if (!child->last)
		others(child, true);
	return RUN_CHILD_NOTHING;
}

void run_child__let_go(struct run_child *child)
{
	pid_t tid = child->parked;

	child->parked = 0;
	if (!child->last)
		others(child, true);
	go_on(tid, 0);
}

bool run_child__lives_on(const struct run_child *child)
{
	return child->alone && !child->last && !child->ended;
}

bool run_child__needs_care(const struct run_child *child)
{
	return child->alone && !child->ended;
}

pid_t run_child__pid(const struct run_child *child)
{
	return child->host_pid;
}

bool run_child__is(const struct run_child *child, pid_t pid)
{
	return child->pid == pid;
}

bool run_child__is_watched(const struct run_child *child)
{
	return child->watched;
}

/* Until it has been waited for, no other process can have its number. */
void run_child__signal(const struct run_child *child, int number)
{
	if (!child->ended)
		kill(child->pid, number);
}

int run_child__status(const struct run_child *child)
{
	return child->status;
}
