// SPDX-License-Identifier: BSD-2-Clause
#include "child/perfmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/number.h"

/* A line of the file. */
struct line {
	uint64_t start;
	uint64_t end;
	uint32_t name; /* offset */
	uint32_t order;
};

/* A stretch of addresses that belongs to one line; they do not overlap. */
struct piece {
	uint64_t start;
	uint64_t end;
	uint32_t name;
};

struct perfmap {
	char *names;
	size_t names_len;
	struct piece *pieces;
	size_t n;
	size_t room;
	struct perfmap_stats stats;
};

struct lines {
	struct line *lines;
	size_t n;
	size_t room;
};

static void cleanup_lines(struct lines *lines)
{
	free(lines->lines);
}

static void cleanup_map(struct perfmap **map)
{
	perfmap__free(*map);
}

void perfmap__free(struct perfmap *map)
{
	if (!map)
		return;
	free(map->names);
	free(map->pieces);
	free(map);
}

void perfmap__stats(const struct perfmap *map, struct perfmap_stats *ret)
{
	*ret = map->stats;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* V8 writes 0x before its numbers, or does not. */
static int hex(const char **pos, const char *end, uint64_t *ret)
{
	if (end - *pos > 2 && (*pos)[0] == '0' && (*pos)[1] == 'x')
		*pos += 2;
	return number__scan(pos, end, 16, ret);
}

/* False when it is no line of a map. */
static bool parse_line(const char *pos, const char *end, struct line *ret, const char **ret_name)
{
	uint64_t start, size;

	if (hex(&pos, end, &start) || pos == end || *pos++ != ' ')
		return false;
	if (hex(&pos, end, &size) || pos == end || *pos++ != ' ')
		return false;
	if (pos == end || !size || size > UINT64_MAX - start || memchr(pos, '\0', end - pos))
		return false;
	ret->start = start;
	ret->end = start + size;
	*ret_name = pos;
	return true;
}

static int add_line(struct perfmap *map, struct lines *lines, struct line line, const char *name,
		    size_t len)
{
	if (lines->n == lines->room) {
		size_t room = lines->room ? lines->room * 2 : 256;
		struct line *more = reallocarray(lines->lines, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		lines->lines = more;
		lines->room = room;
	}
	if (len > PERFMAP_NAME_MAX)
		len = PERFMAP_NAME_MAX;
	line.name = (uint32_t)map->names_len;
	line.order = (uint32_t)lines->n;
	/* The names were given as much room as the text, and the line had a break or was the last.
	 */
	memcpy(map->names + map->names_len, name, len);
	map->names[map->names_len + len] = '\0';
	map->names_len += len + 1;
	lines->lines[lines->n++] = line;
	return 0;
}

static int read_lines(struct perfmap *map, const char *text, size_t size, struct lines *lines)
{
	const char *end = text + size, *next;

	for (const char *pos = text; pos < end; pos = next) {
		const char *stop = memchr(pos, '\n', end - pos), *name;
		struct line line;
		int err;

		next = stop ? stop + 1 : end;
		stop = stop ? stop : end;
		if (stop > pos && stop[-1] == '\r')
			stop--;
		map->stats.lines++;
		if (!parse_line(pos, stop, &line, &name)) {
			map->stats.skipped++;
			continue;
		}
		if (lines->n == PERFMAP_LINES_MAX) {
			map->stats.truncated = true;
			return 0;
		}
		err = add_line(map, lines, line, name, stop - name);
		if (err)
			return err;
	}
	return 0;
}

/* The end of a text that is too long, from the beginning of a line: what was written last is what
 * is running. */
static const char *last_part(const char *text, size_t *size)
{
	const char *from = text + *size - PERFMAP_BYTES_MAX, *line;

	line = memchr(from, '\n', PERFMAP_BYTES_MAX);
	from = line ? line + 1 : text + *size;
	*size = text + *size - from;
	return from;
}

/* --- which line wins where ---------------------------------------------------------------------
 */

static int compare_lines(const void *left, const void *right)
{
	const struct line *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static int add_piece(struct perfmap *map, uint64_t start, uint64_t end, uint32_t name)
{
	struct piece *last = map->n ? &map->pieces[map->n - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->end == start && last->name == name) {
		last->end = end;
		return 0;
	}
	if (map->n == map->room) {
		size_t room = map->room ? map->room * 2 : 256;
		struct piece *more = reallocarray(map->pieces, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		map->pieces = more;
		map->room = room;
	}
	map->pieces[map->n++] = (struct piece){.start = start, .end = end, .name = name};
	return 0;
}

/* A heap of the lines that are open at an address; the latest is on top. */
static void heap_push(const struct line **heap, size_t *n, const struct line *line)
{
	size_t at = (*n)++;

	for (; at > 0 && heap[(at - 1) / 2]->order < line->order; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = line;
}

static void heap_pop(const struct line **heap, size_t *n)
{
	const struct line *line = heap[--*n];
	size_t at = 0, child;

	while ((child = at * 2 + 1) < *n) {
		if (child + 1 < *n && heap[child + 1]->order > heap[child]->order)
			child++;
		if (heap[child]->order < line->order)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = line;
}

/* Goes through the addresses from below; at each point the latest of the open lines has it. */
static int sweep(struct perfmap *map, const struct lines *lines)
{
	_cleanup_free_ const struct line **heap = reallocarray(NULL, lines->n, sizeof(*heap));
	size_t open = 0, next = 0;
	uint64_t at = 0;

	if (!heap)
		return -ENOMEM;
	while (next < lines->n || open) {
		const struct line *top;
		uint64_t until;
		int err;

		if (!open && at < lines->lines[next].start)
			at = lines->lines[next].start;
		while (next < lines->n && lines->lines[next].start <= at)
			heap_push(heap, &open, &lines->lines[next++]);
		while (open && heap[0]->end <= at)
			heap_pop(heap, &open);
		if (!open)
			continue;
		top = heap[0];
		until = top->end;
		if (next < lines->n && lines->lines[next].start < until)
			until = lines->lines[next].start;
		err = add_piece(map, at, until, top->name);
		if (err)
			return err;
		at = until;
	}
	return 0;
}

int perfmap__parse(const char *text, size_t size, struct perfmap **ret)
{
	_cleanup_(cleanup_map) struct perfmap *map = calloc(1, sizeof(*map));
	_cleanup_(cleanup_lines) struct lines lines = {};
	int err;

	if (!map)
		return -ENOMEM;
	if (size > PERFMAP_BYTES_MAX) {
		text = last_part(text, &size);
		map->stats.truncated = true;
	}
	map->names = malloc(size + 1);
	if (!map->names)
		return -ENOMEM;
	err = read_lines(map, text, size, &lines);
	if (err)
		return err;
	if (lines.n) {
		qsort(lines.lines, lines.n, sizeof(*lines.lines), compare_lines);
		err = sweep(map, &lines);
		if (err)
			return err;
	}
	*ret = take_ptr(map);
	return 0;
}

const char *perfmap__find(const struct perfmap *map, uint64_t pc)
{
	size_t low = 0, high = map->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->pieces[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || map->pieces[low - 1].end <= pc)
		return NULL;
	return map->names + map->pieces[low - 1].name;
}
