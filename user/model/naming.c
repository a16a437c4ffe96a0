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

/* Gives the addresses of the event naming->name, or a late one. */
static int apply(struct space *space, const struct mp_event_name *e, struct ledger_naming *naming)
{
	int err;

	if (!space__whole_pages(space, e->addr, e->len, space->tools->page_size, &naming->lo,
				&naming->hi))
		return -EINVAL;
	if (!space__may_change(space, naming->lo, naming->hi))
		return -EDQUOT;
	naming->now = e->head.time_ns;
	if (naming->name || naming->late)
		naming->unknown = record_of_gaps(space, e);
	err = ledger__name(&space->ledger, space->tools->pool, naming);
	space->overflowed |= err == -ENOSPC;
	space->late_names |= naming->late != NULL;
	return err;
}

int naming__apply(struct space *space, const struct mp_event_name *e, struct trace *trace)
{
	struct ledger_naming naming = {};
	int err;

	if (e->state == MP_NAME_SET && e->name[0]) {
		naming.name = name__new(NAMED_BY_PRCTL, e->name, trace);
		if (!naming.name)
			return -ENOMEM;
	}
	err = apply(space, e, &naming);
	name__unref(naming.name);
	return err == -EDQUOT ? 0 : err;
}

int naming__apply_late(struct space *space, const struct mp_event_name *e, struct late_text *late)
{
	struct ledger_naming naming = {.late = late};

	return apply(space, e, &naming);
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
