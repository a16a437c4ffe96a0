// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command line. It is matched by hand, neither by argp nor by getopt_long_only: both accept
 * every unambiguous abbreviation, which would make each of them part of the contract, and both
 * fall back to one-letter options, so that the typing error `-output x` would write to a file
 * "utput".
 */
#include "options/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "options/address.h"
#include "options/options_table.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/quote.h"

static bool is_called(const struct option *o, const char *arg, size_t len)
{
	const char *name = arg + (arg[1] == '-' ? 2 : 1);

	if (o->letter && len == 2 && arg[1] == o->letter)
		return true;
	len -= name - arg;
	return o->name && strlen(o->name) == len && !memcmp(o->name, name, len);
}

static const struct option *find(const char *arg, size_t len, unsigned mask)
{
	for (size_t i = 0; i < option_table_len; i++) {
		if (option_table[i].commands & mask && is_called(&option_table[i], arg, len))
			return &option_table[i];
	}
	return NULL;
}

static void list_options(unsigned mask, char *list, size_t size)
{
	char letter[] = "?";

	for (size_t i = 0; i < option_table_len; i++) {
		letter[0] = option_table[i].letter;
		if (option_table[i].commands & mask)
			option__list(list, size, option_table[i].name ? "--" : "-",
				     option_table[i].name ?: letter);
	}
}

static void print_help(const char *usage, unsigned mask)
{
	char left[64];

	printf("usage: memprov %s\n\n", usage);
	for (size_t i = 0; i < option_table_len; i++) {
		const struct option *o = &option_table[i];
		char letter[] = {'-', o->letter, o->name ? ',' : '\0', ' ', '\0'};

		if (!(o->commands & mask))
			continue;
		snprintf(left, sizeof(left), "%s%s%s %s", o->letter ? letter : "",
			 o->name ? "--" : "", o->name ?: "", o->arg ?: "");
		printf("  %-33s %s%s%s%s\n", left, o->doc, o->initial ? " (" : "", o->initial ?: "",
		       o->initial ? ")" : "");
	}
}

