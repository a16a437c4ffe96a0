// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long a report takes, beside reading the same smaps with read() alone, by turns:
 * bench_report PID SOCKET ROUNDS. Prints the medians of both, in nanoseconds. SOCKET is a daemon's.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "samples.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define MAX_ROUNDS 1000

static char buffer[1 << 20];

/* Bytes up to the end, or -1. */
static long read_all(int fd)
{
	long all = 0, n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		all += n;
	return n < 0 ? -1 : all;
}

/* Nanoseconds; 0: it cannot be read. */
static uint64_t read_smaps(const char *pid)
{
	uint64_t began = clock__boot_ns();
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read_all(fd) > 0 ? clock__boot_ns() - began : 0;
}

static uint64_t ask(const char *pid, const char *socket_path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t began = clock__boot_ns();
	char request[256], status[16];
	int n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	n = snprintf(request, sizeof(request),
		     "GET /debug/memory?pid=%s HTTP/1.1\r\nHost: localhost\r\n"
		     "Connection: close\r\n\r\n",
		     pid);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    write(fd, request, n) != n || read(fd, status, 12) != 12 ||
	    memcmp(status, "HTTP/1.1 200", 12) != 0 || read_all(fd) < 0)
		return 0;
	return clock__boot_ns() - began;
}

int main(int argc, char **argv)
{
	uint64_t bare[MAX_ROUNDS], report[MAX_ROUNDS];
	int rounds = argc == 4 ? atoi(argv[3]) : 0;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		return 2;
	/* The first report asks for the names of its call sites; no later report waits for that. */
	if (!ask(argv[1], argv[2]))
		return 1;
	for (int i = 0; i < rounds; i++) {
		bare[i] = read_smaps(argv[1]);
		report[i] = ask(argv[1], argv[2]);
		if (!bare[i] || !report[i])
			return 1;
	}
	samples__sort(bare, rounds);
	samples__sort(report, rounds);
	printf("%" PRIu64 " %" PRIu64 "\n", bare[rounds / 2], report[rounds / 2]);
	return 0;
}
