/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What each process may take of what all share, so that a storm takes nothing from the others, and
 * costs the daemon no more than a fixed part of a CPU: it loses its own events, and its own stacks
 * are cut.
 *
 * A process has a share of its own: a rate, and a burst before that counts, for programs that
 * start. What goes beyond comes out of one common share. What that does not have either is dropped
 * here. How far into its own share a process is says how full the ring may get with what it sends:
 *
 *	sixteenths of the ring     5       6       13      15      16
 *	beyond its share      copies ············· events
 *	in its burst                  copies ············· events
 *	quiet                                           copies  events
 *
 * Where the events cost the daemon more CPU time than it may use (user/live/cpu_limit.h), it sets a
 * pressure. Each step of it halves the common rates, and the first four a process's own, down to
 * what a quiet one does at once. A storm may be of thousands of young processes, each of which has
 * a share: under pressure, what they send counts for their tenant, too, which has a share like that
 * of a process. A tenant is a user, or of root a mount namespace, which containers have.
 *
 * What a process has taken is kept from its first event to its exit, or until so many others have
 * had events since: then it has all of its share again, as a new process has. CPUs that count for
 * one process at once may lose one of their counts.
 */
#ifndef MEMPROV_SHARE_BPF_H
#define MEMPROV_SHARE_BPF_H

#define SHARES_MAX  16384 /* processes */
#define TENANTS_MAX 1024
#define YOUNG_NS    10000000000ULL

/* Rates as the time between two; then how many at once, and of them how many of a quiet process. */
#define OWN_EVENT_NS	 4000000ULL /* 250 a second */
#define OWN_EVENTS	 16384
#define OWN_EVENTS_QUIET 1024
#define OWN_COPY_NS	 10000000ULL /* 100 a second */
#define OWN_COPIES	 8192
#define OWN_COPIES_QUIET 512
#define OWN_STEPS	 4
#define COMMON_EVENTS	 (1 << 19) /* at once; their rate is common_event_ns */
#define COMMON_COPY_NS	 500000ULL /* 2,000 a second of large mappings, which cost 1 % of a CPU */
#define COMMON_COPIES	 5000
#define COMMON_SMALL_NS	 2000000ULL /* 500 of small ones */
#define COMMON_SMALL	 2500
#define COMMON_TRIES	 8

enum lane { LANE_QUIET, LANE_BURST, LANE_COMMON, LANE_NONE };

struct share {
	__u64 next_event_ns;
	__u64 next_copy_ns;
	__u64 next_touch_ns; /* these are touch.bpf.h's */
	__u64 next_spared_ns;
	__u64 next_empty_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SHARES_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct share);
} shares SEC(".maps");

/* Tenants that were looked at lately. Of their shares, those of empties and touches do not count.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TENANTS_MAX);
	__type(key, __u64); /* tenant_of_current() */
	__type(value, struct share);
} tenants SEC(".maps");

__u64 common_next_event_ns;
__u64 common_next_copy_ns;
__u64 common_next_small_ns;

__u64 pressure; /* the daemon's to set: at most PRESSURE_MAX */

#define PRESSURE_MAX 10

const volatile __u64 ring_size = 8 << 20;
const volatile __u64 common_event_ns; /* between two events beyond their process's share; 0: any */

/* NULL when another CPU has taken its place away already. */
static __always_inline struct share *share_of(__u32 tgid)
{
	struct share *share = bpf_map_lookup_elem(&shares, &tgid), none = {};

	if (share)
		return share;
	bpf_map_update_elem(&shares, &tgid, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&shares, &tgid);
}

/* The process has exited: the next one of that number owes nothing. */
static __always_inline void forget_share(__u32 tgid)
{
	bpf_map_delete_elem(&shares, &tgid);
}

/* The generic cell rate algorithm: one time stamp tells how much of the burst is left. */
static __always_inline enum lane take_own(__u64 *next_ns, __u64 every_ns, __u64 at_once,
					  __u64 at_once_quiet)
{
	__u64 now = bpf_ktime_get_ns(), next = *(volatile __u64 *)next_ns;

	if (next < now)
		next = now;
	if (next - now > at_once * every_ns)
		return LANE_COMMON;
	*(volatile __u64 *)next_ns = next + every_ns;
	return next - now > at_once_quiet * every_ns ? LANE_BURST : LANE_QUIET;
}

/* The same of what all CPUs take from, where no count may be lost: that would be theirs in
 * addition. Where too many meet, one gets nothing. */
static __always_inline bool take_common(__u64 *next_ns, __u64 every_ns, __u64 at_once)
{
	__u64 now = bpf_ktime_get_ns();

	for (int i = 0; i < COMMON_TRIES; i++) {
		__u64 seen = *(volatile __u64 *)next_ns, next = seen < now ? now : seen;

		if (next - now > at_once * every_ns)
			return false;
		if (__sync_val_compare_and_swap(next_ns, seen, next + every_ns) == seen)
			return true;
	}
	return false;
}

static __always_inline __u64 pressure_now(void)
{
	__u64 now = *(volatile __u64 *)&pressure;

	return now < PRESSURE_MAX ? now : PRESSURE_MAX;
}

static __always_inline __u64 tenant_of_current(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 uid = bpf_get_current_uid_gid();

	return uid ?: (1ULL << 32 | BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum));
}

