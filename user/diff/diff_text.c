// SPDX-License-Identifier: BSD-2-Clause
#include "diff/diff_encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/amount.h"
#include "report/kinds.h"
#include "report/show_frame.h"
#include "util/cleanup.h"
#include "util/text.h"

#define AMOUNT_WIDTH 10
#define LABEL_WIDTH  20
#define CHANGE_WIDTH 8

struct text {
	const struct difference *difference;
	const struct diff_options *options;
	struct buf *out;
};

/* GROWTH, A and B; a dash where a report does not have the row. */
static void add_amounts(const struct text *text, const struct diff_row *row)
{
	enum unit unit = text->options->unit;

	amount__add_change(text->out, diff_row__growth(row), AMOUNT_WIDTH, unit);
	amount__add(text->out, row->in_a ? row->a : UNKNOWN_BYTES, AMOUNT_WIDTH, unit);
	amount__add(text->out, row->in_b ? row->b : UNKNOWN_BYTES, AMOUNT_WIDTH, unit);
}

/* --- heading ---------------------------------------------------------------------------------- */

static void add_report(const struct text *text, char letter, const struct saved *saved,
		       const char *file)
{
	buf__printf(text->out, "%c: ", letter);
	text__show(text->out, file);
	buf__puts(text->out, ": ");
	if (saved->comm) {
		text__show(text->out, saved->comm);
		buf__printf(text->out, " (process %d)", saved->pid);
	} else {
		buf__puts(text->out, "the whole machine");
	}
	if (saved->moment)
		buf__printf(text->out, " %s", saved->moment);
	if (saved->taken_at) {
		buf__puts(text->out, ", taken at ");
		text__show(text->out, saved->taken_at);
	}
	buf__puts(text->out, "\n");
}

static void add_total(const struct text *text, const char *label, uint64_t a, uint64_t b)
{
	enum unit unit = text->options->unit;

	buf__printf(text->out, "%-*s", LABEL_WIDTH, label);
	if (a == UNKNOWN_BYTES || b == UNKNOWN_BYTES)
		buf__printf(text->out, "%*s", AMOUNT_WIDTH + 3, "-");
	else
		amount__add_change(text->out, (int64_t)(b - a), AMOUNT_WIDTH, unit);
	amount__add(text->out, a, AMOUNT_WIDTH, unit);
	amount__add(text->out, b, AMOUNT_WIDTH, unit);
	buf__puts(text->out, "\n");
}

static void add_totals(const struct text *text)
{
	const struct saved *a = text->difference->a, *b = text->difference->b;
	char label[LABEL_WIDTH + 1];

	buf__puts(text->out, "=== Growth from A to B ===\n\n");
	add_report(text, 'A', a, text->options->files[0]);
	add_report(text, 'B', b, text->options->files[1]);
	buf__printf(text->out, "\n%-*s%*s%*s%*s\n", LABEL_WIDTH, "", AMOUNT_WIDTH + 3, "GROWTH",
		    AMOUNT_WIDTH + 3, "A", AMOUNT_WIDTH + 3, "B");
	add_total(text, "RSS (Resident):", a->totals.rss, b->totals.rss);
	add_total(text, "PSS (Proportional):", a->totals.pss, b->totals.pss);
	add_total(text, "Swap:", a->totals.swap, b->totals.swap);
	add_total(text, "Virtual Memory:", a->totals.size, b->totals.size);
	for (size_t i = 0; i < PAGE_KINDS; i++) {
		snprintf(label, sizeof(label), "%s:", kind_words[i].label);
		if (kinds__has(&a->totals.kinds, i) || kinds__has(&b->totals.kinds, i))
			add_total(text, label, a->totals.kinds.bytes[i], b->totals.kinds.bytes[i]);
	}
	buf__puts(text->out, "\n");
}

/* --- rows ------------------------------------------------------------------------------------- */

