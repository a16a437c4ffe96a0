// SPDX-License-Identifier: BSD-2-Clause
#include "proc/container.h"

#include <errno.h>
#include <string.h>

#include "proc/cgroup.h"
#include "util/cleanup.h"

#define DELETED	   " (deleted)"
#define STATIC_UID 32 /* the hash of a static pod's manifest */

/* --- what cgroups are called --------------------------------------------------------------- */

/*
 * A container's cgroup: `before`, 64 hexadecimal digits, `after`. Taken from the runtimes'
 * documentation and sources; the first that fits is taken. A `before` that begins with a colon is
 * the end of it: a runtime that was told a systemd path while its driver is cgroupfs makes one
 * directory of "slice:prefix:name".
 */
static const struct id_pattern {
	const char *before;
	const char *after;
	const char *parent;  /* the name of the cgroup above; NULL: any */
	const char *runtime; /* NULL: not told by the name */
	bool is_group;	     /* no container, though it looks like one */
} id_patterns[] = {
	{"docker-", ".scope", NULL, "docker", false},
	{"cri-containerd-", ".scope", NULL, "containerd", false}, /* k3s, too */
	{"nerdctl-", ".scope", NULL, "containerd", false},
	{"crio-", ".scope", NULL, "cri-o", false},
	{"crio-", "", NULL, "cri-o", false},
	{"libpod-", ".scope", NULL, "podman", false},
	{"libpod-", "", NULL, "podman", false},
	{"libpod-payload-", "", NULL, "podman", false}, /* --cgroups=split */
	{":docker:", "", NULL, "docker", false},
	{":cri-containerd:", "", NULL, "containerd", false},
	{":crio:", "", NULL, "cri-o", false},
	{":libpod:", "", NULL, "podman", false},
	{"", "", "libpod_parent", NULL, true}, /* podman's own pods */
	{"", "", "docker", "docker", false},
	{"", "", NULL, NULL, false}, /* cgroupfs: docker, containerd and k3s below kubepods */
};

/* A pod's cgroup: `before`, the UID, `after`. */
static const struct pod_pattern {
	const char *before;
	const char *after;
	const char *within; /* a word of the same name; NULL: of one above */
} pod_patterns[] = {
	{"-pod", ".slice", "kubepods"}, /* systemd: kubepods-burstable-podUID.slice */
	{"pod", "", NULL},		/* cgroupfs: kubepods/burstable/podUID */
};

#define KUBEPODS "kubepods"

/* Below these, names are their owner's. Services that run containers for others are not. */
static const char *const users[] = {"user.slice", "user-", "user@"};
static const char *const engines[] = {
	"containerd.service", "docker.service",	    "crio.service",
	"kubelet.service",    "k3s.service",	    "k3s-agent.service",
	"podman.service",     "rke2-agent.service", "rke2-server.service",
};

/* --- pure ---------------------------------------------------------------------------------- */

struct word {
	const char *s;
	size_t len;
};

static bool word_is(struct word word, const char *what)
{
	return word.len == strlen(what) && !memcmp(word.s, what, word.len);
}

static bool begins_with(struct word word, const char *what)
{
	size_t len = strlen(what);

	return word.len >= len && !memcmp(word.s, what, len);
}

static bool ends_with(struct word word, const char *what)
{
	size_t len = strlen(what);

	return word.len >= len && !memcmp(word.s + word.len - len, what, len);
}

static bool is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f'))
			return false;
	}
	return true;
}

bool container__is_id(const char *text, size_t len)
{
	return len >= CONTAINER_ID_MIN && len <= CONTAINER_ID_LEN && is_hex(text, len);
}

bool container__copy_uid(const char *text, size_t len, char ret[POD_UID_MAX + 1])
{
	char uid[POD_UID_MAX + 1] = "";

	if (len != POD_UID_MAX && len != STATIC_UID)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool dash = len == POD_UID_MAX && (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? text[i] != '-' && text[i] != '_' : !is_hex(text + i, 1))
			return false;
		uid[i] = dash ? '-' : text[i];
	}
	memcpy(ret, uid, sizeof(uid));
	return true;
}

