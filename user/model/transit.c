// SPDX-License-Identifier: BSD-2-Clause
#include "model/transit.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_TRANSITS 16 /* threads of one process within mremap at one time */

static void transit_free(struct transit *t)
{
	ledger__free(&t->ledger);
	touches__free(&t->touches);
	free(t);
}

struct transit *transits__end(struct transit **transits, uint32_t tid)
{
	struct transit **at = transits, *t;

	while (*at && (*at)->tid != tid)
		at = &(*at)->next;
	t = *at;
	if (t)
		*at = t->next;
	return t;
}

int transits__begin(struct transit **transits, const struct ledger *ledger,
		    const struct touches *touches, const struct mp_event_head *head)
{
	/* A thread is in one mremap at a time: the end of an earlier one was lost. */
	struct transit *t = transits__end(transits, head->tid), **end;
	size_t n = 0;

	if (t)
		transit_free(t);
	/* Threads that died within mremap leave theirs behind: the oldest goes. */
	for (end = transits; *end; end = &(*end)->next)
		n++;
	if (n >= MAX_TRANSITS) {
		t = *transits;
		*transits = t->next;
		transit_free(t);
		for (end = transits; *end; end = &(*end)->next)
			;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->tid = head->tid;
	t->began_ns = head->time_ns;
	t->ledger = ledger__copy(ledger);
	t->touches = touches__copy(touches);
	*end = t;
	return 0;
}

void transits__free(struct transit **transits)
{
	struct transit *next;

	for (struct transit *t = *transits; t; t = next) {
		next = t->next;
		transit_free(t);
	}
	*transits = NULL;
}
