/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Putting a record on the ring, or counting that it could not be put there.
 *
 * The reader is woken rarely: a wakeup costs some 5 us, more than everything else we do for a
 * call. A record wakes it only when it is the one that carries the ring over a multiple of
 * `wake_bytes`; the reader's own timer and every request take the rest. Over any multiple: where
 * two CPUs carry it over one together, neither may see it.
 */
#ifndef MEMPROV_EMIT_BPF_H
#define MEMPROV_EMIT_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* replaced by --ring-size at load */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MP_LOST_PROCESSES);
	__type(key, __u32); /* tgid */
	__type(value, struct mp_lost_range);
} lost_ranges SEC(".maps");

const volatile __u64 wake_bytes = 1 << 20; /* a power of two */

__u64 lost_events[MP_LOSS_CAUSES];

#define MP_EVERYTHING (~0ULL)

static __always_inline void count_loss(enum mp_loss cause)
{
	__sync_fetch_and_add(&lost_events[cause], 1);
}

/* Several CPUs may widen the same hull at once, and tracepoint programs have no lock. A hull
 * that cannot be widened in a few tries becomes the whole address space: too much is safe. */
static __always_inline void widen(struct mp_lost_range *range, __u64 lo, __u64 hi)
{
	bool done = false;

	for (int i = 0; i < 4 && !done; i++) {
		__u64 seen = *(volatile __u64 *)&range->lo;

		done = lo >= seen || __sync_val_compare_and_swap(&range->lo, seen, lo) == seen;
	}
	if (!done)
		*(volatile __u64 *)&range->lo = 0;

	done = false;
	for (int i = 0; i < 4 && !done; i++) {
		__u64 seen = *(volatile __u64 *)&range->hi;

		done = hi <= seen || __sync_val_compare_and_swap(&range->hi, seen, hi) == seen;
	}
	if (!done)
		*(volatile __u64 *)&range->hi = MP_EVERYTHING;
}

/* What happened to [lo, hi) in process tgid is not recorded. lo >= hi: it was of no address. */
static __always_inline void note_range(__u32 tgid, __u64 lo, __u64 hi)
{
	struct mp_lost_range none = {.lo = MP_EVERYTHING}, *range;

	range = bpf_map_lookup_elem(&lost_ranges, &tgid);
	if (!range) {
		bpf_map_update_elem(&lost_ranges, &tgid, &none, BPF_NOEXIST);
		range = bpf_map_lookup_elem(&lost_ranges, &tgid);
	}
	if (!range) {
		count_loss(MP_LOSS_WHO_TABLE_FULL);
		return;
	}
	if (lo < hi)
		widen(range, lo, hi);
	range->last_ns = bpf_ktime_get_boot_ns();
	__sync_fetch_and_add(&range->events, 1); /* last: the reader looks at it first */
}

static __always_inline void forget_losses(__u32 tgid)
{
	bpf_map_delete_elem(&lost_ranges, &tgid);
}

/* One record that was not sent. */
static __always_inline void note_loss(enum mp_loss cause, __u32 tgid, __u64 lo, __u64 hi)
{
	note_range(tgid, lo, hi);
	count_loss(cause); /* last: it makes the reader look at the ranges */
}

static __always_inline void fill_head(struct mp_event_head *head, enum mp_event_type type)
{
	struct task_struct *task = bpf_get_current_task_btf();

	head->type = type;
	head->pad0 = 0;
	head->tgid = task->tgid;
	head->tid = task->pid;
	head->stack_bytes = 0;
	head->start_ns = task->group_leader->start_boottime;
	head->time_ns = bpf_ktime_get_boot_ns();
}

/* What a record of that size takes of the ring. */
static __always_inline __u64 ring_bytes(__u64 size)
{
	return (size + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
}

static __always_inline __u64 wake_between(__u64 before, __u64 after)
{
	return (before ^ after) & ~(wake_bytes - 1) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void submit(void *record, __u64 size)
{
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA); /* with this one */

	bpf_ringbuf_submit(record, wake_between(waiting - ring_bytes(size), waiting));
}

static __always_inline __u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

#endif
