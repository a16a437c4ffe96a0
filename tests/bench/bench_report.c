// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a report takes, beside reading the same smaps with read() alone, by turns:
 * bench_report PID SOCKET ROUNDS [PARAMETERS [PORT]]. Prints the medians of both, in nanoseconds:
 * first by the clock, then CPU time, which other load moves less: ours, and that of the daemon's
 * threads that answer. SOCKET is a daemon's; PARAMETERS begin with "&"; with PORT, it is asked over
 * loopback.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
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

#define MAX_ROUNDS  1000
#define MAX_THREADS 64

static char buffer[1 << 20];

struct times {
	uint64_t clock;
	uint64_t cpu;
};

/* The daemon's threads that answer: those of its crew and of libmicrohttpd. */
struct threads {
	int schedstat[MAX_THREADS];
	size_t n;
};

static bool answers(const char *comm)
{
	return !memcmp(comm, "report", 6) || !memcmp(comm, "MHD", 3);
}

static void find_threads(pid_t pid, struct threads *ret)
{
	char path[sizeof("/proc/1234567890/task/schedstat") + NAME_MAX], comm[32];
	struct dirent *entry;
	DIR *dir;

	ret->n = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) && ret->n < MAX_THREADS) {
		_cleanup_close_ int fd = -1;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, comm, sizeof(comm) - 1);
		comm[n > 0 ? n : 0] = '\0';
		if (!answers(comm))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, entry->d_name);
		ret->schedstat[ret->n++] = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
}

static uint64_t cpu_of(const struct threads *threads)
{
	uint64_t sum = 0;
	char text[128];

	for (size_t i = 0; i < threads->n; i++) {
		ssize_t n = pread(threads->schedstat[i], text, sizeof(text) - 1, 0);

		text[n > 0 ? n : 0] = '\0';
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

/* Bytes up to the end, or -1. */
static long read_all(int fd)
{
	long all = 0, n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		all += n;
	return n < 0 ? -1 : all;
}

/* False: it cannot be read. */
static bool read_smaps(const char *pid, struct times *ret)
{
	uint64_t began = clock__boot_ns(), cpu = clock__thread_cpu_ns();
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read_all(fd) <= 0)
		return false;
	*ret = (struct times){clock__boot_ns() - began, clock__thread_cpu_ns() - cpu};
	return true;
}

struct daemon {
	const char *socket_path;
	uint16_t port; /* 0: it is asked over the socket */
	struct threads threads;
};

static int connect_to(const struct daemon *daemon)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(daemon->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(daemon->port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", daemon->socket_path);
	if (daemon->port ? connect(fd, (struct sockaddr *)&in, sizeof(in))
			 : connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Threads are found if there are none. */
static bool ask(struct daemon *daemon, const char *pid, const char *parameters, struct times *ret)
{
	uint64_t before = cpu_of(&daemon->threads), cpu = clock__thread_cpu_ns();
	uint64_t began = clock__boot_ns();
	_cleanup_close_ int fd = connect_to(daemon);
	struct ucred credentials;
	socklen_t len = sizeof(credentials);
	char request[256], status[16];
	int n;

	n = snprintf(request, sizeof(request),
		     "GET /debug/memory?pid=%s%s HTTP/1.1\r\nHost: localhost\r\n"
		     "Connection: close\r\n\r\n",
		     pid, parameters);
	if (fd < 0 || write(fd, request, n) != n || read(fd, status, 12) != 12 ||
	    memcmp(status, "HTTP/1.1 200", 12) != 0 || read_all(fd) < 0)
		return false;
	*ret = (struct times){clock__boot_ns() - began, clock__thread_cpu_ns() - cpu};
	if (daemon->threads.n)
		ret->cpu += cpu_of(&daemon->threads) - before;
	else if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len))
		find_threads(credentials.pid, &daemon->threads);
	return true;
}

static void print(uint64_t *bare, uint64_t *report, int rounds)
{
	samples__sort(bare, rounds);
	samples__sort(report, rounds);
	printf("%" PRIu64 " %" PRIu64 "\n", bare[rounds / 2], report[rounds / 2]);
}

int main(int argc, char **argv)
{
	uint64_t bare[2][MAX_ROUNDS], report[2][MAX_ROUNDS];
	int rounds = argc >= 4 && argc <= 6 ? atoi(argv[3]) : 0;
	const char *parameters = argc >= 5 ? argv[4] : "";
	struct daemon daemon = {.socket_path = argv[2]};
	struct times smaps, whole;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		return 2;
	/* The first report asks for the names of its call sites; no later report waits for that.
	 * Over the socket, which tells of the daemon's threads. */
	if (!ask(&daemon, argv[1], parameters, &whole))
		return 1;
	daemon.port = argc == 6 ? atoi(argv[5]) : 0;
	for (int i = 0; i < rounds; i++) {
		if (!read_smaps(argv[1], &smaps) || !ask(&daemon, argv[1], parameters, &whole))
			return 1;
		bare[0][i] = smaps.clock;
		bare[1][i] = smaps.cpu;
		report[0][i] = whole.clock;
		report[1][i] = whole.cpu;
	}
	print(bare[0], report[0], rounds);
	print(bare[1], report[1], rounds);
	return 0;
}
