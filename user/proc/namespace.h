/* SPDX-License-Identifier: BSD-2-Clause */
/* Which namespaces a process is in, and whether one lies within another (namespaces(7)). */
#ifndef MEMPROV_NAMESPACE_H
#define MEMPROV_NAMESPACE_H

#include <stdbool.h>
#include <sys/types.h>

/* The initial user namespace's inode, a constant of the kernel's (PROC_USER_INIT_INO,
 * include/linux/proc_ns.h). */
#define USER_NS_INIT 0xEFFFFFFDU

struct ns_id {
	dev_t dev;
	ino_t ino;
};

/* The namespace of the process opened as pidfd that "ns/user" or "ns/pid" names: 0 or -errno. */
int namespace__read(int pidfd, const char *name, struct ns_id *ret);

bool namespace__equal(const struct ns_id *a, const struct ns_id *b);

/*
 * Whether the process's namespace is `outer` or lies within it. *ret_owner, which may be NULL, is
 * the user that made the namespace right below `outer` on the way to the process's; untouched when
 * the process is in `outer` itself or not within it.
 */
bool namespace__is_within(int pidfd, const char *name, const struct ns_id *outer, uid_t *ret_owner);

#endif
