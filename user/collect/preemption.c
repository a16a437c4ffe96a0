// SPDX-License-Identifier: BSD-2-Clause
#include "collect/preemption.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "collect/detached.h"
#include "util/buf.h"
#include "util/cleanup.h"

bool preemption__is_told(const char *version, const char *modes)
{
	/* scripts/mkcompile_h: not there when the kernel was built without. */
	if (!strstr(version, "PREEMPT"))
		return false;
	/* CONFIG_PREEMPT_DYNAMIC: what the boot has chosen stands in brackets. */
	return !modes || !(strstr(modes, "(none)") || strstr(modes, "(voluntary)"));
}

bool preemption__is_on(void)
{
	_cleanup_close_ int debugfs = detached__mount("debugfs"), fd = -1;
	_cleanup_buf_ struct buf modes = {0};
	struct utsname name;

	uname(&name);
	if (debugfs >= 0)
		fd = openat(debugfs, "sched/preempt", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && buf__read_fd(&modes, fd, 256))
		return true;
	return preemption__is_told(name.version, modes.data);
}
