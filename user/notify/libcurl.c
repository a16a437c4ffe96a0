// SPDX-License-Identifier: BSD-2-Clause
#include "notify/libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "util/cleanup.h"

/* Debian's with GnuTLS, which the daemon has already; and what it is called elsewhere. */
static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4"};

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{"curl_easy_init", offsetof(struct libcurl, easy_init)},
	{"curl_easy_cleanup", offsetof(struct libcurl, easy_cleanup)},
	{"curl_easy_setopt", offsetof(struct libcurl, easy_setopt)},
	{"curl_easy_getinfo", offsetof(struct libcurl, easy_getinfo)},
	{"curl_easy_perform", offsetof(struct libcurl, easy_perform)},
	{"curl_easy_strerror", offsetof(struct libcurl, easy_strerror)},
	{"curl_slist_append", offsetof(struct libcurl, slist_append)},
	{"curl_slist_free_all", offsetof(struct libcurl, slist_free_all)},
};

int libcurl__load(struct libcurl *ret)
{
	struct libcurl loaded = {};
	CURLcode (*global_init)(long);

	for (size_t i = 0; i < ARRAY_SIZE(names) && !loaded.handle; i++)
		loaded.handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!loaded.handle)
		return -ELIBACC;
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(loaded.handle, symbols[i].name);

		if (!symbol)
			return -ELIBACC;
		*(void **)((char *)&loaded + symbols[i].offset) = symbol;
	}
	*(void **)&global_init = dlsym(loaded.handle, "curl_global_init");
	if (!global_init || global_init(CURL_GLOBAL_DEFAULT))
		return -ELIBACC;
	*ret = loaded;
	return 0;
}
