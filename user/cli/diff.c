// SPDX-License-Identifier: BSD-2-Clause
#include "cli/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "diff/diff_encode.h"
#include "cli/output.h"
#include "options/options.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

static int read_one(const char *file, struct saved **ret)
{
	_cleanup_buf_ struct buf name = {};
	char why[SAVED_ERROR_LEN];
	int err = saved__read(file, ret, why);

	if (err) {
		text__show(&name, strcmp(file, "-") ? file : "standard input");
		log_error("diff: %s: %s", name.data ?: "?", why);
	}
	return err;
}

static int compare(const struct options *options, const struct saved *a, const struct saved *b)
{
	struct diff_options encode = {
		.files = options->files,
		.top = options->top,
		.all = options->all,
		.unit = options->kilobytes ? UNIT_KB : UNIT_MB,
	};
	_cleanup_difference_ struct difference *difference = NULL;
	_cleanup_buf_ struct buf text = {};
	int err = difference__new(a, b, &difference);

	if (!err && options->format == FORMAT_JSON)
		diff_encode__json(difference, &encode, &text);
	else if (!err)
		diff_encode__text(difference, &encode, &text);
	if (err || buf__error(&text)) {
		log_error("diff: out of memory");
		return EXIT_FAILED;
	}
	return output__write_text(options, &text) ? EXIT_FAILED : EXIT_DONE;
}

static int check_growth(const struct options *options, const struct saved *a, const struct saved *b)
{
	uint64_t growth = b->totals.rss > a->totals.rss ? b->totals.rss - a->totals.rss : 0;

	if (options->fail_over == FAIL_OVER_OFF || growth <= options->fail_over)
		return EXIT_DONE;
	log_error("diff: RSS grew by %" PRIu64 " bytes (%" PRIu64 " MB), more than %" PRIu64,
		  growth, growth >> 20, options->fail_over);
	return EXIT_FAILED;
}

int diff__run(const struct options *options)
{
	_cleanup_saved_ struct saved *a = NULL, *b = NULL;
	int code;

	if (read_one(options->files[0], &a) || read_one(options->files[1], &b))
		return EXIT_FAILED;
	if (!a->comm != !b->comm) {
		log_error("diff: one report is of a process and the other of the whole "
			  "machine; takes two of the same");
		return EXIT_FAILED;
	}
	code = compare(options, a, b);
	return code ?: check_growth(options, a, b);
}
