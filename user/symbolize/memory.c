// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

#define SPENT_NS (NSEC_PER_SEC / 5) /* on one stack */
#define LATE_NS	 (2 * NSEC_PER_SEC) /* for how long the memory is left alone then */

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

/* What wire_memory says; -errno when it is no matter of the address: another time it may be read.
 */
static ssize_t read_range(struct memory_reads *reads, struct glancer *glancer, struct cell *cell,
			  struct image *image, const struct wire_range *range, uint8_t *to)
{
	uint64_t began = clock__boot_ns();
	struct credentials credentials;
	ssize_t n;

	if (reads->pidfd < 0)
		reads->pidfd = images__open_process(cell->images, image);
	if (reads->pidfd < 0)
		return reads->pidfd;
	n = glancer__read(glancer, reads->pidfd, image->tgid, range->at, to, range->len);
	reads->ns += clock__boot_ns() - began;
	if (n == -ETIMEDOUT || reads->ns >= SPENT_NS)
		image->late_ns = clock__boot_ns();
	if (n == -ETIMEDOUT || n == -EBUSY || n == -ENOMEM)
		return n;
	if (!cell__still_has(cell, image, reads->pidfd, &credentials))
		return -ESRCH;
	return n > 0 ? n : 0;
}

int memory_reads__answer(struct memory_reads *reads, struct glancer *glancer, struct cell *cell,
			 struct image *image, const struct wire_need *need)
{
	struct wire_memory answer = {.head.type = WIRE_MEMORY};
	struct wire_range range;
	ssize_t n = -EBUSY;

	memcpy(&range, need->text, sizeof(range));
	reads->asked++;
	if (may_read(reads, image))
		n = read_range(reads, glancer, cell, image, &range, answer.bytes);
	reads->refused |= n < 0;
	answer.head.number = n > 0 ? n : 0;
	return cell__send(cell, &answer, sizeof(answer.head) + answer.head.number, NULL, 0, -1);
}
