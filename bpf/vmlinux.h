/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The part of the kernel's types that our programs touch, cut by hand. preserve_access_index
 * makes clang record every access for CO-RE, and libbpf puts in the offsets of the running
 * kernel at load, so only names and types matter here, not the layout.
 */
#ifndef MEMPROV_VMLINUX_H
#define MEMPROV_VMLINUX_H

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

#define false 0
#define true 1
#define NULL ((void *)0)

/* uapi/linux/bpf.h, as far as we use it */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RINGBUF_HDR_SZ = 8,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
};

enum {
	BPF_F_MMAPABLE = 1 << 10,
};

enum {
	BPF_F_USER_STACK = 1 << 8,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct percpu_counter {
	__s64 count;
};

struct file;

struct mm_struct {
	unsigned long start_code;
	struct file *exe_file;
	unsigned long start_brk;
	unsigned long start_stack;
	struct percpu_counter rss_stat[4]; /* since 6.2 */
};

struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_generation;
	long long i_size;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct signal_struct {
	atomic_t live;
	short oom_score_adj;
};

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
};
#endif

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

/* Numbered as the kernel is configured. */
enum cgroup_subsys_id {
	memory_cgrp_id,
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct pid *thread_pid;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	unsigned long sas_ss_sp;
	unsigned long sas_ss_size;
#if defined(__TARGET_ARCH_x86)
	struct thread_struct thread;
#endif
	char comm[16];
};

/* uapi/linux/sched.h: stable, so read as it is */
struct clone_args {
	__u64 flags;
	__u64 pidfd;
	__u64 child_tid;
	__u64 parent_tid;
	__u64 exit_signal;
	__u64 stack;
	__u64 stack_size;
};

/* What a program on syscalls:sys_exit_* is given. */
struct trace_event_raw_sys_exit {
	long ret;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15;
	unsigned long r14;
	unsigned long r13;
	unsigned long r12;
	unsigned long bp;
	unsigned long bx;
	unsigned long r11;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long sp;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
};
struct pt_regs {
	union {
		struct user_pt_regs user_regs;
		struct {
			__u64 regs[31];
			__u64 sp;
			__u64 pc;
		};
	};
	__u64 orig_x0;
	int syscallno;
};
#else
#error "memprov's BPF programs know x86-64 and arm64 only"
#endif

#pragma clang attribute pop

struct bpf_perf_event_value {
	__u64 counter;
	__u64 enabled;
	__u64 running;
};

/* uapi/linux/bpf_perf_event.h: what a program on a perf event is given. */
struct bpf_perf_event_data {
#if defined(__TARGET_ARCH_x86)
	__u64 regs[21];
#else
	__u64 regs[34];
#endif
	__u64 sample_period;
	__u64 addr;
};

#endif
