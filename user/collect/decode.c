// SPDX-License-Identifier: BSD-2-Clause
#include "collect/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/pieces.h"
#include "wire/python_frames.h"

#define TEXT(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)

/* Of each type: its name, its length, and where its text is, if it has one. */
static const struct {
	const char *name;
	size_t len;
	size_t text;
	size_t text_len;
	bool has_stack; /* it may have one */
} types[MP_EVENT_TYPES] = {
	[MP_EVENT_MMAP] = {"mmap", sizeof(struct mp_event_mmap), TEXT(mp_event_mmap, comm), true},
	[MP_EVENT_MUNMAP] = {"munmap", sizeof(struct mp_event_range), 0, 0},
	[MP_EVENT_MREMAP_ENTER] = {"mremap_enter", sizeof(struct mp_event_range), 0, 0},
	[MP_EVENT_MREMAP] = {"mremap", sizeof(struct mp_event_mremap), TEXT(mp_event_mremap, comm),
			     true},
	[MP_EVENT_BRK] = {"brk", sizeof(struct mp_event_brk), TEXT(mp_event_brk, comm), true},
	[MP_EVENT_SHMAT] = {"shmat", sizeof(struct mp_event_shmat), TEXT(mp_event_shmat, comm),
			    true},
	[MP_EVENT_SHMDT] = {"shmdt", sizeof(struct mp_event_shmdt), 0, 0},
	[MP_EVENT_NAME] = {"name", sizeof(struct mp_event_name), TEXT(mp_event_name, name), true},
	[MP_EVENT_FORK] = {"fork", sizeof(struct mp_event_fork), TEXT(mp_event_fork, comm)},
	[MP_EVENT_EXEC] = {"exec", sizeof(struct mp_event_exec), TEXT(mp_event_exec, comm)},
	[MP_EVENT_EXIT] = {"exit", sizeof(struct mp_event_head), 0, 0},
	[MP_EVENT_COMM] = {"comm", sizeof(struct mp_event_comm), TEXT(mp_event_comm, comm)},
	[MP_EVENT_THREAD] = {"thread", sizeof(struct mp_event_thread), TEXT(mp_event_thread, comm)},
	[MP_EVENT_TOUCH] = {"touch", sizeof(struct mp_event_touch), 0, 0, true},
	[MP_EVENT_EMPTY] = {"empty", sizeof(struct mp_event_range), 0, 0},
	[MP_EVENT_INTERPRETER] = {"interpreter", sizeof(struct mp_event_interpreter), 0, 0},
};

static const char *const losses[MP_LOSS_CAUSES] = {
	[MP_LOSS_RING_FULL] = "ring_full", [MP_LOSS_NAME_UNREADABLE] = "name_unreadable",
	[MP_LOSS_SHM_SIZE] = "shm_size",   [MP_LOSS_WHO_TABLE_FULL] = "who_table_full",
	[MP_LOSS_PREEMPTED] = "preempted", [MP_LOSS_THROTTLED] = "throttled",
};

static const char *const outcomes[MP_STACKS] = {
	[MP_STACKS_COPY] = "cfi",
	[MP_STACKS_FP] = "fp",
	[MP_STACKS_THROTTLED] = "fp_throttled",
	[MP_STACKS_NONE] = "none",
};

static const char *const touches[MP_TOUCHES] = {
	[MP_TOUCHES_TAKEN] = "taken",	    [MP_TOUCHES_FILE] = "file",
	[MP_TOUCHES_FOREIGN] = "foreign",   [MP_TOUCHES_LOST] = "lost",
	[MP_TOUCHES_NO_STACK] = "no_stack",
};

static const char *const pythons[MP_PYTHONS] = {
	[MP_PYTHONS_TAKEN] = "taken",
	[MP_PYTHONS_CUT] = "cut",
	[MP_PYTHONS_NO_FRAME] = "no_frame",
	[MP_PYTHONS_LOST] = "lost",
};

