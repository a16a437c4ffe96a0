// SPDX-License-Identifier: BSD-2-Clause
/* Any text as a URL: libcurl finds the same in what is accepted. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/url.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

struct library {
	CURLU *(*new)(void);
	void (*cleanup)(CURLU *);
	CURLUcode (*set)(CURLU *, CURLUPart, const char *, unsigned);
	CURLUcode (*get)(const CURLU *, CURLUPart, char **, unsigned);
	void (*free)(void *);
};

/* As the daemon has it: it is not linked with it. */
static void load(struct library *ret)
{
	void *handle = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);

	check(handle);
	*(void **)&ret->new = dlsym(handle, "curl_url");
	*(void **)&ret->cleanup = dlsym(handle, "curl_url_cleanup");
	*(void **)&ret->set = dlsym(handle, "curl_url_set");
	*(void **)&ret->get = dlsym(handle, "curl_url_get");
	*(void **)&ret->free = dlsym(handle, "curl_free");
	check(ret->new && ret->cleanup && ret->set && ret->get && ret->free);
}

/* It writes [::0] as [::]. */
static bool is_same_v6(const char *a, const char *b)
{
	char x[URL_HOST + 2], y[URL_HOST + 2];
	struct in6_addr one, other;

	snprintf(x, sizeof(x), "%.*s", (int)strcspn(a + 1, "]"), a + 1);
	snprintf(y, sizeof(y), "%.*s", (int)strcspn(b + 1, "]"), b + 1);
	return inet_pton(AF_INET6, x, &one) == 1 && inet_pton(AF_INET6, y, &other) == 1 &&
	       !memcmp(&one, &other, sizeof(one));
}

static void compare(const struct library *curl, CURLU *theirs, CURLUPart part, const char *ours)
{
	char *found = NULL;

	check(!curl->get(theirs, part, &found, CURLU_DEFAULT_PORT));
	check(!strcmp(found, ours) || (part == CURLUPART_HOST && is_same_v6(found, ours)));
	curl->free(found);
}

static void check_accepted(const struct library *curl, const char *text, const struct url *url)
{
	char host[URL_HOST + 2], port[8];
	CURLU *theirs = curl->new ();

	check(theirs && !curl->set(theirs, CURLUPART_URL, text, 0));
	snprintf(port, sizeof(port), "%u", url->port);
	snprintf(host, sizeof(host), strchr(url->host, ':') ? "[%s]" : "%s", url->host);
	compare(curl, theirs, CURLUPART_SCHEME, url->tls ? "https" : "http");
	compare(curl, theirs, CURLUPART_HOST, host);
	compare(curl, theirs, CURLUPART_PORT, port);
	curl->cleanup(theirs);
	check(!strchr(url->place, '@') || strchr(url->place, '@') > url->path);
	for (const char *c = text; *c; c++)
		check(*c > ' ' && *c <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct library curl;
	_cleanup_free_ char *text = strndup((const char *)data, size);
	const char *wrong = NULL;
	struct url url;

	if (!curl.new)
		load(&curl);
	if (!text)
		return 0;
	if (url__parse(text, &url, &wrong))
		check(wrong && *wrong);
	else
		check_accepted(&curl, text, &url);
	return 0;
}
