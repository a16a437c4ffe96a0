// SPDX-License-Identifier: BSD-2-Clause
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>

/* One write a line, so that lines of different threads do not mix. */
static void put_line(const char *level, const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	fprintf(stderr, "memprov: %s%s\n", level, text);
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, fmt);                                                               \
		put_line(level, fmt, args);                                                        \
		va_end(args);                                                                      \
	}

LOG_FUNCTION(log_error, "")
LOG_FUNCTION(log_warn, "warning: ")
LOG_FUNCTION(log_info, "info: ")
