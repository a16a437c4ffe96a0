/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose memory it is, in the operator's words: containers and pods in reports. */
#ifndef MEMPROV_REPORT_CONTAINER_H
#define MEMPROV_REPORT_CONTAINER_H

#include "proc/container.h"
#include "report/report.h"
#include "util/buf.h"
#include "util/json.h"

struct pod_logs;

/* By the cgroup of the process opened as pidfd: 0, or why it is in none. */
int container__of_process(int pidfd, struct container *ret);

/* The container with the names it has now, in the arena: 0 or -ENOMEM. logs may be NULL. */
int report_container__new(const struct container *container, struct pod_logs *logs,
			  struct arena *arena, const struct report_container **ret);

/* Both in one; *ret is NULL for a process in no container. */
int report_container__of_process(int pidfd, struct pod_logs *logs, struct arena *arena,
				 const struct report_container **ret);

/* The value of "container"; null for NULL. */
void report_container__put(struct json *json, const struct report_container *container);

/* "Container: nginx of pod prod/web-0 (containerd 0123456789ab)" and a newline; nothing for NULL.
 */
void report_container__add_text(struct buf *out, const struct report_container *container);

#endif
