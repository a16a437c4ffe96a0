// SPDX-License-Identifier: BSD-2-Clause
#include "blackbox/ooms.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/text.h"

_Static_assert(OOM_TEXTS == KILL_TEXTS && OOMS_MAX == KILLS_KEPT, "history keeps them");

#define MS_NS 1000000
#define MB    (1 << 20)

static const char *const scopes[OOM_SCOPES] = {[OOM_CGROUP] = "cgroup", [OOM_NODE] = "node"};

const char *oom_scope__name(enum oom_scope scope)
{
	return scopes[scope];
}

static void drop(struct oom_entry *entry)
{
	for (size_t i = 0; i < OOM_TEXTS; i++)
		buf__free(&entry->texts[i]);
	*entry = (struct oom_entry){};
}

void ooms__free(struct ooms *ooms)
{
	for (size_t i = 0; i < OOMS_MAX; i++)
		drop(&ooms->entries[i]);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static uint64_t age_ms(const struct oom *oom)
{
	return oom->at_ns > oom->report->taken_ns ? (oom->at_ns - oom->report->taken_ns) / MS_NS
						  : 0;
}

/* What was written of its own begins in the middle of an object. */
static void put_fragment(struct json *json, const char *text, size_t len)
{
	if (json->comma)
		buf__puts(json->out, ",");
	buf__add(json->out, text, len);
	json->comma = true;
}

static void put_process(struct json *json, const struct oom_process *process)
{
	json__put_u64(json, "pid", process->pid);
	json__put_string(json, "comm", process->comm[0] ? process->comm : NULL);
}

static void put_victim(struct json *json, const struct oom *oom)
{
	json__key(json, "victim");
	json__object(json);
	put_process(json, &oom->victim);
	if (oom->report)
		put_fragment(json, oom->report->container.data, oom->report->container.len);
	else
		json__put_null(json, "container");
	json__put_u64(json, "rss", oom->victim.rss);
	json__key(json, "oom_score_adj");
	if (oom->has_score_adj)
		json__i64(json, oom->score_adj);
	else
		json__null(json);
	json__end_object(json);
}

static void put_report(struct json *json, const struct oom *oom)
{
	const struct buf *report = oom->report ? &oom->report->json : NULL;
	size_t len = report ? report->len : 0;

	if (!report || len < 2) {
		json__put_null(json, "report");
		return;
	}
	json__key(json, "report");
	json__object(json);
	json__put_u64(json, "age_ms", age_ms(oom));
	while (len && report->data[len - 1] != '}')
		len--;
	put_fragment(json, report->data + 1, len - 2);
	json__end_object(json);
}

static void write_json(const struct oom *oom, uint64_t id, struct buf *ret)
{
	struct json json = {.out = ret};

	json__object(&json);
	json__put_u64(&json, "id", id);
	json__put_time(&json, "at", clock__boot_to_wall(oom->at_ns));
	json__put_string(&json, "scope", oom_scope__name(oom->scope));
	json__put_string(&json, "cgroup", oom->cgroup);
	json__put_u64(&json, "limit", oom->limit);
	put_victim(&json, oom);
	json__key(&json, "trigger");
	json__object(&json);
	put_process(&json, &oom->trigger);
	json__end_object(&json);
	put_report(&json, oom);
	json__key(&json, "others");
	json__array(&json);
	for (size_t i = 0; i < oom->n_others; i++) {
		json__object(&json);
		put_process(&json, &oom->others[i]);
		json__put_u64(&json, "rss", oom->others[i].rss);
		json__end_object(&json);
	}
	json__end_array(&json);
	json__key(&json, "growth");
	json__array(&json);
	if (oom->growth)
		buf__add(ret, oom->growth->data ?: "", oom->growth->len);
	json__end_array(&json);
	json__end_object(&json);
}

static bool sees(const struct oom_entry *entry, ooms_may_see_fn *may_see, const void *ctx)
{
	return entry->id && may_see(entry->uid, ctx);
}

/* The n-th newest, from 0 on. */
static const struct oom_entry *newest(const struct ooms *ooms, uint64_t n)
{
	return &ooms->entries[(ooms->last_id - n) % OOMS_MAX];
}

/* Of the report only its age, which comes first in it. In JSON no string has these marks: quotes in
 * one are escaped. */
static void put_brief(struct json *json, const struct buf *entry)
{
	static const char age[] = ",\"report\":{\"age_ms\":", others[] = "},\"others\":[";
	const char *end = entry->data + entry->len;
	const char *from = memmem(entry->data, entry->len, age, strlen(age));
	const char *to = from ? memmem(from, end - from, others, strlen(others)) : NULL;

	if (!to) {
		put_fragment(json, entry->data, entry->len);
		return;
	}
	from += strlen(age);
	from += strspn(from, "0123456789");
	put_fragment(json, entry->data, from - entry->data);
	buf__add(json->out, to, end - to);
}

void ooms__encode_json(const struct ooms *ooms, ooms_may_see_fn *may_see, const void *ctx,
		       bool brief, struct buf *ret)
{
	struct json json = {.out = ret};

	json__object(&json);
	json__put_u64(&json, "schema", 1);
	json__key(&json, "ooms");
	json__array(&json);
	for (uint64_t n = 0; n < OOMS_MAX && n < ooms->last_id; n++) {
		const struct oom_entry *entry = newest(ooms, n);

		if (!sees(entry, may_see, ctx))
			continue;
		if (brief)
			put_brief(&json, &entry->texts[OOM_JSON]);
		else
			put_fragment(&json, entry->texts[OOM_JSON].data,
				     entry->texts[OOM_JSON].len);
	}
	json__end_array(&json);
	json__end_object(&json);
	buf__puts(ret, "\n");
}

/* --- text ---------------------------------------------------------------------------------- */

#define ROW "%4s  %-27s  %-6s  %8s  %-16s  %8s  %-24s  %s\n"

static void add_row(struct buf *out, const struct oom *oom, uint64_t id)
{
	char number[24], pid[16], rss[32], at[CLOCK_TEXT_LEN];
	struct buf trigger = {};

	snprintf(number, sizeof(number), "%" PRIu64, id);
	snprintf(pid, sizeof(pid), "%d", oom->victim.pid);
	snprintf(rss, sizeof(rss), "%" PRIu64 " MB", oom->victim.rss / MB);
	clock__format(clock__boot_to_wall(oom->at_ns), at);
	buf__printf(&trigger, "%d %s", oom->trigger.pid, oom->trigger.comm);
	buf__printf(out, ROW, number, at, oom_scope__name(oom->scope), pid, oom->victim.comm, rss,
		    trigger.data ?: "", oom->cgroup ?: "-");
	buf__free(&trigger);
}

static void add_header(struct buf *out)
{
	buf__printf(out, ROW, "ID", "AT", "SCOPE", "PID", "VICTIM", "RSS", "TRIGGER", "CGROUP");
}

static void write_text(const struct oom *oom, struct buf *ret)
{
	if (oom->cgroup)
		buf__printf(ret, "Limit: %" PRIu64 " MB of %s\n", oom->limit / MB, oom->cgroup);
	else
		buf__printf(ret, "Limit: %" PRIu64 " MB, the node's\n", oom->limit / MB);
	for (size_t i = 0; i < oom->n_others; i++)
		buf__printf(ret, "%s%d %s %" PRIu64 " MB",
			    i ? ", " : "Others: ", oom->others[i].pid, oom->others[i].comm,
			    oom->others[i].rss / MB);
	buf__puts(ret, oom->n_others ? "\n\n" : "\n");
	if (!oom->report) {
		buf__puts(ret, "No report of it was taken before.\n");
		return;
	}
	buf__printf(ret, "Its last report, %" PRIu64 " ms before:\n\n", age_ms(oom));
	buf__add(ret, oom->report->text.data, oom->report->text.len);
}

void ooms__encode_text(const struct ooms *ooms, ooms_may_see_fn *may_see, const void *ctx,
		       struct buf *ret)
{
	buf__puts(ret, "=== Killed For Want Of Memory ===\n");
	add_header(ret);
	for (uint64_t n = 0; n < OOMS_MAX && n < ooms->last_id; n++) {
		const struct oom_entry *entry = newest(ooms, n);

		if (sees(entry, may_see, ctx))
			buf__add(ret, entry->texts[OOM_ROW].data, entry->texts[OOM_ROW].len);
	}
}

/* --- entries ------------------------------------------------------------------------------- */

int ooms__add(struct ooms *ooms, const struct oom *oom)
{
	struct oom_entry new = {.id = ooms->last_id + 1, .uid = oom->victim_uid};
	struct oom_entry *place = &ooms->entries[new.id % OOMS_MAX];

	write_json(oom, new.id, &new.texts[OOM_JSON]);
	add_row(&new.texts[OOM_ROW], oom, new.id);
	write_text(oom, &new.texts[OOM_WHOLE]);
	for (size_t i = 0; i < OOM_TEXTS; i++) {
		if (buf__error(&new.texts[i])) {
			drop(&new);
			return -ENOMEM;
		}
	}
	drop(place);
	*place = new;
	ooms->last_id = new.id;
	return 0;
}

void ooms__restore(struct ooms *ooms, const struct kill_entry *kept)
{
	struct oom_entry *place = &ooms->entries[kept->id % OOMS_MAX];

	if (kept->id <= ooms->last_id)
		return;
	drop(place);
	for (size_t i = 0; i < OOM_TEXTS; i++)
		buf__add(&place->texts[i], kept->texts[i].data ?: "", kept->texts[i].len);
	place->id = kept->id;
	place->uid = kept->uid;
	ooms->last_id = kept->id;
}

const struct oom_entry *ooms__find(const struct ooms *ooms, uint64_t id)
{
	const struct oom_entry *entry = &ooms->entries[id % OOMS_MAX];

	return id && entry->id == id ? entry : NULL;
}

void oom_entry__encode(const struct oom_entry *entry, bool json, struct buf *ret)
{
	if (json) {
		buf__puts(ret, "{\"schema\":1,\"ooms\":[");
		buf__add(ret, entry->texts[OOM_JSON].data, entry->texts[OOM_JSON].len);
		buf__puts(ret, "]}\n");
		return;
	}
	add_header(ret);
	buf__add(ret, entry->texts[OOM_ROW].data, entry->texts[OOM_ROW].len);
	buf__add(ret, entry->texts[OOM_WHOLE].data, entry->texts[OOM_WHOLE].len);
}
