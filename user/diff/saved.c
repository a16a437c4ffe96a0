// SPDX-License-Identifier: BSD-2-Clause
#include "diff/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diff/json_read.h"
#include "report/kinds.h"
#include "report/show_frame.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define SCHEMA 1

static void free_saved(struct saved **saved)
{
	saved__free(*saved);
}

__attribute__((format(printf, 2, 3))) static int fail(char error[SAVED_ERROR_LEN], const char *fmt,
						      ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, SAVED_ERROR_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* --- what kind of report it is ---------------------------------------------------------------- */

/* The report in it, and which moment it is of; NULL with the error. */
static const json_t *find_report(const json_t *tree, const char **ret_moment,
				 char error[SAVED_ERROR_LEN])
{
	const json_t *schema = json_object_get(tree, "schema"), *report = tree;

	if (!json_is_integer(schema) || !json_is_string(json_object_get(tree, "version"))) {
		fail(error, "it is JSON, but not a report of memprov");
		return NULL;
	}
	if (json_integer_value(schema) != SCHEMA) {
		fail(error, "it has schema %lld; this memprov reads schema %d",
		     (long long)json_integer_value(schema), SCHEMA);
		return NULL;
	}
	if (json_is_array(json_object_get(tree, "command"))) {
		*ret_moment = "at its peak";
		report = json_object_get(tree, "peak");
		if (!json_is_object(report)) {
			*ret_moment = "at its end";
			report = json_object_get(tree, "end");
		}
		if (!json_is_object(report)) {
			fail(error, "it is of a run whose memory could not be read");
			return NULL;
		}
	}
	if (!json_is_object(json_object_get(report, "totals")) ||
	    !json_is_object(json_object_get(report, "breakdown"))) {
		fail(error, "it is a list, not a report with totals: save one with "
			    "'memprov show --all --format json'");
		return NULL;
	}
	return report;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Room for n rows behind those that are there. */
static int grow_rows(struct saved *saved, struct saved_rows *rows, size_t n)
{
	struct saved_row *more = arena__alloc(saved->arena, (rows->n + n) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	if (rows->n)
		memcpy(more, rows->rows, rows->n * sizeof(*more));
	rows->rows = more;
	return 0;
}

/* An amount that is null or missing counts as wrong: sums depend on it. */
static int add_row(struct saved_rows *rows, const char *name, uint64_t rss)
{
	if (!name || rss == UINT64_MAX)
		return -EINVAL;
	rows->rows[rows->n++] = (struct saved_row){name, rss};
	return 0;
}

/* Rows for what a report lists one by one; the caller says under which key their name is. */
static int add_rows(struct saved *saved, const json_t *list, const char *key,
		    struct saved_rows *ret)
{
	size_t n = json_array_size(list);
	int err = grow_rows(saved, ret, n);

	for (size_t i = 0; !err && i < n; i++) {
		const json_t *row = json_array_get(list, i);

		err = add_row(ret, json_read__string(row, key), json_read__u64(row, "rss"));
	}
	return err;
}

/* "(12 others)", which encode__json puts behind those that it shows. */
static bool is_others(const char *name)
{
	size_t digits = *name == '(' ? strspn(name + 1, "0123456789") : 0;

	return digits && !strcmp(name + 1 + digits, " others)");
}

static int read_names(struct saved *saved, const json_t *breakdown)
{
	struct saved_rows *names = &saved->names;
	int err = add_rows(saved, json_object_get(breakdown, "named"), "name", names);

	names->complete = true;
	if (!err && names->n && is_others(names->rows[names->n - 1].name)) {
		names->complete = false;
		names->n--;
	}
	return err;
}

/* Files that are large have a row of their own, which comes and goes with their size. */
const char *saved__file_category(const char *name)
{
	static const char *const kinds[] = {"Other Files", "Shared Memory"};

	for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++) {
		if (!strncmp(name, kinds[i], strlen(kinds[i])))
			return kinds[i];
	}
	return name;
}

static int read_categories(struct saved *saved, const json_t *breakdown)
{
	static const struct {
		const char *object, *key, *name;
	} fixed[] = {
		{"runtime", "heap", "Runtime Heap"},
		{"runtime", "stack", "Runtime Stack"},
		{"runtime", "metadata", "Runtime Metadata"},
		{"anonymous", "read_write", "Anonymous Read-Write"},
		{"anonymous", "read_only", "Anonymous Read-Only"},
		{"anonymous", "executable", "Anonymous Executable"},
		{NULL, "other", "Other"},
	};
	const json_t *files = json_object_get(breakdown, "file_backed");
	const json_t *named = json_object_get(breakdown, "named");
	struct saved_rows *rows = &saved->categories;
	uint64_t sum = 0;
	int err = grow_rows(saved, rows, ARRAY_SIZE(fixed) + 1 + json_array_size(files));

	rows->complete = true;
	for (size_t i = 0; !err && i < ARRAY_SIZE(fixed); i++) {
		const json_t *object =
			fixed[i].object ? json_object_get(breakdown, fixed[i].object) : breakdown;

		err = add_row(rows, fixed[i].name, json_read__u64(object, fixed[i].key));
	}
	for (size_t i = 0; !err && i < json_array_size(named); i++) {
		uint64_t rss = json_read__u64(json_array_get(named, i), "rss");

		if (rss == UINT64_MAX || __builtin_add_overflow(sum, rss, &sum))
			err = -EINVAL;
	}
	if (!err)
		err = add_row(rows, "Named Regions", sum);
	for (size_t i = 0; !err && i < json_array_size(files); i++) {
		const json_t *row = json_array_get(files, i);

		err = add_row(rows, saved__file_category(json_read__string(row, "name")),
			      json_read__u64(row, "rss"));
	}
	return err;
}

/* --- call sites ------------------------------------------------------------------------------- */

static int read_site(struct saved *saved, const json_t *site, struct saved_site *ret)
{
	const json_t *stack = json_object_get(site, "stack");
	const json_t *owner = json_object_get(site, "owner");

	ret->rss = json_read__u64(site, "rss");
	ret->owner = json_read__string(owner, "function");
	ret->owner_module = json_read__string(owner, "module");
	ret->n_frames = json_array_size(stack);
	ret->frames = arena__alloc(saved->arena, ret->n_frames * sizeof(*ret->frames));
	if (!ret->frames)
		return -ENOMEM;
	for (size_t i = 0; i < ret->n_frames; i++) {
		const json_t *frame = json_array_get(stack, i);
		uint64_t line = json_read__u64(frame, "line");

		if (!json_is_object(frame))
			return -EINVAL;
		ret->frames[i] = (struct frame){
			.language = frame__language(json_read__string(frame, "language")),
			.function = json_read__string(frame, "function"),
			.file = json_read__string(frame, "file"),
			.module = json_read__string(frame, "module"),
			.build_id = json_read__string(frame, "build_id"),
			.line = line > UINT32_MAX ? 0 : line,
			.offset = json_read__hex(frame, "offset"),
			.inlined = json_read__bool(frame, "inlined"),
		};
	}
	return ret->rss == UINT64_MAX ? -EINVAL : 0;
}

static int read_sites(struct saved *saved, const json_t *list, struct saved_sites *ret)
{
	size_t n = json_array_size(list);
	int err = 0;

	ret->rows = arena__alloc(saved->arena, n * sizeof(*ret->rows));
	if (!ret->rows)
		return -ENOMEM;
	for (; !err && ret->n < n; ret->n++)
		err = read_site(saved, json_array_get(list, ret->n), &ret->rows[ret->n]);
	return err;
}

static uint64_t sum_sites(const struct saved_sites *sites)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sites->n; i++) {
		if (__builtin_add_overflow(sum, sites->rows[i].rss, &sum))
			return UINT64_MAX;
	}
	return sum;
}