/* Answers --help and --version; the exit code. */
static int answer(const struct option *o, int command)
{
	char usage[160];

	if (o->kind == KIND_VERSION) {
		puts("memprov " MEMPROV_VERSION);
	} else if (command < 0) {
		puts("usage: memprov COMMAND [OPTION]...\n\n"
		     "Which mapping every resident page of a process belongs to, what that "
		     "mapping\n"
		     "is called, and which code created it.\n");
		for (size_t i = 0; i < command_table_len; i++)
			printf("  %-8s %s\n", command_table[i].name, command_table[i].doc);
		puts("\n'memprov COMMAND --help' lists the options of a command; see also "
		     "memprov(1).");
	} else {
		snprintf(usage, sizeof(usage), "%s [OPTION]...%s\n\n%s",
			 command_table[command].name, command_table[command].usage,
			 command_table[command].doc);
		print_help(usage, 1u << command);
	}
	if (fflush(stdout)) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int not_an_option(const char *arg, int command)
{
	char quoted[QUOTE_LEN], accepted[512] = "";
	unsigned mask = 1u << command;

	list_options(mask, accepted, sizeof(accepted));
	log_error("%s: %s '%s'; accepted: %s", command_table[command].name,
		  find(arg, strcspn(arg, "="), ~mask) ? "does not take the option"
						      : "unknown option",
		  quote__text(arg, quoted), accepted);
	return EXIT_USAGE;
}

/* One option, at argv[*i] and perhaps the next; -1, or the exit code to end with. */
static int parse_option(char **argv, int *i, int command, struct options *ret)
{
	const char *arg = argv[*i], *value = NULL;
	size_t len = strcspn(arg, "=");
	const struct option *o = find(arg, len, 1u << command);
	char error[OPTIONS_ERROR_LEN];

	if (!o)
		return not_an_option(arg, command);
	if (arg[len])
		value = arg + len + 1;
	if (!o->arg && value) {
		log_error("%.*s takes no value", (int)len, arg);
		return EXIT_USAGE;
	}
	if (o->kind == KIND_HELP || o->kind == KIND_VERSION)
		return answer(o, command);
	if (o->arg && !value) {
		value = argv[*i + 1];
		if (!value) {
			log_error("%s: the value is missing; takes %s", arg, o->takes ?: o->arg);
			return EXIT_USAGE;
		}
		++*i;
	}
	if (option__set(o, value, ret, error)) {
		log_error("%.*s: %s", (int)len, arg, error);
		return EXIT_USAGE;
	}
	return -1;
}

/* The word that is no option, the n-th of its kind; -1, or the exit code to end with. */
static int take_word(const char *word, size_t n, int command, struct options *ret)
{
	const struct option *pid = find("--pid", strlen("--pid"), 1u << command);
	char error[OPTIONS_ERROR_LEN], quoted[QUOTE_LEN];

	if (command == COMMAND_DIFF && n < ARRAY_SIZE(ret->files)) {
		ret->files[n] = word;
		return -1;
	}
	if (command_table[command].words == WORDS_NONE || n) {
		log_error("%s: unexpected argument '%s'; takes %s", command_table[command].name,
			  quote__text(word, quoted),
			  command == COMMAND_DIFF ? "two files"
			  : n ? command == COMMAND_SHOW ? "one PID or name" : "one PID"
			      : "only options");
		return EXIT_USAGE;
	}
	/* What is no number is what it is called. */
	if (command == COMMAND_SHOW && *word && *word != '-' && !isdigit((unsigned char)*word)) {
		ret->name = word;
		return -1;
	}
	if (option__set(pid, word, ret, error)) {
		log_error("%s: PID: %s", command_table[command].name, error);
		return EXIT_USAGE;
	}
	return -1;
}

/* What each command needs to be given; -1, or the exit code to end with. */
static int check_complete(int command, const struct options *ret)
{
	if (command == COMMAND_RUN && !ret->argv)
		log_error("run: the program is missing; takes [OPTION]... -- CMD [ARG]...");
	else if (command == COMMAND_DIFF && !ret->files[1])
		log_error("diff: two files are needed; takes [OPTION]... A B");
	else if (command == COMMAND_DIFF && !strcmp(ret->files[0], "-") &&
		 !strcmp(ret->files[1], "-"))
		log_error("diff: only one of A and B can be '-', standard input");
	else
		return -1;
	return EXIT_USAGE;
}

/* What follows the command; -1, or the exit code to end with. */
static int parse_arguments(char **argv, int command, struct options *ret)
{
	bool options_end = false;
	size_t words = 0;
	int exit_code = -1;

	ret->command = command;
	for (int i = 0; argv[i] && exit_code < 0; i++) {
		if (!options_end && argv[i][0] == '-' && argv[i][1]) {
			options_end = !strcmp(argv[i], "--");
			if (!options_end)
				exit_code = parse_option(argv, &i, command, ret);
		} else if (command == COMMAND_RUN) {
			ret->argv = argv + i; /* the rest is CMD's */
			break;
		} else {
			exit_code = take_word(argv[i], words++, command, ret);
		}
	}
	return exit_code < 0 ? check_complete(command, ret) : exit_code;
}

static int find_command(const char *arg)
{
	char names[128] = "", quoted[QUOTE_LEN];

	for (size_t i = 0; i < command_table_len; i++) {
		if (arg && !strcmp(arg, command_table[i].name))
			return i;
		option__list(names, sizeof(names), "", command_table[i].name);
	}
	if (arg)
		log_error("unknown command '%s'; accepted: %s, --help, --version",
			  quote__text(arg, quoted), names);
	else
		log_error("a command is missing; accepted: %s, --help, --version", names);
	return -EINVAL;
}

/* Once more over the file's values, so that the command line wins: what may be given again is then
 * what the command line has, or else what the file has. */
static int read_config(char **argv, struct options *ret, char error[OPTIONS_ERROR_LEN])
{
	struct options given = *ret;
	int err;

	options__init(ret);
	err = options__read_config(given.config, ret, error);
	if (err)
		return err;
	for (size_t i = 0; i < option_table_len; i++) {
		if (option_table[i].kind == KIND_URLS && option__is_given(&option_table[i], &given))
			option__forget(&option_table[i], ret);
	}
	parse_arguments(argv, given.command, ret);
	return 0;
}

static bool has_https(const struct options *options)
{
	for (size_t i = 0; i < ALERTMANAGERS_MAX && options->alertmanagers[i]; i++) {
		if (!strncmp(options->alertmanagers[i], "https:", 6))
			return true;
	}
	return false;
}

int options__check(const struct options *options, char error[OPTIONS_ERROR_LEN])
{
	struct address listen;

	if (!options->tls_cert != !options->tls_key)
		return option__fail(error,
				    "--tls-cert and --tls-key go together; --tls-%s is "
				    "missing",
				    options->tls_cert ? "key" : "cert");
	if (options->tls_client_ca && !options->tls_cert)
		return option__fail(error, "--tls-client-ca: certificates are shown in TLS only; "
					   "takes --tls-cert and --tls-key, too");
	if (options->alertmanager_ca && !has_https(options))
		return option__fail(error, "--alertmanager-ca: no Alertmanager is asked by TLS; "
					   "takes --alertmanager https://HOST:PORT, too");
	if (options->require_token && !options->token_file && !options->tls_client_ca)
		return option__fail(error, "--require-token: there is no token to require; takes "
					   "--token-file or --tls-client-ca, too");
	if (options->token_file || options->tls_client_ca ||
	    address__parse(options->listen, &listen) || address__is_loopback(&listen))
		return 0;
	return option__fail(error,
			    "--listen: %s is not a loopback address, and reports show addresses "
			    "and paths to anyone who can connect; takes --token-file or "
			    "--tls-client-ca, too, or a loopback ADDR:PORT, such as "
			    "127.0.0.1:6060 or [::1]:6060",
			    options->listen);
}

int options__parse(int argc, char **argv, struct options *ret, int *ret_exit)
{
	const struct option *o = argc > 1 && argv[1][0] == '-' && argv[1][1]
					 ? find(argv[1], strlen(argv[1]), 1u << COMMAND_DOCTOR)
					 : NULL;
	_cleanup_(options__free) struct options parsed;
	char error[OPTIONS_ERROR_LEN];
	int command;

	options__init(&parsed);
	if (o) {
		*ret_exit = answer(o, -1);
		return -1;
	}
	*ret_exit = EXIT_USAGE;
	command = find_command(argc > 1 ? argv[1] : NULL);
	if (command < 0)
		return -1;
	*ret_exit = parse_arguments(argv + 2, command, &parsed);
	if (*ret_exit >= 0)
		return -1;
	if ((parsed.config && read_config(argv + 2, &parsed, error)) ||
	    (command == COMMAND_SERVE && options__check(&parsed, error))) {
		log_error("%s", error);
		*ret_exit = EXIT_USAGE;
		return -1;
	}
	*ret = parsed;
	memset(&parsed.config_text, 0, sizeof(parsed.config_text));
	return 0;
}
