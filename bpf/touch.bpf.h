/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What touches memory first: a sample of the page faults, from a perf event on each CPU, with the
 * user stack; and what empties pages without unmapping them, after which they are touched anew.
 *
 * The perf event's period is 1 while a CPU has few faults, and a prime while it has many
 * (user/collect/faults.h). Of what comes here, one in some is taken, by chance: so that one in
 * 2^k is of all faults, where k depends on what has been taken before, never on what this fault is.
 * No process counts more often than another, since each sample says how many faults it stands
 * for. k grows with how full two buckets are, which --touch-rate drains, and is the larger one's:
 *
 *	samples in the process's bucket   0 ... 512      768    1024    ...   4608
 *	samples in the CPU's bucket       0 ... 8192    8448    8704    ...  12288
 *	k                                      0     1       2       3 ...     16
 *
 * So for each doubling of its faults a process has as many samples: one that touches 100 MB and
 * one that touches 10 GB get shares of equal quality. In the long run it has a quarter of a CPU's
 * rate.
 *
 * Many that fault without end fill the CPU's bucket, or the ring, all the same. A fourth of the
 * CPU's rate is spared for what comes beside them. Each process may have some samples of that at
 * once, and then a few a second, and k is no more than this:
 *
 *	spared samples in the process's bucket   0     16      32   ...   128
 *	k                                           0       1    ...   7
 *
 * Storms may be of thousands of processes: young ones share the first quarter of what is spared,
 * others have the second, too, and the rest is shared by tenants.
 */
#ifndef MEMPROV_TOUCH_BPF_H
#define MEMPROV_TOUCH_BPF_H

#define OWN_TOUCHES	   512	/* of a process, at once */
#define OWN_TOUCH_RATE	   4	/* the part of a CPU's rate that it has */
#define CPU_TOUCHES	   8192 /* of a CPU, at once */
#define TOUCHES_A_STEP	   256	/* until they get thinner by half */
#define CPU_SPARED	   1024 /* of a CPU, at once, */
#define CPU_SPARED_RATE	   4	/* and the part of its rate */
#define OWN_SPARED	   128
#define OWN_SPARED_RATE	   64
#define SPARED_A_STEP	   16
#define TENANT_SPARED	   256
#define TENANT_SPARED_RATE 16
#define RING_SPARED	   3	/* sixteenths: the daemon is woken at two */
#define RING_NO_STACKS	   5	/* from here on without stacks: the rest is for what maps memory, */
#define RING_FULL	   10	/* and from here on none: */
#define RING_QUIET	   13	/* for what is spared, and that with its stack until then */
#define BACKLOG_SPARED	   5	/* sixteenths of the room for stacks that wait */
#define PERIOD_MAX	   64	/* more is another CPU's, or time that was not counted */
#define MAX_CPUS	   1024 /* further ones share their places */

#define EMPTY_NS    1000000ULL /* 1,000 a second of a process */
#define EMPTY_BURST 4096

/* vhost's; since Linux 6.4, and before that of no process that has memory. */
#define PF_USER_WORKER 0x00004000

#define VM_SHARED_BIT 0x8
#define TMPFS_MAGIC   0x01021994 /* shared anonymous memory, memfd, System V, tmpfs */

#define MP_MADV_DONTNEED	4
#define MP_MADV_FREE		8
#define MP_MADV_REMOVE		9
#define MP_MADV_DONTNEED_LOCKED 24
#define MP_MADV_GUARD_INSTALL	102
#define PIECES_MAX		8 /* of a process_madvise that are told apart */

__u64 touch_backlog; /* sixteenths of the room for their stacks; the daemon's to set */

const volatile __u64 touch_every_ns = 5000000; /* 1 / --touch-rate */

__u64 touches_taken[MP_TOUCHES];
__u64 empties_lost;
__u64 empties_lost_ns; /* in which process could not be noted */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_CPUS);
	__type(key, __u32);
	__type(value, struct mp_touch_cpu);
} touch_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MP_LOST_PROCESSES);
	__type(key, __u32); /* tgid */
	__type(value, struct mp_lost_range);
} lost_empties SEC(".maps");

