// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "symbolize/channel.h"
#include "symbolize/child.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/waiter.h"

/* Higher than those that a child takes as its own. */
#define FD_ABOVE 10

#define LET_GO_NS 200000000

/* What the dynamic loader and sanitizers go by; the rest of the environment is none of its
 * business. */
static const char *const kept[] = {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS"};

#define KEPT_MAX ARRAY_SIZE(kept)

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

static pid_t launch(const struct launcher_config *config, int received)
{
	_cleanup_close_ int socket = fcntl(received, F_DUPFD_CLOEXEC, FD_ABOVE);
	_cleanup_close_ int blame = fcntl(config->blame, F_DUPFD_CLOEXEC, FD_ABOVE);

	return socket < 0 || blame < 0 ? -errno : spawn(config->memory, socket, blame);
}

/* Does not wait for long: one that is stuck in the kernel would keep us from starting another.
 * Another user's process can be killed by root only with CAP_KILL; without, it ends when it finds
 * nobody at the other end, and one that hangs is left behind. */
static void end(pid_t child)
{
	uint64_t left_ns = LET_GO_NS;

	if (child > 0)
		kill(child, SIGKILL);
	while (child > 0 && !waitpid(child, NULL, WNOHANG) && waiter__nap(&left_ns))
		;
	/* Numbers are free from here on, so the caller forgets this one. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void close_between(int first, int last)
{
	if (first <= last)
		syscall(SYS_close_range, first, last, 0);
}

/* Whatever the daemon had open; standard error is where sanitizers write. */
static void close_all_but(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	close_between(STDIN_FILENO, low > STDOUT_FILENO ? STDOUT_FILENO : low - 1);
	close_between(STDERR_FILENO + 1, low - 1);
	close_between(low + 1, high - 1);
	close_between(high + 1, INT_MAX);
}

void launcher__main(const struct launcher_config *config)
{
	pid_t child = 0;

	prctl(PR_SET_NAME, "memprov-launch");
	close_all_but(config->socket, config->blame);
	if (capability__keep(config->capabilities))
		_exit(1);
	for (;;) {
		_cleanup_close_ int socket = -1;
		int32_t answer;
		char what;

		if (channel__receive(config->socket, &what, sizeof(what), &socket,
				     CHANNEL_FOREVER) != sizeof(what))
			break;
		end(child);
		child = 0;
		if (what != LAUNCHER_START)
			continue;
		child = answer = launch(config, socket);
		if (channel__send(config->socket, &answer, sizeof(answer), NULL, 0, -1,
				  CHANNEL_FOREVER))
			break;
	}
	end(child);
	/* Without what is run at exit: that is the daemon's. */
	_exit(0);
}
