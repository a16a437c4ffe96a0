// SPDX-License-Identifier: BSD-2-Clause
#include "growth/notices.h"

#include <errno.h>
#include <stdio.h>

#include "growth/alert_encode.h"
#include "report/report.h"
#include "util/arena.h"
#include "util/clock.h"

#define LABELS_MAX	9
#define ANNOTATIONS_MAX 2
#define MB		(1 << 20)

static const char *const names[ALERT_KINDS] = {
	[ALERT_GROWTH] = "MemprovMemoryGrowth",
	[ALERT_MAP_COUNT] = "MemprovMapCount",
};

/* What is not known has no label. */
static void add(struct notice_text *texts, size_t *n, const char *name, const char *value)
{
	if (value && *value)
		texts[(*n)++] = (struct notice_text){name, value};
}

static int add_labels(const struct alert *a, const char *node, struct arena *arena,
		      struct notice *ret)
{
	struct notice_text *texts = arena__alloc(arena, LABELS_MAX * sizeof(*texts));
	const struct report_container *c = a->container;
	char started[CLOCK_TEXT_LEN] = "", pid[16] = "";
	size_t n = 0;

	if (!texts)
		return -ENOMEM;
	if (a->pid)
		snprintf(pid, sizeof(pid), "%d", a->pid);
	if (a->started)
		clock__format(a->started, started);
	add(texts, &n, "alertname", names[a->kind]);
	add(texts, &n, "severity", "warning");
	add(texts, &n, "node", node);
	add(texts, &n, "comm", a->pid ? arena__strdup(arena, a->comm) : NULL);
	add(texts, &n, "pid", arena__strdup(arena, pid));
	add(texts, &n, "start_time", arena__strdup(arena, started));
	if (c && (c->name || c->id))
		add(texts, &n, "container", arena__strdup(arena, c->name ?: c->id));
	if (c && c->pod) {
		add(texts, &n, "pod", arena__strdup(arena, c->pod));
		add(texts, &n, "namespace", arena__strdup(arena, c->namespace));
	}
	ret->labels = texts;
	ret->n_labels = n;
	return 0;
}

static void add_subject(struct buf *out, const struct alert *a)
{
	const struct report_container *c = a->container;

	if (a->pid)
		buf__printf(out, "%s (process %d)", a->comm, a->pid);
	else
		buf__printf(out, "container %s", c ? c->name ?: c->id : "?");
	if (c && c->pod)
		buf__printf(out, " of pod %s/%s", c->namespace, c->pod);
}

static void describe(struct buf *out, const struct alert *a)
{
	char at[CLOCK_TEXT_LEN];

	add_subject(out, a);
	buf__puts(out, a->kind == ALERT_GROWTH ? ": anonymous memory" : ": mappings");
	if (a->has_slope) {
		buf__puts(out, " by ");
		alert__add_slope(out, a);
	}
	if (a->kind == ALERT_GROWTH)
		buf__printf(out, ", %llu MB resident", (unsigned long long)a->rss / MB);
	else
		buf__printf(out, ", %llu now", (unsigned long long)a->mappings);
	if (a->limit != ALERT_UNKNOWN)
		buf__printf(out, a->kind == ALERT_GROWTH ? ", limit %llu MB" : ", limit %llu",
			    (unsigned long long)a->limit / (a->kind == ALERT_GROWTH ? MB : 1));
	if (a->limit_at) {
		clock__format(a->limit_at, at);
		buf__printf(out, ", reached at %s", at);
	}
	if (a->culprits.site.len)
		buf__printf(out, "; most by %s", a->culprits.site.data);
	if (a->culprits.name.len)
		buf__printf(out, "; most of it named %s", a->culprits.name.data);
}

static int add_annotations(const struct alert *a, struct arena *arena, struct notice *ret)
{
	struct notice_text *texts = arena__alloc(arena, ANNOTATIONS_MAX * sizeof(*texts));
	_cleanup_buf_ struct buf summary = {}, description = {};
	size_t n = 0;

	add_subject(&summary, a);
	buf__puts(&summary, a->kind == ALERT_GROWTH ? " grows" : " runs out of mappings");
	describe(&description, a);
	if (!texts || buf__error(&summary) || buf__error(&description))
		return -ENOMEM;
	add(texts, &n, "summary", arena__strdup(arena, summary.data));
	add(texts, &n, "description", arena__strdup(arena, description.data));
	ret->annotations = texts;
	ret->n_annotations = n;
	return 0;
}

int notices__make(const struct alerts *alerts, const char *node, struct arena *arena,
		  struct notice **ret, size_t *ret_n)
{
	struct notice *all = arena__alloc(arena, ALERTS_MAX * sizeof(*all));
	int err = all ? 0 : -ENOMEM;
	size_t n = 0;

	for (size_t i = 0; !err && i < ALERTS_MAX; i++) {
		const struct alert *a = alerts->all[i];

		if (!a || a->state == ALERT_PENDING || a->end_told)
			continue;
		all[n].starts_at = (int64_t)a->since;
		all[n].ends_at = (int64_t)a->ended;
		err = add_labels(a, node, arena, &all[n]) ?: add_annotations(a, arena, &all[n]);
		n++;
	}
	*ret = all;
	*ret_n = n;
	return err;
}
