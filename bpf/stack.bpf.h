/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Records that carry the user's stack. They are put together in a buffer of the CPU's own and
 * copied to the ring in one piece, because a reservation must have a size that is known before.
 *
 * Hardly any C library has frame pointers, so the stack itself is taken, with the registers, and
 * unwound outside by call frame information. That costs up to 32 KiB of ring, and 16 more where it
 * goes on elsewhere (other.bpf.h): it is done for mappings of some size, and not faster than a rate
 * of the process or else of all (share.bpf.h). All others get what frame pointers tell.
 *
 * Some allocators grow by small mappings alone: Ruby's pages, musl's groups. Once a process has
 * mapped GROWTH_MIN in small pieces, these are copied too, at a lower rate of their own, so that a
 * storm of them takes no copies from large mappings.
 */
#ifndef MEMPROV_STACK_BPF_H
#define MEMPROV_STACK_BPF_H

#define CHUNK	   4096 /* what can be read is found out in such pieces: a page, or a part of one */
#define WINDOW	   2048 /* of the stack, that is read at once to follow frame pointers */
#define EVENT_ROOM 256	/* for the event before the stack */
#define STACK_ROOM                                                                                 \
	(sizeof(struct mp_stack) + sizeof(struct mp_stack_copy) + MP_STACK_MAX + MP_OTHER_MAX)
#define PYTHON_SEEN  128
#define GROWTH_MIN   (1 << 20)
#define GROWTH_SLOTS 16384

const volatile __u32 unwind_mode = MP_UNWIND_CFI;
const volatile __u64 stack_min = 65536;

__u64 stacks_taken[MP_STACKS];

/*
 * What each process has mapped in small pieces. A process has one slot, by its number, and takes it
 * from the process that had it before: two that grow at once in one slot are not noticed, and keep
 * what frame pointers tell. CPUs that count at once may lose a piece.
 */
struct growth {
	__u64 start_ns; /* of the process */
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GROWTH_SLOTS);
	__type(key, __u32);
	__type(value, struct growth);
} growths SEC(".maps");

/* Where frames of Python are put together, and how far that has got. */
struct python_room {
	__u64 frame;  /* the next one */
	__u64 cframe; /* of its evaluation; 0: there is none */
	__u32 n;
	__u32 used; /* of the text */
	__u64 over; /* all of them have been seen */
	/* Objects whose text is there: a code object's, or the string of a file's name; and of
	 * which frame. Those of earlier rounds are of other stacks. */
	__u32 round;
	__u32 seen_round[PYTHON_SEEN];
	__u64 seen[PYTHON_SEEN];
	__u16 seen_at[PYTHON_SEEN];
	__u8 object[MP_PYTHON_CODE_MAX]; /* that is read, */
	__u8 string[MP_PYTHON_STRING];	 /* and the head of a string, */
	__u64 len;			 /* and the length of bytes */
	struct mp_python_frame frames[MP_PYTHON_FRAMES];
	__u8 text[MP_PYTHON_TEXT_MAX];
};

struct scratch {
	__u64 taken;
	__u64 grown; /* the mapping is small, one of many; a word, which keeps the record aligned */
	__u64 lane;  /* enum lane, of the event */
	__u8 record[EVENT_ROOM + STACK_ROOM + MP_PYTHON_MAX + CHUNK];
	struct python_room python;
};

/* One for each CPU. A map of type PERCPU_ARRAY would not take more than 32 KiB
 * (kernel/bpf/arraymap.c). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* replaced by the number of CPUs at load */
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/*
 * This CPU's, for us alone until send(); or NULL. Programs at tracepoints run with preemption off
 * and always find it free. Those at fentry and fexit stay on their CPU, but another task can get it
 * in the middle of one, and come to a program of ours itself.
 */
static __always_inline struct scratch *take_scratch(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct scratch *s = bpf_map_lookup_elem(&scratches, &cpu);

	if (!s || __sync_lock_test_and_set(&s->taken, 1))
		return NULL;
	s->grown = 0;
	return s;
}

