// SPDX-License-Identifier: BSD-2-Clause
#include "model/attachments.h"

#include <errno.h>

#include "model/creation.h"

int attachments__add(struct space *space, const struct mp_event_shmat *e, struct trace *trace)
{
	uint64_t lo, hi;

	if (!space__whole_pages(space, e->addr, e->len, space->tools->page_size, &lo, &hi))
		return -EINVAL;
	return creation__apply(space, &(struct creation){.lo = lo,
							 .hi = hi,
							 .origin = ORIGIN_SHMAT,
							 .attached = true,
							 .base = lo,
							 .head = &e->head,
							 .comm = e->comm,
							 .trace = trace});
}

struct attachment {
	struct space *space;
	uint64_t base;
	struct record *record; /* the first that is found */
};

static int find_attachment(const struct ledger_range *range, void *ctx)
{
	struct attachment *a = ctx;

	if (!range->record->attached || range->record->lo != a->base)
		return 0;
	a->record = range->record;
	return 1;
}

/* A page of which nothing is known but a name may be one of the attachment, too: an mremap that
 * failed may have taken the record away. */
static int detach_one(const struct ledger_range *range, void *ctx)
{
	struct attachment *a = ctx;
	uint64_t hi = a->record->hi;
	uint64_t lo = range->start > a->base ? range->start : a->base;

	if (range->record != a->record && range->record->origin != ORIGIN_UNKNOWN)
		return 0;
	hi = range->end < hi ? range->end : hi;
	touches__erase(&a->space->touches, lo, hi, UINT64_MAX);
	return ledger__erase(&a->space->ledger, a->space->tools->pool, lo, hi);
}

/* shmdt(2) names only the address that shmat returned: what goes is what is left of what that call
 * brought (ipc/shm.c, ksys_shmdt). */
int attachments__remove(struct space *space, const struct mp_event_shmdt *e)
{
	struct attachment a = {space, e->addr, NULL};
	int err;

	ledger__each(&space->ledger, e->addr, UINT64_MAX, find_attachment, &a);
	if (!a.record)
		return -EINVAL;
	record__ref(a.record);
	err = ledger__rewrite(&space->ledger, e->addr, a.record->hi, detach_one, &a);
	record__unref(a.record);
	return err;
}
