// SPDX-License-Identifier: BSD-2-Clause
/* The config file of `serve`: lines of "key = value", with the names of the options. */
#include "options/options_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/quote.h"

#define CONFIG_MAX (64 * 1024)

static char *trim(char *start, char *end)
{
	while (start < end && strchr(" \t\r", *start))
		start++;
	while (end > start && strchr(" \t\r", end[-1]))
		end--;
	*end = '\0';
	return start;
}

/* A '#' begins a comment where a line begins or behind white space: paths may hold one. */
static char *without_comment(char *start, char *end)
{
	for (char *p = start; p < end; p++) {
		if (*p == '#' && (p == start || p[-1] == ' ' || p[-1] == '\t'))
			return p;
	}
	return end;
}

static bool is_config_key(const struct option *o)
{
	return o->commands & 1u << COMMAND_SERVE && (o->arg || o->kind == KIND_FLAG) &&
	       o->offset != offsetof(struct options, config);
}

static int set_key(const char *key, const char *value, struct options *ret,
		   char error[OPTIONS_ERROR_LEN])
{
	char quoted[QUOTE_LEN], known[512] = "", why[OPTIONS_ERROR_LEN];

	for (size_t i = 0; i < option_table_len; i++) {
		if (!is_config_key(&option_table[i]))
			continue;
		if (strcmp(option_table[i].name, key)) {
			option__list(known, sizeof(known), "", option_table[i].name);
			continue;
		}
		if (!option__set(&option_table[i], value, ret, why))
			return 0;
		return option__fail(error, "%s: %.420s", key, why);
	}
	option__fail(error, "unknown key '%s'; accepted: %s", quote__text(key, quoted), known);
	return -EINVAL;
}

int options__parse_config(const char *file, char *text, size_t len, struct options *ret,
			  char error[OPTIONS_ERROR_LEN])
{
	char *end = text + len, *line, *next, *stop, *equals, why[OPTIONS_ERROR_LEN];
	unsigned number = 1;
	int err;

	for (line = text; line < end; line = next + 1, number++) {
		next = memchr(line, '\n', end - line);
		if (!next)
			next = end;
		stop = without_comment(line, next);
		equals = memchr(line, '=', stop - line);
		err = 0;
		if (memchr(line, '\0', next - line))
			err = option__fail(why, "holds a NUL byte: not a text file");
		else if (equals)
			err = set_key(trim(line, equals), trim(equals + 1, stop), ret, why);
		else if (*trim(line, stop))
			err = option__fail(why, "no '='; takes lines of 'key = value'");
		if (err)
			return option__fail(error, "%.250s:%u: %.480s", file, number, why);
	}
	return 0;
}

int options__read_config(const char *file, struct options *ret, char error[OPTIONS_ERROR_LEN])
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int err = fd < 0 ? -errno : buf__read_fd(&ret->config_text, fd, CONFIG_MAX);

	if (err) {
		return option__fail(error, "cannot read the config file %.300s: %s", file,
				    err == -EFBIG ? "larger than 64 KiB" : strerror(-err));
	}
	return options__parse_config(file, ret->config_text.data, ret->config_text.len, ret, error);
}