/* A report of before first touches were sampled has none. */
static int read_touched(struct saved *saved, const json_t *report)
{
	const json_t *touch = json_object_get(report, "touch");
	uint64_t resident = json_read__u64(touch, "resident");
	int err = read_sites(saved, json_object_get(touch, "sites"), &saved->touched);

	saved->touched.total = resident == UINT64_MAX ? 0 : resident;
	saved->touched.complete =
		!touch || sum_sites(&saved->touched) >= json_read__u64(touch, "sampled");
	return err;
}

/*
 * A report of an earlier version does not say whether it left call sites out. It did not when it
 * has all that is resident: every region that it lists comes with its call site. A node report
 * lists no regions; there, its call sites are all of them when nothing attributed is left for
 * others.
 */
static bool has_all_sites(const struct saved *saved, const json_t *report)
{
	const json_t *regions = json_object_get(report, "regions");
	uint64_t left_out = json_read__u64(report, "callsites_left_out"), resident = 0, rss;

	if (left_out != UINT64_MAX)
		return !left_out;
	for (size_t i = 0; i < json_array_size(regions); i++) {
		rss = json_read__u64(json_array_get(regions, i), "rss");
		if (rss == UINT64_MAX || __builtin_add_overflow(resident, rss, &resident))
			return false;
	}
	return resident == saved->totals.rss ||
	       sum_sites(&saved->sites) >=
		       json_read__u64(json_object_get(report, "coverage"), "attributed");
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool is_at_most(const struct saved_rows *rows, uint64_t rss, bool all_of_it)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < rows->n; i++) {
		if (__builtin_add_overflow(sum, rows->rows[i].rss, &sum))
			return false;
	}
	return all_of_it ? sum == rss : sum <= rss;
}

