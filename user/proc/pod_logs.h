/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of pods and containers, by the log files that the kubelet keeps:
 *
 *	LOGS/pods/NAMESPACE_POD_UID/CONTAINER/0.log
 *	LOGS/containers/POD_NAMESPACE_CONTAINER-ID.log -> …/pods/NAMESPACE_POD_UID/CONTAINER/0.log
 *
 * Only names are read, never a file's contents; links are read, never followed. The name of a link
 * that would be longer than a file name may be is cut, and with it the id: then the rest of the id
 * counts if it is of the right pod and still tells its containers apart.
 */
#ifndef MEMPROV_POD_LOGS_H
#define MEMPROV_POD_LOGS_H

#include <stdbool.h>

#include "proc/container.h"

#define POD_NAMESPACE_MAX 63	/* a DNS label */
#define POD_NAME_MAX	  253	/* a DNS subdomain */
#define POD_LOGS_MAX	  16384 /* links that are kept, and pods; what is beyond has no name */

struct pod_names {
	char namespace[POD_NAMESPACE_MAX + 1];
	char pod[POD_NAME_MAX + 1];
	char container[POD_NAMESPACE_MAX + 1]; /* "": not known */
	char uid[POD_UID_MAX + 1];
};

/* Pure: the name of a directory of LOGS/pods. Fills all but container. False: it is none. */
bool pod_log__parse_dir(const char *name, size_t len, struct pod_names *ret);

/* Pure: a link of LOGS/containers and what it leads to. id is what there is of the id: it may be
 * cut short, but not below CONTAINER_ID_MIN. False: it is none, or says one thing and leads to
 * another. */
bool pod_log__parse_link(const char *name, const char *target, struct pod_names *ret,
			 char id[CONTAINER_ID_LEN + 1]);

/* Pure: "NAMESPACE/POD", as kubectl takes it; fills these two. */
bool pod_names__parse(const char *text, struct pod_names *ret);

struct pod_logs;

/* dir is LOGS, "/var/log"; it need not be there (yet), and must outlive ret. 0 or -errno. */
int pod_logs__new(const char *dir, struct pod_logs **ret);
void pod_logs__free(struct pod_logs *logs); /* accepts NULL */

/* What the container's pod, and if possible the container, is called now. May be called on several
 * threads at once. False: not known. */
bool pod_logs__find(struct pod_logs *logs, const struct container *container,
		    struct pod_names *ret);

#endif
