// SPDX-License-Identifier: BSD-2-Clause
#include "model/thread_stack.h"

#include <stdlib.h>

void thread_stacks__free(struct thread_stack **stacks)
{
	struct thread_stack *stack, *next;

	HASH_ITER (hh, *stacks, stack, next) {
		HASH_DEL(*stacks, stack);
		free(stack);
	}
}
