/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What to record of each call that changes a memory map. These handlers know nothing of how
 * they are attached: they take the saved registers and, at exit, the result.
 *
 * A mapping is recorded when it exists (exit), an unmapping before it is gone (enter): at exit
 * of munmap another thread may already have mapped the same addresses, and been recorded.
 */
#ifndef MEMPROV_MEMORY_BPF_H
#define MEMPROV_MEMORY_BPF_H

/* A heap that moved unseen spoke of no more than this much above its start. */
#define MP_HEAP_REACH (1ULL << 40)

#define MP_MREMAP_FIXED	 2
#define MP_MAP_ANONYMOUS 0x20
#define MP_PROT_EXEC	 4

static __always_inline int on_mmap(struct pt_regs *regs, long result)
{
	struct mp_event_mmap *e;
	enum mp_loss loss = MP_LOSS_PREEMPTED;
	struct scratch *s;

	if (failed(result))
		return 0;
	if (SYSARG2(regs) & MP_PROT_EXEC && !(SYSARG3(regs) & MP_MAP_ANONYMOUS))
		look_for_interpreter(result, SYSARG5(regs));
	s = take_scratch();
	if (s) {
		e = (struct mp_event_mmap *)s->record;
		fill_head(&e->head, MP_EVENT_MMAP);
		e->addr = result;
		e->len = SYSARG1(regs);
		e->prot = SYSARG2(regs);
		e->flags = SYSARG3(regs);
		e->offset = SYSARG5(regs);
		bpf_get_current_comm(e->comm, sizeof(e->comm));
		/* Pieces of libraries are small, too, and known by their files. */
		if (e->flags & MP_MAP_ANONYMOUS)
			count_growth(s, e->len);
		loss = send(s, sizeof(*e), regs, e->len, BPF_RB_NO_WAKEUP);
		if (loss == NOT_LOST)
			return 0;
	}
	note_loss(loss, current_tgid(), result, result + SYSARG1(regs));
	return 0;
}

static __always_inline int emit_range(enum mp_event_type type, __u64 addr, __u64 len)
{
	struct mp_event_range *e;
	enum mp_loss loss;

	e = reserve(sizeof(*e), &loss);
	if (!e) {
		note_loss(loss, current_tgid(), addr, addr + len);
		return 0;
	}
	fill_head(&e->head, type);
	e->addr = addr;
	e->len = len;
	submit(e, sizeof(*e));
	return 0;
}

static __always_inline int on_munmap(struct pt_regs *regs)
{
	return emit_range(MP_EVENT_MUNMAP, SYSARG0(regs), SYSARG1(regs));
}

static __always_inline int on_mremap_enter(struct pt_regs *regs)
{
	return emit_range(MP_EVENT_MREMAP_ENTER, SYSARG0(regs), SYSARG1(regs));
}

static __always_inline int on_mremap_exit(struct pt_regs *regs, long result)
{
	__u64 old_addr = SYSARG0(regs), old_len = SYSARG1(regs), new_len = SYSARG2(regs);
	/* One that failed may have moved some of what it was to move, since Linux 6.17. */
	__u64 new_addr = !failed(result)		   ? result
			 : SYSARG3(regs) & MP_MREMAP_FIXED ? SYSARG4(regs)
							   : 0;
	/* What only moved or shrank has its creator already. */
	__u64 mapped = !failed(result) && new_len > old_len ? new_len - old_len : 0;
	enum mp_loss loss = MP_LOSS_PREEMPTED;
	struct scratch *s = take_scratch();
	struct mp_event_mremap *e;
	__u64 lo, hi;

	if (s) {
		e = (struct mp_event_mremap *)s->record;
		fill_head(&e->head, MP_EVENT_MREMAP);
		e->old_addr = old_addr;
		e->old_len = old_len;
		e->new_addr = new_addr;
		e->new_len = new_len;
		e->flags = SYSARG3(regs);
		e->failed = failed(result);
		bpf_get_current_comm(e->comm, sizeof(e->comm));
		count_growth(s, mapped);
		loss = send(s, sizeof(*e), regs, mapped, BPF_RB_NO_WAKEUP);
		if (loss == NOT_LOST)
			return 0;
	}
	/* One event that spoke of two ranges: their hull. */
	lo = new_addr && new_addr < old_addr ? new_addr : old_addr;
	hi = old_addr + old_len;
	if (new_addr && new_addr + new_len > hi)
		hi = new_addr + new_len;
	note_loss(loss, current_tgid(), lo, hi);
	return 0;
}

/* brk() returns the break in force, also when it could not move it. Queries are left out. By how
 * much it grew is not known here, so it counts as much: C libraries grow it by 132 KiB or more. */
