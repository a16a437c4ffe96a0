// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reader of the ring is woken by a burst after a rest, wherever in the ring that begins: it
 * waits without a timer, and the burst does not begin before it sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/collector.h"
#include "property.h"
#include "target.h"
#include "tracer.h"
#include "util/cleanup.h"

#define RING_SIZE (1 << 20)
#define ROUNDS	  40
#define PAIRS	  2500 /* several times what wakes the reader, and less than the ring holds */
#define HANG_MS	  60000

struct bursts {
	uint32_t round;
	pid_t reader;
};

struct seen {
	pid_t target;
	size_t events;
};

static bool sleeps(pid_t pid)
{
	_cleanup_file_ FILE *f = NULL;
	char path[32], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	return f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
}

static void bursts_main(struct bursts *bursts)
{
	child__begin();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		futex__wait(&bursts->round, round, HANG_MS);
		while (!sleeps(bursts->reader))
			usleep(1000);
		for (int i = 0; i < PAIRS; i++) {
			void *p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p == MAP_FAILED || munmap(p, 65536))
				_exit(1);
		}
	}
	pause();
}

static void on_event(const union mp_event *event, void *ctx)
{
	struct seen *seen = ctx;

	seen->events += event->head.tgid == (uint32_t)seen->target;
}

static void on_lost(uint32_t tgid, const struct mp_lost_range *range, void *ctx)
{
}

void test_the_reader_is_woken(void **state)
{
	struct seen seen = {0};
	struct collector_config config = {.backend = tracer__backend(),
					  .ring_size = RING_SIZE,
					  .on_event = on_event,
					  .on_lost = on_lost,
					  .ctx = &seen};
	struct bursts *bursts = mmap(NULL, sizeof(*bursts), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_cleanup_close_ int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	struct collector *collector;
	char why[256];

	assert_true(bursts != MAP_FAILED);
	bursts->reader = getpid();
	seen.target = fork();
	if (!seen.target)
		bursts_main(bursts);
	assert_true(seen.target > 0);
	if (collector__new(&config, why, sizeof(why), &collector))
		fail_msg("%s", why);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, collector__fd(collector), &event), 0);
	for (int i = 0; i < ROUNDS; i++) {
		collector__drain(collector, true);
		seen.events = 0;
		bursts->round++;
		futex__wake(&bursts->round);
		while (!seen.events) {
			assert_int_equal(epoll_wait(epoll, &event, 1, HANG_MS), 1);
			collector__drain(collector, true);
		}
	}
	collector__free(collector);
	kill(seen.target, SIGKILL);
	waitpid(seen.target, NULL, 0);
	munmap(bursts, sizeof(*bursts));
}
