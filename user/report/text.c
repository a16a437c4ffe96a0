// SPDX-License-Identifier: BSD-2-Clause
/*
 * The text report. Its first part has the layout, to the byte, of the memory analyzer that it
 * replaces (docs/http.md), because scripts cut it by words and columns: hence widths that
 * differ from section to section.
 */
#include "report/encode.h"

#include <inttypes.h>
#include <stdio.h>

#include "report/amount.h"
#include "report/callsites.h"
#include "report/cgroup.h"
#include "report/container.h"
#include "report/kinds.h"
#include "report/processes.h"
#include "report/touched.h"
#include "util/cleanup.h"
#include "util/text.h"

#define AMOUNT_WIDTH  10
#define LABEL_WIDTH   16 /* of "  Heap:", "Virtual Memory:", … */
#define PSS_WIDTH     20 /* its label is longer than LABEL_WIDTH */
#define NAME_WIDTH    40
#define SHARE_WIDTH   8	 /* PRIVATE, SHARED */
#define ADDRESS_WIDTH 19 /* and a space */

struct text {
	const struct report *report;
	const struct encode_options *options;
	struct buf *out;
};

static const char *const runtime_headings[] = {
	[RUNTIME_NATIVE] = "Native Runtime:", [RUNTIME_GO] = "Go Runtime:",
	[RUNTIME_JAVA] = "Java Runtime:",     [RUNTIME_NODE] = "Node.js Runtime:",
	[RUNTIME_PYTHON] = "Python Runtime:",
};

static const struct {
	const char *label;
	const char *meaning;
} coverages[] = {
	[COVERAGE_ATTRIBUTED] = {"Attributed:", "its creation was seen"},
	[COVERAGE_PREDATES] = {"Predates:", "mapped before tracing began"},
	[COVERAGE_KERNEL] = {"Kernel:", "mapped by exec and the kernel itself (program, main "
					"stack, vdso)"},
	[COVERAGE_UNKNOWN] = {"Unknown:", "came while tracing, but no event told of it"},
};

/* How many of n rows are shown. */
static size_t shown(const struct text *text, size_t n)
{
	return text->options->all || n < text->options->top ? n : text->options->top;
}

static void add_amount(const struct text *text, uint64_t bytes, int width)
{
	amount__add(text->out, bytes, width, text->options->unit);
}

static void add_total(const struct text *text, const char *label, int width, uint64_t bytes)
{
	buf__printf(text->out, "%-*s", width, label);
	add_amount(text, bytes, AMOUNT_WIDTH);
	buf__puts(text->out, "\n");
}

static void add_row(const struct text *text, const char *name, uint64_t bytes)
{
	buf__puts(text->out, "  ");
	text__show_padded(text->out, name, NAME_WIDTH);
	buf__puts(text->out, " ");
	add_amount(text, bytes, AMOUNT_WIDTH);
	buf__puts(text->out, "\n");
}

/* The last line of a section, and the blank one behind it. */
static void add_subtotal(const struct text *text, uint64_t bytes)
{
	add_total(text, "  Subtotal:", LABEL_WIDTH, bytes);
	buf__puts(text->out, "\n");
}

static void add_runtime(const struct text *text)
{
	const struct report *report = text->report;
	const uint64_t *bytes = report->by_category;

	buf__printf(text->out, "%s\n",
		    report__is_of_many(report) ? "Language Runtimes:"
					       : runtime_headings[report->runtime]);
	add_total(text, "  Heap:", LABEL_WIDTH, bytes[CATEGORY_RUNTIME_HEAP]);
	add_total(text, "  Stack:", LABEL_WIDTH, bytes[CATEGORY_RUNTIME_STACK]);
	add_total(text, "  Metadata:", LABEL_WIDTH, bytes[CATEGORY_RUNTIME_METADATA]);
	add_subtotal(text, report__runtime_bytes(report));
}