static __always_inline struct share *share_of_tenant(void)
{
	__u64 tenant = tenant_of_current();
	struct share *share = bpf_map_lookup_elem(&tenants, &tenant), none = {};

	if (share)
		return share;
	bpf_map_update_elem(&tenants, &tenant, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tenants, &tenant);
}

/* A share of its own is halved so often at most: what is then left of the burst is what a quiet
 * process has. Rate and burst are halved together: a burst is as long under any pressure. */
static __always_inline __u64 own_steps(__u64 steps)
{
	return steps < OWN_STEPS ? steps : OWN_STEPS;
}

/*
 * Whether the current process is young and its tenant's share of events, or of copies, is used up;
 * else it is taken from. A function, since it is seldom needed; a global one, which the verifier
 * walks but once, may not be called where preemption is off.
 */
static __noinline int take_tenants(bool copy)
{
	__u64 start_ns = bpf_get_current_task_btf()->group_leader->start_boottime;
	__u64 own = own_steps(pressure_now());
	struct share *share;
	enum lane lane;

	if (bpf_ktime_get_boot_ns() - start_ns > YOUNG_NS)
		return 0;
	share = share_of_tenant();
	if (!share)
		return 0;
	lane = copy ? take_own(&share->next_copy_ns, OWN_COPY_NS << own, OWN_COPIES >> own,
			       OWN_COPIES_QUIET)
		    : take_own(&share->next_event_ns, OWN_EVENT_NS << own, OWN_EVENTS >> own,
			       OWN_EVENTS_QUIET);
	return lane == LANE_COMMON;
}

/* Counts an event of the process. The pressure is looked at again where it is used: the verifier
 * walks less than if it went along. */
static __always_inline enum lane lane_of_event(__u32 tgid)
{
	struct share *share = share_of(tgid);
	enum lane lane = LANE_QUIET;
	__u64 steps;

	if (share) {
		steps = own_steps(pressure_now());
		lane = take_own(&share->next_event_ns, OWN_EVENT_NS << steps, OWN_EVENTS >> steps,
				OWN_EVENTS_QUIET);
	}
	if (pressure_now() && take_tenants(false))
		lane = LANE_COMMON;
	steps = pressure_now();
	if (lane == LANE_COMMON && common_event_ns &&
	    !take_common(&common_next_event_ns, common_event_ns << steps, COMMON_EVENTS >> steps))
		lane = LANE_NONE;
	return lane;
}

/* Room for an event of the current process's life, which counts under pressure alone; NULL, and why
 * it is lost. */
static __always_inline void *reserve_life(__u64 size, enum mp_loss *ret_loss)
{
	bool sent = !pressure_now() || lane_of_event(current_tgid()) != LANE_NONE;

	*ret_loss = sent ? MP_LOSS_RING_FULL : MP_LOSS_THROTTLED;
	return sent ? bpf_ringbuf_reserve(&ring, size, 0) : NULL;
}

static __always_inline bool is_filled_to(__u64 used, __u64 sixteenths)
{
	return used > ring_size / 16 * sixteenths;
}

#define NOT_LOST MP_LOSS_CAUSES

/* Whether an event may be put on the ring: NOT_LOST, or why it may not. */
static __always_inline enum mp_loss admit(enum lane lane)
{
	__u64 used = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	if (lane == LANE_NONE)
		return MP_LOSS_THROTTLED;
	if ((lane == LANE_BURST && is_filled_to(used, 15)) ||
	    (lane == LANE_COMMON && is_filled_to(used, 13)))
		return MP_LOSS_RING_FULL;
	return NOT_LOST;
}

/* Room for an event of the current process that has no stack; NULL, and why it is lost. */
static __always_inline void *reserve(__u64 size, enum mp_loss *ret_loss)
{
	enum mp_loss loss = admit(lane_of_event(current_tgid()));

	*ret_loss = loss == NOT_LOST ? MP_LOSS_RING_FULL : loss;
	return loss == NOT_LOST ? bpf_ringbuf_reserve(&ring, size, 0) : NULL;
}

/* Whether a stack of the process may be copied, behind an event of that lane. */
static __always_inline bool may_copy(__u32 tgid, enum lane event, bool large)
{
	__u64 steps = pressure_now(), own = own_steps(steps);
	struct share *share = share_of(tgid);
	/* With this one: a small ring has no room for copies at all. */
	__u64 used = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + MP_STACK_MAX + MP_OTHER_MAX;
	enum lane lane = LANE_COMMON;

	if (event != LANE_COMMON && share && !is_filled_to(used, 15))
		lane = take_own(&share->next_copy_ns, OWN_COPY_NS << own, OWN_COPIES >> own,
				OWN_COPIES_QUIET);
	if (pressure_now() && take_tenants(true))
		lane = LANE_COMMON;
	if (lane == LANE_QUIET || (lane == LANE_BURST && !is_filled_to(used, 6)))
		return true;
	if (is_filled_to(used, 5))
		return false;
	return large ? take_common(&common_next_copy_ns, COMMON_COPY_NS << steps,
				   COMMON_COPIES >> steps)
		     : take_common(&common_next_small_ns, COMMON_SMALL_NS << steps,
				   COMMON_SMALL >> steps);
}

#endif
