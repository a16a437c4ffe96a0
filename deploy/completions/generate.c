// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copies a completion script from standard input to standard output, with what a shell must know
 * of commands and options, from the tables of user/options, in place of the line "@TABLE@":
 *
 *     generate bash <memprov.bash.in >memprov.bash
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options/options_table.h"
#include "util/cleanup.h"

/* How a shell says what an option's value, or a command's words, are. */
static const char *const bash_values[] = {
	[KIND_FILE] = "file", [KIND_SOCKET] = "file", [KIND_DIRECTORY] = "directory",
	[KIND_PID] = "pid",   [KIND_VERSION] = NULL,
};
static const char *const zsh_values[] = {
	[KIND_FILE] = "_files",		[KIND_SOCKET] = "_files",
	[KIND_DIRECTORY] = "_files -/", [KIND_PID] = "_memprov_processes pid",
	[KIND_VERSION] = NULL,
};
static const char *const fish_values[] = {
	[KIND_FILE] = "-r -F",
	[KIND_SOCKET] = "-r -F",
	[KIND_DIRECTORY] = "-x -a '(__fish_complete_directories)'",
	[KIND_PID] = "-x -a '(__memprov_processes pid)'",
	[KIND_VERSION] = NULL,
};
static const char *const bash_words[] = {
	[WORDS_NONE] = "none",	[WORDS_PROCESS] = "process", [WORDS_PID] = "pid",
	[WORDS_FILES] = "file", [WORDS_PROGRAM] = "program",
};
static const char *const zsh_words[] = {
	[WORDS_NONE] = NULL,
	[WORDS_PROCESS] = "':process:_memprov_processes process'",
	[WORDS_PID] = "':PID:_memprov_processes pid'",
	[WORDS_FILES] = "':file:_files' ':file:_files'",
	[WORDS_PROGRAM] = "'(-)1:program:_command_names -e' '*::argument:_normal'",
};
static const char *const fish_words[] = {
	[WORDS_NONE] = NULL,
	[WORDS_PROCESS] = "-a '(__memprov_processes process)'",
	[WORDS_PID] = "-a '(__memprov_processes pid)'",
	[WORDS_FILES] = "-F",
	[WORDS_PROGRAM] = "-a '(__memprov_program)'",
};

/* Text within single quotes, where a shell's own letters have a backslash before them; in sh, a
 * quote ends the quotes for a moment. */
static void put_escaped(const char *text, const char *letters, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(quote, stdout);
		else
			printf("%s%c", strchr(letters, *text) ? "\\" : "", *text);
	}
}

static void put_choices(const struct option *o, const char *separator)
{
	for (const struct choice *c = o->choices; c->name; c++)
		printf("%s%s", c == o->choices ? "" : separator, c->name);
}

static bool belongs(const struct option *o, size_t command)
{
	return o->commands & 1u << command;
}

/* One line for each spelling of each option of each command: what follows it. */
static void put_bash(void)
{
	const struct option *o;

	for (size_t c = 0; c < command_table_len; c++) {
		printf("%s words %s\n", command_table[c].name, bash_words[command_table[c].words]);
		for (size_t i = 0; i < option_table_len; i++) {
			o = &option_table[i];
			for (int letter = 0; belongs(o, c) && letter < 2; letter++) {
				if (letter ? !o->letter : !o->name)
					continue;
				if (letter)
					printf("%s -%c ", command_table[c].name, o->letter);
				else
					printf("%s --%s ", command_table[c].name, o->name);
				if (o->choices) {
					printf("choice ");
					put_choices(o, " ");
				} else {
					printf("%s", !o->arg ? "flag"
							     : bash_values[o->kind] ?: "value");
				}
				puts("");
			}
		}
	}
}

static void put_zsh_option(const struct option *o)
{
	char letter[] = {'-', o->letter, '\0'};

	printf(" \\\n\t\t\t");
	if (o->letter && o->name)
		printf("'(%s --%s)'{%s,--%s}'", letter, o->name, letter, o->name);
	else
		printf("'%s%s%s%s", o->kind == KIND_URLS ? "*" : "", o->name ? "--" : letter,
		       o->name ?: "", o->name && o->arg ? "=" : "");
	printf("[");
	put_escaped(o->doc, "[]:\\", "'\\''");
	printf("]");
	if (o->arg) {
		printf(":");
		put_escaped(o->arg, ":\\", "'\\''");
		printf(":");
	}
	if (o->choices) {
		printf("(");
		put_choices(o, " ");
		printf(")");
	} else if (o->arg) {
		printf("%s", zsh_values[o->kind] ?: " ");
	}
	printf("'");
}

static void put_zsh(void)
{
	puts("\tlocal -a commands=(");
	for (size_t c = 0; c < command_table_len; c++) {
		printf("\t\t'%s:", command_table[c].name);
		put_escaped(command_table[c].doc, ":\\", "'\\''");
		puts("'");
	}
	puts("\t)\n\tcase $1 in");
	puts("\tcommands)\n\t\t_describe -t commands command commands\n\t\t;;");
	for (size_t c = 0; c < command_table_len; c++) {
		printf("\t%s)\n\t\t_arguments -S%s%s", command_table[c].name,
		       zsh_words[command_table[c].words] ? " " : "",
		       zsh_words[command_table[c].words] ?: "");
		for (size_t i = 0; i < option_table_len; i++) {
			if (belongs(&option_table[i], c))
				put_zsh_option(&option_table[i]);
		}
		puts("\n\t\t;;");
	}
	puts("\tesac");
}

static void put_fish_option(const struct option *o, size_t command)
{
	printf("complete -c memprov -n '__memprov_is %s'", command_table[command].name);
	if (o->letter)
		printf(" -s %c", o->letter);
	if (o->name)
		printf(" -l %s", o->name);
	if (o->choices) {
		printf(" -x -a '");
		put_choices(o, " ");
		printf("'");
	} else if (o->arg) {
		printf(" %s", fish_values[o->kind] ?: "-x");
	}
	printf(" -d '");
	put_escaped(o->doc, "\\", "\\'");
	puts("'");
}

static void put_fish(void)
{
	const struct command_row *row;

	printf("set -g __memprov_run_flags");
	for (size_t i = 0; i < option_table_len; i++) {
		if (belongs(&option_table[i], COMMAND_RUN) && !option_table[i].arg)
			printf(" %s", option_table[i].name);
	}
	puts(" h");
	for (size_t c = 0; c < command_table_len; c++) {
		row = &command_table[c];
		printf("complete -c memprov -n __memprov_has_no_command -a %s -d '", row->name);
		put_escaped(row->doc, "\\", "\\'");
		puts("'");
		if (fish_words[row->words])
			printf("complete -c memprov -n '__memprov_is %s words' %s\n", row->name,
			       fish_words[row->words]);
		for (size_t i = 0; i < option_table_len; i++) {
			if (belongs(&option_table[i], c))
				put_fish_option(&option_table[i], c);
		}
	}
}

static const struct {
	const char *name;
	void (*put)(void);
} shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};

int main(int argc, char **argv)
{
	char line[1024];

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (argc != 2 || strcmp(argv[1], shells[i].name))
			continue;
		while (fgets(line, sizeof(line), stdin)) {
			if (strcmp(line, "@TABLE@\n"))
				fputs(line, stdout);
			else
				shells[i].put();
		}
		return fflush(stdout) || ferror(stdin) ? EXIT_FAILED : EXIT_DONE;
	}
	fputs("usage: generate bash|zsh|fish <TEMPLATE >SCRIPT\n", stderr);
	return EXIT_USAGE;
}