static __always_inline void count_touch(enum mp_touch_outcome outcome)
{
	__sync_fetch_and_add(&touches_taken[outcome], 1);
}

/* By how much a bucket makes samples thinner that has been filled until then. */
static __always_inline __u64 steps_at(__u64 next_ns, __u64 now, __u64 at_once, __u64 every_ns)
{
	__u64 used = next_ns > now ? next_ns - now : 0, flat = at_once * every_ns;

	return used <= flat ? 0 : (used - flat) / (TOUCHES_A_STEP * every_ns) + 1;
}

static __always_inline void take_from(__u64 *next_ns, __u64 now, __u64 every_ns)
{
	__u64 next = *(volatile __u64 *)next_ns;

	*(volatile __u64 *)next_ns = (next > now ? next : now) + every_ns;
}

static __always_inline __u64 sixteenths_of_ring(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) * 16 / ring_size;
}

/* How many samples are in a bucket. */
static __always_inline __u64 used_of(__u64 next_ns, __u64 now, __u64 every_ns)
{
	return next_ns > now ? (next_ns - now) / every_ns : 0;
}

/* Of n samples that all share, of which so many are used, one may have the same part of what is its
 * own as is left of them (dynamic thresholds, as in user/util/budget.h): however many take what
 * they can, there is room for one more. */
static __always_inline bool is_fair(__u64 own_used, __u64 own, __u64 used, __u64 n)
{
	return used < n && own_used * n < (n - used) * own;
}

static __always_inline bool may_spare(const struct mp_touch_cpu *cpu, __u64 own_used, __u64 now)
{
	__u64 used = used_of(cpu->spared_ns, now, CPU_SPARED_RATE * touch_every_ns);
	__u64 start_ns = bpf_get_current_task_btf()->group_leader->start_boottime;
	__u64 n = bpf_ktime_get_boot_ns() - start_ns > YOUNG_NS ? CPU_SPARED / 2 : CPU_SPARED / 4;
	struct share *tenant;

	if (is_fair(own_used, OWN_SPARED, used, n))
		return true;
	if (own_used >= OWN_SPARED)
		return false;
	tenant = share_of_tenant();
	return tenant &&
	       is_fair(used_of(tenant->next_spared_ns, now, TENANT_SPARED_RATE * touch_every_ns),
		       TENANT_SPARED, used, CPU_SPARED);
}

static __always_inline void take_spared(struct share *own, struct mp_touch_cpu *cpu, __u64 now)
{
	struct share *tenant = share_of_tenant();

	take_from(&own->next_spared_ns, now, OWN_SPARED_RATE * touch_every_ns);
	take_from(&cpu->spared_ns, now, CPU_SPARED_RATE * touch_every_ns);
	if (tenant)
		take_from(&tenant->next_spared_ns, now, TENANT_SPARED_RATE * touch_every_ns);
}

struct thinning {
	__u64 k; /* one in 2^k of what comes here is to be taken */
	bool spared;
};

/* Where each fault that comes here stands for so many already. */
static __always_inline struct thinning
thinning(const struct share *own, const struct mp_touch_cpu *cpu, __u64 now, __u64 faults)
{
	__u64 k = steps_at(own->next_touch_ns, now, OWN_TOUCHES, OWN_TOUCH_RATE * touch_every_ns);
	__u64 common = steps_at(cpu->next_ns, now, CPU_TOUCHES, touch_every_ns);
	__u64 filled = sixteenths_of_ring(), backlog = *(volatile __u64 *)&touch_backlog;
	__u64 own_spared = used_of(own->next_spared_ns, now, OWN_SPARED_RATE * touch_every_ns);
	struct thinning t = {.k = common > k ? common : k};

	/* The daemon is behind: thinner, before samples find no room. */
	if (filled > RING_SPARED)
		t.k += filled - RING_SPARED;
	if (backlog > BACKLOG_SPARED)
		t.k += backlog - BACKLOG_SPARED;
	if (own_spared / SPARED_A_STEP < t.k && may_spare(cpu, own_spared, now)) {
		t.k = own_spared / SPARED_A_STEP;
		t.spared = true;
	}
	if (faults >= 8)
		t.k = t.k > 3 ? t.k - 3 : 0;
	return t;
}

