/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring and the model have one owner at a time. The calling thread becomes it, drains the ring,
 * and runs a function on the model, which so sees every event that happened before the call: this
 * is how a request reads its own writes. It does so on its own thread, because to wake another one
 * and to be woken by it takes longer than most of these functions. Between calls a thread drains,
 * when the ring has filled to a share, and five times a second.
 */
#ifndef MEMPROV_OWNER_H
#define MEMPROV_OWNER_H

#include "collect/collector.h"
#include "live/cpu_limit.h"
#include "model/model.h"

struct owner;

struct owner_config {
	/* As in struct collector_config. */
	enum backend backend;
	uint64_t touch_rate;
	uint64_t ring_size;
	uint64_t storm_rate;
	enum mp_unwind unwind;
	uint64_t stack_min;
	unsigned (*touch_backlog)(void *stack_ctx); /* likewise, of model.stack_ctx */
	struct cpu_limit *cpu_limit;		    /* borrowed; NULL: there is none */
	struct model_config model; /* the owner fills in page_size and attached_ns */
};

/* Loads and attaches the BPF programs. On failure -errno, and why in words. */
int owner__new(const struct owner_config *config, char *why, size_t why_len, struct owner **ret);

/* Starts the thread: what was recorded until then waits in the ring. 0 or -errno. */
int owner__start(struct owner *owner);

/* Detaches, ends the thread, frees the model. No thread may be in owner__call any more. */
void owner__free(struct owner *owner); /* accepts NULL */

enum attach_by owner__attached_by(const struct owner *owner);

/* Whether first touches are sampled, and why they cannot be (as in collector.h). */
enum touch_state owner__touch_state(const struct owner *owner);
uint64_t owner__attached_ns(const struct owner *owner); /* CLOCK_BOOTTIME */
const char *owner__why_no_touch(const struct owner *owner);

/* As the collector has them. */
int owner__kills_map(const struct owner *owner);
bool owner__may_free_lazily(const struct owner *owner, pid_t tgid);
uint64_t owner__kills_lost(const struct owner *owner);

/* Drains, and runs fn, when the calls before are done. Not from fn itself, nor from what
 * the model calls. */
typedef void owner_fn(struct model *model, void *arg);
void owner__call(struct owner *owner, owner_fn *fn, void *arg);

/* For what says whether anything was lost: the same, with what the kernel has skipped until now. */
void owner__call_exact(struct owner *owner, owner_fn *fn, void *arg);

/* As of collector.h; on any thread. */
struct collector *owner__collector(struct owner *owner);

/* All processes that are known, sorted by tgid: the caller frees *ret. 0 or -ENOMEM. */
int owner__processes(struct owner *owner, struct known_process **ret, size_t *ret_n);

/* The one of that number in such a list; or NULL. */
const struct known_process *known__find(const struct known_process *list, size_t n, pid_t tgid);

struct owner_stats {
	struct collector_stats collector;
	struct model_stats model;
};

void owner__stats(struct owner *owner, struct owner_stats *ret);

#endif
