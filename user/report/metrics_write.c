// SPDX-License-Identifier: BSD-2-Clause
/* How a family, and a sample of it, is written: metrics_parts.h. */
#include "report/metrics_parts.h"

#include <inttypes.h>
#include <string.h>

#include "util/text.h"
#include "util/utf8.h"

const struct metrics_label metrics_no_labels[METRICS_LABELS];

void metrics__add_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf__printf(out, "# HELP memprov_%s %s\n# TYPE memprov_%s %s\n", name, help, name, type);
}

/* Backslash, quote and newline are escaped; what else could harm a terminal is replaced. */
static void add_label_value(struct buf *out, const char *value)
{
	const char *s = value, *end = value + strlen(value);
	uint32_t code;
	size_t n;

	for (; s < end; s += n) {
		n = utf8__decode(s, end - s, &code);
		if (code == '\n')
			buf__puts(out, "\\n");
		else if (code == UTF8_INVALID || text__is_control(code))
			buf__puts(out, UTF8_REPLACEMENT);
		else if (code == '\\' || code == '"')
			buf__printf(out, "\\%c", (int)code);
		else
			buf__add(out, s, n);
	}
}

void metrics__add_series(struct buf *out, const char *name,
			 const struct metrics_label labels[METRICS_LABELS])
{
	size_t i;

	buf__printf(out, "memprov_%s", name);
	for (i = 0; i < METRICS_LABELS && labels[i].name; i++) {
		buf__printf(out, "%s%s=\"", i ? "," : "{", labels[i].name);
		add_label_value(out, labels[i].value);
		buf__puts(out, "\"");
	}
	if (i)
		buf__puts(out, "}");
}

void metrics__add_sample(struct buf *out, const char *name,
			 const struct metrics_label labels[METRICS_LABELS], uint64_t value)
{
	metrics__add_series(out, name, labels);
	buf__printf(out, " %" PRIu64 "\n", value);
}

void metrics__add_labelled(struct buf *out, const char *name, const char *label, const char *value,
			   uint64_t amount)
{
	const struct metrics_label labels[METRICS_LABELS] = {{label, value}};

	metrics__add_sample(out, name, labels, amount);
}
