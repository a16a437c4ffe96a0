// SPDX-License-Identifier: BSD-2-Clause
#include "serve/past_rights.h"

#include <string.h>

#include "proc/procfs.h"
#include "proc/self.h"
#include "report/caller.h"
#include "util/cleanup.h"

/* Numbers of users mean the same to a caller only in our namespaces. */
static bool is_in_our_namespaces(const struct reader *reader, int self)
{
	struct reader ours;

	return !reader__of(self, &ours) && !memcmp(&ours.user, &reader->user, sizeof(ours.user)) &&
	       !memcmp(&ours.pid, &reader->pid, sizeof(ours.pid));
}

enum past_rights past_rights__of(const char *proc, const struct caller *caller)
{
	_cleanup_close_ int self = -1;

	if (caller->everything)
		return PAST_ALL;
	self = procfs__open(proc, self__pid(proc));
	if (self < 0)
		return PAST_NOTHING;
	/* All of it is in our memory. */
	if (caller__may_read(caller, self))
		return PAST_ALL;
	return is_in_our_namespaces(&caller->reader, self) ? PAST_OWN : PAST_NOTHING;
}
