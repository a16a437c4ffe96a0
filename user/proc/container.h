/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which container and pod a cgroup path belongs to. Runtimes write the container's id into the
 * name of its cgroup, and the kubelet the pod's UID into that of the cgroup above:
 *
 *	/kubepods.slice/kubepods-burstable.slice/
 *		kubepods-burstable-pod1234….slice/	the pod
 *		cri-containerd-ab….scope/		the container
 *		x
 *
 * The outermost container counts: processes inside it name the cgroups below, and could pose as
 * another container. For the same reason, what users and services name in their own part of the
 * tree is never taken for a pod.
 */
#ifndef MEMPROV_CONTAINER_H
#define MEMPROV_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_ID_LEN 64
#define CONTAINER_ID_MIN 12 /* of a prefix that still names one, as docker ps shows it */
#define POD_UID_MAX	 36

struct container {
	char id[CONTAINER_ID_LEN + 1]; /* "": in the pod, but in none of its containers */
	char pod_uid[POD_UID_MAX + 1]; /* with dashes, as kubectl has it; "": in no pod */
	const char *runtime; /* "docker", "containerd", "cri-o", "podman"; NULL: not told */
	bool delegated;	     /* a user or a service made the cgroup: the id is their word */
	size_t pod_len;	     /* bytes of the path up to the pod's cgroup; 0: none */
	size_t id_len;	     /* and up to the container's */
};

/* Pure: a cgroup's path, which may be relative to ours ("/../x") or "(deleted)". 0, -ENOENT when it
 * is in neither container nor pod. */
int container__parse(const char *path, size_t len, struct container *ret);

/* Pure: the text of /proc/PID/cgroup. The memory controller's line decides; only when that knows of
 * no container do the others. 0, -ENOENT, -EBADMSG. */
int container__find(const char *text, size_t len, struct container *ret);

/* Pure: is the text of a container's id, whole or cut short (CONTAINER_ID_MIN digits)? */
bool container__is_id(const char *text, size_t len);

/* Pure: copies the UID of a pod, of either form that the kubelet knows (36 characters with dashes,
 * or the 32 digits of a static pod), with '_' for '-' as systemd's slices have it. False: it is
 * none. */
bool container__copy_uid(const char *text, size_t len, char ret[POD_UID_MAX + 1]);

#endif
