// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "symbolize/channel.h"
#include "symbolize/launcher.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* A fork takes milliseconds. */
#define ANSWER_NS (10 * NSEC_PER_SEC)

/* --- the launcher -------------------------------------------------------------------------- */

static int make_blame(volatile uint32_t **ret)
{
	_cleanup_close_ int fd = memfd_create("memprov-blame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint32_t *page;

	if (fd < 0)
		return -errno;
	/* Sealed against shrinking: a read beyond the end would be ours. */
	if (ftruncate(fd, sizeof(*page)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	*ret = page;
	return take_fd(fd);
}

int launcher__start(uint64_t memory, uint64_t capabilities, struct launcher *ret)
{
	_cleanup_close_ int ours = -1, theirs = -1, blame = -1;
	struct launcher launcher;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	blame = make_blame(&launcher.blame);
	if (blame < 0)
		return blame;
	launcher.pid = fork();
	if (!launcher.pid)
		launcher__main(&(struct launcher_config){theirs, blame, memory, capabilities});
	if (launcher.pid < 0) {
		int err = -errno;

		munmap((void *)launcher.blame, sizeof(*launcher.blame));
		return err;
	}
	launcher.socket = take_fd(ours);
	*ret = launcher;
	return 0;
}

/* Nobody answers it any more, and so it ends. */
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
	munmap((void *)launcher->blame, sizeof(*launcher->blame));
	*launcher = (struct launcher){.socket = -1};
}

/* --- the child ----------------------------------------------------------------------------- */

/* The pid of the child that is at the other end of `theirs`, or -errno. */
static pid_t ask_for_child(struct launcher *launcher, int theirs)
{
	uint64_t deadline = clock__boot_ns() + ANSWER_NS;
	char what = LAUNCHER_START;
	int32_t answer;
	ssize_t n;
	int err = channel__send(launcher->socket, &what, sizeof(what), NULL, 0, theirs, deadline);

	if (err)
		return err;
	n = channel__receive(launcher->socket, &answer, sizeof(answer), NULL, deadline);
	if (n == sizeof(answer))
		return answer;
	/* If it came later it would be taken for another child's. */
	hang_up(launcher);
	return n < 0 ? n : -EPIPE;
}

/* Open for as long as the child lives: it is read for every stack. */
static int open_schedstat(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int launch__start(struct launcher *launcher, struct launched *ret)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	*launcher->blame = 0;
	pid = ask_for_child(launcher, theirs);
	if (pid < 0)
		return pid;
	*ret = (struct launched){
		.pid = pid,
		.socket = take_fd(ours),
		.schedstat = open_schedstat(pid),
	};
	return 0;
}

bool launch__has_ended(const struct launched *child)
{
	struct pollfd pollfd = {.fd = child->socket};

	return child->pid && poll(&pollfd, 1, 0) > 0;
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

uint32_t launch__end(struct launcher *launcher, struct launched *child)
{
	char what = LAUNCHER_END;
	uint32_t blame;

	if (!child->pid)
		return 0;
	blame = *launcher->blame;
	/* Where the launcher has died, the child has, too. */
	channel__send(launcher->socket, &what, sizeof(what), NULL, 0, -1,
		      clock__boot_ns() + ANSWER_NS);
	close(child->socket);
	if (child->schedstat >= 0)
		close(child->schedstat);
	*child = (struct launched){.socket = -1, .schedstat = -1};
	return blame;
}