static __always_inline int on_brk(struct pt_regs *regs, long result)
{
	__u64 wanted = SYSARG0(regs), start_brk;
	struct task_struct *task = bpf_get_current_task_btf();
	struct mp_event_brk *e;
	enum mp_loss loss = MP_LOSS_PREEMPTED;
	struct scratch *s;

	if (!wanted || wanted != (__u64)result)
		return 0;
	start_brk = BPF_CORE_READ(task, mm, start_brk);
	s = take_scratch();
	if (s) {
		e = (struct mp_event_brk *)s->record;
		fill_head(&e->head, MP_EVENT_BRK);
		e->start_brk = start_brk;
		e->brk = wanted;
		bpf_get_current_comm(e->comm, sizeof(e->comm));
		loss = send(s, sizeof(*e), regs, MP_EVERYTHING, BPF_RB_NO_WAKEUP);
		if (loss == NOT_LOST)
			return 0;
	}
	note_loss(loss, current_tgid(), start_brk, start_brk + MP_HEAP_REACH);
	return 0;
}

static long vma_size(struct task_struct *task, struct vm_area_struct *vma, void *ret_size)
{
	*(__u64 *)ret_size = vma->vm_end - vma->vm_start;
	return 0;
}

/* The size of a segment is not among shmat's arguments; the VMA it made has it. */
static __always_inline int on_shmat(struct pt_regs *regs, long result)
{
	__u64 size = 0;
	struct mp_event_shmat *e;
	enum mp_loss loss = MP_LOSS_PREEMPTED;
	struct scratch *s;

	if (failed(result))
		return 0;
	bpf_find_vma(bpf_get_current_task_btf(), result, vma_size, &size, 0);
	if (!size) { /* the map is being changed by another thread right now */
		note_loss(MP_LOSS_SHM_SIZE, current_tgid(), result, MP_EVERYTHING);
		return 0;
	}
	s = take_scratch();
	if (s) {
		e = (struct mp_event_shmat *)s->record;
		fill_head(&e->head, MP_EVENT_SHMAT);
		e->addr = result;
		e->len = size;
		bpf_get_current_comm(e->comm, sizeof(e->comm));
		loss = send(s, sizeof(*e), regs, size, BPF_RB_NO_WAKEUP);
		if (loss == NOT_LOST)
			return 0;
	}
	note_loss(loss, current_tgid(), result, result + size);
	return 0;
}

static __always_inline int on_shmdt(struct pt_regs *regs)
{
	struct mp_event_shmdt *e;
	enum mp_loss loss;

	e = reserve(sizeof(*e), &loss);
	if (!e) {
		/* How far it reached is not told by the call. */
		note_loss(loss, current_tgid(), SYSARG0(regs), MP_EVERYTHING);
		return 0;
	}
	fill_head(&e->head, MP_EVENT_SHMDT);
	e->addr = SYSARG0(regs);
	submit(e, sizeof(*e));
	return 0;
}

/*
 * The attempt to name a range counts, whatever the kernel makes of it: without
 * CONFIG_ANON_VMA_NAME every one fails with EINVAL. Such a kernel has not touched the string, so
 * its page may be absent, and a tracepoint program may not fault it in: then the reader is woken
 * at once to read it from the process. A string in an absent page has not been written by the
 * program lately: it is a constant of a file, and stays.
 */
static __always_inline int on_prctl(struct pt_regs *regs, long result)
{
	__u64 name_ptr = SYSARG4(regs), wake = BPF_RB_NO_WAKEUP;
	struct mp_event_name *e;
	enum mp_loss loss = MP_LOSS_PREEMPTED;
	struct scratch *s;
	long n;

	if (SYSARG0(regs) != MP_PR_SET_VMA || SYSARG1(regs) != MP_PR_SET_VMA_ANON_NAME)
		return 0;
	s = take_scratch();
	if (!s)
		goto lost;
	e = (struct mp_event_name *)s->record;
	fill_head(&e->head, MP_EVENT_NAME);
	e->addr = SYSARG2(regs);
	e->len = SYSARG3(regs);
	e->name_ptr = name_ptr;
	e->result = result;
	__builtin_memset(e->name, 0, sizeof(e->name));
	n = name_ptr ? bpf_probe_read_user_str(e->name, MP_NAME_MAX + 2, (void *)name_ptr) : 0;
	if (!name_ptr) {
		e->state = MP_NAME_CLEAR;
	} else if (n < 0) {
		e->state = MP_NAME_LATE;
		wake = BPF_RB_FORCE_WAKEUP;
	} else {
		e->state = n <= MP_NAME_MAX + 1 ? MP_NAME_SET : MP_NAME_TOO_LONG;
	}
	loss = send(s, sizeof(*e), regs, name_ptr ? e->len : 0, wake);
	if (loss == NOT_LOST)
		return 0;
lost:
	note_loss(loss, current_tgid(), SYSARG2(regs), SYSARG2(regs) + SYSARG3(regs));
	return 0;
}

#endif
