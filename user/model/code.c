// SPDX-License-Identifier: BSD-2-Clause
#include "model/code.h"

#include <sys/mman.h>

static bool is_code(const struct mp_event_mmap *e)
{
	return e->prot & PROT_EXEC && !(e->flags & MAP_ANONYMOUS);
}

/* Without MAP_FIXED the kernel looks for a place where nothing is. */
static bool removes_code(const struct image *image, const union mp_event *event)
{
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		return event->mmap.flags & MAP_FIXED &&
		       image__runs_through(image, event->mmap.addr, event->mmap.len);
	case MP_EVENT_MUNMAP:
		return image__runs_through(image, event->range.addr, event->range.len);
	case MP_EVENT_MREMAP:
		return event->mremap.new_addr &&
		       (image__runs_through(image, event->mremap.old_addr, event->mremap.old_len) ||
			image__runs_through(image, event->mremap.new_addr, event->mremap.new_len));
	default:
		return false;
	}
}

void code__follow(struct space *space, struct space_tools *tools, const union mp_event *event)
{
	bool removed = space->image && removes_code(space->image, event);
	bool added = event->head.type == MP_EVENT_MMAP && is_code(&event->mmap);

	if (!removed && !added)
		return;
	space->code_id = ++tools->last_code_id;
	/* Two spaces with one image could each map other code at the same place. */
	if (removed || (space->image && image__is_shared(space->image))) {
		image__unref(space->image);
		space->image = image__new(&tools->image_nodes);
	}
}

static int is_newer(const struct ledger_range *range, void *ctx)
{
	/* What was there before us was there before the stack, whenever we learned of it. */
	return range->record->origin != ORIGIN_PREDATES &&
	       range->touched_ns > *(const uint64_t *)ctx;
}

bool code__was_there(const struct space *space, const struct unwound *unwound, uint64_t taken_ns)
{
	for (size_t i = 0; i < unwound->n; i++) {
		uint64_t ip = unwound->frames[i].ip;

		if (ledger__each(&space->ledger, ip, ip + 1, is_newer, &taken_ns))
			return false;
	}
	return true;
}
