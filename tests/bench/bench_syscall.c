// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a system call costs that memprov has nothing to do with: getppid, the best of many rounds.
 * To be run without a daemon and with one of each backend; only the ratios say something.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

#define ROUNDS 50
#define CALLS  20000

int main(void)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t began = clock__boot_ns(), took;

		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		took = clock__boot_ns() - began;
		if (took < best)
			best = took;
	}
	printf("%.1f ns for getppid\n", (double)best / CALLS);
	return 0;
}
