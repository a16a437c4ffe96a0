// SPDX-License-Identifier: BSD-2-Clause
/* spawn_storm RATE SECONDS: so many times a second, a child that runs /bin/true. Prints how many
 * there were, then waits. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int rate = argc > 1 ? atoi(argv[1]) : 100, seconds = argc > 2 ? atoi(argv[2]) : 1;
	struct timespec next;
	int n = 0;

	if (rate < 1 || seconds < 1)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (; n < rate * seconds; n++) {
		if (!fork()) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		next.tv_nsec += 1000000000 / rate;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	while (wait(NULL) > 0)
		;
	printf("%d\n", n);
	fflush(stdout);
	pause();
	return 0;
}
