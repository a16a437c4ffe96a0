// SPDX-License-Identifier: BSD-2-Clause
#include "util/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16384

struct block {
	struct block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) char bytes[];
};

struct adopted {
	struct adopted *next;
	void *piece;
};

struct arena {
	size_t block; /* bytes */
	size_t bytes; /* of all blocks */
	struct block *blocks;
	struct adopted *adopted;
};

struct arena *arena__new_of(size_t block)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena)
		arena->block = block;
	return arena;
}

struct arena *arena__new(void)
{
	return arena__new_of(BLOCK_SIZE);
}

size_t arena__bytes(const struct arena *arena)
{
	return arena->bytes;
}

void arena__free(struct arena *arena)
{
	struct block *block, *next;

	if (!arena)
		return;
	/* First: what says so is in the blocks. */
	for (struct adopted *adopted = arena->adopted; adopted; adopted = adopted->next)
		free(adopted->piece);
	for (block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

void *arena__alloc(struct arena *arena, size_t size)
{
	size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct block *block = arena->blocks;
	void *piece;

	if (need < size)
		return NULL;
	if (!block || block->size - block->used < need) {
		size_t room = need > arena->block ? need : arena->block;

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		block->size = room;
		block->used = 0;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->bytes += sizeof(*block) + room;
	}
	piece = block->bytes + block->used;
	block->used += need;
	return memset(piece, 0, size);
}

int arena__adopt(struct arena *arena, void *piece)
{
	struct adopted *adopted = arena__alloc(arena, sizeof(*adopted));

	if (!adopted)
		return -ENOMEM;
	*adopted = (struct adopted){arena->adopted, piece};
	arena->adopted = adopted;
	return 0;
}

char *arena__strdup(struct arena *arena, const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = arena__alloc(arena, size);

	return copy ? memcpy(copy, s, size) : NULL;
}

char *arena__printf(struct arena *arena, const char *fmt, ...)
{
	va_list args, again;
	char *text = NULL;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n >= 0)
		text = arena__alloc(arena, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}
