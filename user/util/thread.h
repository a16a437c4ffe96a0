/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads with names, so that `top -H` shows which of them is busy. */
#ifndef MEMPROV_THREAD_H
#define MEMPROV_THREAD_H

#include <pthread.h>

/* At most 15 characters are seen (pthread_setname_np(3)). 0 or -errno. */
static inline int thread__start(pthread_t *ret, const char *name, void *(*run)(void *arg),
				void *arg)
{
	int err = pthread_create(ret, NULL, run, arg);

	if (!err)
		pthread_setname_np(*ret, name);
	return -err;
}

#endif
