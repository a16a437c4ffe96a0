/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon knows of the node's processes: a table of (tgid, start time) → address space,
 * kept by events, corrected from snapshots. It does no I/O and knows no clock but the events', so
 * a recorded stream of events gives the same model again. One thread at a time has it
 * (owner.h).
 *
 *   fork      a new process with a copy of the parent's space (or the same one, for CLONE_VM)
 *   exec      the process gets an empty space; from here everything in it is witnessed
 *   exit      the process is forgotten
 *   others    change the space
 */
#ifndef MEMPROV_MODEL_H
#define MEMPROV_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/space.h"
#include "model/uses.h"
#include "proc/vma.h"

#define NSEC_PER_TICK 10000000ULL /* /proc/PID/stat counts start times in 1/100 s */

/* A daemon that is told of more processes than this leaves the rest out: pid_max bounds it in
 * practice (a process takes some hundred bytes, and LEDGER_RANGE_BYTES per range of its own). */
#define MODEL_MAX_PROCESSES (1u << 20)

struct model;
struct proc_stat;
struct proc_thread;

/* A name whose page was not in memory has to be read from the process. */
struct late_name {
	pid_t tgid;
	uint64_t start_ticks;
	uint64_t space_id;
	uint64_t addr;
	uint64_t len;
	uint64_t name_ptr;
	uint64_t when_ns;
	bool was_mapped; /* there was something at name_ptr */
	struct late_text *late;
};

/* A stack that is not known yet has to be unwound. */
struct raw_stack {
	pid_t tgid;
	uint64_t start_ticks;
	uint64_t space_id;
	uint64_t taken_ns;
	uint64_t code_added_ns; /* as in struct space, when it was taken */
	uint64_t map_since_ns;	/* a map that was read before shows code that has gone since */
	uint64_t account;	/* its id */
	bool is_touch;		/* of a sample: others go before */
	bool was_poor;		/* it has been unwound once, by files of which one was not there */
	struct pending *pending;
	struct trace *trace;
	const struct mp_stack *stack;
	uint32_t bytes; /* of its data, up to the end of the mapping that the stack is */
};

/* A process has mapped a file that is called as an interpreter's is. */
struct interpreter {
	pid_t tgid;
	uint64_t start_ticks;
	uint64_t space_id;
	uint64_t seen_ns;	 /* CLOCK_BOOTTIME */
	uint64_t addr;		 /* of its code */
	bool has_file;		 /* the kernel's name of the file is known: */
	struct mp_file_key file; /* in case others map it */
};

/* A process has ended, or runs another program now: stacks of it that wait cannot be unwound in it
 * any more. But they can be in its successor, a process that has inherited its ranges and has the
 * same code. */
struct process_end {
	pid_t tgid;
	uint64_t start_ticks;
	bool lives_on;	 /* it runs another program */
	bool shared;	 /* others have inherited its ranges; else no report asks for its stacks */
	pid_t successor; /* 0: there is none, or no stack waits */
	uint64_t successor_start_ticks;
};

struct model_config {
	uint64_t page_size;
	struct budget *budget; /* borrowed; NULL: there is no limit */
	uint64_t attached_ns;  /* CLOCK_BOOTTIME: events are complete from here */
	/* Takes a copy, and the late text with it, and answers with model__name_was_read() or
	 * model__name_was_lost(), at once or later; true. False: it cannot take any more, and has
	 * taken nothing. NULL: names that need reading are lost. */
	bool (*on_late_name)(struct model *model, const struct late_name *name, void *ctx);
	void *ctx;
	/* Takes a copy, and a reference to the trace, and answers with model__stack_was_unwound(),
	 * also when the process has gone, at once (from within on_process_end) or later. False: it
	 * cannot take any more. NULL: there are no call sites. */
	bool (*on_stack)(const struct raw_stack *raw, void *stack_ctx);
	/* A request waits for the answers to these; of samples, for those of that process alone. */
	void (*on_stacks_wanted)(const struct pending *pending, pid_t tgid, void *stack_ctx);
	void (*on_process_end)(struct model *model, const struct process_end *end, void *stack_ctx);
	/* May be NULL. */
	void (*on_interpreter)(const struct interpreter *interpreter, void *stack_ctx);
	/* So many bytes are wanted of the stacks that it keeps, the longest queue first, which is
	 * answered at once: how many were found. NULL: none are kept. */
	size_t (*on_memory_short)(struct model *model, size_t bytes, void *stack_ctx);
	void *stack_ctx;
	/* The process is known no longer. May be NULL, as on_process_end may. */
	void (*on_forgotten)(pid_t tgid, uint64_t start_ticks, void *forgotten_ctx);
	void *forgotten_ctx;
};

struct model *model__new(const struct model_config *config); /* NULL when out of memory */
void model__free(struct model *model);			     /* accepts NULL */

void model__apply(struct model *model, const union mp_event *event);

/* Events of this process are missing (tgid 0: of any). What they spoke of becomes unknown. Older
 * events may still be applied afterwards, up to the next look at the process. */
void model__lost(struct model *model, uint32_t tgid, const struct mp_lost_range *range);

/* The same, of events that only emptied pages. */
void model__empty_lost(struct model *model, uint32_t tgid, const struct mp_lost_range *range);

/*
 * The answer to on_late_name. text NULL: there is no text, so the kernel could not read it either,
 * and the ranges are called what they were called before. Lost: there may have been one; they have
 * no name, and the process counts as one that has lost an event.
 */
