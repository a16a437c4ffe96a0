/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trust domain of a process: whose bytes may be together in one place. Any two processes of a
 * domain may read each other's memory anyway, by the kernel's rules for ptrace
 * (proc/credentials.h): they have the same users, groups and capabilities, in the same namespaces.
 * A process that others of its user may not read, because it is not dumpable, is a domain by
 * itself.
 */
#ifndef MEMPROV_DOMAIN_H
#define MEMPROV_DOMAIN_H

#include "proc/credentials.h"

struct domain {
	uid_t uids[4];
	gid_t gids[4];
	uint64_t permitted; /* capabilities */
	struct ns_id user;
	struct ns_id pid;
	struct ns_id mnt; /* containers that share the others have one each */
	uint64_t root;	  /* a digest of its path: below it are the debug files of what it runs */
	pid_t alone;	  /* the process; 0: others may belong to the domain */
	uint64_t start_ticks;
};

/* Of the process opened as pidfd, as it is now, with its credentials in *ret_credentials. tgid and
 * start_ticks name it. 0 or -errno. */
int domain__of(int pidfd, pid_t tgid, uint64_t start_ticks, struct domain *ret,
	       struct credentials *ret_credentials);

bool domain__equal(const struct domain *a, const struct domain *b);

/* Numbers of namespaces are given out again: what is only known by them must not outlive them. */
bool domain__shares_namespaces(const struct domain *a, const struct domain *b);

/* A number that is the same for all domains which one tenant can make: a user makes namespaces as
 * it likes; what root made is a container or a service. */
uint64_t domain__tenant(const struct domain *domain);

#endif
