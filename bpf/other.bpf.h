/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where a thread's stack goes on, when it is on another one than its frames began on. In this
 * order:
 *
 *   a goroutine's, when the thread is on Go's system stack (g0): the runtime's own structures say
 *   where the goroutine waits;
 *   what a signal interrupted, when the thread is on the alternate signal stack: the kernel's frame
 *   lies at its upper end;
 *   where the frame pointers lead, when they leave the copy: coroutines, deep stacks, and the two
 *   above where they are not recognised;
 *
 *   this stack itself, beyond pages that were never touched and so cannot be read: a function with
 *   a large array has its caller above it.
 *
 * Each but the last is believed only if what is found there confirms it: a register may hold
 * anything.
 */
#ifndef MEMPROV_OTHER_BPF_H
#define MEMPROV_OTHER_BPF_H

#define OTHER_BELOW    4096 /* of a frame's pointer: what it called last returns to there */
#define HOLE_PAGES     32
#define OTHER_FRAMES   2048 /* that are followed through the copy */
#define SIGNAL_WINDOWS 8    /* of WINDOW bytes: the kernel's frame has up to 11 KiB of registers */
#define VM_EXEC	       4UL

/* What a function with a frame pointer leaves where that points, on both processors. */
struct frame {
	__u64 caller; /* its frame pointer */
	__u64 ip;     /* where the function returns to */
};

/* --- Go ------------------------------------------------------------------------------------ */

/* The runtime's structures: type g begins with what is here (since Go 1.3), of type m the place of
 * curg changes with that of gobuf, which has lost a word. A g and its m point to each other, so a
 * wrong row is found out. */
struct go_gobuf {
	__u64 sp;
	__u64 pc;
	__u64 g;
	__u64 words[4]; /* ctxt; ret up to 1.24; lr; bp */
};

struct go_g {
	__u64 stack_lo;
	__u64 stack_hi;
	__u64 guards_panic_defer[4];
	__u64 m;
	struct go_gobuf sched;
};
_Static_assert(__builtin_offsetof(struct go_g, m) == 48, "g.m");
_Static_assert(__builtin_offsetof(struct go_g, sched) == 56, "g.sched");

enum { GO_CURG, GO_BP };

/* Where curg is in m, and which of gobuf's words is bp. Not static: libbpf places no such variable.
 */
const __u32 go_layouts[][2] = {
	{192, 3}, /* up to 1.24 */
	{184, 2}, /* from 1.25 */
};

/* The thread's g, in case it runs Go. */
static __always_inline __u64 go_current(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 tls = BPF_CORE_READ(task, thread.fsbase), g = 0;

	/* The system call may have been made by C, whose registers are its own. */
	if (tls)
		bpf_probe_read_user(&g, sizeof(g), (void *)(tls - sizeof(g)));
	return g;
#else
	return regs->regs[28];
#endif
}

static __always_inline bool read_word(__u64 at, __u64 *ret)
{
	return !bpf_probe_read_user(ret, sizeof(*ret), (void *)at);
}

/* The goroutine for which the thread is on its system stack. */
static __always_inline bool find_goroutine(struct pt_regs *regs, struct mp_stack_other *other,
					   __u64 *ret_end)
{
	__u64 g0 = go_current(regs), g = 0, m, word;
	struct go_g waits;

	if (g0 < CHUNK || g0 % sizeof(g0))
		return false;
	/* m begins with its g0. */
	if (!read_word(g0 + __builtin_offsetof(struct go_g, m), &m) || m < CHUNK ||
	    !read_word(m, &word) || word != g0)
		return false;
	for (int i = 0; i < 2; i++) {
		if (!read_word(m + go_layouts[i][GO_CURG], &g) || g < CHUNK || g == g0 ||
		    bpf_probe_read_user(&waits, sizeof(waits), (void *)g) || waits.m != m ||
		    waits.sched.sp < waits.stack_lo || waits.sched.sp >= waits.stack_hi)
			continue;
		other->sp = waits.sched.sp;
		other->pc = waits.sched.pc;
		other->fp = waits.sched.words[go_layouts[i][GO_BP]];
		*ret_end = waits.stack_hi;
		return true;
	}
	return false;
}

/* --- signals ------------------------------------------------------------------------------- */

/* struct ucontext of the kernel, from uc_stack on. */
struct uc_stack {
	__u64 sp;
	__u64 flags;
	__u64 size;
};
#if defined(__TARGET_ARCH_x86)
#define UC_SP (144 / sizeof(__u64)) /* uc_mcontext.gregs[REG_RSP] behind that, in words */
#elif defined(__TARGET_ARCH_arm64)
#define UC_SP (416 / sizeof(__u64)) /* uc_mcontext.sp */
#endif

struct signal_search {
	const __u8 *window;
	__u64 stack_sp;
	__u64 found; /* in the window; WINDOW: nowhere */
};

/* From the upper end, in steps of the frame's alignment. */
static long search_signal(__u32 i, void *ctx)
{
	struct signal_search *search = ctx;
	__u64 at = WINDOW - 16 - i * 16;

	asm volatile("" : "+r"(at));
	if (at > WINDOW - 16)
		return 1;
	if (*(const __u64 *)(search->window + at) != search->stack_sp)
		return 0;
	search->found = at;
	return 1;
}

