// SPDX-License-Identifier: BSD-2-Clause
/* What the child says: what it needs, which it is given, and its answers. */
#include <errno.h>
#include <string.h>

#include "symbolize/needs.h"
#include "symbolize/symbolizer_parts.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/channel.h"

#define NSEC_PER_MSEC 1000000
#define STARVED_MAX   4			   /* timeouts more, for want of a CPU */
#define NEEDS_MAX     (4 * WIRE_FILES_MAX) /* questions for one stack */

uint64_t symbolizer__timeout_ns(const struct symbolizer *symbolizer)
{
	return (uint64_t)symbolizer->config.timeout_ms * NSEC_PER_MSEC;
}

static int answer_file(struct symbolizer *symbolizer, struct cell *cell, const struct image *image,
		       const struct wire_need *need)
{
	_cleanup_close_ int pidfd = -1, fd = -1;
	struct credentials credentials;
	struct needy needy = {.credentials = &credentials};
	struct wire_head opened = {.type = WIRE_OPENED};

	pidfd = images__open_process(cell->images, image);
	needy.pidfd = pidfd;
	if (pidfd >= 0)
		needy.mounts = images__mounts(cell->images, image, pidfd, symbolizer->began);
	if (need->what == WIRE_NEED_DEBUG)
		needy.module = images__name_of(cell->images, image, need->head.number, &needy.id);
	/* The rights are those of the domain, whatever it does meanwhile. The child's own root is
	 * empty, and says nothing about the files of the domain. */
	if (cell__is_of_child(cell, image) || !needy.mounts ||
	    !cell__still_has(cell, image, pidfd, &credentials))
		fd = -ESRCH;
	else
		fd = needs__open(&symbolizer->launcher, &needy, need);
	opened.number = fd >= 0 ? WIRE_OPENED_FILE : WIRE_OPENED_NONE;
	/* Without the launcher there is no other time. */
	if (fd < 0 && fd != -ENOENT && symbolizer->launcher.socket >= 0)
		opened.number = WIRE_OPENED_LATER;
	return cell__send(cell, &opened, sizeof(opened), NULL, 0, fd);
}

static int answer_need(struct symbolizer *symbolizer, struct cell *cell, struct image *image,
		       size_t len)
{
	struct wire_need need;

	if (wire__check_need((const void *)symbolizer->packet, len))
		return -EBADMSG;
	memcpy(&need, symbolizer->packet, sizeof(need));
	if (need.what == WIRE_NEED_MEMORY)
		return memory_reads__answer(&symbolizer->reads, symbolizer->glancer, cell, image,
					    &need);
	return answer_file(symbolizer, cell, image, &need);
}

void symbolizer__begin_request(struct symbolizer *symbolizer)
{
	symbolizer->began = symbolizer->heard_ns = clock__boot_ns();
	symbolizer->deadline = symbolizer->began + symbolizer__timeout_ns(symbolizer);
	symbolizer->ours_ns = 0;
}

/* On a busy machine a child that waits for a CPU, or for us to start it and to open files for it,
 * does not hang, and another one would only have to begin anew. */
static bool is_starved(struct symbolizer *symbolizer, struct cell *cell)
{
	uint64_t waited = launch__times(&cell->child).waited_ns, more = symbolizer->ours_ns;
	uint64_t max = STARVED_MAX * symbolizer__timeout_ns(symbolizer);

	if (waited > symbolizer->before.waited_ns)
		more += waited - symbolizer->before.waited_ns;
	if (more > max)
		more = max;
	more += symbolizer->began + symbolizer__timeout_ns(symbolizer);
	if (more <= clock__boot_ns())
		return false;
	symbolizer->deadline = cell->deadline = more;
	return true;
}

/* The next packet, but none from a child that talks on when its time is over. */
static ssize_t receive(struct symbolizer *symbolizer, struct cell *cell)
{
	ssize_t n;

	symbolizer->ours_ns += clock__boot_ns() - symbolizer->heard_ns;
	do {
		n = clock__boot_ns() < symbolizer->deadline
			    ? channel__receive(cell->child.socket, symbolizer->packet,
					       sizeof(symbolizer->packet), NULL,
					       symbolizer->deadline)
			    : -ETIMEDOUT;
	} while (n == -ETIMEDOUT && is_starved(symbolizer, cell));
	symbolizer->heard_ns = clock__boot_ns();
	return n;
}

ssize_t symbolizer__receive_said(struct symbolizer *symbolizer, struct cell *cell,
				 struct image *image)
{
	const struct wire_head *head = (const void *)symbolizer->packet;
	size_t needs = 0;

	for (;;) {
		ssize_t n = receive(symbolizer, cell);
		int err;

		if (n < (ssize_t)sizeof(*head))
			return n < 0 ? n : -EPIPE;
		if (head->type != WIRE_NEED)
			return n;
		err = ++needs > NEEDS_MAX ? -EBADMSG : answer_need(symbolizer, cell, image, n);
		if (err)
			return err;
	}
}

int symbolizer__receive_answer(struct symbolizer *symbolizer, struct cell *cell,
			       struct image *image, struct wire_reading *reading)
{
	const struct wire_head *head = (const void *)symbolizer->packet;
	int more = 1;

	while (more > 0) {
		ssize_t n = symbolizer__receive_said(symbolizer, cell, image);

		if (n < 0)
			return n;
		if (head->type == WIRE_STALE)
			return -ESTALE;
		more = wire__read_answer(reading, symbolizer->packet, n);
	}
	return more;
}
