// SPDX-License-Identifier: BSD-2-Clause
#include "model/naming.h"

#include <errno.h>

#include "model/ledger_names.h"
#include "model/name.h"

static struct record *unwitnessed(struct space *space)
{
	if (!space->unwitnessed)
		space->unwitnessed = record__new(ORIGIN_UNKNOWN, space->id, NULL, NULL, NULL);
	return space->unwitnessed;
}

/* What a range gets that is named and of which nothing is known: NULL where the kernel says that
 * some of it is not mapped. Where it takes no names at all it does not tell. */
static struct record *record_of_gaps(struct space *space, const struct mp_event_name *e)
{
	return e->result == -ENOMEM ? NULL : unwitnessed(space);
}

int naming__apply(struct space *space, const struct mp_event_name *e, struct trace *trace)
{
	bool set = e->state == MP_NAME_SET && e->name[0];
	struct name *name = NULL;
	uint64_t lo, hi;
	int err;

	if (!space__whole_pages(space, e->addr, e->len, space->tools->page_size, &lo, &hi))
		return -EINVAL;
	if (!space__may_change(space, lo, hi))
		return 0;
	if (set) {
		name = name__new(NAMED_BY_PRCTL, e->name, trace);
		if (!name)
			return -ENOMEM;
	}
	err = ledger__name(&space->ledger, space->tools->pool, lo, hi, name,
			   set ? record_of_gaps(space, e) : NULL, e->head.time_ns);
	space->overflowed |= err == -ENOSPC;
	name__unref(name);
	return err;
}

int naming__apply_late(struct space *space, const struct mp_event_name *e, struct late_text *late)
{
	uint64_t lo, hi;
	int err;

	if (!space__whole_pages(space, e->addr, e->len, space->tools->page_size, &lo, &hi))
		return -EINVAL;
	if (!space__may_change(space, lo, hi))
		return -EDQUOT;
	err = ledger__name_late(&space->ledger, space->tools->pool, lo, hi, late,
				record_of_gaps(space, e), e->head.time_ns);
	space->overflowed |= err == -ENOSPC;
	space->late_names = true;
	return err;
}

int naming__join_late(struct space *space, uint64_t addr, uint64_t len)
{
	uint64_t lo, hi;

	if (!space__whole_pages(space, addr, len, space->tools->page_size, &lo, &hi))
		return -EINVAL;
	/* Else neighbours stay apart that could be one. */
	if (!account__spend(space->account, ledger__count_within(&space->ledger, lo, hi)))
		return 0;
	return ledger__join_late_names(&space->ledger, space->tools->pool, lo, hi);
}
