// SPDX-License-Identifier: BSD-2-Clause
/* A report as a profile for pprof (docs/http.md), gzipped. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report/encode.h"
#include "report/profile_rows.h"
#include "report/profile_tables.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/gzip.h"
#include "util/hash.h"

static const struct {
	const char *type; /* '-' is not for names: some readers make identifiers of them */
	const char *unit;
} types[] = {
	{"inuse_objects", "count"},
	{"inuse_space", "bytes"},
	{"mapped_space", "bytes"},
	{"touched_space", "bytes"},
};

#define TYPES	     ARRAY_SIZE(types)
#define DEFAULT_TYPE 1

enum label {
	LABEL_REGION,
	LABEL_PID,
	LABEL_COMM,
	LABEL_THREAD,
	LABEL_NAMESPACE,
	LABEL_POD,
	LABEL_CONTAINER,
	LABELS
};

static const char *const label_names[LABELS] = {
	[LABEL_REGION] = "region",	 [LABEL_PID] = "pid",
	[LABEL_COMM] = "comm",		 [LABEL_THREAD] = "thread",
	[LABEL_NAMESPACE] = "namespace", [LABEL_POD] = "pod",
	[LABEL_CONTAINER] = "container"};

/* What stands for a stack where none is known; folded.c says the same. */
static const char *const stackless[] = {
	[COVERAGE_ATTRIBUTED] = "[no stack]",
	[COVERAGE_PREDATES] = "[predates tracing]",
	[COVERAGE_KERNEL] = "[exec and kernel]",
	[COVERAGE_UNKNOWN] = "[unknown]",
};

/* Locations of a call site: its samples share them. */
struct stack {
	UT_hash_handle hh; /* by site */
	const struct callsite *site;
	uint64_t *ids;
	size_t n;
};

struct label_cache {
	int64_t key;
	const char *text; /* the last one */
	int64_t str;
};

struct encoder {
	const struct report *report;
	const struct encode_options *options;
	struct arena *arena;
	struct profile_tables tables;
	struct stack *stacks;
	struct label_cache labels[LABELS];
	pid_t pid; /* of pid_text */
	const char *pid_text;
	Pprof__Profile profile;
};

static void *alloc(struct encoder *encoder, size_t size)
{
	void *piece = arena__alloc(encoder->arena, size);

	if (!piece)
		encoder->tables.failed = true;
	return piece;
}

/* --- stacks -------------------------------------------------------------------------------- */

/* How many frames from here on are one place: functions inlined, and what they were inlined into.
 */
static size_t place_len(const struct callsite *site, size_t first)
{
	size_t i = first;

	while (i + 1 < site->n && site->frames[i]->inlined)
		i++;
	return i - first + 1;
}

static void fill_stack(struct encoder *encoder, struct stack *stack)
{
	const struct callsite *site = stack->site;
	struct profile_tables *tables = &encoder->tables;
	size_t i = 0, n;

	stack->ids = alloc(encoder, (site->n + 1) * sizeof(*stack->ids));
	if (!stack->ids)
		return;
	for (; i < site->n; i += n) {
		n = place_len(site, i);
		stack->ids[stack->n++] = profile_tables__location(tables, &site->frames[i], n);
	}
	if (callsite__is_other(site))
		stack->ids[stack->n++] = profile_tables__label(tables, "[other call sites]");
	else if (site->truncated)
		stack->ids[stack->n++] = profile_tables__label(tables, "[truncated]");
}

static const struct stack *stack_of(struct encoder *encoder, const struct callsite *site)
{
	struct stack *stack;

	HASH_FIND_PTR(encoder->stacks, &site, stack);
	if (stack)
		return stack;
	stack = alloc(encoder, sizeof(*stack));
	if (!stack)
		return NULL;
	stack->site = site;
	fill_stack(encoder, stack);
	HASH_ADD_PTR(encoder->stacks, site, stack);
	encoder->tables.failed |= !HASH_HAS(stack);
	return stack;
}

static bool is_small(const struct encoder *encoder, const struct callsite *site)
{
	uint64_t id = report__site_id(encoder->report, site);

	return id && encoder->report->sites[id - 1].rss < encoder->options->min;
}

/* --- samples ------------------------------------------------------------------------------- */

/* The same text often comes many times in a row: it is looked up once. */
static int64_t label_string(struct encoder *encoder, enum label which, const char *text)
{
	struct label_cache *cache = &encoder->labels[which];

	if (!cache->key)
		cache->key = profile_tables__string(&encoder->tables, label_names[which]);
	if (!cache->text || strcmp(cache->text, text)) {
		cache->text = text;
		cache->str = profile_tables__string(&encoder->tables, text);
	}
	return cache->str;
}

