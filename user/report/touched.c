// SPDX-License-Identifier: BSD-2-Clause
#include "report/touched.h"

#include <inttypes.h>

#include "report/amount.h"
#include "report/callsites.h"
#include "util/cleanup.h"
#include "util/text.h"

#define AMOUNT_WIDTH 10

static const char *const states[] = {
	[TOUCH_REPORT_OFF] = "off",
	[TOUCH_REPORT_ON] = "on",
	[TOUCH_REPORT_UNSUPPORTED] = "unsupported",
};

size_t touched__shown(const struct report *report, const struct encode_options *options)
{
	size_t most = options->all ? report->touch.n_sites : options->top, n = 0;

	while (n < report->touch.n_sites && n < most && report->touch.sites[n].rss >= options->min)
		n++;
	return n;
}

static void add_block(struct buf *out, const struct site_row *row, size_t id, enum unit unit)
{
	buf__printf(out, "#%-3zu RSS ", id);
	amount__add(out, row->rss, AMOUNT_WIDTH, unit);
	buf__puts(out, " ± ");
	amount__add(out, row->rss_error, 0, unit);
	buf__printf(out, "  SAMPLES %" PRIu64, row->samples);
	callsite__add_times(out, row);
	buf__puts(out, "\n");
	callsite__add_stack(out, row);
}

void touched__add_text(const struct report *report, const struct encode_options *options,
		       struct buf *out)
{
	const struct report_touch *touch = &report->touch;
	size_t n = touched__shown(report, options);

	for (size_t i = 0; i < n; i++)
		add_block(out, &touch->sites[i], i + 1, options->unit);
	if (touch->state == TOUCH_REPORT_UNSUPPORTED) {
		buf__puts(out, "Not known: ");
		text__show(out, touch->why_not ?: "page faults are not told");
		buf__puts(out, "\n\n");
		return;
	}
	buf__puts(out, "Unsampled: ");
	amount__add(out, touch->unsampled, AMOUNT_WIDTH, options->unit);
	buf__puts(out, " of ");
	amount__add(out, touch->resident, 0, options->unit);
	buf__puts(out, " of anonymous and shared memory: what touched it first is not known\n\n");
}

static void put_site(struct json *json, const struct site_row *row, size_t id)
{
	json__object(json);
	json__put_u64(json, "id", id);
	amount__put(json, "rss", row->rss);
	amount__put(json, "rss_error", row->rss_error);
	json__put_u64(json, "samples", row->samples);
	callsite__put_stack(json, row);
	json__end_object(json);
}

void touched__add_json(const struct report *report, const struct encode_options *options,
		       struct json *json)
{
	const struct report_touch *touch = &report->touch;
	size_t n = touched__shown(report, options);

	json__key(json, "touch");
	json__object(json);
	json__put_string(json, "state", states[touch->state]);
	json__put_time(json, "since", touch->since);
	amount__put(json, "resident", touch->resident);
	amount__put(json, "sampled", touch->sampled);
	amount__put(json, "unsampled", touch->unsampled);
	json__put_u64(json, "samples", touch->samples);
	json__key(json, "sites");
	json__array(json);
	for (size_t i = 0; i < n; i++)
		put_site(json, &touch->sites[i], i + 1);
	json__end_array(json);
	json__end_object(json);
}
