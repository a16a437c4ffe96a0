// SPDX-License-Identifier: BSD-2-Clause
#include "tracer/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "proc/pagemap.h"
#include "util/capability.h"
#include "util/cleanup.h"

#define AS_ROOT "run it as root; in a container, add it to securityContext.capabilities"

#define PRIVILEGE(name) CAP_##name, "CAP_" #name

const struct privilege privileges[] = {
	{PRIVILEGE(BPF), HELD_AT_START | HELD_BY_DAEMON,
	 "loading the programs, every look at a map",
	 "BPF is refused, unless CAP_SYS_ADMIN is there", AS_ROOT},
	{PRIVILEGE(PERFMON), HELD_AT_START, "attaching, reading kernel memory",
	 "attaching and reading kernel memory are refused, unless CAP_SYS_ADMIN is there", AS_ROOT},
	{PRIVILEGE(SYS_ADMIN), HELD_AT_START | HELD_BY_LAUNCHER | HELD_BY_PAGEMAP_SERVER,
	 "a tracefs mount of its own, and for a moment debugfs, to see whether the kernel "
	 "preempts; the symbolizer's namespaces and empty root; page frames, by which "
	 "/proc/kpagecount tells how often a page is mapped",
	 "tracefs must be mounted and readable, but for fexit; a kernel that "
	 "could preempt is taken for one that does, and traced by tracepoints; the symbolizer is "
	 "confined by its user, its limits and seccomp alone; JSON reports read smaps, twice the "
	 "work; kernels without PAGEMAP_SCAN cannot tell the zero page",
	 AS_ROOT},
	{PRIVILEGE(SYS_PTRACE), HELD_AT_START | HELD_BY_DAEMON | HELD_BY_PAGEMAP_SERVER,
	 "smaps and maps of other users' processes; /proc with hidepid",
	 "only processes of its own user that may do no more than it are in reports; since Linux "
	 "6.14, with CAP_PERFMON, others are, too, but without names of functions",
	 AS_ROOT},
	{PRIVILEGE(CHECKPOINT_RESTORE), HELD_AT_START | HELD_BY_DAEMON, "map_files",
	 "files that were deleted, or have another name in their container, are not read: no names "
	 "of functions there, unless CAP_SYS_ADMIN is there",
	 AS_ROOT},
	{PRIVILEGE(DAC_READ_SEARCH), HELD_AT_START | HELD_BY_DAEMON | HELD_BY_PAGEMAP_SERVER,
	 "files that their users keep to themselves",
	 "such files are not read: no names of functions there", AS_ROOT},
	{PRIVILEGE(SYS_RESOURCE), HELD_AT_START, "the maps' memory",
	 "nothing since Linux 5.11; before, RLIMIT_MEMLOCK cannot be raised for BPF maps",
	 "nothing since Linux 5.11; before, " AS_ROOT},
	{PRIVILEGE(SETUID), HELD_AT_START | HELD_BY_LAUNCHER,
	 "the symbolizer becomes a user of its own; debug files are opened as their process's user",
	 "as root, the symbolizer refuses to run with its rights: call sites are module and offset "
	 "at best; as another user it is not used",
	 AS_ROOT},
	{PRIVILEGE(SETGID), HELD_AT_START | HELD_BY_LAUNCHER, "the same, for its group",
	 "as without CAP_SETUID", AS_ROOT},
	{PRIVILEGE(SETPCAP), HELD_AT_START | HELD_BY_LAUNCHER, "emptying the bounding set",
	 "it stays as it was; no_new_privs holds all the same", AS_ROOT},
	{PRIVILEGE(SYS_CHROOT), HELD_AT_START | HELD_BY_LAUNCHER,
	 "the symbolizer's root, where it cannot be pivoted",
	 "there, files are kept from it by seccomp alone", AS_ROOT},
	{PRIVILEGE(KILL), HELD_AT_START | HELD_BY_LAUNCHER,
	 "a symbolizer that hangs is of another user", "one that hangs is left behind", AS_ROOT},
	{PRIVILEGE(NET_BIND_SERVICE), HELD_AT_START, "ports below 1024",
	 "--listen and --metrics-listen are refused there", "a port from 1024 up"},
};

const size_t privileges_len = ARRAY_SIZE(privileges);

uint64_t privilege__held(unsigned held)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(privileges); i++) {
		if (privileges[i].held & held)
			mask |= CAPABILITY_BIT(privileges[i].capability);
	}
	return mask;
}

int privilege__reduce(void)
{
	int err = capability__keep(privilege__held(~0U));

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : err;
}

/* Which is used where another one is missing: kernels before 5.8 and 5.9 did not know it, container
 * runtimes of that time do not, or it was not given. */
static const struct {
	int missing, instead;
} stand_ins[] = {
	{CAP_BPF, CAP_SYS_ADMIN},
	{CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN},
	{CAP_SYS_PTRACE, CAP_PERFMON}, /* may read maps and smaps, too, since Linux 6.14 */
};

/* pagemap shows frames, by which the zero page is told, with CAP_SYS_ADMIN only; where the kernel
 * has PAGEMAP_SCAN, that tells it. */
static bool needs_frames(void)
{
	_cleanup_close_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return pagemap < 0 || pagemap__can_scan(pagemap) <= 0;
}

int privilege__settle(void)
{
	uint64_t effective = capability__effective(), keep = privilege__held(HELD_BY_DAEMON);

	for (size_t i = 0; i < ARRAY_SIZE(stand_ins); i++) {
		if (!(effective & CAPABILITY_BIT(stand_ins[i].missing)))
			keep |= CAPABILITY_BIT(stand_ins[i].instead);
	}
	if (needs_frames())
		keep |= CAPABILITY_BIT(CAP_SYS_ADMIN);
	return capability__keep(keep);
}
