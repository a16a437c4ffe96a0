// SPDX-License-Identifier: BSD-2-Clause
/*
 * Drives the notifier as growth would: each line of standard input is what is evaluated at that
 *moment.
 *
 *	notify [--resend MS] [--keep-ended MS] [--timeout MS] [--retry-max MS] [--ca FILE]
 *	       [--seccomp enforce|log] URL...
 *
 *	evaluated leak cache!	"leak" goes on, "cache" has ended; nothing else does
 *	many 5000 64		5000 notices with 64 bytes of annotation each
 *	stats			one line of figures, by name
 *
 * Each line is answered by one; what the notifier says goes to standard error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify/notifier.h"
#include "syscalls.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define NOTICES_MAX 5000
#define NS_PER_MS   1000000ULL

struct drive {
	struct notifier_config config;
	const char *urls[ALERTMANAGERS_MAX];
	enum seccomp_mode seccomp;
	struct notifier *notifier;
	int64_t started_at;
};

static void say(const char *text)
{
	fprintf(stderr, "%s\n", text);
}

/* A value of argv, or NULL when the word is another one. */
static const char *value_of(const char *name, char ***argv)
{
	if (strcmp(**argv, name) || !(*argv)[1])
		return NULL;
	return *++*argv;
}

static int parse(struct drive *drive, char **argv)
{
	struct notifier_times *times = &drive->config.times;
	const struct {
		const char *name;
		uint64_t *ns;
	} numbers[] = {
		{"--resend", &times->resend_ns},       {"--keep-ended", &times->keep_ended_ns},
		{"--timeout", &times->timeout_ns},     {"--retry-min", &times->retry_min_ns},
		{"--retry-max", &times->retry_max_ns},
	};
	const char *value;

	for (; *argv; argv++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(numbers) && !(value = value_of(numbers[i].name, &argv)))
			i++;
		if (i < ARRAY_SIZE(numbers))
			*numbers[i].ns = strtoull(value, NULL, 10) * NS_PER_MS;
		else if ((value = value_of("--ca", &argv)))
			drive->config.ca_file = value;
		else if ((value = value_of("--seccomp", &argv)))
			drive->seccomp = strcmp(value, "log") ? SECCOMP_ENFORCE : SECCOMP_LOG;
		else if (drive->config.n_urls < ALERTMANAGERS_MAX)
			drive->urls[drive->config.n_urls++] = *argv;
		else
			return -EINVAL;
	}
	return 0;
}

static void evaluated(struct drive *drive, char *words)
{
	struct notice_text labels[64][2], annotation = {"summary", "memory grows"};
	struct notice notices[64];
	size_t n = 0;
	char *name;

	while ((name = strsep(&words, " ")) && n < 64) {
		bool ended = *name && name[strlen(name) - 1] == '!';

		if (!*name)
			continue;
		if (ended)
			name[strlen(name) - 1] = '\0';
		labels[n][0] = (struct notice_text){"alertname", name};
		labels[n][1] = (struct notice_text){"comm", "\"red\\is\"\n"};
		notices[n] =
			(struct notice){labels[n],	   2,
					&annotation,	   1,
					drive->started_at, ended ? (int64_t)clock__wall_ns() : 0};
		n++;
	}
	notifier__evaluated(drive->notifier, notices, n);
	puts("ok");
}

static void evaluated_many(struct drive *drive, const char *words)
{
	_cleanup_free_ struct notice *notices = calloc(NOTICES_MAX, sizeof(*notices));
	_cleanup_free_ struct notice_text *labels = calloc(NOTICES_MAX, sizeof(*labels));
	_cleanup_free_ char *names = calloc(NOTICES_MAX, 32), *text = NULL;
	struct notice_text annotation = {"summary", NULL};
	size_t n = 0, bytes = 0, i;

	sscanf(words, "%zu %zu", &n, &bytes);
	text = malloc(bytes + 1);
	if (!notices || !labels || !names || !text || n > NOTICES_MAX)
		abort();
	memset(text, 'x', bytes);
	text[bytes] = '\0';
	annotation.value = text;
	for (i = 0; i < n; i++) {
		snprintf(names + i * 32, 32, "many%zu", i);
		labels[i] = (struct notice_text){"alertname", names + i * 32};
		notices[i] = (struct notice){&labels[i], 1, &annotation, 1, drive->started_at, 0};
	}
	notifier__evaluated(drive->notifier, notices, n);
	puts("ok");
}

static void print_stats(struct drive *drive)
{
	struct notifier_stats stats;

	notifier__stats(drive->notifier, &stats);
	printf("sent=%lu failed=%lu dropped=%lu kept=%lu", stats.sent, stats.failed, stats.dropped,
	       stats.kept);
	for (int i = 0; i < DELIVERY_FAILURES; i++)
		printf(" %s=%lu", delivery__name(i), stats.failures[i]);
	putchar('\n');
}

static void follow(struct drive *drive)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "evaluated", strlen("evaluated")))
			evaluated(drive, line + strlen("evaluated"));
		else if (!strncmp(line, "many ", 5))
			evaluated_many(drive, line + 5);
		else
			print_stats(drive);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct drive drive = {
		.config = {.urls = drive.urls,
			   .generator_url = "http://127.0.0.1:6060/debug/memory/alerts",
			   .times = notifier_times,
			   .say = say},
		.seccomp = SECCOMP_OFF,
		.started_at = clock__wall_ns(),
	};
	int err = parse(&drive, argv + 1) ?: notifier__new(&drive.config, &drive.notifier);

	err = err ?: notifier__start(drive.notifier);
	err = err ?: syscalls__restrict(drive.seccomp, false, true);
	if (err) {
		fprintf(stderr, "%s\n", strerror(-err));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	follow(&drive);
	err = notifier__stop(drive.notifier);
	if (err)
		_exit(3);
	notifier__free(drive.notifier);
	return 0;
}
