/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Processes that the out-of-memory killer has chosen. */
#ifndef MEMPROV_KILL_BPF_H
#define MEMPROV_KILL_BPF_H

#define KILLS_BYTES (64 << 10) /* some 300 kills */
#define PID_LIMIT   (4 << 20)  /* PID_MAX_LIMIT, include/linux/threads.h */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, KILLS_BYTES);
} kills SEC(".maps");

__u64 kills_lost;

/* MM_FILEPAGES, MM_ANONPAGES and MM_SHMEMPAGES, between which swap entries are counted. Only what
 * has a constant index is found in every kernel. */
static __always_inline __u64 resident_pages(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__s64 file, anon, shmem;

	if (!bpf_core_field_exists(struct mm_struct, rss_stat[0].count))
		return 0;
	file = BPF_CORE_READ(mm, rss_stat[0].count);
	anon = BPF_CORE_READ(mm, rss_stat[1].count);
	shmem = BPF_CORE_READ(mm, rss_stat[3].count);
	return (file > 0 ? file : 0) + (anon > 0 ? anon : 0) + (shmem > 0 ? shmem : 0);
}

static __always_inline void put_cgroups(struct task_struct *task, __u64 *ret)
{
	struct cgroup_subsys_state *css = NULL, *parent;
	const char *subsys = (const char *)BPF_CORE_READ(task, cgroups) +
			     bpf_core_field_offset(struct css_set, subsys);

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return;
	subsys += sizeof(css) * bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	bpf_probe_read_kernel(&css, sizeof(css), subsys);
	for (int i = 0; i < MP_KILL_CGROUPS && css; i++) {
		parent = BPF_CORE_READ(css, parent);
		if (parent)
			ret[i] = BPF_CORE_READ(css, cgroup, kn, id);
		css = parent;
	}
}

/* Runs in the process whose allocation found no memory. Before 6.9 `victim` is a pid. */
static __always_inline int on_victim(__u64 victim, __u64 uid)
{
	struct task_struct *trigger = bpf_get_current_task_btf(), *task = (void *)victim;
	struct mp_kill *kill = bpf_ringbuf_reserve(&kills, sizeof(*kill), 0);

	if (!kill) {
		__sync_fetch_and_add(&kills_lost, 1);
		return 0;
	}
	__builtin_memset(kill, 0, sizeof(*kill));
	kill->time_ns = bpf_ktime_get_boot_ns();
	kill->trigger_tgid = current_tgid();
	BPF_CORE_READ_STR_INTO(&kill->trigger_comm, trigger, group_leader, comm);
	put_cgroups(victim <= PID_LIMIT ? trigger : task, kill->cgroups);
	if (victim <= PID_LIMIT) {
		kill->tgid = victim;
	} else {
		kill->uid = uid;
		kill->tgid = BPF_CORE_READ(task, tgid);
		kill->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
		kill->score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
		kill->rss = resident_pages(task);
		BPF_CORE_READ_STR_INTO(&kill->comm, task, group_leader, comm);
	}
	bpf_ringbuf_submit(kill, BPF_RB_FORCE_WAKEUP);
	return 0;
}

#endif
