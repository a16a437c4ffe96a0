// SPDX-License-Identifier: BSD-2-Clause
#include "proc/hidepid.h"

#include <errno.h>
#include <linux/capability.h>

#include "proc/credentials.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "util/buf.h"
#include "util/capability.h"
#include "util/cleanup.h"

#define STATUS_MAX (64 * 1024)

static bool may_ptrace(const char *proc)
{
	_cleanup_close_ int self = procfs__open(proc, self__pid(proc));
	_cleanup_buf_ struct buf text = {};
	struct credentials ours;

	return self >= 0 && !procfs__read(self, "status", STATUS_MAX, &text) &&
	       !credentials__parse(text.data ?: "", text.len, &ours) &&
	       ours.permitted & CAPABILITY_BIT(CAP_SYS_PTRACE);
}

/* Process 1 is always there. A security module may keep it even from those who may ptrace. */
bool hidepid__hides_others(const char *proc)
{
	_cleanup_close_ int init = procfs__open(proc, 1);

	return init == -ENOENT && !may_ptrace(proc);
}