static void add_named(const struct text *text)
{
	const struct report *report = text->report;
	size_t n = shown(text, report->n_named), i;
	uint64_t rest = 0;
	char label[32];

	if (!report->n_named)
		return;
	buf__puts(text->out, "Named Memory Regions (mmap):\n");
	for (i = 0; i < n; i++)
		add_row(text, report->named[i].name, report->named[i].rss);
	for (; i < report->n_named; i++)
		rest += report->named[i].rss;
	if (n < report->n_named) {
		snprintf(label, sizeof(label), "(%zu others)", report->n_named - n);
		add_row(text, label, rest);
	}
	add_subtotal(text, report->by_category[CATEGORY_NAMED]);
}

static void add_files(const struct text *text)
{
	const struct report *report = text->report;
	size_t i;

	if (!report->n_files)
		return;
	buf__puts(text->out, "File-Backed Memory:\n");
	for (i = 0; i < report->n_files; i++)
		add_row(text, report->files[i].name, report->files[i].rss);
	add_subtotal(text, report__file_bytes(report));
}

static void add_anonymous(const struct text *text)
{
	const uint64_t *bytes = text->report->by_category;

	buf__puts(text->out, "Anonymous Memory:\n");
	add_total(text, "  Read-Write:", LABEL_WIDTH, bytes[CATEGORY_ANON_RW]);
	add_total(text, "  Read-Only:", LABEL_WIDTH, bytes[CATEGORY_ANON_RO]);
	add_total(text, "  Executable:", LABEL_WIDTH, bytes[CATEGORY_ANON_X]);
	add_subtotal(text, report__anonymous_bytes(text->report));
}

static void add_other(const struct text *text)
{
	uint64_t bytes = text->report->by_category[CATEGORY_OTHER];

	if (!bytes)
		return;
	add_total(text, "Other:", LABEL_WIDTH, bytes);
	buf__puts(text->out, "\n");
}

static void add_totals(const struct text *text)
{
	const struct report *report = text->report;

	buf__puts(text->out, "=== Totals ===\n");
	add_total(text, "Virtual Memory:", LABEL_WIDTH, report->totals.size);
	add_total(text, "RSS (Resident):", LABEL_WIDTH, report->totals.rss);
	add_total(text, "PSS (Proportional):", PSS_WIDTH, report->totals.pss);
	kinds__add_totals(text->out, &report->totals.kinds, text->options->unit);
	buf__puts(text->out, "\n");
}

static void add_list_heading(const struct text *text, const char *what)
{
	if (text->options->all)
		buf__printf(text->out, "=== All %s ===\n\n", what);
	else
		buf__printf(text->out, "=== Top %zu %s ===\n\n", text->options->top, what);
}

static void add_region(const struct text *text, const struct part *part)
{
	size_t before = text->out->len;

	buf__printf(text->out, "%08" PRIx64 "... ", part->start);
	while (!text->out->failed && text->out->len - before < ADDRESS_WIDTH)
		buf__puts(text->out, " ");
	buf__puts(text->out, part->perms);
	buf__puts(text->out, " ");
	add_amount(text, part->rss, AMOUNT_WIDTH);
	buf__puts(text->out, " ");
	add_amount(text, part->private_, SHARE_WIDTH);
	buf__puts(text->out, " ");
	add_amount(text, part->shared, SHARE_WIDTH);
	buf__puts(text->out, " ");
	text__show(text->out, part->name ? part->name : "[anonymous]");
	kinds__add_remark(text->out, &part->kinds, text->options->unit);
	buf__puts(text->out, "\n");
}

static bool holds_any(const struct part *part)
{
	return page_kinds__held(&part->kinds, part->rss);
}

