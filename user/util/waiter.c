// SPDX-License-Identifier: BSD-2-Clause
#include "util/waiter.h"

#include <errno.h>
#include <time.h>

#include "util/clock.h"

#define NAP_NS 1000000

bool waiter__wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	const struct timespec deadline = {deadline_ns / NSEC_PER_SEC, deadline_ns % NSEC_PER_SEC};

	return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &deadline) != ETIMEDOUT;
}

bool waiter__nap(uint64_t *left_ns)
{
	uint64_t began = clock__monotonic_ns(), took;

	if (!*left_ns)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = *left_ns < NAP_NS ? *left_ns : NAP_NS}, NULL);
	took = clock__monotonic_ns() - began;
	*left_ns -= took < *left_ns ? took : *left_ns;
	return true;
}
