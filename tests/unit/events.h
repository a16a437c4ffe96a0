/* SPDX-License-Identifier: BSD-2-Clause */
/* Events as the BPF programs write them, for tests of the model. */
#ifndef MEMPROV_TEST_EVENTS_H
#define MEMPROV_TEST_EVENTS_H

#include <string.h>

#include "collect/decode.h"

#define PAGE	 4096ULL
#define TGID	 100
#define START_NS 5000000000ULL

static inline struct mp_event_head event_head(unsigned type, unsigned tid, uint64_t now)
{
	return (struct mp_event_head){
		.type = type, .tgid = TGID, .tid = tid, .start_ns = START_NS, .time_ns = now};
}

/* Addresses and lengths in pages. */
static inline union mp_event event_mmap(unsigned tid, uint64_t now, uint64_t at, uint64_t pages)
{
	return (union mp_event){.mmap = {.head = event_head(MP_EVENT_MMAP, tid, now),
					 .addr = at * PAGE,
					 .len = pages * PAGE,
					 .comm = "worker"}};
}

static inline union mp_event event_munmap(uint64_t now, uint64_t at, uint64_t pages)
{
	return (union mp_event){.range = {.head = event_head(MP_EVENT_MUNMAP, 1, now),
					  .addr = at * PAGE,
					  .len = pages * PAGE}};
}

static inline union mp_event event_mremap_enter(unsigned tid, uint64_t now, uint64_t at,
						uint64_t pages)
{
	return (union mp_event){.range = {.head = event_head(MP_EVENT_MREMAP_ENTER, tid, now),
					  .addr = at * PAGE,
					  .len = pages * PAGE}};
}

static inline union mp_event event_mremap(unsigned tid, uint64_t now, uint64_t from, uint64_t pages,
					  uint64_t to, uint64_t new_pages, unsigned flags)
{
	return (union mp_event){.mremap = {.head = event_head(MP_EVENT_MREMAP, tid, now),
					   .old_addr = from * PAGE,
					   .old_len = pages * PAGE,
					   .new_addr = to * PAGE,
					   .new_len = new_pages * PAGE,
					   .flags = flags,
					   .comm = "mover"}};
}

static inline union mp_event event_brk(unsigned tid, uint64_t now, uint64_t start, uint64_t end)
{
	return (union mp_event){.brk = {.head = event_head(MP_EVENT_BRK, tid, now),
					.start_brk = start,
					.brk = end}};
}

static inline union mp_event event_name(uint64_t now, uint64_t at, uint64_t pages, const char *name)
{
	union mp_event e = {.name = {.head = event_head(MP_EVENT_NAME, 1, now),
				     .addr = at * PAGE,
				     .len = pages * PAGE,
				     .state = name ? MP_NAME_SET : MP_NAME_CLEAR}};

	if (name)
		strcpy(e.name.name, name);
	return e;
}

static inline union mp_event event_fork(uint64_t now, unsigned child, uint64_t child_start_ns,
					bool shares_vm)
{
	return (union mp_event){.fork = {.head = event_head(MP_EVENT_FORK, 1, now),
					 .child_tgid = child,
					 .child_start_ns = child_start_ns,
					 .shares_vm = shares_vm,
					 .comm = "child"}};
}

/* Thread tid, whose stack is pages [lo, hi); lo 0: only its top is known. */
static inline union mp_event event_thread(uint64_t now, unsigned tid, uint64_t lo, uint64_t hi)
{
	return (union mp_event){.thread = {.head = event_head(MP_EVENT_THREAD, 1, now),
					   .stack_lo = lo * PAGE,
					   .stack_hi = hi * PAGE,
					   .thread_tid = tid,
					   .comm = "pool"}};
}

static inline union mp_event event_comm(uint64_t now, unsigned tid, const char *comm)
{
	union mp_event e = {.comm = {.head = event_head(MP_EVENT_COMM, tid, now)}};

	strcpy(e.comm.comm, comm);
	return e;
}

static inline union mp_event event_exec(uint64_t now, uint64_t start_brk)
{
	return (union mp_event){.exec = {.head = event_head(MP_EVENT_EXEC, 1, now),
					 .start_brk = start_brk,
					 .comm = "program"}};
}

/* The same event of another process. */
static inline union mp_event by(union mp_event e, unsigned tgid, uint64_t start_ns)
{
	e.head.tgid = tgid;
	e.head.start_ns = start_ns;
	return e;
}

#endif
