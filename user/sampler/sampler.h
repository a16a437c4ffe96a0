/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Samples of every process, kept young at a bounded price. A thread reads statm of processes now
 * and then, the less often the longer they rest, and samples those that are new or have changed, by
 * statm or by their events. It uses at most 1 % of a core, and 5 % until it has met all that were
 * there when it began; a process at most a tenth of that in the long run, so large ones are sampled
 * less often; and it never holds a target's mmap_lock for long (SAMPLER_LARGEST).
 *
 * A list of all processes is made of these samples. What has changed since is sampled again for it,
 * so most of it is as young as the list; every row says how old it is.
 */
#ifndef MEMPROV_SAMPLER_H
#define MEMPROV_SAMPLER_H

#include <stdint.h>
#include <sys/types.h>

#include "report/caller.h"

struct crew;
struct observer;
struct report;
struct sampler;
struct sweeper;
struct taker;
struct visitor;

/* The thread asks for no PSS of a process with a VMA in which more than this is resident: the
 * kernel would hold its mmap_lock until every page of that is looked at. A request for a list gets
 * it. */
#define SAMPLER_LARGEST (256ULL << 20)

/* Tells the observer, which may be NULL and must outlive it, which processes have gone. NULL when
 * out of memory. */
struct sampler *sampler__new(const struct observer *observer);

/* From here on it can make lists. The taker must outlive it. With a crew, which is not without the
 * taker's owner, its thread begins: 0 or -errno. The sweeper, which may be NULL then, finds the
 * processes that were there before. */
int sampler__start(struct sampler *sampler, struct taker *taker, const struct sweeper *sweeper,
		   struct crew *crew);

/* After the crew and the owner have ended, when sampler__forget is no longer called. Accepts
 * NULL. */
void sampler__free(struct sampler *sampler);

/* The model's on_forgotten, with the sampler as its context. */
void sampler__forget(pid_t pid, uint64_t start_ticks, void *sampler);

/* The report of the node with its processes only: rows, by_coverage and totals.rss; growth is added
 * below. It waits for no stack, so the share of its call sites is what is known so far. Errors as
 * taker__node(). */
int sampler__list(struct sampler *sampler, const struct caller *caller, struct visitor *visitor,
		  struct report **ret);

/* Fills in the growth of a node's or a group's processes, before the report is read; only with an
 * owner. */
void sampler__add_growth(struct sampler *sampler, struct report *report);

#endif
