/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The life of processes, from raw tracepoints: their arguments are pointers that CO-RE can
 * follow, where the layout of their records changed (sched_process_exit in 6.16).
 */
#ifndef MEMPROV_PROCESS_BPF_H
#define MEMPROV_PROCESS_BPF_H

#define PF_IO_WORKER 0x00000010 /* include/linux/sched.h */
#define PF_KTHREAD   0x00200000

/*
 * A new thread's stack is an argument of the clone that its creator is in. clone3 tells where it
 * lies; clone only where it begins. The kernel's own workers (io_uring) have none.
 */
static __always_inline int on_new_thread(struct task_struct *child)
{
	struct pt_regs *regs = syscall_regs();
	struct clone_args args = {};
	struct mp_event_thread *e;
	enum mp_loss loss;

	if (BPF_CORE_READ(child, flags) & (PF_IO_WORKER | PF_KTHREAD))
		return 0;
	if (SYSNR(regs) == NR_CLONE3)
		bpf_probe_read_user(&args, sizeof(args), (void *)SYSARG0(regs));
	else if (SYSNR(regs) == NR_CLONE)
		args.stack = SYSARG1(regs);
	if (!args.stack)
		return 0;
	e = reserve(sizeof(*e), &loss);
	if (!e) {
		note_loss(loss, current_tgid(), 0, 0);
		return 0;
	}
	fill_head(&e->head, MP_EVENT_THREAD);
	e->stack_lo = args.stack_size ? args.stack : 0;
	e->stack_hi = args.stack + args.stack_size;
	e->thread_tid = BPF_CORE_READ(child, pid);
	e->pad = 0;
	BPF_CORE_READ_STR_INTO(&e->comm, child, comm);
	submit(e, sizeof(*e));
	return 0;
}

/* Called by the parent when the child is complete and has not run yet. */
static __always_inline int on_fork(struct task_struct *parent, struct task_struct *child)
{
	__u32 child_tgid = BPF_CORE_READ(child, tgid);
	struct mm_struct *mm = BPF_CORE_READ(child, mm);
	struct mp_event_fork *e;
	enum mp_loss loss;

	if (!mm)
		return 0; /* a kernel thread */
	if (child_tgid != (__u32)BPF_CORE_READ(child, pid))
		return on_new_thread(child);
	inherit_python(current_tgid(), child_tgid, BPF_CORE_READ(child, start_boottime));
	e = reserve_life(sizeof(*e), &loss);
	if (!e) {
		/* Until its exec the child will change the parent's map, unknown to be there. */
		if (mm == BPF_CORE_READ(parent, mm))
			note_range(current_tgid(), 0, MP_EVERYTHING);
		note_loss(loss, child_tgid, 0, MP_EVERYTHING);
		return 0;
	}
	fill_head(&e->head, MP_EVENT_FORK);
	e->child_tgid = child_tgid;
	e->child_start_ns = BPF_CORE_READ(child, start_boottime);
	e->shares_vm = mm == BPF_CORE_READ(parent, mm);
	BPF_CORE_READ_STR_INTO(&e->comm, child, comm);
	submit(e, sizeof(*e));
	return 0;
}

static __always_inline void emit_exec(struct task_struct *task)
{
	enum mp_loss loss;
	struct mp_event_exec *e = reserve_life(sizeof(*e), &loss);

	if (!e) {
		note_loss(loss, current_tgid(), 0, MP_EVERYTHING);
		return;
	}
	fill_head(&e->head, MP_EVENT_EXEC);
	e->start_brk = BPF_CORE_READ(task, mm, start_brk);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	submit(e, sizeof(*e));
}

static __always_inline int on_exec(struct task_struct *task)
{
	forget_lazyfree(current_tgid());
	emit_exec(task);
	look_at_program(task); /* behind it: what this tells is of the new program */
	return 0;
}

/* A process ends with its last thread, which need not be its leader. */
static __always_inline int on_exit(struct task_struct *task)
{
	struct mp_event_head *e;

	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return 0;
	forget_share(current_tgid());
	forget_python(current_tgid());
	forget_lazyfree(current_tgid());
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		/* The dead have nothing to lose: their places are for the living. That it has died
		 * is seen in /proc. */
		forget_losses(current_tgid());
		count_loss(MP_LOSS_RING_FULL);
		return 0;
	}
	fill_head(e, MP_EVENT_EXIT);
	submit(e, sizeof(*e));
	return 0;
}

/* A process is called what its main thread is called; a stack, what its thread is. */
static __always_inline int on_rename(struct task_struct *task, const char *comm)
{
	struct mp_event_comm *e;
	enum mp_loss loss;

	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return 0;
	e = reserve(sizeof(*e), &loss);
	if (!e) {
		note_loss(loss, BPF_CORE_READ(task, tgid), 0, 0);
		return 0;
	}
	fill_head(&e->head, MP_EVENT_COMM);
	/* The thread that renames may be another one, through /proc/self/task/TID/comm. */
	e->head.tgid = BPF_CORE_READ(task, tgid);
	e->head.tid = BPF_CORE_READ(task, pid);
	e->head.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	__builtin_memset(e->comm, 0, sizeof(e->comm));
	bpf_probe_read_kernel_str(e->comm, sizeof(e->comm), comm);
	submit(e, sizeof(*e));
	return 0;
}

#endif
