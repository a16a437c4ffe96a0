/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF side as one object: loaded and attached at start, drained by one thread at a time, gone
 * with the process (nothing is pinned, so a killed daemon leaves nothing attached either).
 */
#ifndef MEMPROV_COLLECTOR_H
#define MEMPROV_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collect/backend.h"
#include "collect/decode.h"

struct collector;

/* One event, on the draining thread. */
typedef void collector_event_fn(const union mp_event *event, void *ctx);

/* One process that has lost events since the last call, on the draining thread. tgid 0: it is not
 * known which process lost them. */
typedef void collector_lost_fn(uint32_t tgid, const struct mp_lost_range *range, void *ctx);

struct collector_config {
	enum backend backend;
	uint64_t touch_rate; /* first touches to sample, a second and CPU; 0: none */
	uint64_t ring_size;
	uint64_t storm_rate; /* events a second, of all processes that go beyond their own share of
				events (bpf/share.bpf.h); 0: as many as the ring has room for */
	enum mp_unwind unwind;
	uint64_t stack_min; /* bytes: smaller mappings get frame pointers in any case */
	collector_event_fn *on_event;
	collector_lost_fn *on_lost;
	collector_lost_fn *on_empty_lost; /* only of what empties pages */
	void *ctx;
	/* How full the room for stacks of touches is, in sixteenths; NULL: it never is. */
	unsigned (*touch_backlog)(void *backlog_ctx);
	void *backlog_ctx;
};

enum touch_state {
	TOUCH_OFF,
	TOUCH_ON,
	TOUCH_UNSUPPORTED, /* the kernel, or our privileges, do not allow it; all else works */
};

/* Loads and attaches. On failure -errno, and the reason as text in why (never empty). */
int collector__new(const struct collector_config *config, char *why, size_t why_len,
		   struct collector **ret);
void collector__free(struct collector *collector); /* accepts NULL */

/* How it did attach. */
enum attach_by collector__attached_by(const struct collector *collector);

enum touch_state collector__touch_state(const struct collector *collector);

/* Why it is unsupported, in words; "" when it is not. */
const char *collector__why_no_touch(const struct collector *collector);

/* 0: BACKEND_AUTO tries fexit first; else -errno, and why not. */
int collector__prefers_fexit(char *why, size_t why_len);

/* The ring of what the out-of-memory killer has chosen (collect/kills.h), and how many found no
 * room on it. From any thread. */
int collector__kills_map(const struct collector *collector);
uint64_t collector__kills_lost(const struct collector *collector);

/* Whether the process may have memory that it gave back with MADV_FREE: true also where that is not
 * known. What the process did before its exec does not count. From any thread. */
bool collector__may_free_lazily(const struct collector *collector, pid_t tgid);

/* Readable once enough of the ring is filled to be worth waking up. */
int collector__fd(const struct collector *collector);

/* Nothing waits on the ring, and no CPU had a storm of page faults that may be over. Cheap; on the
 * draining thread. */
bool collector__is_idle(const struct collector *collector);

/* Hands on every loss up to now, then every event that was on the ring when it was called; some of
 * these are older than the losses. Bounded: what arrives meanwhile waits for the next call. Calls
 * at which the kernel did not run our programs are asked for ten times a second, or now if it is to
 * be exact. 0, or -EAGAIN when a record that some CPU had not finished writing kept us from the
 * rest for too long.
 */
int collector__drain(struct collector *collector, bool exact);

/* Steps by which storms are to send less (bpf/share.bpf.h), 0 to 10. On any thread. */
void collector__press(struct collector *collector, unsigned steps);

/* Frames of Python are read of this process from now on; and of those that map this file, as soon
 * as they do. On any thread. */
void collector__know_python(struct collector *collector, uint32_t tgid,
			    const struct mp_python_process *process);
void collector__know_python_file(struct collector *collector, const struct mp_file_key *key,
				 const struct mp_python_file *file);
/* The next process that maps it asks. */
void collector__forget_python_file(struct collector *collector, const struct mp_file_key *key);

struct collector_stats {
	uint64_t events[MP_EVENT_TYPES];
	uint64_t malformed;
	uint64_t lost[MP_LOSS_CAUSES];
	uint64_t stacks[MP_STACKS];
	uint64_t touches[MP_TOUCHES];
	uint64_t pythons[MP_PYTHONS];
	uint64_t touches_thinned; /* faults that were passed over to keep the rate */
	uint64_t ring_size;
	uint64_t ring_used;
	uint64_t map_bytes; /* kernel memory of all our maps */
};

/* On the draining thread. */
void collector__stats(struct collector *collector, struct collector_stats *ret);

#endif
