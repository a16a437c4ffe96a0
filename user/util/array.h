/* SPDX-License-Identifier: BSD-2-Clause */
/* Arrays that grow by what is added to them. */
#ifndef MEMPROV_ARRAY_H
#define MEMPROV_ARRAY_H

#include <errno.h>
#include <stdlib.h>

#define ARRAY_FIRST_ROOM 8

/* Room for one more behind the `n` elements that *array, a pointer to any type, has: grown by half
 * when *room is used up, so that little lies idle. 0 or -ENOMEM, and nothing has changed. */
static inline int array__grow(void *array, size_t *room, size_t n, size_t element_size)
{
	size_t more = *room ? *room + *room / 2 : ARRAY_FIRST_ROOM;
	void *larger;

	if (n < *room)
		return 0;
	larger = reallocarray(*(void **)array, more, element_size);
	if (!larger)
		return -ENOMEM;
	*(void **)array = larger;
	*room = more;
	return 0;
}

#endif
