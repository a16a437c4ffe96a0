// SPDX-License-Identifier: BSD-2-Clause
#include "report/caller.h"

#include "proc/credentials.h"

bool caller__may_read(const struct caller *caller, int pidfd)
{
	return caller->everything || credentials__may_read(pidfd, caller->uid);
}
