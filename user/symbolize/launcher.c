// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "symbolize/opener.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/descriptors.h"
#include "util/waiter.h"
#include "wire/channel.h"
#include "wire/wire.h"

/* Higher than those that a child takes as its own. */
#define FD_ABOVE 10

#define LET_GO_NS 200000000

/* What the dynamic loader and sanitizers go by; the rest of the environment is none of its
 * business. */
static const char *const kept[] = {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS"};

#define KEPT_MAX ARRAY_SIZE(kept)

static void become_child(int socket, char **argv, char **envp)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(socket, WIRE_SOCKET) >= 0)
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

static pid_t begin_child(uint64_t memory, int socket)
{
	char *texts[KEPT_MAX] = {}, *envp[KEPT_MAX + 1], limit[24];
	char *argv[] = {(char[]){"memprov"}, (char[]){WIRE_CHILD}, limit, NULL};
	pid_t pid;

	snprintf(limit, sizeof(limit), "%" PRIu64, memory);
	keep_environment(texts, envp);
	pid = fork();
	if (!pid)
		become_child(socket, argv, envp);
	for (size_t i = 0; i < KEPT_MAX; i++)
		free(texts[i]);
	return pid < 0 ? -errno : pid;
}

static pid_t begin_opener(const struct launcher_config *config, int socket)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	close(config->socket);
	opener__main(socket);
}

/* Its pid is kept until it has been waited for, and its number may be another's. */
static pid_t launch(const struct launcher_config *config, pid_t pids[LAUNCHED_MAX],
		    enum launcher_what what, int received)
{
	_cleanup_close_ int socket = fcntl(received, F_DUPFD_CLOEXEC, FD_ABOVE);
	size_t i = 0;
	pid_t pid;

	if (socket < 0)
		return -errno;
	while (i < LAUNCHED_MAX && pids[i])
		i++;
	if (i == LAUNCHED_MAX)
		return -EAGAIN;
	pid = what == LAUNCHER_OPEN ? begin_opener(config, socket)
				    : begin_child(config->memory, socket);
	if (pid > 0)
		pids[i] = pid;
	return pid;
}

static void reap(pid_t pids[LAUNCHED_MAX])
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (size_t i = 0; i < LAUNCHED_MAX; i++)
			pids[i] = pids[i] == pid ? 0 : pids[i];
	}
}

static bool is_launched(const pid_t pids[LAUNCHED_MAX], pid_t pid)
{
	for (size_t i = 0; pid && i < LAUNCHED_MAX; i++) {
		if (pids[i] == pid)
			return true;
	}
	return false;
}

/* Does not wait for long: one that is stuck in the kernel would keep us from starting another.
 * Another user's process can be killed by root only with CAP_KILL; without, it ends when it finds
 * the other end closed, and one that hangs is left behind. */
static void end(pid_t pids[LAUNCHED_MAX], pid_t pid)
{
	uint64_t left_ns = LET_GO_NS;

	if (is_launched(pids, pid))
		kill(pid, SIGKILL);
	for (reap(pids); is_launched(pids, pid) && waiter__nap(&left_ns);)
		reap(pids);
	for (size_t i = 0; i < LAUNCHED_MAX; i++)
		pids[i] = pids[i] == pid ? 0 : pids[i];
	reap(pids);
}

void launcher__main(const struct launcher_config *config)
{
	pid_t pids[LAUNCHED_MAX] = {};

	prctl(PR_SET_NAME, "memprov-launch");
	descriptors__close_all_but(config->socket);
	if (capability__keep(config->capabilities))
		_exit(1);
	for (;;) {
		_cleanup_close_ int socket = -1;
		struct launcher_packet packet;
		struct launcher_answer answer;

		if (channel__receive(config->socket, &packet, sizeof(packet), &socket,
				     CHANNEL_FOREVER) != sizeof(packet))
			break;
		reap(pids);
		if (packet.what == LAUNCHER_END) {
			end(pids, packet.pid);
			continue;
		}
		answer = (struct launcher_answer){launch(config, pids, packet.what, socket),
						  packet.number};
		if (channel__send(config->socket, &answer, sizeof(answer), -1, CHANNEL_FOREVER))
			break;
	}
	for (size_t i = 0; i < LAUNCHED_MAX; i++) {
		if (pids[i])
			kill(pids[i], SIGKILL);
	}
	for (size_t i = 0; i < LAUNCHED_MAX; i++) {
		if (pids[i])
			end(pids, pids[i]);
	}
	/* Without what is run at exit: that is the daemon's. */
	_exit(0);
}
