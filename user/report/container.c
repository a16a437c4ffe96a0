// SPDX-License-Identifier: BSD-2-Clause
#include "report/container.h"

#include <errno.h>

#include "proc/pod_logs.h"
#include "proc/process.h"
#include "util/arena.h"
#include "util/text.h"

#define CGROUP_MAX (1 << 20)

int container__of_process(int pidfd, struct container *ret)
{
	_cleanup_buf_ struct buf text = {};
	int err = process__read(pidfd, "cgroup", CGROUP_MAX, &text);

	return err ? err : container__find(text.data ?: "", text.len, ret);
}

/* NULL for "", which stands for what is not known. */
static bool keep(struct arena *arena, const char *s, const char **ret)
{
	*ret = *s ? arena__strdup(arena, s) : NULL;
	return !*s || *ret;
}

int report_container__new(const struct container *container, struct pod_logs *logs,
			  struct arena *arena, const struct report_container **ret)
{
	struct report_container *row = arena__alloc(arena, sizeof(*row));
	struct pod_names names = {};

	if (logs)
		pod_logs__find(logs, container, &names);
	if (!row || !keep(arena, container->id, &row->id) ||
	    !keep(arena, names.namespace, &row->namespace) || !keep(arena, names.pod, &row->pod) ||
	    !keep(arena, names.container, &row->name) ||
	    !keep(arena, names.uid[0] ? names.uid : container->pod_uid, &row->pod_uid))
		return -ENOMEM;
	row->runtime = container->runtime;
	*ret = row;
	return 0;
}

int report_container__of_process(int pidfd, struct pod_logs *logs, struct arena *arena,
				 const struct report_container **ret)
{
	struct container container;

	*ret = NULL;
	if (container__of_process(pidfd, &container))
		return 0;
	return report_container__new(&container, logs, arena, ret);
}

void report_container__put(struct json *json, const struct report_container *container)
{
	json__key(json, "container");
	if (!container) {
		json__null(json);
		return;
	}
	json__object(json);
	json__put_string(json, "id", container->id);
	json__put_string(json, "runtime", container->runtime);
	json__put_string(json, "pod", container->pod);
	json__put_string(json, "namespace", container->namespace);
	json__put_string(json, "name", container->name);
	json__put_string(json, "pod_uid", container->pod_uid);
	json__end_object(json);
}

void report_container__add_text(struct buf *out, const struct report_container *container)
{
	if (!container)
		return;
	/* A group may be a pod. */
	buf__puts(out, container->id ? "Container: " : "Pod: ");
	if (container->id) {
		text__show(out, container->name ? container->name : "-");
		buf__puts(out, container->pod || container->pod_uid ? " of pod " : "");
	}
	if (container->pod) {
		text__show(out, container->namespace);
		buf__puts(out, "/");
		text__show(out, container->pod);
	} else if (container->pod_uid) {
		buf__puts(out, container->pod_uid);
	}
	if (container->id)
		buf__printf(out, " (%s%s%.*s)", container->runtime ? container->runtime : "",
			    container->runtime ? " " : "", CONTAINER_ID_MIN, container->id);
	buf__puts(out, "\n");
}