const char *event_type__name(unsigned type)
{
	return type < MP_EVENT_TYPES ? types[type].name : NULL;
}

const char *loss__name(enum mp_loss cause)
{
	return losses[cause];
}

const char *stack_outcome__name(enum mp_stack_outcome outcome)
{
	return outcomes[outcome];
}

const char *touch_outcome__name(enum mp_touch_outcome outcome)
{
	return touches[outcome];
}

const char *python_outcome__name(enum mp_python_outcome outcome)
{
	return pythons[outcome];
}

/* The kernel has accepted these: a mapping that wraps or is empty cannot exist. */
static bool is_mapping(__u64 addr, __u64 len)
{
	__u64 end;

	return len && !__builtin_add_overflow(addr, len, &end);
}

static bool holds(const union mp_event *e)
{
	switch (e->head.type) {
	case MP_EVENT_MMAP:
		return is_mapping(e->mmap.addr, e->mmap.len);
	case MP_EVENT_SHMAT:
		return is_mapping(e->shmat.addr, e->shmat.len);
	case MP_EVENT_MREMAP:
		return e->mremap.failed == 1 ||
		       (!e->mremap.failed &&
			(!e->mremap.new_addr || is_mapping(e->mremap.new_addr, e->mremap.new_len)));
	case MP_EVENT_BRK:
		return e->brk.brk >= e->brk.start_brk;
	case MP_EVENT_NAME:
		return e->name.state <= MP_NAME_LATE &&
		       (e->name.state != MP_NAME_SET || strlen(e->name.name) <= MP_NAME_MAX);
	case MP_EVENT_FORK:
		return e->fork.child_tgid && e->fork.child_tgid != e->head.tgid &&
		       e->fork.shares_vm <= 1;
	case MP_EVENT_THREAD:
		return e->thread.thread_tid && e->thread.stack_lo < e->thread.stack_hi;
	case MP_EVENT_TOUCH:
		return e->touch.faults && e->touch.present <= 1;
	default: /* enter events carry what the program passed: anything, checked when applied */
		return true;
	}
}

const struct mp_stack *event__stack(const union mp_event *event)
{
	return event->head.stack_bytes
		       ? (const void *)((const char *)event + types[event->head.type].len)
		       : NULL;
}

size_t event__size(const union mp_event *event)
{
	return types[event->head.type].len + event->head.stack_bytes;
}

static bool is_stack(const struct mp_stack *stack, size_t len)
{
	if (len < sizeof(*stack) || stack->bytes > len || stack->bytes % 8 ||
	    len - sizeof(*stack) != stack__bytes(stack))
		return false;
	if (stack->python && !python__is_whole(stack__python(stack), stack->python * 8))
		return false;
	switch (stack->kind) {
	case MP_STACK_COPY:
		return pieces__are_whole((const void *)stack->data, stack->bytes);
	case MP_STACK_FP:
		return stack->bytes && stack->bytes <= MP_FP_MAX * sizeof(__u64);
	default:
		return false;
	}
}

int event__decode(const void *record, size_t len, const union mp_event **ret)
{
	const union mp_event *e = record;

	if (len < sizeof(e->head) || e->head.type >= MP_EVENT_TYPES || !types[e->head.type].name)
		return -EBADMSG;
	/* The ring rounds nothing: a record has exactly the length that was reserved. */
	if (len != types[e->head.type].len + (size_t)e->head.stack_bytes || !e->head.tgid)
		return -EBADMSG;
	if (e->head.stack_bytes &&
	    (!types[e->head.type].has_stack || !is_stack(event__stack(e), e->head.stack_bytes)))
		return -EBADMSG;
	if (types[e->head.type].text_len && !memchr((const char *)record + types[e->head.type].text,
						    '\0', types[e->head.type].text_len))
		return -EBADMSG;
	if (!holds(e))
		return -EBADMSG;
	*ret = e;
	return 0;
}
