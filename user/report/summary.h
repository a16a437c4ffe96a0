/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sums of a report, from the parts of one process or of many: what is counted where, the
 * named rows and the rows of files. Parts are added one by one; at the end the rows are made.
 */
#ifndef MEMPROV_SUMMARY_H
#define MEMPROV_SUMMARY_H

#include "report/report.h"

struct summary;

/* NULL when out of memory; free accepts NULL. */
struct summary *summary__new(void);
void summary__free(struct summary *summary);

/* Adds a part; binary is the base name of the process's program. 0 or -ENOMEM. */
int summary__add(struct summary *summary, const struct part *part, const char *binary);

/* Adds what the parts do not tell: the totals of a process. */
void summary__add_totals(struct summary *summary, const struct totals *totals);

/* Fills totals, by_category, by_coverage, named and files of the report; strings and rows go to
 * its arena. 0 or -ENOMEM. */
int summary__fill(const struct summary *summary, struct report *report);

#endif
