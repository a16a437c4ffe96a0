// SPDX-License-Identifier: BSD-2-Clause
#include "collect/faults.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "event.h"
#include "util/clock.h"

#define STORM_PERIOD 13
#define STORM_BEGINS 2048 /* faults since the last look */
#define STORM_ENDS   8192 /* a second */
#define LOOK_NS	     (NSEC_PER_SEC / 10)

struct cpu {
	int fd; /* -1: none */
	struct bpf_link *link;
	uint64_t seen; /* of its faults */
	uint64_t looked_ns;
	uint64_t period;
};

struct faults {
	size_t n;
	const struct mp_touch_cpu *counts; /* the BPF map's own memory */
	size_t counts_len;
	struct cpu cpus[];
};

static int open_event(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.size = sizeof(attr),
		.sample_period = 1,
		.disabled = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int faults__open(char *why, size_t why_len, struct faults **ret)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);
	struct faults *faults = calloc(1, sizeof(*faults) + n * sizeof(*faults->cpus));
	size_t opened = 0;
	int err = 0;

	if (!faults)
		return -ENOMEM;
	faults->n = n;
	for (size_t i = 0; i < faults->n; i++)
		faults->cpus[i] = (struct cpu){.fd = -1, .period = 1};
	for (size_t i = 0; i < faults->n && !err; i++) {
		faults->cpus[i].fd = open_event(i);
		if (faults->cpus[i].fd >= 0)
			opened++;
		else if (faults->cpus[i].fd != -ENODEV) /* it is offline */
			err = faults->cpus[i].fd;
	}
	if (!err && !opened)
		err = -ENODEV;
	if (err) {
		snprintf(why, why_len, "perf_event_open refuses page faults (%s)", strerror(-err));
		faults__close(faults);
		return err;
	}
	*ret = faults;
	return 0;
}

int faults__attach(struct faults *faults, const struct bpf_program *program,
		   const struct bpf_map *cpus)
{
	size_t len = bpf_map__max_entries(cpus) * sizeof(*faults->counts);
	void *counts = mmap(NULL, len, PROT_READ, MAP_SHARED, bpf_map__fd(cpus), 0);

	if (counts == MAP_FAILED)
		return -errno;
	faults->counts = counts;
	faults->counts_len = len;
	for (size_t i = 0; i < faults->n; i++) {
		struct cpu *cpu = &faults->cpus[i];

		if (cpu->fd < 0)
			continue;
		cpu->link = bpf_program__attach_perf_event(program, cpu->fd); /* owns fd then */
		if (!cpu->link)
			return -errno;
	}
	return 0;
}

void faults__close(struct faults *faults)
{
	if (!faults)
		return;
	for (size_t i = 0; i < faults->n; i++) {
		struct cpu *cpu = &faults->cpus[i];

		if (cpu->link)
			bpf_link__destroy(cpu->link);
		else if (cpu->fd >= 0)
			close(cpu->fd);
	}
	if (faults->counts)
		munmap((void *)faults->counts, faults->counts_len);
	free(faults);
}

static uint64_t count(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static const struct mp_touch_cpu *counts_of(const struct faults *faults, size_t i)
{
	return &faults->counts[i % (faults->counts_len / sizeof(*faults->counts))];
}

static void pace(struct cpu *cpu, uint64_t seen, uint64_t now)
{
	uint64_t new = seen - cpu->seen, period = cpu->period;

	if (period == 1 && new >= STORM_BEGINS)
		period = STORM_PERIOD;
	else if (now - cpu->looked_ns < LOOK_NS)
		return;
	else if (new *period < (now - cpu->looked_ns) / (NSEC_PER_SEC / STORM_ENDS))
		period = 1;
	cpu->seen = seen;
	cpu->looked_ns = now;
	if (period != cpu->period && !ioctl(cpu->fd, PERF_EVENT_IOC_PERIOD, &period))
		cpu->period = period;
}

void faults__pace(struct faults *faults)
{
	uint64_t now = clock__boot_ns();

	for (size_t i = 0; i < faults->n; i++) {
		if (faults->cpus[i].fd >= 0)
			pace(&faults->cpus[i],
			     count((const uint64_t *)&counts_of(faults, i)->faults), now);
	}
}

bool faults__is_calm(const struct faults *faults)
{
	for (size_t i = 0; i < faults->n; i++) {
		if (faults->cpus[i].period != 1)
			return false;
	}
	return true;
}

uint64_t faults__thinned(const struct faults *faults)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < faults->counts_len / sizeof(*faults->counts); i++)
		sum += count((const uint64_t *)&faults->counts[i].thinned);
	return sum;
}
