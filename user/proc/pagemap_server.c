// SPDX-License-Identifier: BSD-2-Clause
#include "proc/pagemap_server.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proc/process.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/descriptors.h"
#include "util/thread.h"
#include "wire/channel.h"

/* The daemon sends both packets at once, and waits for less. */
#define QUESTION_NS NSEC_PER_SEC

static atomic_int questions;

static void answer(int socket)
{
	_cleanup_close_ int pidfd = -1, pagemap = -1;
	uint64_t deadline = clock__boot_ns() + QUESTION_NS;
	int32_t err;
	char c;

	if (channel__receive(socket, &c, sizeof(c), &pidfd, deadline) != sizeof(c) || pidfd < 0)
		return;
	pagemap = process__openat(pidfd, "pagemap", O_RDONLY);
	err = pagemap < 0 ? pagemap : 0;
	channel__send(socket, &err, sizeof(err), pagemap, clock__boot_ns() + QUESTION_NS);
}

static void *run(void *arg)
{
	_cleanup_close_ int socket = (intptr_t)arg;

	answer(socket);
	atomic_fetch_sub(&questions, 1);
	return NULL;
}

static void begin(int received)
{
	_cleanup_close_ int socket = received;
	pthread_t thread;

	if (atomic_fetch_add(&questions, 1) < PAGEMAP_QUESTIONS_MAX &&
	    !thread__start(&thread, "question", run, (void *)(intptr_t)socket)) {
		pthread_detach(thread);
		socket = -1;
	} else {
		atomic_fetch_sub(&questions, 1);
	}
}

void pagemap_server__main(int socket, uint64_t capabilities)
{
	int question;
	char c;

	prctl(PR_SET_NAME, "memprov-pagemap");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (descriptors__close_all_but(socket) || capability__keep(capabilities))
		_exit(1);
	while (channel__receive(socket, &c, sizeof(c), &question, CHANNEL_FOREVER) == sizeof(c)) {
		if (question >= 0)
			begin(question);
	}
	/* Without what is run at exit: that is the daemon's. */
	_exit(0);
}
