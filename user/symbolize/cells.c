// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/cells.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc/procfs.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/sanitized.h"
#include "wire/channel.h"

#define IDLE_NS (60 * NSEC_PER_SEC)

/* --- telling the child --------------------------------------------------------------------- */

int cell__send(struct cell *cell, const void *head, size_t head_len, const void *body,
	       size_t body_len, int fd)
{
	const struct iovec pieces[] = {
		{(void *)(uintptr_t)head, head_len},
		{(void *)(uintptr_t)body, body_len},
	};
	int err;

	if (!cell->child.pid)
		return -EPIPE;
	err = channel__send_pieces(cell->child.socket, pieces, body ? 2 : 1, fd, cell->deadline);
	cell->deaf |= err != 0;
	return err;
}

static int tell_head(struct cell *cell, enum wire_type type, uint32_t number, int fd)
{
	struct wire_head head = {type, number};

	return cell__send(cell, &head, sizeof(head), NULL, 0, fd);
}

static int tell_file(void *ctx, uint32_t number, int fd)
{
	return tell_head(ctx, WIRE_FILE, number, fd);
}

static int drop_file(void *ctx, uint32_t number)
{
	return tell_head(ctx, WIRE_DROP_FILE, number, -1);
}

static int drop_process(void *ctx, uint32_t number)
{
	return tell_head(ctx, WIRE_DROP_PROCESS, number, -1);
}

static int tell_rows(void *ctx, const struct image *image)
{
	struct wire_row rows[WIRE_ROWS_PER_PACKET];
	size_t done = 0;
	int err;

	do {
		struct wire_image head = {
			.head = {WIRE_IMAGE, image->number},
			.first = !done,
		};

		while (head.n < WIRE_ROWS_PER_PACKET && done < image->n)
			rows[head.n++] = image->rows[done++].wire;
		err = cell__send(ctx, &head, sizeof(head), rows, head.n * sizeof(rows[0]), -1);
	} while (!err && done < image->n);
	return err;
}

/* --- the domain's processes ---------------------------------------------------------------- */

bool cell__is_of_child(const struct cell *cell, const struct image *image)
{
	return image->tgid == cell->child.pid;
}

bool cell__still_has(const struct cell *cell, const struct image *image, int pidfd,
		     struct credentials *ret)
{
	struct domain domain;

	return !domain__of(pidfd, image->tgid, image->start_ticks, &domain, ret) &&
	       (cell__is_of_child(cell, image) || domain__equal(&domain, &cell->domain));
}

/* --- cells --------------------------------------------------------------------------------- */

uint64_t cells__child_memory(uint64_t memory)
{
	return memory / 4 * 3;
}

static void find_lasting(const char *proc, pid_t pid, struct domain *ret)
{
	_cleanup_close_ int pidfd = procfs__open(proc, pid);
	struct credentials credentials;

	if (pidfd >= 0)
		domain__of(pidfd, pid, 0, ret, &credentials);
}

void cells__init(struct cells *cells, const char *proc, struct launcher *launcher,
		 uint64_t idle_bytes)
{
	*cells = (struct cells){.proc = proc,
				.launcher = launcher,
				.idle_bytes = SANITIZED ? UINT64_MAX : idle_bytes};
	find_lasting("/proc", getpid(), &cells->lasting[0]);
	find_lasting(proc, 1, &cells->lasting[1]);
}

static bool outlives_its_processes(const struct cells *cells, const struct domain *domain)
{
	return !domain->alone && (domain__shares_namespaces(domain, &cells->lasting[0]) ||
				  domain__shares_namespaces(domain, &cells->lasting[1]));
}

static void end(struct cells *cells, struct cell **place)
{
	struct cell *cell = *place;

	*place = cell->next;
	launch__end(cells->launcher, &cell->child);
	images__free(cell->images);
	free(cell);
}

static struct cell *begin(struct cells *cells, const struct domain *domain)
{
	struct cell *cell = calloc(1, sizeof(*cell));
	struct images_teller teller = {
		.file = tell_file,
		.drop_file = drop_file,
		.drop_process = drop_process,
		.rows = tell_rows,
		.ctx = cell,
	};

	if (!cell)
		return NULL;
	cell->domain = *domain;
	cell->images = images__new(cells->proc, &teller);
	if (!cell->images) {
		free(cell);
		return NULL;
	}
	return cell;
}

/* Keeps the first one, and of those behind it what there is room for. */
static void make_room(struct cells *cells)
{
	uint64_t now = clock__boot_ns(), bytes = 0;
	struct cell **place = &cells->first->next;

	for (size_t n = 1; *place; n++) {
		bytes += (*place)->bytes;
		if (n >= CELLS_MAX || bytes > cells->idle_bytes ||
		    now - (*place)->used_ns > IDLE_NS)
			break;
		place = &(*place)->next;
	}
	while (*place)
		end(cells, place);
}

struct cell *cells__get(struct cells *cells, const struct domain *domain)
{
	struct cell **place = &cells->first, *cell;

	while (*place && !domain__equal(&(*place)->domain, domain))
		place = &(*place)->next;
	if (cells->first && place != &cells->first)
		cells->first->bytes = launch__bytes(&cells->first->child);
	cell = *place;
	if (cell)
		*place = cell->next;
	else
		cell = begin(cells, domain);
	if (!cell)
		return NULL;
	cell->next = cells->first;
	cells->first = cell;
	cell->used_ns = clock__boot_ns();
	make_room(cells);
	return cell;
}

const struct cell *cells__of_child(const struct cells *cells, pid_t tgid)
{
	const struct cell *cell = cells->first;

	while (cell && cell->child.pid != tgid)
		cell = cell->next;
	return cell;
}

struct cell *cells__of(const struct cells *cells, pid_t tgid, uint64_t start_ticks)
{
	struct cell *cell = cells->first;

	while (cell && !images__known(cell->images, tgid, start_ticks))
		cell = cell->next;
	return cell;
}

void cells__forget(struct cells *cells, pid_t tgid, uint64_t start_ticks, const struct cell *except)
{
	struct cell **place = &cells->first;

	while (*place) {
		struct cell *cell = *place;

		if (cell != except && images__known(cell->images, tgid, start_ticks)) {
			/* A child that hangs is not waited for. */
			cell->deadline = 0;
			images__forget(cell->images, tgid, start_ticks);
			if (images__is_empty(cell->images) &&
			    !outlives_its_processes(cells, &cell->domain)) {
				end(cells, place);
				continue;
			}
		}
		place = &cell->next;
	}
}

void cells__free(struct cells *cells)
{
	while (cells->first)
		end(cells, &cells->first);
}