static void add_label(struct encoder *encoder, Pprof__Sample *sample, Pprof__Label *label,
		      enum label which, const char *value)
{
	if (!value || !*value)
		return;
	pprof__label__init(label);
	label->str = label_string(encoder, which, value);
	label->key = encoder->labels[which].key;
	sample->label[sample->n_label++] = label;
}

static const char *pid_text(struct encoder *encoder, pid_t pid)
{
	if (encoder->pid != pid || !encoder->pid_text)
		encoder->pid_text = arena__printf(encoder->arena, "%d", pid);
	encoder->tables.failed |= !encoder->pid_text;
	encoder->pid = pid;
	return encoder->pid_text;
}

/* A container without a name that is known is told by its id. */
static void add_labels(struct encoder *encoder, const struct profile_row *row,
		       Pprof__Sample *sample)
{
	static const struct report_container none;
	const struct report_container *container = row->process.container ?: &none;
	const char *const values[LABELS] = {
		[LABEL_REGION] = row->region,
		[LABEL_PID] = pid_text(encoder, row->process.pid),
		[LABEL_COMM] = row->process.comm,
		[LABEL_THREAD] = row->thread,
		[LABEL_NAMESPACE] = container->namespace,
		[LABEL_POD] = container->pod,
		[LABEL_CONTAINER] = container->name ?: container->id,
	};
	Pprof__Label *labels = alloc(encoder, LABELS * sizeof(*labels));

	sample->label = alloc(encoder, LABELS * sizeof(*sample->label));
	if (!labels || !sample->label)
		return;
	for (int i = 0; i < LABELS; i++)
		add_label(encoder, sample, &labels[i], i, values[i]);
}

/* The site's, or of one frame that says why there is none. */
static void add_stack(struct encoder *encoder, const struct callsite *site, const char *instead,
		      Pprof__Sample *sample)
{
	const struct stack *stack;

	if (instead) {
		sample->location_id = alloc(encoder, sizeof(*sample->location_id));
		if (sample->location_id)
			sample->location_id[sample->n_location_id++] =
				profile_tables__label(&encoder->tables, instead);
		return;
	}
	stack = stack_of(encoder, site);
	if (stack) {
		sample->location_id = stack->ids;
		sample->n_location_id = stack->n;
	}
}

static const char *why_no_stack(const struct encoder *encoder, const struct profile_row *row)
{
	bool small = row->is_touch ? row->touched < encoder->options->min
				   : row->site && is_small(encoder, row->site);

	if (!row->site)
		return row->is_touch ? "[unsampled]" : stackless[row->coverage];
	return small ? "[smaller call sites]" : NULL;
}

static Pprof__Sample *make_sample(struct encoder *encoder, const struct profile_row *row)
{
	Pprof__Sample *sample = alloc(encoder, sizeof(*sample));

	if (!sample)
		return NULL;
	pprof__sample__init(sample);
	add_stack(encoder, row->site, why_no_stack(encoder, row), sample);
	add_labels(encoder, row, sample);
	sample->value = alloc(encoder, TYPES * sizeof(*sample->value));
	if (!sample->value)
		return NULL;
	sample->value[0] = row->regions;
	sample->value[1] = row->rss;
	sample->value[2] = row->mapped;
	sample->value[3] = row->touched;
	sample->n_value = TYPES;
	return sample;
}

static int add_samples(struct encoder *encoder, const struct profile_row *rows, size_t n)
{
	Pprof__Profile *profile = &encoder->profile;

	profile->sample = alloc(encoder, (n + 1) * sizeof(*profile->sample));
	for (size_t i = 0; profile->sample && !encoder->tables.failed && i < n; i++) {
		if (!rows[i].is_touch || encoder->report->touch.state == TOUCH_REPORT_ON)
			profile->sample[profile->n_sample++] = make_sample(encoder, &rows[i]);
	}
	return encoder->tables.failed ? -ENOMEM : 0;
}

static struct profile_process process_of(const struct report *report)
{
	return (struct profile_process){report->pid, report->comm, report->container};
}

static int add_touched(struct profile_rows *rows, const struct report *report)
{
	const struct profile_process process = process_of(report);
	const struct report_touch *touch = &report->touch;
	int err = 0;

	for (size_t i = 0; !err && i < touch->n_sites; i++)
		err = profile_rows__add_touched(rows, &process, touch->sites[i].site,
						touch->sites[i].rss);
	if (!err && touch->unsampled)
		err = profile_rows__add_touched(rows, &process, NULL, touch->unsampled);
	return err;
}

