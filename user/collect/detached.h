/* SPDX-License-Identifier: BSD-2-Clause */
/* File systems of the kernel's own, for us alone. */
#ifndef MEMPROV_DETACHED_H
#define MEMPROV_DETACHED_H

/*
 * A descriptor of the root of a file system ("tracefs", "debugfs"), or -errno. A detached mount
 * (fsmount(2), Linux 5.2) has no mount point, is visible to no process, and goes with the
 * descriptor, so nothing stays behind however the daemon ends. It takes CAP_SYS_ADMIN.
 */
int detached__mount(const char *type);

#endif
