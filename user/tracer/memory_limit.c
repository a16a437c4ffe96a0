// SPDX-License-Identifier: BSD-2-Clause
#include "tracer/memory_limit.h"

#include <inttypes.h>
#include <malloc.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "proc/cgroup.h"
#include "proc/memory.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/sanitized.h"

#define LEAST	    (64ULL << 20)
#define MOST	    (1ULL << 30)
#define HOLES_SHARE 4			/* of the tables' share */
#define EPISODE_NS  (60 * NSEC_PER_SEC) /* a shortage so soon after another is not logged again */
#define MIB(bytes)  ((bytes) >> 20)

static uint64_t within(uint64_t bytes, uint64_t least, uint64_t most)
{
	return bytes < least ? least : bytes > most ? most : bytes;
}

uint64_t memory_limit__default(const char *proc)
{
	_cleanup_close_ int pidfd = procfs__open(proc, self__pid(proc));
	uint64_t limit = pidfd < 0 ? CGROUP_UNKNOWN : cgroup__tightest_limit(pidfd, NULL);
	struct sysinfo info = {};

	if (limit != CGROUP_UNKNOWN)
		return within(limit / 5 * 4, LEAST, MOST);
	sysinfo(&info);
	return within((uint64_t)info.totalram * info.mem_unit / 16, LEAST, MOST);
}

static uint64_t resident(const struct memory_watch *watch)
{
	struct proc_memory memory;

	/* A sanitizer's allocator keeps what was freed, and has shadows of all. Our own number in
	 * our own procfs. */
	if (SANITIZED || procfs__memory_of("/proc", getpid(), &memory) ||
	    memory.rss < 2 * watch->ring_size)
		return 0;
	return memory.rss - 2 * watch->ring_size;
}

static void tell(struct memory_watch *watch, const struct budget *budget)
{
	uint64_t now = clock__boot_ns(), sum = 0;
	struct budget_stats stats;
	bool told = watch->short_ns && now - watch->short_ns < EPISODE_NS;

	budget__stats(budget, &stats);
	for (int what = 0; what < GIVE_UP_KINDS; what++)
		sum += stats.given_up[what];
	if (sum == watch->given_up)
		return;
	watch->given_up = sum;
	watch->short_ns = now;
	if (told)
		return;
	log_warn("memory is short (%" PRIu64 " of %" PRIu64 " MiB resident): %" PRIu64
		 " waiting and %" PRIu64 " sets of known stacks, %" PRIu64
		 " address spaces, %" PRIu64 " large calls and %" PRIu64
		 " reports have been given up so far; see memprov_given_up_total and "
		 "--memory-limit",
		 MIB(stats.resident), MIB(stats.limit), stats.given_up[GIVE_UP_WAITING_STACKS],
		 stats.given_up[GIVE_UP_KNOWN_STACKS], stats.given_up[GIVE_UP_SPACES],
		 stats.given_up[GIVE_UP_WORK], stats.given_up[GIVE_UP_REPORTS]);
}

uint64_t memory_watch__look(struct memory_watch *watch, struct budget *budget)
{
	uint64_t uncounted, over = budget__set_resident(budget, resident(watch), &uncounted);

	/* What has been freed lies between what has not: malloc keeps it. */
	if (over || uncounted > budget__tables_max(budget) / HOLES_SHARE) {
		malloc_trim(0);
		over = budget__set_resident(budget, resident(watch), &uncounted);
	}
	tell(watch, budget);
	return over;
}
