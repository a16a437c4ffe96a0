// SPDX-License-Identifier: BSD-2-Clause
#include "proc/hidepid.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "proc/credentials.h"
#include "proc/mountinfo.h"
#include "proc/procfs.h"
#include "proc/self.h"
#include "util/buf.h"
#include "util/capability.h"
#include "util/cleanup.h"

#define STATUS_MAX    (64 * 1024)
#define MOUNTINFO_MAX (16UL << 20)

static bool may_ptrace(const char *proc)
{
	_cleanup_close_ int self = procfs__open(proc, self__pid(proc));
	_cleanup_buf_ struct buf text = {};
	struct credentials ours;

	return self >= 0 && !procfs__read(self, "status", STATUS_MAX, &text) &&
	       !credentials__parse(text.data ?: "", text.len, &ours) &&
	       ours.permitted & CAPABILITY_BIT(CAP_SYS_PTRACE);
}

/* "noaccess" shows that they are there, and nothing more. */
static bool hides(const struct mount *mount)
{
	static const char *const words[] = {"hidepid=invisible", "hidepid=2", "hidepid=ptraceable",
					    "hidepid=4"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (mount_text__has(mount->options, words[i]))
			return true;
	}
	return false;
}

bool hidepid__is_set(const char *proc)
{
	_cleanup_close_ int self = procfs__open(proc, self__pid(proc));
	_cleanup_buf_ struct buf text = {};
	const char *pos;
	struct mount mount;
	struct stat st;

	if (self < 0 || fstat(self, &st) || procfs__read(self, "mountinfo", MOUNTINFO_MAX, &text))
		return false;
	pos = text.data;
	while (mountinfo__next(&pos, text.data + text.len, &mount) > 0) {
		if (makedev(mount.major, mount.minor) == st.st_dev)
			return hides(&mount);
	}
	return false;
}

/* Process 1 is always there. A security module may hide it even from processes that may ptrace. */
bool hidepid__hides_others(const char *proc)
{
	_cleanup_close_ int init = procfs__open(proc, 1);

	return init == -ENOENT && !may_ptrace(proc);
}
