// SPDX-License-Identifier: BSD-2-Clause
#include "proc/mapcounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/pagemap_server.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"
#include "wire/channel.h"

/* It takes less than a millisecond; smaps does as well. */
#define ANSWER_NS (NSEC_PER_SEC / 5)
#define REAP_NS	  NSEC_PER_SEC

struct mapcounts {
	pid_t pid;
	int socket;
	int kpagecount;
};

/* Ours shows its frames, and its stack is mapped. */
static bool work(const struct mapcounts *m, const char *proc)
{
	_cleanup_close_ int self = -1, pagemap = -1;
	char path[4096];

	snprintf(path, sizeof(path), "%s/self", proc);
	self = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pagemap = self < 0 ? -1 : mapcounts__open(m, self);
	return pagemap >= 0 && sharing__mapcount(m->kpagecount, pagemap, (uintptr_t)path) > 0;
}

static int open_kpagecount(const char *proc)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/kpagecount", proc);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int begin_server(struct mapcounts *m, uint64_t capabilities)
{
	_cleanup_close_ int theirs = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	m->socket = pair[0];
	theirs = pair[1];
	m->pid = fork();
	if (!m->pid)
		pagemap_server__main(theirs, capabilities);
	return m->pid < 0 ? -errno : 0;
}

struct mapcounts *mapcounts__new(const char *proc, uint64_t capabilities)
{
	struct mapcounts *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	*m = (struct mapcounts){.socket = -1, .kpagecount = open_kpagecount(proc)};
	if (m->kpagecount >= 0 && !begin_server(m, capabilities) && work(m, proc))
		return m;
	mapcounts__free(m);
	return NULL;
}

/* It ends when it finds the other end closed; stopped, when we have ended. */
static void reap(pid_t pid)
{
	uint64_t left_ns = REAP_NS;

	while (!waitpid(pid, NULL, WNOHANG) && waiter__nap(&left_ns))
		;
}

void mapcounts__free(struct mapcounts *m)
{
	if (!m)
		return;
	if (m->socket >= 0)
		close(m->socket);
	if (m->kpagecount >= 0)
		close(m->kpagecount);
	if (m->pid > 0)
		reap(m->pid);
	free(m);
}

static int ask(const struct mapcounts *m, int ours, int theirs, int pidfd)
{
	uint64_t deadline = clock__boot_ns() + ANSWER_NS;
	int err = channel__send(m->socket, "", 1, theirs, deadline);

	return err ?: channel__send(ours, "", 1, pidfd, deadline);
}

int mapcounts__open(const struct mapcounts *m, int pidfd)
{
	_cleanup_close_ int ours = -1, theirs = -1, pagemap = -1;
	int32_t answer;
	int pair[2], err;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	err = ask(m, ours, theirs, pidfd);
	if (err)
		return err;
	/* Where the other end is held by nobody else, its end is seen. */
	close(take_fd(theirs));
	n = channel__receive(ours, &answer, sizeof(answer), &pagemap, clock__boot_ns() + ANSWER_NS);
	if (n != sizeof(answer))
		return n < 0 ? n : -EPIPE;
	return pagemap >= 0 ? take_fd(pagemap) : answer ?: -EBADMSG;
}

int mapcounts__add(const struct mapcounts *m, int pagemap, struct vma *vmas, size_t n)
{
	return sharing__add(m->kpagecount, pagemap, vmas, n);
}
