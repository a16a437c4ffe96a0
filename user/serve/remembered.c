// SPDX-License-Identifier: BSD-2-Clause
#include "serve/remembered.h"

#include <string.h>

#include "proc/procfs.h"
#include "proc/self.h"
#include "util/cleanup.h"

/* Numbers of users mean the same to a caller only in our namespaces. */
static bool is_in_our_namespaces(const struct reader *reader, int self)
{
	struct reader ours;

	return !reader__of(self, &ours) && !memcmp(&ours.user, &reader->user, sizeof(ours.user)) &&
	       !memcmp(&ours.pid, &reader->pid, sizeof(ours.pid));
}

/* Of a process that is there, the kernel's own rule holds, too: it may have gained rights. */
static bool may_read_now(const struct remembered *remembered, const char *proc,
			 const struct caller *caller)
{
	_cleanup_close_ int pidfd = procfs__open(proc, remembered->pid);
	struct proc_stat stat;

	return pidfd < 0 || procfs__stat(pidfd, &stat) ||
	       stat.start_ticks != remembered->start_ticks || caller__may_read(caller, pidfd);
}

enum remembered_rights remembered__rights(const char *proc, const struct caller *caller)
{
	_cleanup_close_ int self = -1;

	if (caller->everything)
		return REMEMBERED_ALL;
	self = procfs__open(proc, self__pid(proc));
	if (self < 0)
		return REMEMBERED_NONE;
	/* All of it is in our memory. */
	if (caller__may_read(caller, self))
		return REMEMBERED_ALL;
	return is_in_our_namespaces(&caller->reader, self) ? REMEMBERED_OWN : REMEMBERED_NONE;
}

bool remembered__may_read(const struct remembered *remembered, const char *proc,
			  const struct caller *caller)
{
	const struct observed_owner *owner = &remembered->owner;
	enum remembered_rights rights = remembered__rights(proc, caller);

	return rights == REMEMBERED_ALL ||
	       (rights == REMEMBERED_OWN && remembered->pid && owner->known &&
		owner->uid == caller->reader.uid && owner->gid == caller->reader.gid &&
		may_read_now(remembered, proc, caller));
}
