// SPDX-License-Identifier: BSD-2-Clause
#include "growth/alert_encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/container.h"
#include "util/clock.h"
#include "util/text.h"

#define MB 1048576.0

static void put_real(struct json *json, const char *key, bool known, double value)
{
	json__key(json, key);
	if (!known) {
		json__null(json);
		return;
	}
	if (json->comma)
		buf__puts(json->out, ",");
	buf__printf(json->out, "%.3f", value);
	json->comma = true;
}

static void put_known(struct json *json, const char *key, uint64_t value)
{
	if (value == ALERT_UNKNOWN)
		json__put_null(json, key);
	else
		json__put_u64(json, key, value);
}

static void put_array(struct json *json, const char *key, const struct buf *elements)
{
	json__key(json, key);
	json__array(json);
	buf__add(json->out, elements->data ?: "", elements->len);
	json__end_array(json);
}

void alert__put(struct json *json, const struct alert *a)
{
	bool bytes = a->kind == ALERT_GROWTH;

	json__object(json);
	json__put_u64(json, "id", a->id);
	json__put_string(json, "kind", alert_kind__name(a->kind));
	json__put_string(json, "state", alert_state__name(a->state));
	if (a->pid)
		json__put_u64(json, "pid", a->pid);
	else
		json__put_null(json, "pid");
	json__put_time(json, "start_time", a->started);
	json__put_string(json, "comm", a->pid ? a->comm : NULL);
	report_container__put(json, a->container);
	json__put_time(json, "since", a->since);
	json__put_time(json, "resolved_at", a->ended);
	put_real(json, "slope_bytes_per_s", bytes && a->has_slope, a->slope.estimate);
	put_real(json, "slope_mappings_per_s", !bytes && a->has_slope, a->slope.estimate);
	put_real(json, "slope_low", a->has_slope, a->slope.low);
	put_real(json, "slope_high", a->has_slope, a->slope.high);
	json__put_u64(json, "rss", a->rss);
	put_known(json, "mappings", a->pid ? a->mappings : ALERT_UNKNOWN);
	put_known(json, "limit", a->limit);
	json__put_time(json, "limit_at", a->limit_at);
	put_array(json, "callsites", &a->culprits.callsites);
	put_array(json, "names", &a->culprits.names);
	json__end_object(json);
}

/* --- text ------------------------------------------------------------------------------------- */

#define ROW "%4s  %-8s  %-9s  %8s  %-16s  %-27s  %16s  %10s  %10s  %s\n"

void alert__add_slope(struct buf *out, const struct alert *a)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = {{1, "s"}, {60, "min"}, {3600, "h"}, {86400, "d"}};
	double slope = a->kind == ALERT_GROWTH ? a->slope.estimate / MB : a->slope.estimate;
	size_t i = 0;

	if (!a->has_slope || slope <= 0) {
		buf__puts(out, "-");
		return;
	}
	while (i < 3 && slope * units[i].seconds < 10)
		i++;
	buf__printf(out, "%.1f %s/%s", slope * units[i].seconds,
		    a->kind == ALERT_GROWTH ? "MB" : "maps", units[i].name);
}

static void show_amount(const struct alert *a, uint64_t value, char ret[32])
{
	if (value == ALERT_UNKNOWN)
		strcpy(ret, "-");
	else if (a->kind == ALERT_GROWTH)
		snprintf(ret, 32, "%.0f MB", value / MB);
	else
		snprintf(ret, 32, "%" PRIu64, value);
}

void alerts__add_header(struct buf *out)
{
	buf__puts(out, "=== Growing ===\n");
	buf__printf(out, ROW, "ID", "STATE", "KIND", "PID", "COMM", "SINCE", "SLOPE", "NOW",
		    "LIMIT", "LIMIT AT");
}

void alert__add_text(struct buf *out, const struct alert *a)
{
	char id[24], pid[16] = "-", since[CLOCK_TEXT_LEN], at[CLOCK_TEXT_LEN] = "-";
	char now[32], limit[32];
	_cleanup_buf_ struct buf slope = {}, comm = {};

	snprintf(id, sizeof(id), "%" PRIu64, a->id);
	if (a->pid)
		snprintf(pid, sizeof(pid), "%d", a->pid);
	text__show(&comm, a->pid ? a->comm : "-");
	clock__format(a->since, since);
	if (a->limit_at)
		clock__format(a->limit_at, at);
	alert__add_slope(&slope, a);
	show_amount(a, a->kind == ALERT_GROWTH ? a->rss : a->mappings, now);
	show_amount(a, a->limit, limit);
	buf__printf(out, ROW, id, alert_state__name(a->state), alert_kind__name(a->kind), pid,
		    comm.data ?: "", since, slope.data ?: "", now, limit, at);
	report_container__add_text(out, a->container);
	buf__add(out, a->culprits.text.data ?: "", a->culprits.text.len);
	buf__puts(out, "\n");
}
