/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is summed up by call site, of one process or of many: the rows of report/sites.h and
 * report/touch_sites.h. An entry begins with a struct site_entry, and more may follow.
 */
#ifndef MEMPROV_SITE_TABLE_H
#define MEMPROV_SITE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "report/report.h"
#include "util/hash.h"

struct site_entry {
	UT_hash_handle hh; /* by site */
	struct callsite *site;
	struct site_row row; /* with times of CLOCK_BOOTTIME */
};

struct site_table {
	struct site_entry *entries;
	size_t entry_size; /* of all; set once, by the owner */
};

void site_table__free(struct site_table *table); /* leaves it empty */

/* The call site's entry, zeroed when it is new; NULL when out of memory. */
struct site_entry *site_table__at(struct site_table *table, struct callsite *site);

/* Something of the row happened between these two moments. */
void site_row__see(struct site_row *row, uint64_t first_ns, uint64_t last_ns);

/* Completes a row from its entry; false: it is left out. */
typedef bool site_complete_fn(const struct site_entry *entry, struct site_row *row);

/* The rows, in any order, on the arena, each with a reference to its call site and with times of
 * the wall clock. 0 or -ENOMEM. */
int site_table__rows(const struct site_table *table, site_complete_fn *complete,
		     struct arena *arena, struct site_row **ret, size_t *ret_n);

#endif
