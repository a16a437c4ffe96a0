// SPDX-License-Identifier: BSD-2-Clause
#include "report/caller.h"

#include "proc/procfs.h"
#include "util/cleanup.h"

struct caller caller__new(const struct reader *reader, const char *proc)
{
	_cleanup_close_ int init = procfs__open(proc, 1);

	return (struct caller){
		.everything = init >= 0 && reader__may_read_all(reader, init),
		.reader = *reader,
	};
}

bool caller__may_read(const struct caller *caller, int pidfd)
{
	return caller->everything || reader__may_read(&caller->reader, pidfd);
}
