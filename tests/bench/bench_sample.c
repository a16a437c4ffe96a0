// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sample of a process against reading its smaps with read() alone: bench_sample PID [ROUNDS].
 * All are done by turns; medians of CPU time, and what was read of /proc in the last round. The
 * sampler asks for the PSS of a large process once in five minutes only. To be run as root; the
 * process should sleep.
 *
 * bench_sample PID forever: samples as the sampler takes them, without pause, until it is killed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/take.h"
#include "sampler/sample.h"
#include "sampler/sampler.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define ROUNDS_MAX 101

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median_ms(uint64_t *times, int n)
{
	qsort(times, n, sizeof(*times), by_size);
	return times[n / 2] / 1e6;
}

static uint64_t read_smaps(pid_t pid)
{
	uint64_t began = clock__thread_cpu_ns();
	static char text[1 << 16];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
		;
	if (fd >= 0)
		close(fd);
	return clock__thread_cpu_ns() - began;
}

static uint64_t take_sample(struct taker *taker, pid_t pid, uint64_t largest)
{
	struct sample *sample;
	uint64_t cost;
	int err = sample__take(taker, pid, largest, NULL, NULL, &sample);

	if (err) {
		fprintf(stderr, "bench_sample: %s\n", strerror(-err));
		exit(1);
	}
	cost = sample->cost_ns;
	sample__unref(sample);
	return cost;
}

/* By this thread, so far. */
static uint64_t bytes_read(void)
{
	_cleanup_file_ FILE *f = fopen("/proc/thread-self/io", "re");
	uint64_t bytes;

	if (!f || fscanf(f, "rchar: %" SCNu64, &bytes) != 1)
		exit(1);
	return bytes;
}

static size_t count_vmas(pid_t pid)
{
	_cleanup_file_ FILE *f = NULL;
	char path[64];
	size_t n = 0;
	int c;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	return n;
}

int main(int argc, char **argv)
{
	struct taker *taker = taker__new(&(struct taker_config){.proc = "/proc"});
	uint64_t smaps[ROUNDS_MAX], sample[ROUNDS_MAX], sums[ROUNDS_MAX];
	int rounds = argc > 2 ? atoi(argv[2]) : 11;
	pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
	double smaps_ms, sample_ms, sums_ms;
	uint64_t before, between, after;

	while (argc > 2 && !strcmp(argv[2], "forever"))
		take_sample(taker, pid, SAMPLER_LARGEST);
	if (pid <= 0 || rounds < 1 || rounds > ROUNDS_MAX || !taker)
		return 2;
	for (int i = 0; i < rounds; i++) {
		before = bytes_read();
		smaps[i] = read_smaps(pid);
		between = bytes_read();
		sample[i] = take_sample(taker, pid, 0);
		after = bytes_read();
		sums[i] = take_sample(taker, pid, RESIDENT_ANY_SIZE);
	}
	smaps_ms = median_ms(smaps, rounds);
	sample_ms = median_ms(sample, rounds);
	sums_ms = median_ms(sums, rounds);
	printf("%zu VMAs: read() of smaps %.3f ms, sample %.3f ms (with PSS %.3f ms), ratio %.2f "
	       "(with PSS %.2f); %" PRIu64 " bytes read, %" PRIu64 " by the sample\n",
	       count_vmas(pid), smaps_ms, sample_ms, sums_ms, sample_ms / smaps_ms,
	       sums_ms / smaps_ms, between - before, after - between);
	taker__free(taker);
	return 0;
}
