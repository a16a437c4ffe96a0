// SPDX-License-Identifier: BSD-2-Clause
/* Any text as a cgroup's path, as /proc/PID/cgroup, and its lines as names below /var/log. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/container.h"
#include "proc/pod_logs.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_container(const struct container *container, size_t size)
{
	char uid[POD_UID_MAX + 1];
	size_t len = strnlen(container->id, sizeof(container->id));

	check(!len || (len == CONTAINER_ID_LEN && container__is_id(container->id, len)));
	check(!len == !container->id_len && container->id_len <= size);
	len = strnlen(container->pod_uid, sizeof(container->pod_uid));
	check(!len || container__copy_uid(container->pod_uid, len, uid));
	check(!len == !container->pod_len && container->pod_len <= size);
	check(container->id_len || container->pod_len);
	check(!container->delegated || !container->pod_len);
}

static void check_names(const struct pod_names *names)
{
	check(names->pod[0] && memchr(names->pod, '\0', sizeof(names->pod)));
	check(names->namespace[0] && memchr(names->namespace, '\0', sizeof(names->namespace)));
	check(!strpbrk(names->pod, "/_\n\"\\") && !strpbrk(names->namespace, "/_.\n\"\\"));
	check(memchr(names->container, '\0', sizeof(names->container)));
	check(names->uid[0] && memchr(names->uid, '\0', sizeof(names->uid)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	char *rest = text, *name, id[CONTAINER_ID_LEN + 1];
	struct container container;
	struct pod_names names;

	if (!container__parse((const char *)data, size, &container))
		check_container(&container, size);
	if (!container__find((const char *)data, size, &container))
		check_container(&container, size);
	if (!text)
		return 0;
	name = strsep(&rest, "\n");
	if (pod_log__parse_dir(name, strlen(name), &names))
		check_names(&names);
	if (rest && pod_log__parse_link(name, rest, &names, id)) {
		check_names(&names);
		check(names.container[0] && container__is_id(id, strlen(id)));
	}
	return 0;
}
