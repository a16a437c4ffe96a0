// SPDX-License-Identifier: BSD-2-Clause
#include "collect/detached.h"

#include <errno.h>
#include <sys/mount.h>

#include "util/cleanup.h"

int detached__mount(const char *type)
{
	_cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);
	int root;

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	root = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return root < 0 ? -errno : root;
}
