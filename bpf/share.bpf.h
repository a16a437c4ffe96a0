/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What each process may take of what all share, so that a storm takes nothing from the others: it
 * loses its own events, and its own stacks are cut.
 *
 *	     0             1/2            3/4            7/8           1
 *	ring |--------------|--------------|--------------|------------|
 *	     copies of any   copies of modest processes,   the events of
 *	     process, at a   events of any process         modest processes
 *	     rate per CPU
 *
 * A process is modest as long as it keeps to a rate, after a burst: most of them start, and then
 * change their map now and then. Processes have a slot each, by their numbers; two in one slot are
 * taken for one. CPUs that count at once may lose one of their counts.
 */
#ifndef MEMPROV_SHARE_BPF_H
#define MEMPROV_SHARE_BPF_H

#define SHARE_SLOTS    16384
#define SHARE_EVENT_NS 1000000ULL /* 1,000 events a second, */
#define SHARE_EVENTS   4096	  /* after as many in a row */
#define SHARE_COPY_NS  2000000ULL /* 500 copied stacks a second, */
#define SHARE_COPIES   512	  /* after as many in a row */

struct share {
	__u64 next_event_ns;
	__u64 next_copy_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHARE_SLOTS);
	__type(key, __u32);
	__type(value, struct share);
} shares SEC(".maps");

const volatile __u64 ring_size = 8 << 20;

static __always_inline struct share *share_of(__u32 tgid)
{
	__u32 slot = tgid % SHARE_SLOTS;

	return bpf_map_lookup_elem(&shares, &slot);
}

/* The generic cell rate algorithm: one time stamp tells how much of the burst is left. */
static __always_inline bool keeps_to_rate(__u64 *next_ns, __u64 every_ns, __u64 at_once)
{
	__u64 now = bpf_ktime_get_ns(), next = *(volatile __u64 *)next_ns;

	if (next < now)
		next = now;
	if (next - now > at_once * every_ns)
		return false;
	*(volatile __u64 *)next_ns = next + every_ns;
	return true;
}

/* Counts an event of the process. */
static __always_inline bool is_modest(__u32 tgid)
{
	struct share *share = share_of(tgid);

	return !share || keeps_to_rate(&share->next_event_ns, SHARE_EVENT_NS, SHARE_EVENTS);
}

static __always_inline bool leaves_room(bool modest)
{
	return modest || bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < ring_size / 4 * 3;
}

#endif
