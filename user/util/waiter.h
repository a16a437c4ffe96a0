/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits that end. Deadlines are on CLOCK_MONOTONIC, in nanoseconds (clock__monotonic_ns()), because
 * conditions know no CLOCK_BOOTTIME (pthread_cond_clockwait(3)).
 */
#ifndef MEMPROV_WAITER_H
#define MEMPROV_WAITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Waits for a signal, with the lock held, which may also come for nothing. False at the deadline.
 * The condition is one of pthread_cond_init() with default attributes. */
bool waiter__wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

/* For what sends no signal: sleeps a millisecond, and takes the time that this took, which a busy
 * machine makes more, from what is left. False when nothing was left. */
bool waiter__nap(uint64_t *left_ns);

#endif
