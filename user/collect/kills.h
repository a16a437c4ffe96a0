/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that the out-of-memory killer has chosen: a ring of their own, for one thread. */
#ifndef MEMPROV_KILLS_H
#define MEMPROV_KILLS_H

#include <linux/types.h>
#include <stddef.h>

#include "event.h"

struct kills;

/* One kill, its texts terminated. */
typedef void kills_fn(const struct mp_kill *kill, void *ctx);

/* Of collector__kills_map(), which must outlive it. 0 or -errno. */
int kills__new(int map, kills_fn *on_kill, void *ctx, struct kills **ret);
void kills__free(struct kills *kills); /* accepts NULL */

/* Readable when there are some. */
int kills__fd(const struct kills *kills);

/* Hands on those that are there. */
void kills__drain(struct kills *kills);

/* Pure: whether a record of that length is one that the BPF program can have written. */
int kill__decode(const void *record, size_t len, struct mp_kill *ret);

#endif
