/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording of events (user/collect/recording.h) through the model, and what it comes to: the
 * ledgers of all processes, as text. */
#ifndef MEMPROV_TEST_REPLAY_H
#define MEMPROV_TEST_REPLAY_H

#include <errno.h>
#include <stdlib.h>

#include "collect/recording.h"
#include "model/model.h"
#include "model/name.h"
#include "reconcile/attribution.h"

struct replay {
	struct model *model;
	struct buf *trace; /* NULL: none is wanted */
};

static inline void replay_event(const union mp_event *e, void *ctx)
{
	struct replay *r = ctx;

	if (r->trace)
		buf__printf(r->trace, "%lu.%09lu %u/%u %s",
			    (unsigned long)e->head.time_ns / 1000000000,
			    (unsigned long)e->head.time_ns % 1000000000, e->head.tgid, e->head.tid,
			    event_type__name(e->head.type));
	if (r->trace && e->head.type == MP_EVENT_FORK)
		buf__printf(r->trace, " %u", e->fork.child_tgid);
	/* Most begin with an address and a length. */
	if (r->trace && (e->head.type <= MP_EVENT_MREMAP_ENTER || e->head.type == MP_EVENT_NAME ||
			 e->head.type == MP_EVENT_SHMAT || e->head.type == MP_EVENT_MREMAP))
		buf__printf(r->trace, " %#llx+%#llx", (unsigned long long)e->range.addr,
			    (unsigned long long)e->range.len);
	if (r->trace && e->head.type == MP_EVENT_MREMAP)
		buf__printf(r->trace, " to %#llx+%#llx flags %u",
			    (unsigned long long)e->mremap.new_addr,
			    (unsigned long long)e->mremap.new_len, e->mremap.flags);
	if (r->trace && e->head.type == MP_EVENT_BRK)
		buf__printf(r->trace, " %#llx", (unsigned long long)e->brk.brk);
	if (r->trace && e->head.type == MP_EVENT_NAME)
		buf__printf(r->trace, " \"%s\"", e->name.name);
	if (r->trace)
		buf__puts(r->trace, "\n");
	model__apply(r->model, e);
}

static inline void replay_loss(uint32_t tgid, const struct mp_lost_range *range, void *ctx)
{
	struct replay *r = ctx;

	if (r->trace)
		buf__printf(r->trace, "%u lost %lu in %#lx-%#lx until %lu\n", tgid,
			    (unsigned long)range->events, (unsigned long)range->lo,
			    (unsigned long)range->hi, (unsigned long)range->last_ns);
	model__lost(r->model, tgid, range);
}

static inline int replay_print_range(const struct ledger_range *range, void *ctx)
{
	buf__printf(ctx, "%012lx-%012lx %s %u%s%s\n", (unsigned long)range->start,
		    (unsigned long)range->end, origin__name(range->record->origin),
		    range->record->tid, range->name ? " " : "",
		    name__now(range->name) ? name__now(range->name)->text : "");
	return 0;
}

static inline int replay_by_tgid(const void *a, const void *b)
{
	const struct known_process *x = a, *y = b;

	return (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

/* What is in the model, for people and for comparison. */
static inline void replay_print(struct model *model, struct buf *ret)
{
	struct known_process *known;
	struct view view;
	size_t n;

	if (model__processes(model, &known, &n))
		return;
	qsort(known, n, sizeof(*known), replay_by_tgid);
	for (size_t i = 0; i < n; i++) {
		if (model__view(model, known[i].tgid, &view))
			continue;
		buf__printf(ret, "process %d, lost %lu\n", known[i].tgid,
			    (unsigned long)view.lost_events);
		ledger__each(&view.ledger, 0, UINT64_MAX, replay_print_range, ret);
		view__free(&view);
	}
	free(known);
}

/* 0, -EBADMSG, -ENOMEM. trace may be NULL. */
static inline int replay(const void *recording, size_t len, struct buf *trace, struct buf *ret)
{
	struct model_config config = {.page_size = 4096};
	struct replay r = {.model = model__new(&config), .trace = trace};
	int err = -ENOMEM;

	if (r.model)
		err = recording__replay(recording, len, replay_event, replay_loss, &r);
	if (!err)
		replay_print(r.model, ret);
	model__free(r.model);
	return err ? err : buf__error(ret);
}

#endif