static __always_inline void give_back(struct scratch *s)
{
	__sync_lock_test_and_set(&s->taken, 0);
}

/* Counts a small mapping; notes whether the process has made enough of them. */
static __always_inline void count_growth(struct scratch *s, __u64 mapped)
{
	const struct mp_event_head *head = (struct mp_event_head *)s->record;
	__u32 slot = head->tgid % GROWTH_SLOTS;
	struct growth *g;

	if (mapped >= stack_min)
		return;
	g = bpf_map_lookup_elem(&growths, &slot);
	if (!g)
		return;
	if (g->start_ns != head->start_ns) {
		g->start_ns = head->start_ns;
		g->bytes = 0;
	}
	s->grown = g->bytes >= GROWTH_MIN;
	if (!s->grown)
		g->bytes += mapped;
}

#include "other.bpf.h"
#include "python.bpf.h"

/* Above where exec put argc there are no frames, but the environment. */
static __always_inline __u64 room_above(__u64 at)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 top = BPF_CORE_READ(task, mm, start_stack) + 64;

	return at < top ? top - at : ~0ULL;
}

/* Copies up to `room` bytes, at most `max`, to that place of the record. How many it could. */
static __always_inline __u32 copy_bytes(__u8 *to, __u64 at, __u64 room, __u32 max)
{
	__u32 n = 0;

	for (__u32 i = 0; i < max / CHUNK + 1; i++) {
		__u64 chunk = CHUNK - ((at + n) & (CHUNK - 1));

		if (n >= max || n >= room)
			break;
		if (chunk > room - n)
			chunk = room - n;
		if (chunk > max - n)
			chunk = max - n;
		/* clang can tell that this holds, Linux 6.1's verifier cannot. */
		asm volatile("" : "+r"(chunk));
		if (chunk > CHUNK)
			break;
		if (bpf_probe_read_user(to + n, chunk, (void *)(at + n)))
			break;
		n += chunk;
	}
	return n & ~7U;
}

/* On arm64, Go's functions keep their frame pointer below. That may be another page, which only
 * they have written to. */
static __always_inline __u64 below(__u64 sp)
{
#if defined(__TARGET_ARCH_arm64)
	__u64 word;

	if ((sp & (CHUNK - 1)) >= MP_STACK_BELOW || read_word(sp - MP_STACK_BELOW, &word))
		return MP_STACK_BELOW;
#endif
	return 0;
}

/* Where the other stack is, if there is one, and its end. */
static __always_inline bool find_other(struct scratch *s, struct mp_stack_copy *copy, __u32 len,
				       struct pt_regs *regs, __u64 *ret_end)
{
	__u64 sp = 0, size = 0, at = USER_SP(regs) - copy->below, fp;
	struct mp_stack_other *other = &copy->other;
	__u64 word;

	*ret_end = ~0ULL;
	if (find_goroutine(regs, other, ret_end)) {
		other->at = other->sp - below(other->sp);
		return true;
	}
	if (is_on_signal_stack(regs, &sp, &size)) {
		sp = find_interrupted(s, sp, size);
		if (sp) {
			other->at = sp - below(sp);
			return true;
		}
	}
	fp = leave_copy(copy, at, len, USER_FP(regs));
	if (!fp && len < MP_STACK_MAX && len < (room_above(at) & ~7ULL))
		other->at = find_beyond_hole(at, len, at + room_above(at), ret_end);
	if (!fp)
		return other->at;
	other->fp = fp;
	/* From its page on, if the one before is absent, or is in the copy. */
	other->at = fp - OTHER_BELOW;
	if (fp - at < len + OTHER_BELOW || !read_word(other->at, &word))
		other->at = fp & ~(CHUNK - 1ULL);
	if (other->at - at < len)
		other->at = at + len;
	return true;
}

