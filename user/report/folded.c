// SPDX-License-Identifier: BSD-2-Clause
#include <ctype.h>
#include <inttypes.h>

#include "report/encode.h"
#include "util/text.h"

/* Semicolons separate frames, and a line is a stack. No frame is empty. */
static void add_text(struct buf *out, const char *text)
{
	size_t begin = out->len;

	text__show(out, *text ? text : "?");
	for (size_t i = begin; i < out->len; i++) {
		if (out->data[i] == ';')
			out->data[i] = ':';
	}
}

static void add_frame(struct buf *out, const struct frame *frame)
{
	buf__puts(out, ";");
	if (frame->function) {
		add_text(out, frame->function);
		return;
	}
	if (frame->module) {
		add_text(out, frame->module);
		buf__puts(out, "+");
	}
	buf__printf(out, "0x%" PRIx64, frame->offset);
}

/* flamegraph.pl takes a stack that ends in a space and a number for one with two amounts. */
static void add_amount(struct buf *out, uint64_t rss)
{
	size_t i = out->len;

	while (i > 0 && (isdigit((unsigned char)out->data[i - 1]) || out->data[i - 1] == '.'))
		i--;
	if (i > 0 && i < out->len && out->data[i - 1] == ' ')
		out->data[i - 1] = '_';
	buf__printf(out, " %" PRIu64 "\n", rss);
}

static void add_root(struct buf *out, const struct report *report)
{
	add_text(out, report->comm ? report->comm : "node");
}

static void add_site(struct buf *out, const struct report *report, const struct site_row *row)
{
	const struct callsite *site = row->site;

	add_root(out, report);
	if (callsite__is_other(site))
		buf__puts(out, ";[other call sites]");
	else if (site->truncated)
		buf__puts(out, ";[truncated]");
	for (size_t i = site->n; i > 0; i--)
		add_frame(out, site->frames[i - 1]);
	add_amount(out, row->rss);
}

static void add_rest(struct buf *out, const struct report *report, const char *what, uint64_t rss)
{
	if (!rss)
		return;
	add_root(out, report);
	buf__printf(out, ";[%s] %" PRIu64 "\n", what, rss);
}

/* The bytes of all of them. */
static uint64_t add_sites(struct buf *out, const struct report *report, const struct site_row *rows,
			  size_t n, uint64_t min)
{
	uint64_t sum = 0, smaller = 0;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].rss && rows[i].rss >= min)
			add_site(out, report, &rows[i]);
		else
			smaller += rows[i].rss;
		sum += rows[i].rss;
	}
	add_rest(out, report, "smaller call sites", smaller);
	return sum;
}

static void add_mapped(struct buf *ret, const struct report *report, uint64_t min)
{
	uint64_t with_site = add_sites(ret, report, report->sites, report->n_sites, min);

	/* Sites are of witnessed creations only. */
	add_rest(ret, report, "no stack", report->by_coverage[COVERAGE_ATTRIBUTED] - with_site);
	add_rest(ret, report, "predates tracing", report->by_coverage[COVERAGE_PREDATES]);
	add_rest(ret, report, "exec and kernel", report->by_coverage[COVERAGE_KERNEL]);
	add_rest(ret, report, "unknown", report->by_coverage[COVERAGE_UNKNOWN]);
}

void encode__folded(const struct report *report, const struct encode_options *options,
		    struct buf *ret)
{
	const struct report_touch *touch = &report->touch;

	if (options->by_touch) {
		add_sites(ret, report, touch->sites, touch->n_sites, options->min);
		add_rest(ret, report, "unsampled", touch->unsampled);
	} else {
		add_mapped(ret, report, options->min);
	}
	if (!ret->data)
		buf__puts(ret, "");
}
