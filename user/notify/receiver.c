// SPDX-License-Identifier: BSD-2-Clause
#include "notify/receiver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/url.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/quote.h"

#define PATH		"/api/v2/alerts"
#define ANSWER_MAX	(64u << 10) /* Alertmanager's is empty, or one line */
#define ADDRESSES_MAX	8
#define ADDRESSES_BYTES (URL_HOST + sizeof(":65535:") + ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3))
#define NS_PER_MS	1000000

struct receiver {
	const struct libcurl *curl;
	struct receiver_config config;
	struct url url;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *addresses; /* of its host, for CURLOPT_RESOLVE */
	size_t answered;	      /* bytes of the answer */
	char name[URL_MAX + sizeof("https://")];
	char error[CURL_ERROR_SIZE];
	char why[QUOTE_LEN + 32];
};

static void cleanup_receiver(struct receiver **receiver)
{
	receiver__free(*receiver);
}

static const char *const names[] = {
	[DELIVERY_RESOLVE] = "resolve", [DELIVERY_CONNECT] = "connect", [DELIVERY_TLS] = "tls",
	[DELIVERY_TIMEOUT] = "timeout", [DELIVERY_BROKEN] = "broken",	[DELIVERY_BUSY] = "busy",
	[DELIVERY_REFUSED] = "refused",
};

/* Everything else is a broken connection. */
static const struct {
	CURLcode code;
	enum delivery delivery;
} codes[] = {
	{CURLE_COULDNT_RESOLVE_HOST, DELIVERY_RESOLVE},
	{CURLE_COULDNT_CONNECT, DELIVERY_CONNECT},
	{CURLE_OPERATION_TIMEDOUT, DELIVERY_TIMEOUT},
	{CURLE_ABORTED_BY_CALLBACK, DELIVERY_STOPPED},
	{CURLE_SSL_CONNECT_ERROR, DELIVERY_TLS},
	{CURLE_PEER_FAILED_VERIFICATION, DELIVERY_TLS},
	{CURLE_SSL_CACERT_BADFILE, DELIVERY_TLS},
	{CURLE_SSL_CERTPROBLEM, DELIVERY_TLS},
	{CURLE_SSL_CIPHER, DELIVERY_TLS},
	{CURLE_SSL_ISSUER_ERROR, DELIVERY_TLS},
};

const char *delivery__name(enum delivery delivery)
{
	return names[delivery];
}

/* Of body and head: without an end, libcurl would keep headers in memory until the time is up. */
static size_t take_answer(char *data, size_t size, size_t n, void *ctx)
{
	struct receiver *receiver = ctx;

	receiver->answered += size * n;
	return receiver->answered > ANSWER_MAX ? 0 : size * n;
}

static int is_stopped(void *ctx, curl_off_t down, curl_off_t downed, curl_off_t up,
		      curl_off_t upped)
{
	const struct receiver *receiver = ctx;

	return receiver->config.stopped(receiver->config.ctx);
}

static int add_header(struct receiver *receiver, const char *header)
{
	struct curl_slist *headers = receiver->curl->slist_append(receiver->headers, header);

	if (!headers)
		return -ENOMEM;
	receiver->headers = headers;
	return 0;
}

/* Left to itself, libcurl would ask the environment for a proxy and send alarms. A connection that
 * was kept for a minute may be closed just when it is used again. */
static int set_up(struct receiver *receiver, const char *url)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = receiver->curl->easy_setopt;
	const char *ca_file = receiver->config.ca_file;
	CURL *easy = receiver->easy;
	bool failed;

	failed = set(easy, CURLOPT_URL, url) || set(easy, CURLOPT_PROXY, "") ||
		 set(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
		 set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ||
		 set(easy, CURLOPT_HTTPHEADER, receiver->headers) ||
		 set(easy, CURLOPT_ERRORBUFFER, receiver->error) ||
		 set(easy, CURLOPT_USERAGENT, "memprov/" MEMPROV_VERSION) ||
		 set(easy, CURLOPT_WRITEFUNCTION, take_answer) ||
		 set(easy, CURLOPT_WRITEDATA, receiver) ||
		 set(easy, CURLOPT_HEADERFUNCTION, take_answer) ||
		 set(easy, CURLOPT_HEADERDATA, receiver) ||
		 set(easy, CURLOPT_XFERINFOFUNCTION, is_stopped) ||
		 set(easy, CURLOPT_XFERINFODATA, receiver) || set(easy, CURLOPT_FORBID_REUSE, 1L) ||
		 set(easy, CURLOPT_NOPROGRESS, 0L) || set(easy, CURLOPT_NOSIGNAL, 1L) ||
		 set(easy, CURLOPT_TIMEOUT_MS, (long)(receiver->config.timeout_ns / NS_PER_MS));
	if (!failed && receiver->url.tls && ca_file)
		failed = set(easy, CURLOPT_CAINFO, ca_file) || set(easy, CURLOPT_CAPATH, NULL);
	return failed ? -ENOTSUP : 0;
}

