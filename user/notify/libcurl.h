/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcurl, loaded when an Alertmanager is to be told. It brings twenty further libraries, which
 * cost each process 700 kB and 4 ms at its start; the command line and the symbolizer's children,
 * which are the same program, do without.
 */
#ifndef MEMPROV_LIBCURL_H
#define MEMPROV_LIBCURL_H

#include <curl/curl.h>

struct libcurl {
	void *handle;
	CURL *(*easy_init)(void);
	void (*easy_cleanup)(CURL *);
	CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
	CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
	CURLcode (*easy_perform)(CURL *);
	const char *(*easy_strerror)(CURLcode);
	struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
	void (*slist_free_all)(struct curl_slist *);
};

/* 0 or -ELIBACC. It is never unloaded: TLS libraries do not stand that. */
int libcurl__load(struct libcurl *ret);

#endif
