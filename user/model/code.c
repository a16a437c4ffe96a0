// SPDX-License-Identifier: BSD-2-Clause
#include "model/code.h"

#include <sys/mman.h>

struct cover {
	uint64_t bytes;
	bool code;
};

static int add_to_cover(const struct ledger_range *range, void *ctx)
{
	struct cover *cover = ctx;

	cover->bytes += range->end - range->start;
	cover->code |= range->record->code;
	return 0;
}

/* What nothing is known of may be code: exec's own mappings are. */
static bool may_hold_code(const struct space *space, uint64_t addr, uint64_t len)
{
	struct cover cover = {0};
	uint64_t end;

	if (!len || __builtin_add_overflow(addr, len, &end))
		return false;
	ledger__each(&space->ledger, addr, end, add_to_cover, &cover);
	return cover.code || cover.bytes < len;
}

bool code__is_mapped_by(const struct mp_event_mmap *e)
{
	return e->prot & PROT_EXEC && !(e->flags & MAP_ANONYMOUS);
}

/* Without MAP_FIXED the kernel looks for a place where nothing is. */
static bool removes_code(const struct space *space, const union mp_event *event)
{
	switch (event->head.type) {
	case MP_EVENT_MMAP:
		return event->mmap.flags & MAP_FIXED &&
		       may_hold_code(space, event->mmap.addr, event->mmap.len);
	case MP_EVENT_MUNMAP:
		return may_hold_code(space, event->range.addr, event->range.len);
	case MP_EVENT_MREMAP:
		return event->mremap.new_addr &&
		       (may_hold_code(space, event->mremap.old_addr, event->mremap.old_len) ||
			(event->mremap.flags & MREMAP_FIXED &&
			 may_hold_code(space, event->mremap.new_addr, event->mremap.new_len)));
	default:
		return false;
	}
}

void code__follow(struct space *space, struct space_tools *tools, const union mp_event *event)
{
	bool removed = removes_code(space, event);
	bool added = event->head.type == MP_EVENT_MMAP && code__is_mapped_by(&event->mmap);

	if (!removed && !added)
		return;
	space->code_id = ++tools->last_code_id;
	space->code_removals += removed;
	/* Two spaces with one image could each map other code at the same place. */
	if (removed || (space->image && image__is_shared(space->image))) {
		image__unref(space->image);
		space->image = image__new(&tools->image_nodes);
	}
}