struct memory {
	bool found;
	bool wanted;
};

static long look_at_vma(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	struct memory *memory = ctx;

	memory->found = true;
	memory->wanted = !vma->vm_file || (vma->vm_flags & VM_SHARED_BIT &&
					   vma->vm_file->f_inode->i_sb->s_magic == TMPFS_MAGIC);
	return 0;
}

/* Anonymous and shared memory, not files. What cannot be looked at now, the report will know. */
static __always_inline bool is_memory(__u64 addr)
{
	struct memory memory = {};

	bpf_find_vma(bpf_get_current_task_btf(), addr, look_at_vma, &memory, 0);
	return memory.wanted || !memory.found;
}

/*
 * A page that is there already has been touched: the fault is for a copy, or because writes
 * are watched (soft-dirty bits, userfaultfd). The zero page, which memory that was only read has,
 * looks as if it were not there, since there is nothing on it.
 */
static __always_inline bool is_present(__u64 addr)
{
	__u64 words[4], any = 0;

	if (bpf_probe_read_user(words, sizeof(words), (void *)(addr & ~(sizeof(words) - 1))))
		return false;
	for (int i = 0; i < 4; i++)
		any |= words[i];
	return any;
}

/*
 * How many faults there were since the last one that came here, with this one. The context's
 * sample_period lags behind a change of the period, and after a change to 1 it never comes
 * (perf_swevent_event() passes over what would set it).
 */
static __always_inline __u64 faults_since(struct mp_touch_cpu *cpu, struct bpf_perf_event_data *ctx)
{
	struct bpf_perf_event_value value = {};
	__u64 faults;

	if (bpf_perf_prog_read_value((void *)ctx, (void *)&value, sizeof(value)))
		return ctx->sample_period;
	faults = value.counter - cpu->counter;
	cpu->counter = value.counter;
	return faults && faults <= PERIOD_MAX ? faults : ctx->sample_period;
}

static __always_inline int on_fault(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 at = bpf_get_smp_processor_id() % MAX_CPUS;
	struct share *own = share_of(current_tgid());
	struct mp_touch_cpu *cpu = bpf_map_lookup_elem(&touch_cpus, &at);
	__u64 now = bpf_ktime_get_ns(), addr = ctx->addr, faults;
	enum mp_touch_outcome outcome = MP_TOUCHES_TAKEN;
	struct pt_regs *regs = syscall_regs();
	struct mp_event_touch *e;
	struct thinning t;
	struct scratch *s;

	if (!own || !cpu)
		return 0;
	cpu->faults++;
	faults = faults_since(cpu, ctx);
	t = thinning(own, cpu, now, faults);
	if (t.k && (t.k > 31 || bpf_get_prandom_u32() & ((1U << t.k) - 1))) {
		cpu->thinned++;
		return 0;
	}
	/* On behalf of another thread, whose stack is not here. */
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER)) {
		count_touch(MP_TOUCHES_FOREIGN);
		return 0;
	}
	if (!is_memory(addr)) {
		count_touch(MP_TOUCHES_FILE);
		return 0;
	}
	s = sixteenths_of_ring() < (t.spared ? RING_QUIET : RING_FULL) ? take_scratch() : NULL;
	if (!s) {
		count_touch(MP_TOUCHES_LOST);
		return 0;
	}
	take_from(&own->next_touch_ns, now, OWN_TOUCH_RATE * touch_every_ns);
	take_from(&cpu->next_ns, now, touch_every_ns);
	if (t.spared)
		take_spared(own, cpu, now);
	e = (struct mp_event_touch *)s->record;
	fill_head(&e->head, MP_EVENT_TOUCH);
	e->addr = addr;
	e->faults = faults << t.k;
	e->present = is_present(addr);
	/* Without a stack it still says for how much it is not known what touched it. */
	if (sixteenths_of_ring() >= RING_NO_STACKS && !t.spared) {
		regs = NULL;
		outcome = MP_TOUCHES_NO_STACK;
	}
	count_touch(send_touch(s, sizeof(*e), regs) ? outcome : MP_TOUCHES_LOST);
	return 0;
}

