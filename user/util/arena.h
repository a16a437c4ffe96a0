/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is given out in pieces and goes all at once: the strings and rows of a report. */
#ifndef MEMPROV_ARENA_H
#define MEMPROV_ARENA_H

#include <stddef.h>

struct arena;

/* Of blocks of that many bytes, or of 16 KiB. NULL when out of memory. */
struct arena *arena__new_of(size_t block);
struct arena *arena__new(void);
void arena__free(struct arena *arena); /* accepts NULL */

/* What its blocks take. */
size_t arena__bytes(const struct arena *arena);

static inline void arena__cleanup(struct arena **arena)
{
	arena__free(*arena);
}

#define _cleanup_arena_ __attribute__((cleanup(arena__cleanup)))

/* Zeroed, aligned for any type; NULL when out of memory. Lives as long as the arena. */
void *arena__alloc(struct arena *arena, size_t size);

/* From here on a piece from malloc() is the arena's. 0; or -ENOMEM, and it is still the caller's.
 */
int arena__adopt(struct arena *arena, void *piece);

char *arena__strdup(struct arena *arena, const char *s);
char *arena__printf(struct arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
