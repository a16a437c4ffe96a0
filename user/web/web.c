// SPDX-License-Identifier: BSD-2-Clause
#include "web/web.h"

#include <string.h>

#include "util/cleanup.h"
#include "web_assets.h"

static const char mark[] = "@DATA@"; /* once in flamegraph.html: the data goes there */

void web__page(bool gzip, struct buf *ret)
{
	if (gzip)
		buf__add(ret, web_page_gz, sizeof(web_page_gz));
	else
		buf__add(ret, web_page, sizeof(web_page));
}

const char *web__page_policy(void)
{
	return web_page_policy;
}

const char *web__flamegraph_policy(void)
{
	return web_flamegraph_policy;
}

void web__flamegraph_json(const struct report *report, const struct encode_options *options,
			  struct buf *ret)
{
	encode__flame_json(report, options, ret);
	buf__puts(ret, "\n");
}

/* In JSON, '<' is in strings only; escaped, no name can end the script element or begin a comment
 * in it. */
static void add_escaped(struct buf *out, const char *json, size_t len)
{
	const char *end = json + len, *next;

	for (; (next = memchr(json, '<', end - json)); json = next + 1) {
		buf__add(out, json, next - json);
		buf__puts(out, "\\u003c");
	}
	buf__add(out, json, end - json);
}

void web__flamegraph(const struct report *report, const struct encode_options *options,
		     struct buf *ret)
{
	const char *page = (const char *)web_flamegraph;
	const char *end = page + sizeof(web_flamegraph);
	const char *at = memmem(page, end - page, mark, strlen(mark));
	_cleanup_buf_ struct buf json = {};

	encode__flame_json(report, options, &json);
	if (buf__error(&json) || !at) {
		ret->failed = true;
		return;
	}
	buf__add(ret, page, at - page);
	add_escaped(ret, json.data, json.len);
	at += strlen(mark);
	buf__add(ret, at, end - at);
}
