// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

#define SPENT_NS (NSEC_PER_SEC / 5) /* on one stack */
#define LATE_NS	 (2 * NSEC_PER_SEC) /* for how long the memory is left alone then */

_Static_assert(GLANCE_MAX >= WIRE_MEMORY_MAX && GLANCE_RANGES_MAX >= WIRE_RANGES_MAX,
	       "one glance answers one need");

void memory_reads__begin(struct memory_reads *reads)
{
	*reads = (struct memory_reads){.pidfd = -1};
}

void memory_reads__end(struct memory_reads *reads)
{
	if (reads->pidfd >= 0)
		close(reads->pidfd);
	memory_reads__begin(reads);
}

static bool may_read(const struct memory_reads *reads, const struct image *image)
{
	return reads->asked <= WIRE_MEMORY_ASKED &&
	       (!image->late_ns || clock__boot_ns() - image->late_ns >= LATE_NS);
}

static bool read_ranges(struct memory_reads *reads, struct glancer *glancer, struct cell *cell,
			struct image *image, struct glance_range *ranges, size_t n, uint8_t *to)
{
	uint64_t began = clock__boot_ns();
	struct credentials credentials;
	int err;

	if (reads->pidfd < 0)
		reads->pidfd = images__open_process(cell->images, image);
	if (reads->pidfd < 0)
		return false;
	err = glancer__read(glancer, reads->pidfd, image->tgid, ranges, n, to);
	reads->ns += clock__boot_ns() - began;
	if (err == -ETIMEDOUT || reads->ns >= SPENT_NS)
		image->late_ns = clock__boot_ns();
	return !err && cell__still_has(cell, image, reads->pidfd, &credentials);
}

/* Without the room that was left for what could not be read. */
static size_t pack(struct wire_memory *memory, const struct glance_range *ranges, size_t n)
{
	size_t from = 0, to = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = ranges[i].n > 0 ? ranges[i].n : 0;

		memmove(memory->bytes + to, memory->bytes + from, len);
		memory->lens[i] = len;
		from += ranges[i].len;
		to += len;
	}
	return to;
}

int memory_reads__answer(struct memory_reads *reads, struct glancer *glancer, struct cell *cell,
			 struct image *image, const struct wire_need *need)
{
	size_t n = need->len / sizeof(struct wire_range), bytes = 0;
	struct glance_range ranges[WIRE_RANGES_MAX];
	struct {
		struct wire_memory memory;
		uint8_t bytes[WIRE_MEMORY_MAX];
	} answer;
	struct wire_memory *memory = &answer.memory;

	*memory = (struct wire_memory){{WIRE_MEMORY, n}, {}};
	for (size_t i = 0; i < n; i++) {
		struct wire_range range;

		memcpy(&range, need->text + i * sizeof(range), sizeof(range));
		ranges[i] = (struct glance_range){.at = range.at, .len = range.len};
	}
	reads->asked++;
	if (may_read(reads, image) &&
	    read_ranges(reads, glancer, cell, image, ranges, n, memory->bytes))
		bytes = pack(memory, ranges, n);
	else
		reads->refused = true;
	return cell__send(cell, memory, sizeof(*memory) + bytes, NULL, 0, -1);
}
