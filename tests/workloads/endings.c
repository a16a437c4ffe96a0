// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that end in one way or another, with 8 MiB that they touched:
 *
 *   peak [MS]     after 64 MiB, held for so long (100 ms) and unmapped
 *   thread        another thread calls exit() while the main one waits
 *   leader        the main thread exits; another one maps the 8 MiB, lives on for a while, and
 *                 exits by itself, not by exit()
 *   threads       the same, with 8 threads that come one after the other
 *   exec          another thread execs this program: peak
 *   signal N      raises it
 *   count         prints "ready"; at each SIGUSR1 how many it got, until SIGUSR2, and then once
 * more traceme       prints whether it may be traced by its parent
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024UL * 1024)

static pthread_t leader;
static char *self;

static void sleep_ms(long ms)
{
	struct timespec left = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&left, &left))
		;
}

static char *fill(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return memset(p, 1, size);
}

static int peak(long ms)
{
	char *p = fill(64 * MIB);

	sleep_ms(ms);
	munmap(p, 64 * MIB);
	fill(8 * MIB);
	return 0;
}

static void *call_exit(void *arg)
{
	fill(8 * MIB);
	exit(3);
}

static void *live_on(void *arg)
{
	long more = (long)arg;
	pthread_t next;

	pthread_join(leader, NULL);
	if (!more)
		fill(8 * MIB);
	sleep_ms(50);
	if (more && !pthread_create(&next, NULL, live_on, (void *)(more - 1)))
		sleep_ms(50);
	syscall(SYS_exit, 0);
	return NULL;
}

static void *exec_self(void *arg)
{
	execl(self, self, "peak", NULL);
	exit(1);
}

static void in_thread(void *(*fn)(void *), long arg)
{
	pthread_t thread;

	leader = pthread_self();
	if (pthread_create(&thread, NULL, fn, (void *)arg))
		exit(1);
}

static void count(void)
{
	int number, counted = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	puts("ready");
	do {
		fflush(stdout);
		sigwait(&set, &number);
		counted += number == SIGUSR1;
		printf("%d\n", counted);
	} while (number == SIGUSR1);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	long number = argc > 2 ? atol(argv[2]) : 100;

	self = argv[0];
	if (!strcmp(how, "peak"))
		return peak(number);
	if (!strcmp(how, "thread")) {
		in_thread(call_exit, 0);
		pause();
	} else if (!strcmp(how, "leader") || !strcmp(how, "threads")) {
		in_thread(live_on, how[6] ? 7 : 0);
		pthread_exit(NULL);
	} else if (!strcmp(how, "exec")) {
		in_thread(exec_self, 0);
		pause();
	} else if (!strcmp(how, "signal")) {
		fill(8 * MIB);
		raise(number);
	} else if (!strcmp(how, "count")) {
		count();
	} else if (!strcmp(how, "traceme")) {
		puts(ptrace(PTRACE_TRACEME, 0, 0, 0) ? "no" : "yes");
	}
	return 0;
}
