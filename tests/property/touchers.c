// SPDX-License-Identifier: BSD-2-Clause
#include "touchers.h"

#include "shadow.h"
#include "util/cleanup.h"

#define CODE_SIZE 64 /* of each at most: none lies across the end of a page */

/* No two are the same code, which the compiler would keep once. What is written is not 0, so that
 * the page does not look like a new one. */
#define TOUCHER(n)                                                                                 \
	__attribute__((                                                                            \
		noinline, aligned(CODE_SIZE),                                                      \
		no_sanitize("address", "undefined"))) static void touch_##n(volatile char *at)     \
	{                                                                                          \
		*at = 1 + (n);                                                                     \
	}
TOUCHER(0)
TOUCHER(1)
TOUCHER(2)
TOUCHER(3)

__attribute__((noinline, aligned(CODE_SIZE), no_sanitize("address", "undefined"))) static void
look_at(volatile char *at)
{
	(void)*at;
}

typedef void toucher_fn(volatile char *at);

static toucher_fn *const touchers[TOUCHERS] = {touch_0, touch_1, touch_2, touch_3, look_at};

void toucher__touch(unsigned who, uint64_t addr)
{
	touchers[who]((volatile char *)addr);
}

int toucher__at(uint64_t pc)
{
	for (size_t i = 0; i < ARRAY_SIZE(touchers); i++) {
		if (((pc - (uint64_t)touchers[i]) & (PAGE - 1)) < CODE_SIZE)
			return i;
	}
	return -1;
}
