/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that a person means by a name. */
#ifndef MEMPROV_NAMED_PROCESS_H
#define MEMPROV_NAMED_PROCESS_H

#include <sys/types.h>

#include "util/buf.h"

struct options;
struct report_source;

/*
 * Of those that the source can read, the one that is called so, or, where none is, whose name has
 * that in it. 0; -ENOTUNIQ: several are, and *ret_list has a table of them; -ESRCH; or -errno. What
 * is wrong is one line in *ret_error.
 */
int named_process__find(struct report_source *source, const struct options *options, pid_t *ret,
			struct buf *ret_list, struct buf *ret_error);

#endif
