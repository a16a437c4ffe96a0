// SPDX-License-Identifier: BSD-2-Clause
/*
 * For LD_PRELOAD: one program whose wall clock can be set without that of the machine. A time
 * namespace moves CLOCK_MONOTONIC and CLOCK_BOOTTIME only. STEPPED_CLOCK names a file whose first 8
 * bytes are the nanoseconds by which it is off. With LEAK_BYTES it loses so much memory each time
 * that the wall clock is read: what a soak must find.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000LL

static const volatile int64_t *step_ns;
static size_t leak;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("STEPPED_CLOCK"), *bytes = getenv("LEAK_BYTES");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page =
		fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*step_ns), PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		abort();
	step_ns = page;
	leak = bytes ? strtoul(bytes, NULL, 10) : 0;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int err = syscall(SYS_clock_gettime, id, ts) ? -1 : 0;
	int64_t ns;

	if (err || !step_ns || id != CLOCK_REALTIME)
		return err;
	if (leak)
		memset(malloc(leak), 1, leak);
	ns = ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec + *step_ns;
	*ts = (struct timespec){ns / NSEC_PER_SEC, ns % NSEC_PER_SEC};
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