int receiver__new(const struct libcurl *curl, const struct receiver_config *config,
		  struct receiver **ret)
{
	_cleanup_(cleanup_receiver) struct receiver *receiver = calloc(1, sizeof(*receiver));
	_cleanup_buf_ struct buf url = {};
	const char *wrong;
	size_t len;
	int err;

	if (!receiver)
		return -ENOMEM;
	receiver->curl = curl;
	receiver->config = *config;
	err = url__parse(config->url, &receiver->url, &wrong);
	if (err)
		return err;
	snprintf(receiver->name, sizeof(receiver->name), "http%s://%s",
		 receiver->url.tls ? "s" : "", receiver->url.place);
	len = strlen(config->url);
	while (len && config->url[len - 1] == '/')
		len--;
	buf__add(&url, config->url, len);
	buf__puts(&url, PATH);
	receiver->easy = curl->easy_init();
	err = buf__error(&url) ?: receiver->easy ? 0 : -ENOMEM;
	err = err ?: add_header(receiver, "Content-Type: application/json");
	err = err ?: add_header(receiver, "Expect:");
	err = err ?: set_up(receiver, url.data);
	if (!err)
		*ret = take_ptr(receiver);
	return err;
}

void receiver__free(struct receiver *receiver)
{
	if (!receiver)
		return;
	if (receiver->easy)
		receiver->curl->easy_cleanup(receiver->easy);
	receiver->curl->slist_free_all(receiver->headers);
	receiver->curl->slist_free_all(receiver->addresses);
	free(receiver);
}

/* "HOST:PORT:ADDRESS,ADDRESS" */
static void list_addresses(const struct url *url, const struct addrinfo *found,
			   char ret[ADDRESSES_BYTES])
{
	int len = snprintf(ret, ADDRESSES_BYTES, "%s:%u:", url->host, url->port), n = 0;
	char address[NI_MAXHOST];

	for (; found && n < ADDRESSES_MAX; found = found->ai_next) {
		bool v6 = found->ai_family == AF_INET6;

		if (getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL,
				0, NI_NUMERICHOST) ||
		    strlen(address) >= INET6_ADDRSTRLEN)
			continue;
		len += snprintf(ret + len, ADDRESSES_BYTES - len, "%s%s%s%s", n++ ? "," : "",
				v6 ? "[" : "", address, v6 ? "]" : "");
	}
}

/* libcurl would start a thread for each name, and threads can no longer be started. */
static int resolve(struct receiver *receiver)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	char list[ADDRESSES_BYTES];
	struct curl_slist *addresses;
	struct addrinfo *found;
	int err;

	err = getaddrinfo(receiver->url.host, NULL, &hints, &found);
	if (err) {
		snprintf(receiver->why, sizeof(receiver->why), "%s", gai_strerror(err));
		return -ENOENT;
	}
	list_addresses(&receiver->url, found, list);
	freeaddrinfo(found);
	addresses = receiver->curl->slist_append(NULL, list);
	if (!addresses)
		return -ENOMEM;
	receiver->curl->easy_setopt(receiver->easy, CURLOPT_RESOLVE, addresses);
	receiver->curl->slist_free_all(receiver->addresses);
	receiver->addresses = addresses;
	return 0;
}

static enum delivery explain_code(struct receiver *receiver, CURLcode code)
{
	const char *text =
		receiver->error[0] ? receiver->error : receiver->curl->easy_strerror(code);
	char quoted[QUOTE_LEN];

	snprintf(receiver->why, sizeof(receiver->why), "%s", quote__text(text, quoted));
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].code == code)
			return codes[i].delivery;
	}
	return DELIVERY_BROKEN;
}

static enum delivery evaluate_status(struct receiver *receiver)
{
	long status = 0;

	receiver->curl->easy_getinfo(receiver->easy, CURLINFO_RESPONSE_CODE, &status);
	snprintf(receiver->why, sizeof(receiver->why), "it answers %ld", status);
	if (status >= 200 && status < 300)
		return DELIVERY_SENT;
	return status >= 500 || status == 429 ? DELIVERY_BUSY : DELIVERY_REFUSED;
}

enum delivery receiver__post(struct receiver *receiver, const struct buf *json)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = receiver->curl->easy_setopt;
	CURLcode code;

	receiver->answered = 0;
	receiver->error[0] = '\0';
	if (!receiver->url.is_address && resolve(receiver))
		return DELIVERY_RESOLVE;
	if (set(receiver->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json->len) ||
	    set(receiver->easy, CURLOPT_POSTFIELDS, json->data))
		return DELIVERY_BROKEN;
	code = receiver->curl->easy_perform(receiver->easy);
	return code ? explain_code(receiver, code) : evaluate_status(receiver);
}

const char *receiver__why(const struct receiver *receiver)
{
	return receiver->why;
}

uint64_t receiver__retry_after_ns(const struct receiver *receiver)
{
	curl_off_t seconds = 0;

	receiver->curl->easy_getinfo(receiver->easy, CURLINFO_RETRY_AFTER, &seconds);
	return seconds > 0 && seconds < 3600 ? seconds * NSEC_PER_SEC : 0;
}

const char *receiver__name(const struct receiver *receiver)
{
	return receiver->name;
}