void model__name_was_read(struct model *model, const struct late_name *name, const char *text);
void model__name_was_lost(struct model *model, const struct late_name *name);

/* A stack that waits may be known by now, like another one that was answered meanwhile. Then this
 * has answered it: true. */
bool model__stack_is_known(struct model *model, const struct raw_stack *raw);

/* True when code that the stack runs through was mapped before it was taken, yet after the map was
 * read that it was unwound by: with a newer one it is to be unwound again. */
bool model__map_was_stale(const struct model *model, const struct raw_stack *raw,
			  const struct unwound *unwound);

/* The answer to on_stack: what it was unwound to, and its call site; site NULL when that cannot be
 * known. */
void model__stack_was_unwound(struct model *model, const struct raw_stack *raw,
			      const struct unwound *unwound, struct callsite *site);

/* What is known about a process, as of one moment. */
enum knowledge {
	KNOWS_ALL,	    /* since its exec, or since a fork from such a process */
	KNOWS_SINCE_ATTACH, /* it was there before us */
	KNOWS_RESYNCED,	    /* events of it were lost, or names */
};

struct view {
	pid_t tgid;
	uint64_t start_ticks;
	char comm[MP_COMM_LEN];
	enum knowledge knowledge;
	uint64_t since_ns; /* CLOCK_BOOTTIME: from when its events are known */
	uint64_t lost_events;
	bool learned;	     /* what was there before us has been picked up */
	uint64_t exec_space; /* as in struct space */
	uint64_t space_id;
	uint64_t generation;
	bool late_names;  /* as in struct space */
	struct use *uses; /* what each trace has mapped so far */
	size_t n_uses;
	struct ledger ledger;	/* a snapshot; view__free lets it go, on any thread */
	struct touches touches; /* likewise */
	uint64_t forked_ns;	/* as in struct space */
	bool unshared;		/* no other process has, or has ever had, its anonymous pages */
};

/* 0, or -ESRCH when no such process is known. */
int model__view(struct model *model, pid_t tgid, struct view *ret);
void view__free(struct view *view);

/* True when nothing has happened to the process since it was seen so. */
bool model__view_holds(const struct model *model, const struct view *view);

/* These pages of the process were not in memory, in that address space, at `until`: what
 * touches them next is the first. */
void model__pages_are_gone(struct model *model, pid_t tgid, uint64_t space_id,
			   const uint64_t *pages, size_t n, uint64_t until);

/* Whether the process still has that address space. */
bool model__is_in_space(const struct model *model, const struct interpreter *interpreter);

/* A request waits for the stacks of this process, in that address space, and of its forebears. */
void model__want_stacks(const struct model *model, pid_t tgid, uint64_t space_id);

/* The daemon is short of memory: gives up what is known, in the order of giving_up.h, until so many
 * bytes are free. */
void model__give_up(struct model *model, uint64_t bytes);

/* The table of call sites is full, and so much of it the account's with that id: what holds on to
 * them without need is let go (known stacks, uses of nothing that is there); with `all` everything,
 * as if memory were short. */
void model__let_go_sites(struct model *model, uint64_t account, bool all);

/* Why the ledger was corrected: the label cause in memprov_resyncs_total. */
enum resync {
	RESYNC_RING_FULL,    /* events were lost */
	RESYNC_STALE_RANGE,  /* the ledger held what the kernel did not (an munmap that failed) */
	RESYNC_NEW_PROCESS,  /* a process that no fork announced */
	RESYNC_DEAD_PROCESS, /* a process that no exit announced */
	RESYNCS,
};

const char *resync__name(enum resync cause);

/*
 * Corrects a process from its maps, read between `began_ns` and now. What the ledger holds and the
 * maps do not goes, if it was last touched before began_ns. The first time, what the maps hold and
 * the ledger does not is taken in as predating us, for a process that did; whatever else is not in
 * the ledger stays unknown. A process that is not in the table yet is entered. space_id says which
 * address space was read (0: whichever it has, for one that is new): if it has another by now,
 * nothing happens.
 */
void model__learn(struct model *model, pid_t tgid, const struct proc_stat *stat, uint64_t space_id,
		  uint64_t began_ns, const struct vma_set *maps);

/* A thread of the process, as it is now, was there before us and had this stack when the maps were
 * read. */
void model__stack_found(struct model *model, const struct view *now, uint64_t began_ns,
			const struct proc_thread *thread, const struct vma *stack);

/* The process is not in /proc any more, and no event said so. */
void model__process_is_gone(struct model *model, pid_t tgid, uint64_t start_ticks);

struct known_process {
	pid_t tgid;
	uint64_t start_ticks;
	bool learned;
	uint64_t space_id; /* these two as in struct space */
	uint64_t generation;
};

/* All processes, in any order: the caller frees *ret. 0 or -ENOMEM. */
int model__processes(const struct model *model, struct known_process **ret, size_t *ret_n);

struct model_stats {
	uint64_t attached_ns; /* CLOCK_BOOTTIME */
	uint64_t processes;
	uint64_t resyncs[RESYNCS];
	uint64_t refused; /* events that could not be applied: bad arguments, limits, memory */
	uint64_t unread_names;
	uint64_t untaken_stacks; /* there was no unwinder, or it had too many already */
};

void model__stats(const struct model *model, struct model_stats *ret);

#endif
