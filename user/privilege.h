/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon may do: what it uses, by name, and nothing else. */
#ifndef MEMPROV_PRIVILEGE_H
#define MEMPROV_PRIVILEGE_H

/*
 * Gives up every capability but those that the daemon uses, for good: out of the bounding set where
 * that may be done, and no program that it starts gets more by being set-user-ID. Before the first
 * thread: each has its own. What it never had is not missed here; 'memprov doctor' says what
 * follows from that. 0 or -errno.
 */
int privilege__reduce(void);

#endif
