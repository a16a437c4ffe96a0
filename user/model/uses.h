/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each stack has mapped in one address space since that began: the cumulative side of a call
 * site. (What is mapped now is in the ledger.)
 */
#ifndef MEMPROV_USES_H
#define MEMPROV_USES_H

#include "model/account.h"
#include "model/callsite.h"

/* Traces of one space that are told apart; what further ones map is summed without a trace. */
#define USES_MAX 8192

struct use {
	struct trace *trace; /* NULL: of those that are not told apart */
	uint64_t mapped;     /* bytes */
	uint64_t first_ns;   /* CLOCK_BOOTTIME */
	uint64_t last_ns;
};

struct uses;

void uses__free(struct uses *uses); /* accepts NULL */

/* Counts it; *uses is made when needed, for the account. What there is no memory for is not
 * counted. */
void uses__add(struct uses **uses, struct account *account, struct trace *trace, uint64_t bytes,
	       uint64_t now);

/* What traces mapped that nothing else holds, of which nothing is there any more, is summed
 * without a trace. */
void uses__drop_idle(struct uses *uses); /* accepts NULL */

/* All of them, with references to their traces; for uses__free_list. NULL and *ret_n 0 when there
 * are none, or no memory. */
struct use *uses__list(const struct uses *uses, size_t *ret_n);
void uses__free_list(struct use *list, size_t n); /* accepts NULL; on any thread */

#endif
