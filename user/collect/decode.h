/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from the ring (or from a recording) → a checked event. An event that passes has the length
 * of its type (and of its stack), a NUL in every text, a process, and ranges that do not wrap; the
 * model need not check again. Nothing is copied: the event is the record.
 */
#ifndef MEMPROV_DECODE_H
#define MEMPROV_DECODE_H

#include <linux/types.h>
#include <stddef.h>

#include "event.h"
#include "python.h"

union mp_event {
	struct mp_event_head head;
	struct mp_event_mmap mmap;
	struct mp_event_range range;
	struct mp_event_mremap mremap;
	struct mp_event_brk brk;
	struct mp_event_shmat shmat;
	struct mp_event_shmdt shmdt;
	struct mp_event_name name;
	struct mp_event_fork fork;
	struct mp_event_exec exec;
	struct mp_event_comm comm;
	struct mp_event_thread thread;
	struct mp_event_touch touch;
	struct mp_event_interpreter interpreter;
};

/* No record is longer. */
#define EVENT_MAX                                                                                  \
	(sizeof(union mp_event) + sizeof(struct mp_stack) + sizeof(struct mp_stack_copy) +         \
	 MP_STACK_MAX + MP_OTHER_MAX + MP_PYTHON_MAX)

/* 0 and *ret pointing into record (8-byte aligned, valid as long as it is), or -EBADMSG for a
 * record that no program of ours can have written. */
int event__decode(const void *record, size_t len, const union mp_event **ret);

/* The stack behind a decoded event, NULL when there is none. */
const struct mp_stack *event__stack(const union mp_event *event);

/* The length of a decoded event with its stack. */
size_t event__size(const union mp_event *event);

/* "mmap", "munmap", …: the value of the label type in memprov_events_total. NULL for a number
 * that is no type. */
const char *event_type__name(unsigned type);

/* "ring_full", …: the value of the label cause in memprov_events_lost_total. */
const char *loss__name(enum mp_loss cause);

/* "cfi", "fp", …: the value of the label source in memprov_stacks_total. */
const char *stack_outcome__name(enum mp_stack_outcome outcome);

/* "taken", …: the value of the label result in memprov_touch_samples_total. */
const char *touch_outcome__name(enum mp_touch_outcome outcome);

/* "taken", …: the value of the label result in memprov_python_stacks_total. */
const char *python_outcome__name(enum mp_python_outcome outcome);

#endif
