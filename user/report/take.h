/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking a report: drain the ring, read the process, see that it did not change meanwhile, join,
 * classify. Safe to call from several threads at once; blocks while the kernel reads the target
 * (seconds for a very large one), so never on the thread that owns the ring.
 */
#ifndef MEMPROV_TAKE_H
#define MEMPROV_TAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "report/caller.h"
#include "report/detail.h"
#include "report/report.h"
#include "report/taker.h"

struct visitor;

/* The config's strings and owner must outlive the taker. NULL when out of memory. */
struct taker *taker__new(const struct taker_config *config);
void taker__free(struct taker *taker); /* accepts NULL */

/*
 * The report of one process; free it with report__free. When visitor->stop becomes true it gives
 * up between two reads (visitor may be NULL). Errors:
 *   -ESRCH     there is no such process (or it is a zombie, or a kernel thread: no memory)
 *   -EIDRM     it exited while it was being read
 *   -EACCES    the caller may not read it, or we may not
 *   -ETIMEDOUT, -EUSERS  as visitor__enter() has them
 *   -ECANCELED visitor->stop
 *   -ENOBUFS   it would take more memory than the daemon may have
 *   -ENOMEM, or what the kernel said when reading
 */
int taker__process(struct taker *taker, pid_t pid, struct detail detail,
		   const struct caller *caller, struct visitor *visitor, struct report **ret);

/* The report of the node: every process that the caller may read, and we can. Processes that exit
 * meanwhile are left out. -ECANCELED, -ENOMEM, or why procfs cannot be listed. */
int taker__node(struct taker *taker, const struct caller *caller, struct visitor *visitor,
		struct report **ret);

/* The same with report->profile_rows, for a profile: larger, so only where one is wanted. */
int taker__node_profile(struct taker *taker, const struct caller *caller, struct visitor *visitor,
			struct report **ret);

/*
 * The same of a group's processes, with the group's container and cgroup; profile: with
 * report->profile_rows. As taker__node(), and
 *   -ESRCH    there is no such group, or it has no processes that the caller may read
 *   -ENOTUNIQ several containers' ids begin so
 *   -EACCES   we may read none of its processes
 *   -ETIMEDOUT  none of them can be read
 */
int taker__group(struct taker *taker, const struct selector *selector, bool profile,
		 const struct caller *caller, struct visitor *visitor, struct report **ret);

/* The process of the group that is `nspid` to itself; where several are, the one that the group's
 * outermost PID namespace shows. 0, -ESRCH, -ENOTUNIQ, or why procfs cannot be listed. */
int taker__nspid(struct taker *taker, const struct selector *selector, pid_t nspid,
		 const struct caller *caller, pid_t *ret);

#endif