/* The samples there are of pages that are no more. */
static __always_inline void lose_empty(__u64 lo, __u64 hi)
{
	struct mp_lost_range none = {.lo = MP_EVERYTHING}, *range;
	__u32 tgid = current_tgid();

	range = bpf_map_lookup_elem(&lost_empties, &tgid);
	if (!range) {
		bpf_map_update_elem(&lost_empties, &tgid, &none, BPF_NOEXIST);
		range = bpf_map_lookup_elem(&lost_empties, &tgid);
	}
	if (range) {
		widen(range, lo, hi);
		range->last_ns = bpf_ktime_get_boot_ns();
	} else {
		empties_lost_ns = bpf_ktime_get_boot_ns();
	}
	__sync_fetch_and_add(&empties_lost, 1); /* last: it makes the reader look */
}

/* Allocators do it all day: these have a share that takes nothing from what maps memory. */
static __always_inline bool may_tell_empty(void)
{
	struct share *own = share_of(current_tgid());
	enum lane lane = LANE_COMMON;

	if (own)
		lane = take_own(&own->next_empty_ns, EMPTY_NS, EMPTY_BURST, EMPTY_BURST);
	if (sixteenths_of_ring() >= RING_FULL)
		return false;
	return lane != LANE_COMMON || !common_event_ns ||
	       take_common(&common_next_event_ns, common_event_ns, COMMON_EVENTS);
}

static __always_inline void emit_empty(__u64 addr, __u64 len)
{
	struct mp_event_range *e = NULL;

	if (may_tell_empty())
		e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		lose_empty(addr, addr + len);
		return;
	}
	fill_head(&e->head, MP_EVENT_EMPTY);
	e->addr = addr;
	e->len = len;
	submit(e, sizeof(*e));
}

static __always_inline bool empties(__u64 advice)
{
	return advice == MP_MADV_DONTNEED || advice == MP_MADV_REMOVE ||
	       advice == MP_MADV_DONTNEED_LOCKED || advice == MP_MADV_GUARD_INSTALL;
}

static __always_inline int on_madvise(struct pt_regs *regs)
{
	if ((__u32)SYSARG2(regs) == MP_MADV_FREE)
		note_lazyfree();
	if (empties((__u32)SYSARG2(regs)))
		emit_empty(SYSARG0(regs), SYSARG1(regs));
	return 0;
}

struct piece { /* struct iovec */
	__u64 addr;
	__u64 len;
};

/* The kernel lets a process empty its own pages alone so, since Linux 6.13. */
static __always_inline int on_process_madvise(struct pt_regs *regs)
{
	__u64 n = SYSARG2(regs);
	struct piece piece;

	if ((__u32)SYSARG3(regs) == MP_MADV_FREE)
		note_lazyfree();
	if (!empties((__u32)SYSARG3(regs)))
		return 0;
	for (__u32 i = 0; i < PIECES_MAX && i < n; i++) {
		if (bpf_probe_read_user(&piece, sizeof(piece),
					(void *)(SYSARG1(regs) + i * sizeof(piece)))) {
			n = PIECES_MAX + 1;
			break;
		}
		emit_empty(piece.addr, piece.len);
	}
	if (n > PIECES_MAX)
		lose_empty(0, MP_EVERYTHING);
	return 0;
}

#endif