static __noinline __u64 find_interrupted(struct scratch *s, __u64 stack_sp, __u64 stack_size)
{
	__u64 top = (stack_sp + stack_size) & ~15ULL, sp;
	struct uc_stack saved;
	struct signal_search search = {
		.window = s->record + sizeof(s->record) - WINDOW,
		.stack_sp = stack_sp,
	};

	for (int i = 1; i <= SIGNAL_WINDOWS; i++) {
		__u64 at = top - i * WINDOW;

		if (at < stack_sp ||
		    bpf_probe_read_user(s->record + sizeof(s->record) - WINDOW, WINDOW, (void *)at))
			return 0;
		search.found = WINDOW;
		bpf_loop(WINDOW / 16, search_signal, &search, 0);
		if (search.found >= WINDOW)
			continue;
		at += search.found;
		if (bpf_probe_read_user(&saved, sizeof(saved), (void *)at) ||
		    saved.size != stack_size || !read_word(at + UC_SP * sizeof(sp), &sp))
			return 0;
		return sp;
	}
	return 0;
}

static __always_inline bool is_on_signal_stack(struct pt_regs *regs, __u64 *ret_sp, __u64 *ret_size)
{
	struct task_struct *task = bpf_get_current_task_btf();

	*ret_size = BPF_CORE_READ(task, sas_ss_size);
	*ret_sp = BPF_CORE_READ(task, sas_ss_sp);
	return *ret_size && USER_SP(regs) - *ret_sp <= *ret_size;
}

/* --- frame pointers ------------------------------------------------------------------------ */

struct leaving {
	const __u8 *bytes;
	__u64 at;
	__u64 len;
	__u64 fp;
};

static long follow_in_copy(__u32 i, void *ctx)
{
	struct leaving *leaving = ctx;
	__u64 at = leaving->fp - leaving->at, caller;

	if (leaving->fp % sizeof(__u64) || leaving->len < sizeof(struct frame) ||
	    at > leaving->len - sizeof(struct frame))
		return 1;
	asm volatile("" : "+r"(at));
	if (at > MP_STACK_MAX - sizeof(struct frame))
		return 1;
	caller = ((const struct frame *)(leaving->bytes + at))->caller;
	/* It leads further out, or away. */
	if (caller > leaving->at && caller <= leaving->fp)
		caller = 0;
	leaving->fp = caller;
	return 0;
}

static long is_executable(struct task_struct *task, struct vm_area_struct *vma, void *ret)
{
	*(__u64 *)ret = vma->vm_flags & VM_EXEC;
	return 0;
}

/* Whether there is a frame outside the copy: its function returns to code. */
static __noinline bool is_frame(__u64 fp)
{
	__u64 executable = 0;
	struct frame frame;

	if (fp < CHUNK || fp % sizeof(fp) || bpf_probe_read_user(&frame, sizeof(frame), (void *)fp))
		return false;
	/* The outermost one may have anything there, but nothing that leads inwards. */
	if (frame.caller >= CHUNK && frame.caller % sizeof(fp) == 0 && frame.caller <= fp)
		return false;
	bpf_find_vma(bpf_get_current_task_btf(), frame.ip & CODE_BITS, is_executable, &executable,
		     0);
	return executable;
}

/* The first frame pointer that is outside the copy; 0: none. */
static __always_inline __u64 leave_copy(const struct mp_stack_copy *copy, __u64 at, __u64 len,
					__u64 fp)
{
	struct leaving leaving = {.bytes = copy->bytes, .at = at, .len = len, .fp = fp};

	bpf_loop(OTHER_FRAMES, follow_in_copy, &leaving, 0);
	/* Above the copy's end another stack may lie, or this one go on; below it this one has no
	 * frames. */
	if (leaving.fp - at < len || !is_frame(leaving.fp))
		return 0;
	return leaving.fp;
}

/* --- holes --------------------------------------------------------------------------------- */

struct hole {
	__u64 sp;
	__u64 at;
	__u64 end; /* of the stack */
	bool over;
};

/* Beyond the stack's mapping another may lie that cannot be read either. */
static long note_end(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	struct hole *hole = ctx;

	if (vma->vm_start <= hole->sp)
		hole->end = vma->vm_end;
	return 0;
}

static long try_next_page(__u32 i, void *ctx)
{
	struct hole *hole = ctx;
	__u64 word;

	hole->at = (hole->at | (CHUNK - 1)) + 1;
	if (hole->at >= hole->end)
		return 1;
	hole->over = read_word(hole->at, &word);
	return hole->over;
}

/* Where the stack, which has no frames from `top` on, can be read again, above an address where it
 * cannot; and its end. 0: nowhere near. Usually the copy has come to the end of the mapping, and no
 * page is tried. */
static __noinline __u64 find_beyond_hole(__u64 sp, __u64 len, __u64 top, __u64 *ret_end)
{
	struct hole hole = {.sp = sp, .at = sp + len};
	__u64 at = hole.at;

	bpf_find_vma(bpf_get_current_task_btf(), at, note_end, &hole, 0);
	if (top > at && top < hole.end)
		hole.end = top;
	if (hole.end)
		bpf_loop(HOLE_PAGES, try_next_page, &hole, 0);
	if (!hole.over)
		return 0;
	if (ret_end)
		*ret_end = hole.end;
	return hole.at;
}

#endif
