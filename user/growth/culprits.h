/* SPDX-License-Identifier: BSD-2-Clause */
/* What grew within a time: call sites that mapped and that touched, and names; as it is shown. */
#ifndef MEMPROV_CULPRITS_H
#define MEMPROV_CULPRITS_H

#include <stdbool.h>
#include <stdint.h>

#include "history/select.h"
#include "util/buf.h"

#define CULPRITS_MAX   5	   /* of each kind */
#define CULPRITS_BYTES (32u << 10) /* of JSON; what does not fit is left out */

struct history;
struct mappings;

struct culprits {
	struct buf callsites; /* JSON: the elements of "callsites", largest first; */
	struct buf names;     /* and of "names" */
	struct buf text;
	struct buf site; /* what the first ones are called; empty: there is none */
	struct buf name;
};

void culprits__free(struct culprits *culprits); /* leaves it empty */

/* By the difference of two moments of history, wall clock. 0, -EAGAIN when nothing is written yet,
 * -ESRCH, -ENODATA, or another -errno. */
int culprits__find(struct history *history, const struct history_selector *selector,
		   uint64_t from_ns, uint64_t to_ns, struct culprits *ret);

/* Of a process, by the number of its mappings. 0 or -ENOMEM. */
int culprits__of_mappings(const struct mappings *mappings, struct culprits *ret);

#endif
