// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "symbolize/child.h"
#include "util/cleanup.h"

/* Higher than those it takes as the child's own. */
#define FD_ABOVE 10

#define LET_GO_MS 200

/* What the dynamic loader and sanitizers go by; the rest of the environment is none of its
 * business. */
static const char *const kept[] = {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS"};

#define KEPT_MAX ARRAY_SIZE(kept)

/* Between fork and exec of a program with threads, only what is safe in signal handlers. */
static void become_child(int socket, int blame, char **argv, char **envp)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(socket, CHILD_SOCKET) >= 0 && dup2(blame, CHILD_BLAME) >= 0)
		execve("/proc/self/exe", argv, envp);
	_exit(127);
}

static int open_high(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE);

	close(fd);
	return high < 0 ? -errno : high;
}

static void keep_environment(char *texts[KEPT_MAX], char *envp[KEPT_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < KEPT_MAX; i++) {
		const char *value = getenv(kept[i]);

		if (value && asprintf(&texts[i], "%s=%s", kept[i], value) > 0)
			envp[n++] = texts[i];
		else
			texts[i] = NULL;
	}
	envp[n] = NULL;
}

static pid_t spawn(uint64_t memory, int socket, int blame)
{
	char *texts[KEPT_MAX] = {}, *envp[KEPT_MAX + 1], limit[24];
	char *argv[] = {(char[]){"memprov"}, (char[]){CHILD_ARGUMENT}, limit, NULL};
	pid_t pid;

	snprintf(limit, sizeof(limit), "%" PRIu64, memory);
	keep_environment(texts, envp);
	pid = fork();
	if (!pid)
		become_child(socket, blame, argv, envp);
	for (size_t i = 0; i < KEPT_MAX; i++)
		free(texts[i]);
	return pid < 0 ? -errno : pid;
}

/* Open for as long as the child lives: it is read for every stack. */
static int open_schedstat(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int launch__start(uint64_t memory, struct launched *ret)
{
	_cleanup_close_ int ours = -1, theirs = -1, blame = -1;
	uint32_t *page;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = open_high(pair[1]);
	if (theirs < 0)
		return theirs;
	blame = memfd_create("memprov-blame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (blame < 0)
		return -errno;
	blame = open_high(blame);
	if (blame < 0)
		return blame;
	/* Sealed against shrinking: a read beyond the end would be ours. */
	if (ftruncate(blame, sizeof(*page)) ||
	    fcntl(blame, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		page = MAP_FAILED;
	else
		page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, blame, 0);
	if (page == MAP_FAILED)
		return -errno;
	pid = spawn(memory, theirs, blame);
	if (pid < 0) {
		munmap(page, sizeof(*page));
		return pid;
	}
	*ret = (struct launched){
		.pid = pid,
		.socket = take_fd(ours),
		.schedstat = open_schedstat(pid),
		.blame = page,
	};
	return 0;
}

bool launch__has_ended(const struct launched *child)
{
	siginfo_t info = {};

	return child->pid && !waitid(P_PID, child->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       info.si_pid == child->pid;
}

uint64_t launch__waited_ns(const struct launched *child)
{
	uint64_t waited;
	char text[128];
	ssize_t n = child->pid ? pread(child->schedstat, text, sizeof(text) - 1, 0) : 0;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*u %" SCNu64, &waited) == 1 ? waited : 0;
}

/* Nobody's process can be killed by root only with CAP_KILL. Without, it ends when it finds nobody
 * at the other end; one that hangs is left behind, until the thread that it was born of ends. */
static void let_go(const struct launched *child)
{
	shutdown(child->socket, SHUT_RDWR);
	for (int ms = 0; ms < LET_GO_MS && !waitpid(child->pid, NULL, WNOHANG); ms++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

uint32_t launch__end(struct launched *child)
{
	uint32_t blame;

	if (!child->pid)
		return 0;
	if (!kill(child->pid, SIGKILL))
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	else
		let_go(child);
	blame = *child->blame;
	munmap((void *)child->blame, sizeof(*child->blame));
	close(child->socket);
	if (child->schedstat >= 0)
		close(child->schedstat);
	*child = (struct launched){.socket = -1, .schedstat = -1};
	return blame;
}