static void add_regions(const struct text *text)
{
	const struct report *report = text->report;
	size_t n = shown(text, report->n_regions), i;
	bool node = report__is_of_many(report);

	if (node && !report->n_regions)
		return;
	add_list_heading(text, "Memory Regions");
	buf__printf(text->out, "%-18s %-6s %-10s %-10s %-10s %s\n", "ADDRESS", "PERMS", "RSS",
		    "PRIVATE", "SHARED", "NAME");
	for (i = 0; i < 120; i++)
		buf__puts(text->out, "-");
	buf__puts(text->out, "\n");
	for (i = 0; i < n && (text->options->all || holds_any(&report->regions[i])); i++)
		add_region(text, &report->regions[i]);
	buf__puts(text->out, "\n");
}

static void add_callsites(const struct text *text)
{
	/* Without tracing there are none: the last line says why. */
	if (text->report->tracing.state == TRACING_OFF)
		return;
	add_list_heading(text, "Call Sites (resident)");
	callsites__add_text(text->report, text->options, text->out);
	if (!callsites__shown(text->report, text->options))
		buf__puts(text->out, "(none)\n\n");
}

static void add_touched(const struct text *text)
{
	if (text->report->touch.state == TOUCH_REPORT_OFF)
		return;
	add_list_heading(text, "Touched By (resident, sampled)");
	touched__add_text(text->report, text->options, text->out);
}

static void add_processes(const struct text *text)
{
	if (!report__is_of_many(text->report))
		return;
	add_list_heading(text, "Processes");
	processes__add_text(text->report, shown(text, text->report->n_processes),
			    text->options->unit, text->out);
	buf__puts(text->out, "\n");
}

/* In tenths of a percent and rounded down, so that 100.0% means all of it. */
static unsigned permille(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned)((unsigned __int128)part * 1000 / whole) : 0;
}

static void add_tracing(const struct text *text)
{
	const struct report *report = text->report;

	if (report->tracing.state == TRACING_OFF) {
		buf__puts(text->out, "No call sites: ");
		text__show(text->out,
			   report->tracing.why_off ? report->tracing.why_off : "not tracing");
		buf__puts(text->out, "\n");
		return;
	}
	buf__printf(text->out, "Tracing: %s, backend %s, %" PRIu64 " events lost\n",
		    tracing_state__name(report->tracing.state), report->tracing.backend,
		    report->tracing.lost_events);
}

static void add_coverage(const struct text *text)
{
	const struct report *report = text->report;
	unsigned tenths;
	uint64_t bytes;
	size_t i;

	buf__puts(text->out, "=== Coverage ===\n");
	for (i = 0; i < ARRAY_SIZE(coverages); i++) {
		bytes = report->by_coverage[i];
		tenths = permille(bytes, report->totals.rss);
		buf__printf(text->out, "%-*s", LABEL_WIDTH, coverages[i].label);
		add_amount(text, bytes, AMOUNT_WIDTH);
		buf__printf(text->out, " %3u.%u%%  %s\n", tenths / 10, tenths % 10,
			    i == COVERAGE_UNKNOWN && report->tracing.state == TRACING_OFF
				    ? "nothing was traced"
				    : coverages[i].meaning);
	}
	report_container__add_text(text->out, report->container);
	add_tracing(text);
	if (report->racing)
		buf__puts(text->out, "Racing: the process changed its memory map during every "
				     "try, so figures may be of different moments\n");
}

void encode__text(const struct report *report, const struct encode_options *options,
		  struct buf *ret)
{
	const struct text text = {.report = report, .options = options, .out = ret};

	buf__puts(ret, "=== Complete Memory Breakdown ===\n\n");
	add_runtime(&text);
	add_named(&text);
	add_files(&text);
	add_anonymous(&text);
	add_other(&text);
	add_totals(&text);
	add_regions(&text);
	add_processes(&text);
	add_callsites(&text);
	add_touched(&text);
	report_cgroup__add_text(ret, report->cgroup, options->unit);
	add_coverage(&text);
}

void encode__callsites_text(const struct report *report, const struct encode_options *options,
			    struct buf *ret)
{
	const struct text text = {.report = report, .options = options, .out = ret};

	if (options->by_touch)
		add_touched(&text);
	else
		add_callsites(&text);
	add_tracing(&text);
}
