// SPDX-License-Identifier: BSD-2-Clause
#include "model/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/refs.h"

struct record *record__new(enum origin origin, uint64_t space, const struct mp_event_head *head,
			   const char *comm, struct trace *trace)
{
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return NULL;
	record->refs = 1;
	record->origin = origin;
	record->space = space;
	if (head) {
		record->tid = head->tid;
		record->created_ns = head->time_ns;
	}
	if (comm)
		snprintf(record->comm, sizeof(record->comm), "%s", comm);
	record->trace = trace__ref(trace);
	return record;
}

struct record *record__copy(const struct record *record)
{
	struct record *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = (struct record){
		.refs = 1,
		.origin = record->origin,
		.tid = record->tid,
		.space = record->space,
		.created_ns = record->created_ns,
		.lo = record->lo,
		.hi = record->hi,
		.attached = record->attached,
		.for_stack = record->for_stack,
		.trace = trace__ref(record->trace),
		.reservation = trace__ref(record->reservation),
	};
	memcpy(copy->comm, record->comm, sizeof(copy->comm));
	return copy;
}

struct record *record__ref(struct record *record)
{
	refs__get(&record->refs);
	return record;
}

void record__unref(struct record *record)
{
	if (!record || !refs__put(&record->refs))
		return;
	trace__unref(record->trace);
	trace__unref(record->reservation);
	free(record);
}
