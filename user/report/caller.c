// SPDX-License-Identifier: BSD-2-Clause
#include "report/caller.h"

#include <fcntl.h>
#include <sys/stat.h>

bool caller__may_read(const struct caller *caller, int pidfd)
{
	struct stat st;

	/* Not of the directory itself, which is the user's in any case. */
	return caller->everything ||
	       (!fstatat(pidfd, "environ", &st, 0) && st.st_uid == caller->uid);
}
