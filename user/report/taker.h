/* SPDX-License-Identifier: BSD-2-Clause */
/* What reports are taken with, and of which group of processes. */
#ifndef MEMPROV_TAKER_H
#define MEMPROV_TAKER_H

#include <stdbool.h>
#include <stdint.h>

struct budget;
struct file_cache;
struct mapcounts;
struct observer;
struct owner;
struct pod_logs;

/* A container by its id, whole or the beginning of it; or else a pod. */
struct selector {
	const char *container; /* NULL: the pod */
	const char *namespace;
	const char *pod;
};

struct taker_config {
	const char *proc;      /* where the host's procfs is */
	struct owner *owner;   /* has the events; NULL: from smaps alone */
	struct budget *budget; /* borrowed; NULL: there is no limit */
	const char *why_off;   /* with no owner: why there are no call sites, one sentence */
	const struct mapcounts *mapcounts; /* borrowed; NULL: smaps alone tells PSS */
	bool stacks_later;		 /* reports do not wait for stacks: report__settle() does */
	struct pod_logs *pod_logs;	 /* what pods are called; NULL: not known */
	const struct observer *observer; /* of samples and reports; NULL: there is none */
};

/* For snapshots. */
struct taker {
	struct taker_config config;
	struct file_cache *files;
	uint64_t page_size;
	bool faults_bring_several; /* pages: proc/thp.h */
};

#endif
