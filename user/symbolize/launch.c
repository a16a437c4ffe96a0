// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/channel.h"
#include "wire/wire.h"

/* A fork takes milliseconds. */
#define ANSWER_NS (10 * NSEC_PER_SEC)

/* --- the launcher -------------------------------------------------------------------------- */

int launcher__start(uint64_t memory, uint64_t capabilities, struct launcher *ret)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (!pid)
		launcher__main(&(struct launcher_config){theirs, memory, capabilities});
	if (pid < 0)
		return -errno;
	*ret = (struct launcher){.pid = pid, .socket = take_fd(ours)};
	return 0;
}

enum launcher_state launcher__state(const struct launcher *launcher)
{
	siginfo_t info = {};

	/* It stays to be waited for, so that no other process gets its number. */
	if (waitid(P_PID, launcher->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
		return LAUNCHER_HAS_ENDED;
	return launcher->late ? LAUNCHER_IS_LATE : LAUNCHER_SERVES;
}

/* It finds the other end closed, and ends. */
static void hang_up(struct launcher *launcher)
{
	if (launcher->socket >= 0)
		close(launcher->socket);
	launcher->socket = -1;
}

void launcher__stop(struct launcher *launcher)
{
	if (!launcher->pid)
		return;
	hang_up(launcher);
	while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*launcher = (struct launcher){.socket = -1};
}

/* --- what it starts ------------------------------------------------------------------------ */

/* The answer to the last question: a pid, or -errno. What was asked for before it, and came too
 * late, finds its socket closed and ends. */
static pid_t await_answer(struct launcher *launcher, uint64_t deadline)
{
	struct launcher_answer answer;
	ssize_t n;

	do {
		n = channel__receive(launcher->socket, &answer, sizeof(answer), NULL, deadline);
	} while (n == sizeof(answer) && answer.number != launcher->asked);
	launcher->late = n == -ETIMEDOUT;
	if (n == sizeof(answer))
		return answer.pid;
	if (n == -ETIMEDOUT)
		return n;
	/* It has ended. */
	hang_up(launcher);
	return n < 0 ? n : -EPIPE;
}

bool launcher__is_late(struct launcher *launcher)
{
	return launcher->late && await_answer(launcher, 0) == -ETIMEDOUT;
}

/* The pid of the process that is at the other end of `theirs`, or -errno. */
static pid_t ask_for(struct launcher *launcher, enum launcher_what what, int theirs)
{
	struct launcher_packet packet = {.what = what, .number = launcher->asked + 1};
	uint64_t deadline = clock__boot_ns() + ANSWER_NS;
	int err;

	if (launcher__is_late(launcher))
		return -EBUSY;
	err = channel__send(launcher->socket, &packet, sizeof(packet), theirs, deadline);
	if (err == -EPIPE || err == -ECONNRESET)
		hang_up(launcher);
	if (err)
		return err;
	launcher->asked++;
	return await_answer(launcher, deadline);
}

int launch__start(struct launcher *launcher, enum launcher_what what, struct launched *ret)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = ask_for(launcher, what, theirs);
	if (pid < 0)
		return pid;
	*ret = (struct launched){.pid = pid, .socket = take_fd(ours), .schedstat = -1, .statm = -1};
	return 0;
}

static int make_blame(volatile uint32_t **ret)
{
	_cleanup_close_ int fd = memfd_create("memprov-blame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint32_t *page;

	if (fd < 0)
		return -errno;
	/* Sealed against shrinking: a read beyond the end would be ours. */
	if (write(fd, &(uint32_t){WIRE_BLAME_PROCESS}, sizeof(*page)) != sizeof(*page) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	*ret = page;
	return take_fd(fd);
}

/* Open for as long as the child lives: they are read again and again. */
static int open_of(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int launch__start_child(struct launcher *launcher, struct launched *ret)
{
	struct wire_head head = {.type = WIRE_BLAME};
	_cleanup_close_ int blame = -1;
	volatile uint32_t *page = NULL;
	struct launched child;
	int err;

	blame = make_blame(&page);
	if (blame < 0)
		return blame;
	err = launch__start(launcher, LAUNCHER_SYMBOLIZE, &child);
	if (err) {
		munmap((void *)page, sizeof(*page));
		return err;
	}
	child.blame = page;
	child.schedstat = open_of(child.pid, "schedstat");
	child.statm = open_of(child.pid, "statm");
	/* One that has died already is found out when it is asked something. */
	channel__send(child.socket, &head, sizeof(head), blame, clock__boot_ns() + ANSWER_NS);
	*ret = child;
	return 0;
}

bool launch__has_ended(const struct launched *child)
{
	struct pollfd pollfd = {.fd = child->socket};

	return child->pid && poll(&pollfd, 1, 0) > 0;
}

struct launched_times launch__times(const struct launched *child)
{
	struct launched_times times;
	char text[128];
	ssize_t n = child->pid ? pread(child->schedstat, text, sizeof(text) - 1, 0) : 0;

	if (n <= 0)
		return (struct launched_times){};
	text[n] = '\0';
	if (sscanf(text, "%" SCNu64 " %" SCNu64, &times.ran_ns, &times.waited_ns) != 2)
		return (struct launched_times){};
	return times;
}

uint64_t launch__bytes(const struct launched *child)
{
	uint64_t resident, shared;
	char text[128];
	ssize_t n = child->pid ? pread(child->statm, text, sizeof(text) - 1, 0) : 0;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || shared > resident)
		return 0;
	return (resident - shared) * sysconf(_SC_PAGESIZE);
}

static void close_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

uint32_t launch__end(struct launcher *launcher, struct launched *child)
{
	struct launcher_packet packet = {.what = LAUNCHER_END, .pid = child->pid};
	uint32_t blame = child->blame ? *child->blame : WIRE_BLAME_NOTHING;

	if (!child->pid)
		return 0;
	/* Where the launcher has died, the child has, too. */
	channel__send(launcher->socket, &packet, sizeof(packet), -1, clock__boot_ns() + ANSWER_NS);
	close(child->socket);
	close_open(child->schedstat);
	close_open(child->statm);
	if (child->blame)
		munmap((void *)child->blame, sizeof(*child->blame));
	*child = (struct launched){.socket = -1, .schedstat = -1, .statm = -1};
	return blame;
}
