// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a config file: what is accepted is in range, what is not is refused in one line that
 * names the file and a line of it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "options/address.h"
#include "options/options.h"
#include "options/url.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_accepted(const struct options *options)
{
	struct address address;
	const char *wrong;
	struct url url;

	for (size_t i = 0; i < ALERTMANAGERS_MAX && options->alertmanagers[i]; i++)
		check(!url__parse(options->alertmanagers[i], &url, &wrong));
	check(!address__parse(options->listen, &address));
	check(!options->metrics_listen || !address__parse(options->metrics_listen, &address));
	check(strlen(options->socket) >= 1 && strlen(options->socket) <= 107);
	check(*options->proc);
	check(options->pid >= 0 && options->pid <= OPTIONS_PID_MAX);
	check(options->ring_size >= 64 << 10 && options->ring_size <= 1 << 30);
	check(!(options->ring_size & (options->ring_size - 1)));
	check(options->backend <= BACKEND_TRACEPOINT && options->unwind <= MP_UNWIND_CFI);
	/* Not keys of the file. */
	check(!options->config && !options->all && !options->output && options->top == 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	char error[OPTIONS_ERROR_LEN];
	struct options options;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	options__init(&options);
	if (!options__parse_config("f", text, size, &options, error)) {
		check_accepted(&options);
		return 0;
	}
	check(!strncmp(error, "f:", 2) && strtoul(error + 2, NULL, 10) >= 1);
	check(!strchr(error, '\n'));
	return 0;
}