static int add_rows(struct encoder *encoder)
{
	const struct report *report = encoder->report;
	const struct profile_process process = process_of(report);
	struct profile_row *rows = NULL;
	struct profile_rows *profile_rows;
	size_t n = 0;
	int err;

	if (report__is_of_many(report))
		return add_samples(encoder, report->profile_rows, report->n_profile_rows);
	profile_rows = profile_rows__new(encoder->arena);
	err = profile_rows ? profile_rows__add(profile_rows, &process, report->regions,
					       report->n_regions)
			   : -ENOMEM;
	err = err ?: add_touched(profile_rows, report);
	if (!err)
		err = profile_rows__rows(profile_rows, &rows, &n);
	profile_rows__free(profile_rows);
	return err ?: add_samples(encoder, rows, n);
}

/* --- the profile --------------------------------------------------------------------------- */

static Pprof__ValueType *value_type(struct encoder *encoder, const char *type, const char *unit)
{
	Pprof__ValueType *row = alloc(encoder, sizeof(*row));

	if (!row)
		return NULL;
	pprof__value_type__init(row);
	row->type = profile_tables__string(&encoder->tables, type);
	row->unit = profile_tables__string(&encoder->tables, unit);
	return row;
}

static void add_comment(struct encoder *encoder)
{
	const struct report *report = encoder->report;
	Pprof__Profile *profile = &encoder->profile;
	char text[256];

	snprintf(text, sizeof(text), "memprov %s, tracing: %s, lost events: %ju, %s",
		 MEMPROV_VERSION, tracing_state__name(report->tracing.state),
		 (uintmax_t)report->tracing.lost_events, report->racing ? "racing" : "exact");
	profile->comment = alloc(encoder, sizeof(*profile->comment));
	if (profile->comment)
		profile->comment[profile->n_comment++] =
			profile_tables__string(&encoder->tables, text);
}

static int add_head(struct encoder *encoder)
{
	Pprof__Profile *profile = &encoder->profile;

	profile->sample_type = alloc(encoder, TYPES * sizeof(*profile->sample_type));
	if (!profile->sample_type)
		return -ENOMEM;
	for (size_t i = 0; i < TYPES; i++)
		profile->sample_type[profile->n_sample_type++] =
			value_type(encoder, types[i].type, types[i].unit);
	profile->default_sample_type =
		profile_tables__string(&encoder->tables, types[DEFAULT_TYPE].type);
	profile->period_type = value_type(encoder, "space", "bytes");
	profile->period = 1;
	profile->time_nanos = encoder->report->taken_at ?: 1; /* 0 would be "not set" */
	add_comment(encoder);
	return encoder->tables.failed ? -ENOMEM : 0;
}

/* Readers name a profile after its first mapping, so that is the program. */
static void add_program(struct encoder *encoder)
{
	const struct report *report = encoder->report;

	if (report__is_of_many(report))
		profile_tables__mapping(&encoder->tables, "[node]", NULL);
	if (!report->exe)
		return;
	for (size_t i = 0; i < report->n_sites; i++) {
		const struct callsite *site = report->sites[i].site;

		for (size_t j = 0; j < site->n; j++) {
			const struct frame *frame = site->frames[j];

			if (!frame->module || strcmp(frame->module, report->exe))
				continue;
			profile_tables__mapping(&encoder->tables, frame->module, frame->build_id);
			return;
		}
	}
	profile_tables__mapping(&encoder->tables, report->exe, NULL);
}

static int build(struct encoder *encoder)
{
	int err;

	pprof__profile__init(&encoder->profile);
	profile_tables__init(&encoder->tables, encoder->arena);
	err = add_head(encoder);
	if (err)
		return err;
	add_program(encoder);
	err = add_rows(encoder);
	if (err)
		return err;
	profile_tables__finish(&encoder->tables, &encoder->profile);
	return encoder->tables.failed ? -ENOMEM : 0;
}

static int pack(const Pprof__Profile *profile, struct buf *ret)
{
	_cleanup_free_ uint8_t *bytes = malloc(pprof__profile__get_packed_size(profile));

	if (!bytes)
		return -ENOMEM;
	gzip__add(bytes, pprof__profile__pack(profile, bytes), ret);
	return 0;
}

void encode__pprof(const struct report *report, const struct encode_options *options,
		   struct buf *ret)
{
	struct encoder encoder = {.report = report, .options = options, .arena = arena__new()};
	int err = encoder.arena ? build(&encoder) : -ENOMEM;

	if (!err)
		err = pack(&encoder.profile, ret);
	if (err)
		ret->failed = true;
	HASH_CLEAR(hh, encoder.stacks);
	profile_tables__free(&encoder.tables);
	arena__free(encoder.arena);
}