static void add_site_name(const struct text *text, const struct diff_row *row)
{
	const struct saved_site *site = row->site;
	const char *function = site->owner;

	if (!function && site->n_frames)
		function = site->frames[0].function;
	text__show(text->out, function ?: "(no function known)");
	if (site->owner_module) {
		buf__puts(text->out, " in ");
		text__show(text->out, site->owner_module);
	}
	if (row->by_functions)
		buf__printf(text->out, " (matched by functions: %u in A, %u in B)", row->n_a,
			    row->n_b);
	buf__puts(text->out, "\n");
	for (size_t i = 0; i < site->n_frames; i++)
		frame__add_text(text->out, &site->frames[i]);
}

/* What a row is called when one of the reports may have it, but does not list it. */
static const char *change_label(enum change change)
{
	switch (change) {
	case CHANGE_UNLISTED_A:
		return "new?";
	case CHANGE_UNLISTED_B:
		return "gone?";
	default:
		return change__name(change);
	}
}

static void add_row(const struct text *text, const struct diff_row *row)
{
	add_amounts(text, row);
	buf__printf(text->out, "  %-*s ", CHANGE_WIDTH, change_label(row->change));
	if (row->site) {
		add_site_name(text, row);
		return;
	}
	text__show(text->out, row->name);
	buf__puts(text->out, "\n");
}

static void add_plain_row(const struct text *text, const char *label, uint64_t a, uint64_t b)
{
	struct diff_row row = {.in_a = true, .in_b = true, .a = a, .b = b};

	add_amounts(text, &row);
	buf__printf(text->out, "  %-*s %s\n", CHANGE_WIDTH, "", label);
}

/* rest: what the rows do not have; none of the categories. */
static void add_list(const struct text *text, const char *title, const struct diff_list *list,
		     const char *rest)
{
	_cleanup_free_ const struct diff_row **rows = calloc(list->n + 1, sizeof(*rows));
	struct diff_row others;
	char label[64];
	size_t n;

	if (!rows) {
		text->out->failed = true;
		return;
	}
	n = diff_list__select(list, text->options->top, text->options->all, rows, &others);
	buf__printf(text->out, "=== %s ===\n\n%*s%*s%*s  %-*s %s\n", title, AMOUNT_WIDTH + 3,
		    "GROWTH", AMOUNT_WIDTH + 3, "A", AMOUNT_WIDTH + 3, "B", CHANGE_WIDTH, "CHANGE",
		    "RESIDENT");
	for (size_t i = 0; i < n; i++)
		add_row(text, rows[i]);
	if (others.n_b) {
		snprintf(label, sizeof(label), "(%u others)", others.n_b);
		add_plain_row(text, label, others.a, others.b);
	}
	if (list->rest_a || list->rest_b) {
		snprintf(label, sizeof(label), "(%s%s)", rest,
			 list->complete_a && list->complete_b ? "" : ", or not listed");
		add_plain_row(text, label, list->rest_a, list->rest_b);
	}
	add_plain_row(text,
		      list == &text->difference->touched ? "(total: anonymous and shared)"
							 : "(total: RSS)",
		      list->total_a, list->total_b);
	if (!list->complete_a || !list->complete_b)
		buf__printf(text->out,
			    "%s may not list all: what is 'new?' or 'gone?' counts as 0 there; "
			    "save reports with --all\n",
			    list->complete_b   ? "A"
			    : list->complete_a ? "B"
					       : "A and B");
	buf__puts(text->out, "\n");
}

void diff_encode__text(const struct difference *d, const struct diff_options *options,
		       struct buf *ret)
{
	const struct text text = {.difference = d, .options = options, .out = ret};

	add_totals(&text);
	add_list(&text, "By Call Site", &d->sites, "no call site");
	if (d->touched.total_a || d->touched.total_b)
		add_list(&text, "By First Touch", &d->touched, "unsampled");
	add_list(&text, "By Name", &d->names, "not named");
	add_list(&text, "By Category", &d->categories, "");
	if (d->processes.n)
		add_list(&text, "By Process Name", &d->processes, "no process");
}
