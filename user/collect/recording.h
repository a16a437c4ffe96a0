/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of events in a file, as a collector handed them on, so that a bug seen once becomes a
 * fixture and is replayed through the same code.
 *
 *   "memprov-events1\n"                          16 bytes
 *   { length u32, kind u32, bytes, padding }*    each a multiple of 8
 *
 * Lengths count the bytes alone; padding is zero. An event is what a BPF program wrote, with its
 * stack; a loss is a tgid and a struct mp_lost_range. Numbers are in the order of the machine: a
 * recording of a foreign one has a wrong length at once.
 */
#ifndef MEMPROV_RECORDING_H
#define MEMPROV_RECORDING_H

#include <stddef.h>

#include "collect/collector.h"
#include "util/buf.h"

/* Writing appends to a buffer, whose errors (buf__error) are the writer's. */
void recording__begin(struct buf *recording);
void recording__add_event(struct buf *recording, const union mp_event *event);
void recording__add_loss(struct buf *recording, uint32_t tgid, const struct mp_lost_range *range);

/* Hands on what was recorded, in order, as collector__drain() would. 0, -ENOMEM, or -EBADMSG for
 * anything that the functions above do not write; what comes before it has been handed on then. */
int recording__replay(const void *data, size_t len, collector_event_fn *on_event,
		      collector_lost_fn *on_lost, void *ctx);

#endif
