// SPDX-License-Identifier: BSD-2-Clause
#include "report/format.h"

static const char *const names[FORMATS] = {
	[FORMAT_TEXT] = "text",	  [FORMAT_HTML] = "html",     [FORMAT_JSON] = "json",
	[FORMAT_PPROF] = "pprof", [FORMAT_FOLDED] = "folded",
};

const char *format__name(enum format format)
{
	return names[format];
}
