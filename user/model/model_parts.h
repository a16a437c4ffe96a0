/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that make up the model share: processes.c, late_names.c,
 * giving_up.c, raw_stacks.c. */
#ifndef MEMPROV_MODEL_PARTS_H
#define MEMPROV_MODEL_PARTS_H

#include "model/model.h"
#include "util/hash.h"

struct process {
	UT_hash_handle hh; /* by tgid: one process at a time has a number */
	pid_t tgid;
	uint64_t start_ticks;
	char comm[MP_COMM_LEN];
	struct space *space;
	enum knowledge knowledge;
	uint64_t since_ns;
	uint64_t lost_events;
	uint64_t lost_names;
	bool learned;
};

/* Losses are told before the events that came with them, so a process may have lost something
 * before its fork is known. */
struct early_loss {
	UT_hash_handle hh; /* by tgid */
	uint32_t tgid;
	struct mp_lost_range range;
};

struct model {
	struct model_config config;
	struct space_tools tools;
	struct process *processes;
	struct early_loss *early_losses;
	struct model_stats stats;
	struct trace *unknown; /* of stacks that cannot be known */
	uint64_t still_over;   /* by what the tables may be over their share: giving_up.c */
};

/* NULL when no such process is known. */
struct process *model__find(const struct model *model, pid_t tgid);

/* After an event: when the tables are over their share, some of it is given up. */
void giving_up__check(struct model *model);

/* Before the account learns a stack: when there is little room, the account with the most of it
 * gives way. */
void giving_up__share_known_stacks(struct model *model, const struct account *account);

/* A name whose text has to be read from the process. */
void late_names__apply(struct model *model, struct process *process, const struct mp_event_name *e,
		       struct trace *trace);

/* What an event, or a reading of a process's maps, tells of interpreters. */
void interpreters__apply(const struct model *model, const struct process *process,
			 const struct mp_event_interpreter *e);
void interpreters__look(const struct model *model, const struct process *process,
			const struct vma_set *maps, uint64_t began_ns);

/* The trace of an event's stack, with a reference; NULL when it has none, or it cannot be known. */
struct trace *raw_stacks__recognise(struct model *model, const struct process *process,
				    const union mp_event *event);

/* The process is about to be forgotten or, if it lives on, to have another address space. */
void raw_stacks__leave(struct model *model, const struct process *process, bool lives_on);

#endif
