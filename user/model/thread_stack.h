/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads of a space whose stacks are followed. */
#ifndef MEMPROV_THREAD_STACK_H
#define MEMPROV_THREAD_STACK_H

#include <stdint.h>

#include "util/hash.h"

struct thread_stack {
	UT_hash_handle hh; /* by tid */
	uint32_t tid;
	uint64_t lo;
	uint64_t hi;
};

void thread_stacks__free(struct thread_stack **stacks);

#endif
