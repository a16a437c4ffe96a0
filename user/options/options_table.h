/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of commands and of options: what each is called, takes and means. The command line
 * (options_parse.c), the config file (options_config.c), --help and the shells' completions
 * (deploy/completions) all follow them.
 */
#ifndef MEMPROV_OPTIONS_TABLE_H
#define MEMPROV_OPTIONS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "options/options.h"

/* What the words of a command are that are no options. */
enum command_words {
	WORDS_NONE,
	WORDS_PROCESS, /* a PID or a name */
	WORDS_PID,
	WORDS_FILES,
	WORDS_PROGRAM, /* with its arguments */
};

struct command_row {
	const char *name;
	const char *usage; /* of its words, as --help shows them */
	enum command_words words;
	const char *doc;
};

/* By enum command. */
extern const struct command_row command_table[];
extern const size_t command_table_len;

enum option_kind {
	KIND_FLAG,
	KIND_TEXT, /* not empty */
	KIND_FILE,
	KIND_DIRECTORY,
	KIND_SOCKET,
	KIND_ADDRESS,
	KIND_NUMBER,
	KIND_PID,
	KIND_BYTES,
	KIND_POWER_OF_TWO, /* of bytes */
	KIND_DURATION,	   /* in seconds */
	KIND_STEP,	   /* the same, kept as text */
	KIND_MOMENT,	   /* kept as text */
	KIND_URLS,	   /* may be given again: its field is an array of texts */
	KIND_CHOICE,
	KIND_HELP,
	KIND_VERSION,
};

struct choice {
	const char *name; /* NULL ends a list */
	int value;
};

struct option {
	const char *name;
	char letter; /* 0: none. An option may have a letter alone */
	enum option_kind kind;
	unsigned commands;   /* bits, 1 << enum command */
	const char *arg;     /* what --help calls its value; NULL: it takes none */
	const char *initial; /* its default, as one would write it; NULL: off */
	const char *takes;   /* what its errors say is accepted; choices speak for themselves */
	const struct choice *choices;
	uint64_t min, max;
	size_t offset, size; /* its field in struct options */
	const char *doc;
};

extern const struct option option_table[];
extern const size_t option_table_len;

/* Checks value (ignored by a flag) and puts it into the option's field; text is kept by pointer.
 * 0, or -EINVAL with what is wrong, and what is accepted, in error. */
int option__set(const struct option *option, const char *value, struct options *ret,
		char error[OPTIONS_ERROR_LEN]);

/* Of an option that may be given again: takes what was given so far away. */
void option__forget(const struct option *option, struct options *options);
bool option__is_given(const struct option *option, const struct options *options);

/* Writes an error message; returns -EINVAL. */
int option__fail(char error[OPTIONS_ERROR_LEN], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends a name, with dashes before it, to a list "a, b, c" of size bytes. */
void option__list(char *list, size_t size, const char *dashes, const char *name);

/* options__parse_config() of the file's contents. */
int options__read_config(const char *file, struct options *ret, char error[OPTIONS_ERROR_LEN]);

#endif
