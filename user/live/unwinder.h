/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes the stacks that the model does not know into a queue (live/stack_queue.h), has them
 * unwound on a thread of its own, process by process in turn, and answers the model with call
 * sites. A process that cannot be read keeps none but its own stacks waiting: the thread is one of
 * the crew (proc/crew.h), and the thread that takes its place goes on with the others.
 */
#ifndef MEMPROV_UNWINDER_H
#define MEMPROV_UNWINDER_H

#include "live/cpu_limit.h"
#include "live/owner.h"
#include "proc/crew.h"
#include "symbolize/symbolizer.h"

struct unwinder;

/* Starts the child. budget and limit, which may be NULL, must outlive it. 0 or -errno. */
int unwinder__new(const struct symbolizer_config *config, struct budget *budget,
		  struct cpu_limit *limit, struct unwinder **ret);
void unwinder__free(struct unwinder *unwinder); /* accepts NULL; after unwinder__stop */

/* Begins to answer through the owner, on a thread of the crew if there is one; 0 or -errno. Behind
 * crew__stop(), and before the owner is freed, stop. */
int unwinder__start(struct unwinder *unwinder, struct owner *owner, struct crew *crew);
void unwinder__stop(struct unwinder *unwinder); /* accepts NULL */

/* The model's on_stack, on_stacks_wanted, on_process_end, on_interpreter and on_memory_short, with
 * the unwinder as stack_ctx. */
bool unwinder__take(const struct raw_stack *raw, void *unwinder);
void unwinder__hurry(const struct pending *pending, pid_t tgid, void *unwinder);
void unwinder__leave(struct model *model, const struct process_end *end, void *unwinder);
void unwinder__look_at(const struct interpreter *interpreter, void *unwinder);
size_t unwinder__give_up(struct model *model, size_t bytes, void *unwinder);

/* As in struct owner_config. */
unsigned unwinder__touch_backlog(void *unwinder);

struct unwinder_stats {
	struct symbolizer_stats symbolizer;
	enum launcher_state launcher;
	struct callsite_stats callsites;
};
enum launcher_state unwinder__launcher(const struct unwinder *unwinder);
void unwinder__stats(struct unwinder *unwinder, struct unwinder_stats *ret);

#endif
