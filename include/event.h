/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The records that the BPF programs put on the ring buffer, and the constants both sides must
 * agree on. This is the one header that the kernel side and the user side share, so it includes
 * nothing: fixed-width types come from vmlinux.h in BPF and from <linux/types.h> in user space,
 * and every gap is spelled out.
 *
 * A record says what the kernel did, never what it means: lengths are as the program passed
 * them (not rounded to pages), and failed calls are left out unless the failure is itself
 * information (a refused prctl still names; a failed mremap ends a transit).
 */
#ifndef MEMPROV_EVENT_H
#define MEMPROV_EVENT_H

#define MP_COMM_LEN 16 /* TASK_COMM_LEN */
#define MP_NAME_MAX                                                                                \
	79 /* bytes of a name: ANON_VMA_NAME_MAX_LEN is 80 with the NUL (mm/madvise.c) */
#define MP_NAME_BUF 88 /* one byte more than the longest name tells a too long one; rounded up */

#define MP_PR_SET_VMA		0x53564d41
#define MP_PR_SET_VMA_ANON_NAME 0

enum mp_event_type {
	MP_EVENT_MMAP = 1,     /* at exit, succeeded */
	MP_EVENT_MUNMAP,       /* at enter: not yet known whether it will succeed */
	MP_EVENT_MREMAP_ENTER, /* the old range is in transit from here */
	MP_EVENT_MREMAP,       /* at exit: where it went, or that it failed */
	MP_EVENT_BRK,	       /* at exit, moved the break */
	MP_EVENT_SHMAT,	       /* at exit, succeeded */
	MP_EVENT_SHMDT,	       /* at enter */
	MP_EVENT_NAME,	       /* prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME), at exit */
	MP_EVENT_FORK,	       /* a new process (not a thread), before its first instruction */
	MP_EVENT_EXEC,	       /* a new program has been mapped */
	MP_EVENT_EXIT,	       /* the last thread of a process goes */
	MP_EVENT_COMM,	       /* a thread has a new name */
	MP_EVENT_THREAD,       /* a new thread with a stack of its own, before it runs */
	MP_EVENT_TOUCH,	       /* a page fault, one of many */
	MP_EVENT_EMPTY,	       /* madvise, at enter: pages go, their mapping stays */
	MP_EVENT_INTERPRETER,  /* a file has been mapped that is called as an interpreter's is */
	MP_EVENT_TYPES,
};

/* Why something was not recorded. Counters, the indices of lost_events[]. */
enum mp_loss {
	MP_LOSS_RING_FULL = 0,	 /* no room on the ring: an event is missing */
	MP_LOSS_NAME_UNREADABLE, /* a name that is too long, or cannot be read: the daemon counts it
				  */
	MP_LOSS_SHM_SIZE,	 /* a shmat whose size could not be looked up: event not sent */
	MP_LOSS_WHO_TABLE_FULL,	 /* a loss could not be noted under its process */
	MP_LOSS_PREEMPTED, /* a program of ours had been interrupted on this CPU: event missing */
	MP_LOSS_THROTTLED, /* its process had made more than its share: event missing */
	MP_LOSS_CAUSES,
};

struct mp_event_head {
	__u16 type; /* enum mp_event_type */
	__u16 pad0;
	__u32 tgid; /* in the initial pid namespace, like all ids here */
	__u32 tid;
	__u32 stack_bytes; /* of the struct mp_stack and its data that follow the event; or 0 */
	__u64 start_ns;	   /* the thread group leader's start_boottime: with tgid, the process */
	__u64 time_ns;	   /* CLOCK_BOOTTIME */
};
_Static_assert(sizeof(struct mp_event_head) == 32, "event head");

/*
 * The user stack of the call, behind an event that creates or names (MMAP, MREMAP, BRK, SHMAT,
 * NAME) or touches. Which registers: x86-64 rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 … r15, rip
 * (DWARF's order, with the return address column last); arm64 x0 … x30, sp, pc.
 */
#define MP_STACK_MAX 32768 /* bytes of a copy */
#define MP_STACK_BELOW                                                                             \
	16 /* bytes below the stack pointer: on arm64, Go's functions keep their frame pointer     \
	      there */
#define MP_OTHER_MAX 16384 /* bytes of the copy of another stack */
#define MP_FP_MAX    127   /* frames by frame pointers */
#define MP_REGS	     33

/* How user stacks are taken. */
enum mp_unwind {
	MP_UNWIND_NONE,
	MP_UNWIND_FP,  /* by frame pointers */
	MP_UNWIND_CFI, /* copied, to be unwound by call frame information */
};

