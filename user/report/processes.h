/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of the processes of a node: the same in its report and in the list of all processes. */
#ifndef MEMPROV_PROCESSES_H
#define MEMPROV_PROCESSES_H

#include "report/encode.h"
#include "util/json.h"

struct arena;
struct pod_logs;

/* Makes comm and names the arena's, and fills in the container of the process opened as pidfd, with
 * the names in logs, which may be NULL. 0 or -ENOMEM. */
int process_row__own(struct process_row *row, int pidfd, struct pod_logs *logs,
		     struct arena *strings);

/* Puts the rows of a report in their order, the largest first. */
void processes__sort(struct report *report);

/* The first n rows below a line of headings, and how many processes could not be read. */
void processes__add_text(const struct report *report, size_t n, enum unit unit, struct buf *out);

/* "processes" (the first n) and "unreadable_processes", two members of an object. */
void processes__add_json(const struct report *report, size_t n, struct json *json);

#endif
