// SPDX-License-Identifier: BSD-2-Clause
/*
 * A thousand processes a second are born, run another program, and die: afterwards none of them is
 * in the model, and its memory is what it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "live/owner.h"
#include "live/sweep.h"
#include "proc/crew.h"
#include "property.h"
#include "target.h"
#include "tracer.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define RATE		1000 /* a second */
#define SECONDS_DEFAULT 10
#define RING_SIZE	(8 << 20)
#define HANG_MS		120000
#define GROWTH_MAX	(4 << 20) /* other processes come and go meanwhile */

struct storm {
	uint32_t go;
	uint32_t over;
	uint64_t spawned;
};

extern char **environ;

/* AddressSanitizer's allocator has its own count. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t heap_in_use(void)
{
	struct mallinfo2 info;

	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static unsigned seconds(void)
{
	const char *text = getenv("STORM_SECONDS");

	return text ? strtoul(text, NULL, 10) : SECONDS_DEFAULT;
}

/* Every other one shares its parent's memory until it runs the program, every other has a copy. */
static pid_t spawn(uint64_t n)
{
	static char *const argv[] = {"/bin/true", NULL};
	pid_t pid;

	if (n % 2)
		return posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) ? -1 : pid;
	pid = fork();
	if (!pid) {
		execv(argv[0], argv);
		_exit(1);
	}
	return pid;
}

static void storm_main(struct storm *storm)
{
	uint64_t began, now;

	child__begin();
	futex__wait(&storm->go, 0, HANG_MS);
	began = clock__boot_ns();
	while ((now = clock__boot_ns()) < began + seconds() * NSEC_PER_SEC) {
		if (storm->spawned < (now - began) * RATE / NSEC_PER_SEC) {
			if (spawn(storm->spawned) > 0)
				storm->spawned++;
		} else {
			usleep(200);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	__atomic_store_n(&storm->over, 1, __ATOMIC_RELEASE);
	futex__wake(&storm->over);
	_exit(0);
}

struct census {
	struct known_process *known;
	size_t n;
	int err;
};

static void list(struct model *model, void *arg)
{
	struct census *census = arg;

	census->err = model__processes(model, &census->known, &census->n);
}

/* How many are in the model and not in /proc. */
static size_t count_dead(struct owner *owner)
{
	struct census census;
	size_t dead = 0;

	owner__call(owner, list, &census);
	assert_int_equal(census.err, 0);
	for (size_t i = 0; i < census.n; i++) {
		char path[32];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d", census.known[i].tgid);
		dead += stat(path, &st) != 0;
	}
	free(census.known);
	return dead;
}

static struct sweeper *start_sweeper(struct owner *owner, struct crew *crew)
{
	struct sweeper *sweeper;

	assert_int_equal(sweeper__new("/proc", owner, crew, &sweeper), 0);
	for (int i = 0; i < 1000 && !sweeper__ready(sweeper); i++)
		usleep(10000);
	assert_true(sweeper__ready(sweeper));
	return sweeper;
}

static void run_storm(struct storm *storm, struct owner *owner)
{
	struct owner_stats before, after;
	size_t heap = heap_in_use(), dead;
	uint64_t waited;

	owner__stats(owner, &before);
	storm->go = 1;
	futex__wake(&storm->go);
	assert_int_equal(futex__wait(&storm->over, 0, seconds() * 1000 + HANG_MS), 0);

	waited = clock__boot_ns();
	do {
		dead = count_dead(owner);
		if (dead)
			usleep(10000);
	} while (dead && clock__boot_ns() < waited + HANG_MS * 1000000ULL);
	waited = clock__boot_ns() - waited;
	owner__stats(owner, &after);
	print_message("%lu processes in %u s, gone from the model after %lu ms; %lu events lost; "
		      "heap %zu kB before, %zu kB after\n",
		      storm->spawned, seconds(), waited / 1000000,
		      after.collector.lost[MP_LOSS_RING_FULL] -
			      before.collector.lost[MP_LOSS_RING_FULL],
		      heap >> 10, heap_in_use() >> 10);
	assert_int_equal(dead, 0);
	assert_true(storm->spawned > seconds());
	assert_true(heap_in_use() < heap + GROWTH_MAX);
	if (after.collector.lost[MP_LOSS_RING_FULL])
		return;
	assert_true(after.collector.events[MP_EVENT_FORK] >=
		    before.collector.events[MP_EVENT_FORK] + storm->spawned);
	assert_true(after.collector.events[MP_EVENT_EXIT] >=
		    before.collector.events[MP_EVENT_EXIT] + storm->spawned);
	assert_int_equal(after.collector.malformed, 0);
	/* It was the events that told of births and deaths, and not the sweep. */
	assert_int_equal(after.model.resyncs[RESYNC_DEAD_PROCESS],
			 before.model.resyncs[RESYNC_DEAD_PROCESS]);
	assert_int_equal(after.model.resyncs[RESYNC_NEW_PROCESS],
			 before.model.resyncs[RESYNC_NEW_PROCESS]);
}

void test_fork_exec_storm(void **state)
{
	struct owner_config config = {.backend = tracer__backend(), .ring_size = RING_SIZE};
	struct storm *storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sweeper *sweeper;
	struct owner *owner;
	struct crew *crew;
	char why[256];
	pid_t pid;

	assert_true(storm != MAP_FAILED);
	pid = fork();
	if (!pid)
		storm_main(storm);
	assert_true(pid > 0);
	if (owner__new(&config, why, sizeof(why), &owner))
		fail_msg("%s", why);
	assert_int_equal(owner__start(owner), 0);
	assert_int_equal(crew__new("/proc", 1, &crew), 0);
	sweeper = start_sweeper(owner, crew);
	run_storm(storm, owner);
	assert_int_equal(crew__stop(crew, UINT64_MAX / 2), 0);
	sweeper__free(sweeper);
	crew__free(crew);
	owner__free(owner);
	waitpid(pid, NULL, 0);
	munmap(storm, sizeof(*storm));
}