static bool fits_id(const struct id_pattern *pattern, struct word name, struct word parent,
		    const char **id)
{
	struct word before = name;

	if (pattern->parent && !word_is(parent, pattern->parent))
		return false;
	if (name.len < CONTAINER_ID_LEN + strlen(pattern->after) ||
	    !ends_with(name, pattern->after))
		return false;
	before.len -= CONTAINER_ID_LEN + strlen(pattern->after);
	*id = name.s + before.len;
	if (!is_hex(*id, CONTAINER_ID_LEN))
		return false;
	return *pattern->before == ':' ? ends_with(before, pattern->before)
				       : word_is(before, pattern->before);
}

static bool find_id(struct word name, struct word parent, struct container *container)
{
	const char *id;

	for (size_t i = 0; i < ARRAY_SIZE(id_patterns); i++) {
		if (!fits_id(&id_patterns[i], name, parent, &id))
			continue;
		if (id_patterns[i].is_group)
			return false;
		memcpy(container->id, id, CONTAINER_ID_LEN);
		container->runtime = id_patterns[i].runtime;
		return true;
	}
	return false;
}

static bool fits_pod(const struct pod_pattern *pattern, struct word name, bool in_kubepods,
		     char ret[POD_UID_MAX + 1])
{
	size_t before = strlen(pattern->before), after = strlen(pattern->after);
	static const size_t lengths[] = {POD_UID_MAX, STATIC_UID};

	if (pattern->within ? !memmem(name.s, name.len, pattern->within, strlen(pattern->within))
			    : !in_kubepods)
		return false;
	if (!ends_with(name, pattern->after))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		const char *uid = name.s + name.len - after - lengths[i];

		if (name.len < before + lengths[i] + after ||
		    (!pattern->within && name.len != before + lengths[i] + after) ||
		    memcmp(uid - before, pattern->before, before))
			continue;
		if (container__copy_uid(uid, lengths[i], ret))
			return true;
	}
	return false;
}

static bool find_pod(struct word name, bool in_kubepods, struct container *container)
{
	const char *colon = memchr(name.s, ':', name.len);

	if (colon)
		name.len = colon - name.s;
	for (size_t i = 0; i < ARRAY_SIZE(pod_patterns); i++) {
		if (fits_pod(&pod_patterns[i], name, in_kubepods, container->pod_uid))
			return true;
	}
	return false;
}

static bool is_somebodys_own(struct word name)
{
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		if (begins_with(name, users[i]))
			return true;
	}
	if (!ends_with(name, ".service"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		if (word_is(name, engines[i]))
			return false;
	}
	return true;
}

static struct word next_name(const char **pos, const char *end)
{
	struct word name;

	while (*pos < end && **pos == '/')
		++*pos;
	name.s = *pos;
	while (*pos < end && **pos != '/')
		++*pos;
	name.len = *pos - name.s;
	return name;
}

int container__parse(const char *path, size_t len, struct container *ret)
{
	struct word name, parent = {"", 0}, whole = {path, len};
	struct container container = {};
	const char *pos = path, *end = path + len;
	bool in_kubepods = false;

	if (ends_with(whole, DELETED))
		end -= strlen(DELETED);
	for (; !container.id_len; parent = name) {
		name = next_name(&pos, end);
		if (!name.len)
			break;
		if (word_is(name, "..")) {
			/* What lies above us is hidden, and may be kubepods. */
			in_kubepods = true;
			continue;
		}
		container.delegated |= !container.pod_len && is_somebodys_own(name);
		in_kubepods |= word_is(name, KUBEPODS);
		if (!container.pod_len && !container.delegated &&
		    find_pod(name, in_kubepods, &container))
			container.pod_len = pos - path;
		if (find_id(name, parent, &container))
			container.id_len = pos - path;
	}
	if (!container.id_len && !container.pod_len)
		return -ENOENT;
	*ret = container;
	return 0;
}

int container__find(const char *text, size_t len, struct container *ret)
{
	struct mount_text controllers, path;
	const char *pos = text, *end = text + len;
	struct container container;
	bool found = false;
	int err;

	while ((err = cgroup__next(&pos, end, &controllers, &path)) > 0) {
		bool memory = mount_text__has(controllers, "memory");

		if ((found && !memory) || container__parse(path.data, path.len, &container))
			continue;
		*ret = container;
		found = true;
	}
	return err ? err : found ? 0 : -ENOENT;
}
