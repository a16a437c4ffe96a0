// SPDX-License-Identifier: BSD-2-Clause
#include "privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "util/cleanup.h"

/* docs/privileges.md says of each what breaks without it. */
static const unsigned used[] = {
	CAP_BPF,	  /* loading, and every later look at a map */
	CAP_PERFMON,	  /* attaching */
	CAP_SYS_RESOURCE, /* the maps' memory, before Linux 5.11 */
	CAP_SYS_ADMIN,	  /* tracefs of our own; the symbolizer's namespaces, at each restart */
	CAP_SYS_PTRACE,	  /* smaps and maps of other users */
	CAP_CHECKPOINT_RESTORE, /* map_files */
	CAP_DAC_READ_SEARCH,	/* files that others keep to themselves */
	CAP_SETUID,		/* the symbolizer becomes nobody */
	CAP_SETGID,
	CAP_SETPCAP,	      /* and loses its bounding set */
	CAP_SYS_CHROOT,	      /* and its root */
	CAP_KILL,	      /* when it hangs it is nobody's, not ours */
	CAP_NET_BIND_SERVICE, /* --listen below 1024 */
};

int privilege__reduce(void)
{
	bool may_bound, have[ARRAY_SIZE(used)];

	if (capng_get_caps_process())
		return -EPERM;
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	for (size_t i = 0; i < ARRAY_SIZE(used); i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, used[i]);
	/* The bounding set is what a root's exec, which begins the symbolizer, gets back. */
	capng_clear(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
		if (have[i] &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				 used[i]))
			return -EINVAL;
	}
	if (capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}