static int check_sums(const struct saved *saved, char error[SAVED_ERROR_LEN])
{
	uint64_t rss = saved->totals.rss;

	if (sum_sites(&saved->sites) > rss)
		return fail(error, "its call sites are more than its RSS");
	if (sum_sites(&saved->touched) > saved->touched.total)
		return fail(error, "what was touched is more than what can be");
	if (!is_at_most(&saved->names, rss, false) || !is_at_most(&saved->processes, rss, false) ||
	    !is_at_most(&saved->categories, rss, true))
		return fail(error, "its breakdown does not add up to its RSS");
	return 0;
}

static int fill(struct saved *saved, const json_t *report, char error[SAVED_ERROR_LEN])
{
	const json_t *totals = json_object_get(report, "totals");
	const json_t *breakdown = json_object_get(report, "breakdown");
	const json_t *processes = json_object_get(report, "processes");
	int err;

	saved->comm = json_read__string(report, "comm");
	saved->taken_at = json_read__string(report, "taken_at");
	saved->pid = json_read__pid(report, "pid");
	saved->totals.rss = json_read__u64(totals, "rss");
	saved->totals.pss = json_read__u64(totals, "pss");
	saved->totals.swap = json_read__u64(totals, "swap");
	saved->totals.size = json_read__u64(totals, "virtual");
	for (size_t i = 0; i < PAGE_KINDS; i++)
		saved->totals.kinds.bytes[i] = json_read__u64(totals, kind_words[i].key);
	if (saved->totals.rss == UINT64_MAX)
		return fail(error, "its totals hold no RSS");
	saved->sites.total = saved->totals.rss;
	err = read_sites(saved, json_object_get(report, "callsites"), &saved->sites);
	err = err ?: read_touched(saved, report) ?: read_names(saved, breakdown);
	err = err ?: read_categories(saved, breakdown);
	if (!err)
		err = add_rows(saved, processes, "comm", &saved->processes);
	if (err == -EINVAL)
		return fail(error, "a row of it lacks its name or its RSS");
	if (err)
		return err;
	err = check_sums(saved, error);
	if (err)
		return err;
	saved->sites.complete = has_all_sites(saved, report);
	saved->processes.complete = is_at_most(&saved->processes, saved->totals.rss, true);
	return 0;
}

int saved__parse(const char *text, size_t len, struct saved **ret, char error[SAVED_ERROR_LEN])
{
	_cleanup_(free_saved) struct saved *saved = calloc(1, sizeof(*saved));
	char why[JSON_READ_ERROR_LEN];
	const json_t *report;
	int err;

	fail(error, "out of memory");
	if (!saved)
		return -ENOMEM;
	saved->arena = arena__new();
	if (!saved->arena)
		return -ENOMEM;
	saved->tree = json_read__parse(text, len, why);
	if (!saved->tree)
		return fail(error, "%s", why);
	report = find_report(saved->tree, &saved->moment, error);
	if (!report)
		return -EINVAL;
	err = fill(saved, report, error);
	if (!err)
		*ret = take_ptr(saved);
	return err;
}

void saved__free(struct saved *saved)
{
	if (!saved)
		return;
	json_decref(saved->tree);
	arena__free(saved->arena);
	free(saved);
}

int saved__read(const char *file, struct saved **ret, char error[SAVED_ERROR_LEN])
{
	_cleanup_close_ int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY)
						   : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_buf_ struct buf text = {};
	int err = fd < 0 ? -errno : buf__read_fd(&text, fd, SAVED_MAX);

	if (!err)
		return saved__parse(text.data, text.len, ret, error);
	if (err == -EFBIG)
		fail(error, "it is larger than %lu MB", SAVED_MAX >> 20);
	else
		fail(error, "%s", strerror(-err));
	return err;
}
