// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/attribution.h"

static const char *const origin_names[] = {
	[ORIGIN_MMAP] = "mmap",	    [ORIGIN_BRK] = "brk",	    [ORIGIN_MREMAP] = "mremap",
	[ORIGIN_SHMAT] = "shmat",   [ORIGIN_EXEC] = "exec",	    [ORIGIN_STACK] = "stack",
	[ORIGIN_KERNEL] = "kernel", [ORIGIN_PREDATES] = "predates", [ORIGIN_UNKNOWN] = "unknown",
};

static const char *const name_source_names[] = {
	[NAME_NONE] = "none",	      [NAME_KERNEL] = "kernel", [NAME_PRCTL] = "prctl",
	[NAME_INFERRED] = "inferred", [NAME_FILE] = "file",
};

static const char *const rss_source_names[] = {
	[RSS_SMAPS] = "smaps",
	[RSS_PAGEMAP] = "pagemap",
	[RSS_ESTIMATED] = "estimated",
};

const char *origin__name(enum origin origin)
{
	return origin_names[origin];
}

const char *name_source__name(enum name_source source)
{
	return name_source_names[source];
}

const char *rss_source__name(enum rss_source source)
{
	return rss_source_names[source];
}
