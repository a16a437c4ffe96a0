// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a system call costs that memprov has nothing to do with: getppid, the best of many rounds in
 * half a second. To be run without a tracer and with one; only the ratios say something.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

#define CALLS	 2000
#define DURATION (NSEC_PER_SEC / 2)

int main(void)
{
	uint64_t best = UINT64_MAX, end = clock__boot_ns() + DURATION;

	while (clock__boot_ns() < end) {
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