enum mp_stack_kind {
	MP_STACK_COPY = 1, /* data: struct mp_stack_copy */
	MP_STACK_FP,	   /* data: __u64 instruction pointers, innermost first */
};

/* What came of a call's stack. Counters, the indices of stacks_taken[]. */
enum mp_stack_outcome {
	MP_STACKS_COPY = 0,
	MP_STACKS_FP,
	MP_STACKS_THROTTLED, /* by frame pointers, because there were too many to copy them all */
	MP_STACKS_NONE,
	MP_STACKS,
};

struct mp_stack {
	__u16 kind;   /* enum mp_stack_kind */
	__u16 python; /* so many words of 8 bytes behind data are a struct mp_python (python.h) */
	__u32 bytes;  /* of data; a multiple of 8 */
	__u8 data[];
};
_Static_assert(sizeof(struct mp_stack) == 8, "stack");

/*
 * Another stack, from which the thread came to this one (a goroutine's, what a signal interrupted,
 * a coroutine's caller's), or this one further out than the copy goes. The registers are those of
 * the goroutine that waits for its system stack: as its `sched` has them. Where frame pointers led
 * to the other stack, `fp` is the first that lies there, and sp and pc are 0. So is fp where this
 * stack goes on beyond pages that were never touched.
 */
struct mp_stack_other {
	__u64 at; /* where its copy begins */
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u32 len; /* of its copy, a multiple of 8; 0: there is none, and all of this is 0 */
	__u32 pad;
};
_Static_assert(sizeof(struct mp_stack_other) == 40, "other stack");

struct mp_stack_copy {
	__u64 regs[MP_REGS];
	struct mp_stack_other other;
	__u64 below; /* where the copy begins, in bytes below the stack pointer: 0 or MP_STACK_BELOW
		      */
	/* From there up what could be read, at most MP_STACK_MAX; behind it the other stack. */
	__u8 bytes[];
};
_Static_assert(sizeof(struct mp_stack_copy) == 312, "stack copy");

struct mp_event_mmap {
	struct mp_event_head head;
	__u64 addr; /* what the call returned */
	__u64 len;
	__u64 offset; /* bytes */
	__u32 prot;
	__u32 flags;		/* MAP_* */
	char comm[MP_COMM_LEN]; /* of the calling thread */
};
_Static_assert(sizeof(struct mp_event_mmap) == 80, "mmap event");

struct mp_event_range { /* MUNMAP, MREMAP_ENTER, EMPTY */
	struct mp_event_head head;
	__u64 addr;
	__u64 len;
};
_Static_assert(sizeof(struct mp_event_range) == 48, "range event");

struct mp_event_mremap {
	struct mp_event_head head;
	__u64 old_addr;
	__u64 old_len;
	__u64 new_addr; /* when the call failed, where it should have gone; 0: anywhere */
	__u64 new_len;
	__u32 flags; /* MREMAP_* */
	__u32 failed;
	char comm[MP_COMM_LEN];
};
_Static_assert(sizeof(struct mp_event_mremap) == 88, "mremap event");

struct mp_event_brk {
	struct mp_event_head head;
	__u64 start_brk; /* mm->start_brk: where the heap begins */
	__u64 brk;	 /* the new break, not rounded */
	char comm[MP_COMM_LEN];
};
_Static_assert(sizeof(struct mp_event_brk) == 64, "brk event");

struct mp_event_shmat {
	struct mp_event_head head;
	__u64 addr;
	__u64 len; /* of the VMA that was made */
	char comm[MP_COMM_LEN];
};
_Static_assert(sizeof(struct mp_event_shmat) == 64, "shmat event");

struct mp_event_shmdt {
	struct mp_event_head head;
	__u64 addr;
};
_Static_assert(sizeof(struct mp_event_shmdt) == 40, "shmdt event");

enum mp_name_state {
	MP_NAME_SET = 0,
	MP_NAME_CLEAR,	  /* the pointer was NULL */
	MP_NAME_TOO_LONG, /* no NUL within the limit */
	MP_NAME_LATE,	  /* its page is not in memory (or no memory): try at name_ptr */
};

struct mp_event_name {
	struct mp_event_head head;
	__u64 addr;
	__u64 len;
	__u64 name_ptr;
	__s32 result;		/* of the call: 0 or -errno. Refused names are names all the same */
	__u32 state;		/* enum mp_name_state */
	char name[MP_NAME_BUF]; /* NUL-terminated when state is MP_NAME_SET */
};
_Static_assert(sizeof(struct mp_event_name) == 152, "name event");

struct mp_event_fork {
	struct mp_event_head head; /* of the parent */
	__u64 child_start_ns;
	__u32 child_tgid;
	__u32 shares_vm;	/* 1: CLONE_VM (vfork, posix_spawn): one map for both until exec */
	char comm[MP_COMM_LEN]; /* of the child */
};
_Static_assert(sizeof(struct mp_event_fork) == 64, "fork event");