static __always_inline __u32 copy_stack(struct scratch *s, struct mp_stack *stack,
					struct pt_regs *regs)
{
	struct mp_stack_copy *copy = (struct mp_stack_copy *)stack->data;
	__u64 end = 0, at;
	__u32 n;

	copy_regs(copy->regs, regs);
	__builtin_memset(&copy->other, 0, sizeof(copy->other));
	copy->below = below(USER_SP(regs));
	at = USER_SP(regs) - copy->below;
	n = copy_bytes(copy->bytes, at, room_above(at), MP_STACK_MAX);
	if (find_other(s, copy, n, regs, &end)) {
		at = copy->other.at;
		asm volatile("" : "+r"(n));
		if (n > MP_STACK_MAX)
			n = MP_STACK_MAX;
		copy->other.len = copy_bytes(copy->bytes + n, at, end - at, MP_OTHER_MAX);
		if (!copy->other.len)
			__builtin_memset(&copy->other, 0, sizeof(copy->other));
		n += copy->other.len;
	}
	stack->kind = MP_STACK_COPY;
	stack->python = 0;
	stack->bytes = sizeof(*copy) + n;
	return stack->bytes;
}

/* Reads what follows `at`, within its page: the next one may be absent. The bytes, 0: nothing. */
static __always_inline __u64 read_window(__u8 *window, __u64 at)
{
	__u64 n = CHUNK - (at & (CHUNK - 1));

	if (n > WINDOW)
		n = WINDOW;
	if (n < sizeof(struct frame)) /* across the two */
		n = sizeof(struct frame);
	return bpf_probe_read_user(window, n, (void *)at) ? 0 : n;
}

struct walk {
	__u8 *window;
	__u64 *ips;
	__u64 fp;
	__u64 begin; /* what of the stack is in the window: from here, */
	__u64 len;   /* so many bytes */
	__u32 n;
};

static long walk_frame(__u32 i, void *ctx)
{
	struct walk *walk = ctx;
	__u64 at = walk->fp - walk->begin;
	struct frame *frame;

	/* The outermost function finds 0 or argc there. To try and read it costs as much as all
	 * else. */
	if (walk->fp < CHUNK || walk->fp % sizeof(__u64))
		return 1;
	if (at + sizeof(*frame) > walk->len || at > WINDOW) {
		walk->begin = walk->fp;
		walk->len = read_window(walk->window, walk->fp);
		if (!walk->len)
			return 1;
		at = 0;
	}
	/* clang can tell that this holds, the verifier cannot. */
	asm volatile("" : "+r"(at), "+r"(i));
	if (at > WINDOW - sizeof(*frame) || i >= MP_FP_MAX - 1)
		return 1;
	frame = (struct frame *)(walk->window + at);
	walk->ips[i + 1] = frame->ip & CODE_BITS;
	walk->fp = frame->caller;
	walk->n = i + 2;
	return 0;
}

/*
 * As the kernel's own perf_callchain_user(), which asks user space for each frame; here one read
 * brings several.
 */
static __always_inline __u32 follow_frame_pointers(struct scratch *s, struct mp_stack *stack,
						   struct pt_regs *regs)
{
	struct walk walk = {
		.window = s->record + sizeof(s->record) - WINDOW,
		.ips = (__u64 *)stack->data,
		.fp = USER_FP(regs),
		.n = 1,
	};

	walk.ips[0] = USER_IP(regs);
	/* A loop of our own would have the verifier walk it 127 times in each program. */
	bpf_loop(MP_FP_MAX - 1, walk_frame, &walk, 0);
	stack->kind = MP_STACK_FP;
	stack->python = 0;
	stack->bytes = walk.n * sizeof(*walk.ips);
	return stack->bytes;
}

static __always_inline void count_stack(enum mp_stack_outcome outcome)
{
	__sync_fetch_and_add(&stacks_taken[outcome], 1);
}

