/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that the daemon may take, and its uses. Everything that a traced process or a client
 * can make grow is counted here, in bytes.
 *
 *     |<------------------------------- limit ------------------------------->|
 *     |<-------------- tables: 5/8 -------------->|                           |
 *     | ledgers, known stacks, touches, waiting   | reports: what the tables  |
 *     | stacks, call sites, what history waits    | leave                     |
 *     | to write                                  |                           |
 *
 * When the tables have more than their share, the owner of the model gives up some of what they
 * hold (model/giving_up.h). A report waits for room, and is refused when none comes. Memory that is
 * not counted (code, buffers, holes in the heap) shows in the resident memory, which is read once a
 * second: it leaves that much less for the rest.
 *
 * Thread-safe.
 */
#ifndef MEMPROV_BUDGET_H
#define MEMPROV_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_use {
	BUDGET_LEDGERS,
	BUDGET_KNOWN_STACKS,
	BUDGET_TOUCHES,
	BUDGET_WAITING_STACKS,
	BUDGET_CALLSITES,
	BUDGET_HISTORY, /* what waits to be written */
	BUDGET_REPORTS, /* being made, or not yet taken by their clients */
	BUDGET_USES,
};

enum giving_up {
	GIVE_UP_WAITING_STACKS, /* stacks */
	GIVE_UP_KNOWN_STACKS,	/* processes whose stacks are unwound anew */
	GIVE_UP_TOUCHES,	/* processes whose samples of first touches go */
	GIVE_UP_SPACES,		/* processes whose memory becomes unknown */
	GIVE_UP_WORK,		/* calls that would have changed too many ranges */
	GIVE_UP_REPORTS,	/* refused */
	GIVE_UP_KINDS,
};

/* The label "what" in memprov_memory_bytes and memprov_given_up_total. */
const char *budget_use__name(enum budget_use use);
const char *giving_up__name(enum giving_up what);

struct budget;

struct budget *budget__new(uint64_t limit);	   /* bytes; NULL when out of memory */
struct budget *budget__ref(struct budget *budget); /* accepts NULL */
void budget__unref(struct budget *budget);	   /* accepts NULL */

/* Accept NULL: nothing is counted. */
void budget__take(struct budget *budget, enum budget_use use, size_t bytes);
void budget__put(struct budget *budget, enum budget_use use, size_t bytes);
void budget__count(struct budget *budget, enum giving_up what, uint64_t n);

uint64_t budget__tables_max(const struct budget *budget);

/* What one table may have: so many bytes, or that part of the tables' share if it is less. */
uint64_t budget__share(const struct budget *budget, unsigned part, uint64_t most);

/* By how much the tables are over their share; 0: they are not, or nothing is counted. */
uint64_t budget__tables_over(const struct budget *budget);

/* Sets the daemon's resident memory. The result is how much the tables have to give up for what
 * exceeds the limit: they keep an eighth of it, because what is not counted does not get less by
 * that, and no process's memory would be known. *ret_uncounted: how much is not counted. */
uint64_t budget__set_resident(struct budget *budget, uint64_t bytes, uint64_t *ret_uncounted);

/*
 * Room for a report. It grows as it is made and is let go as a whole. 0; or -ENOBUFS when there
 * was no room for so long, which is counted: then it has what it had.
 *
 * The last eighth of the room is for sources that have no more than they leave free, so one
 * that takes all it can get turns itself away, and not one that asks for a small report.
 */
struct reservation {
	struct budget *budget; /* borrowed; NULL: nothing is counted */
	uint64_t source;       /* what asked for it; does not change while it has bytes */
	size_t bytes;
};
int reservation__grow(struct reservation *reservation, size_t bytes, unsigned wait_ms);
void reservation__shrink(struct reservation *reservation, size_t to);
void reservation__free(struct reservation *reservation); /* leaves it empty */

struct budget_stats {
	uint64_t limit;
	uint64_t resident; /* 0: not looked at yet */
	uint64_t used[BUDGET_USES];
	uint64_t given_up[GIVE_UP_KINDS];
};
void budget__stats(const struct budget *budget, struct budget_stats *ret);

/*
 * Of a table that all processes share, one may have as much as it leaves free: alone it gets half
 * of it, as one of n that want all of it a part in n + 1, and as much stays free for the next one
 * that wants little (dynamic thresholds: Choudhury and Hahne, 1998).
 */
static inline bool budget__is_fair(size_t own, size_t more, size_t used, size_t max)
{
	return used + more <= max && own + more <= max - used;
}

#endif