struct mp_event_exec {
	struct mp_event_head head;
	__u64 start_brk; /* mm->start_brk of the new program */
	char comm[MP_COMM_LEN];
};
_Static_assert(sizeof(struct mp_event_exec) == 56, "exec event");

struct mp_event_comm {
	struct mp_event_head head; /* of the thread that is renamed */
	char comm[MP_COMM_LEN];
};
_Static_assert(sizeof(struct mp_event_comm) == 48, "comm event");

struct mp_event_thread {
	struct mp_event_head head; /* of the creator */
	__u64 stack_lo;		   /* 0: not known (clone is told the top only) */
	__u64 stack_hi;		   /* where the new thread's stack pointer begins */
	__u32 thread_tid;
	__u32 pad;
	char comm[MP_COMM_LEN]; /* of the new thread, which inherits it */
};
_Static_assert(sizeof(struct mp_event_thread) == 72, "thread event");

/* A file, as the kernel knows it. No padding: compared as bytes. */
struct mp_file_key {
	__u64 inode;
	__u64 size;
	__u32 device;
	__u32 generation;
};
_Static_assert(sizeof(struct mp_file_key) == 24, "file key");

struct mp_event_interpreter {
	struct mp_event_head head;
	struct mp_file_key file;
	__u64 addr; /* where its code is */
};
_Static_assert(sizeof(struct mp_event_interpreter) == 64, "interpreter event");

struct mp_event_touch {
	struct mp_event_head head;
	__u64 addr;    /* of the fault */
	__u32 faults;  /* that it stands for: itself, and others that were not taken */
	__u32 present; /* 1: the page was there before, and is written now */
};
_Static_assert(sizeof(struct mp_event_touch) == 48, "touch event");

/* What became of a page fault that was looked at. Counters, the indices of touches_taken[]. */
enum mp_touch_outcome {
	MP_TOUCHES_TAKEN = 0,
	MP_TOUCHES_FILE,     /* of a file's page */
	MP_TOUCHES_FOREIGN,  /* by a kernel thread or a worker of io_uring: whose code it was is
				not known */
	MP_TOUCHES_LOST,     /* no room on the ring */
	MP_TOUCHES_NO_STACK, /* taken, but there was no room for the stack */
	MP_TOUCHES,
};

/* Of each CPU, for the daemon to read while it is written. */
struct mp_touch_cpu {
	__u64 faults;  /* that the perf event has told of */
	__u64 thinned; /* of them, those that were passed over */
	__u64 counter; /* the perf event's, at the last one */
	__u64 next_ns;
	__u64 spared_ns;
	__u64 pad[3]; /* a cache line */
};
_Static_assert(sizeof(struct mp_touch_cpu) == 64, "touches of a CPU");

/*
 * What a process has lost, by tgid: the hull of the addresses its lost events spoke of. What
 * the ledger knows inside the hull from before `last_ns` can no longer be believed; what lies
 * outside it can.
 */
struct mp_lost_range {
	__u64 lo;
	__u64 hi;
	__u64 last_ns; /* CLOCK_BOOTTIME */
	__u64 events;
};
_Static_assert(sizeof(struct mp_lost_range) == 32, "lost range");

#define MP_LOST_PROCESSES 4096 /* entries of the map above */

#define MP_KILL_CGROUPS 16 /* of deeper ones those that are the nearest */

/*
 * A process that the out-of-memory killer has chosen. On a ring of its own, so that none is lost
 * among other events. Kernels before 6.9 tell its pid alone, and the rest of what is the victim's
 * is 0 (commit 72ba14deb40a).
 */
struct mp_kill {
	__u64 time_ns;	/* CLOCK_BOOTTIME */
	__u64 start_ns; /* of the victim, as in mp_event_head */
	__u64 rss;	/* pages, as the kernel's counters have them: exact to some dozens a CPU */
	__u32 tgid;
	__u32 trigger_tgid; /* the process whose allocation found no memory */
	__s32 score_adj;
	__u32 uid; /* of the victim, real */
	/* The victim's cgroup, as the controller of memory has it, then those around it without the
	 * root; 0: no further one. Inode numbers (kernfs_ino(), include/linux/kernfs.h). Where the
	 * kernel tells only a pid, the trigger's, which the same limit has stopped. */
	__u64 cgroups[MP_KILL_CGROUPS];
	char comm[MP_COMM_LEN];
	char trigger_comm[MP_COMM_LEN];
};
_Static_assert(sizeof(struct mp_kill) == 200, "kill");

#endif