/* Puts the stack behind the event; returns the bytes that it takes. */
static __always_inline __u32 take_stack(struct scratch *s, struct mp_stack *stack,
					struct pt_regs *regs, __u64 mapped)
{
	const struct mp_event_head *head = (struct mp_event_head *)s->record;
	enum mp_stack_outcome outcome = MP_STACKS_FP;
	bool large = mapped >= stack_min;
	__u32 bytes;

	if (unwind_mode == MP_UNWIND_NONE) {
		count_stack(MP_STACKS_NONE);
		return 0;
	}
	if (unwind_mode == MP_UNWIND_CFI && (large || s->grown)) {
		if (may_copy(head->tgid, s->lane, large)) {
			count_stack(MP_STACKS_COPY);
			return sizeof(*stack) + copy_stack(s, stack, regs);
		}
		outcome = MP_STACKS_THROTTLED;
	}
	bytes = follow_frame_pointers(s, stack, regs);
	count_stack(outcome);
	return sizeof(*stack) + bytes;
}

/* Puts Python's frames behind the stack of `len` bytes at `at`: the bytes that they take. */
static __noinline __u32 add_python(struct scratch *s, __u32 at, __u32 len)
{
	struct mp_stack *stack;
	__u32 bytes, end;

	asm volatile("" : "+r"(at), "+r"(len));
	if (at > EVENT_ROOM || len > STACK_ROOM)
		return 0;
	stack = (struct mp_stack *)(s->record + at);
	end = at + len;
	bytes = take_python(s, s->record + end);
	stack->python = bytes / sizeof(__u64);
	return bytes;
}

/* Sends the event of `size` bytes at the start of the scratch, with the stack of a call that
 * mapped (or named) `mapped` bytes; 0: it needs none. Gives the scratch back. NOT_LOST, or why it
 * was not sent. */
static __always_inline enum mp_loss send(struct scratch *s, __u32 size, struct pt_regs *regs,
					 __u64 mapped, __u64 wake)
{
	struct mp_event_head *head = (struct mp_event_head *)s->record;
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), total = size;
	enum lane lane = lane_of_event(head->tgid);
	enum mp_loss loss = admit(lane);

	if (loss != NOT_LOST) {
		give_back(s);
		return loss;
	}
	s->lane = lane;
	if (mapped) {
		head->stack_bytes =
			take_stack(s, (struct mp_stack *)(s->record + size), regs, mapped);
		if (head->stack_bytes)
			head->stack_bytes += add_python(s, size, head->stack_bytes);
		total += head->stack_bytes;
	}
	if (wake != BPF_RB_FORCE_WAKEUP)
		wake = wake_between(waiting, waiting + ring_bytes(total));
	loss = MP_LOSS_RING_FULL;
	/* clang can tell that by a part of it, Linux 6.1's verifier cannot. */
	asm volatile("" : "+r"(total));
	if (total <= sizeof(s->record) && /* it always is; for the verifier */
	    !bpf_ringbuf_output(&ring, s->record, total, wake))
		loss = NOT_LOST;
	give_back(s);
	return loss;
}

/* The same for a touch, whose rate is bounded elsewhere (touch.bpf.h); regs NULL: without a stack.
 * False: it was not sent. */
static __always_inline bool send_touch(struct scratch *s, __u32 size, struct pt_regs *regs)
{
	struct mp_event_head *head = (struct mp_event_head *)s->record;
	struct mp_stack *stack = (struct mp_stack *)(s->record + size);
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), total;
	bool sent;

	if (regs) {
		head->stack_bytes =
			sizeof(*stack) + (unwind_mode == MP_UNWIND_CFI
						  ? copy_stack(s, stack, regs)
						  : follow_frame_pointers(s, stack, regs));
		head->stack_bytes += add_python(s, size, head->stack_bytes);
	}
	total = size + head->stack_bytes;
	asm volatile("" : "+r"(total));
	sent = total <= sizeof(s->record) && /* it always is; for the verifier */
	       !bpf_ringbuf_output(&ring, s->record, total,
				   wake_between(waiting, waiting + ring_bytes(total)));
	give_back(s);
	return sent;
}

#endif
