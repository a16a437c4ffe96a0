// SPDX-License-Identifier: BSD-2-Clause
#include "serve/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options/options.h"
#include "proc/crew.h"
#include "serve/accept.h"
#include "serve/admission.h"
#include "serve/deadline.h"
#include "serve/listen.h"
#include "serve/peer.h"
#include "serve/request.h"
#include "serve/source.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/quote.h"
#include "web/web.h"

/* How long a client may take, in all: to send a request (or to think of the next one), and to
 * take the answer. IDLE is libmicrohttpd's own, for sending, and starts anew with every byte. */
#define SEND_SECONDS 15
#define TAKE_SECONDS 60
#define IDLE_SECONDS 10

/* A worker that is not done by then is left behind, so that stopping takes less than a second. */
#define STOP_GRACE_NS (NSEC_PER_SEC / 2)

#define CONNECTION_MEMORY (32 * 1024)

enum { TCP, UNIX, METRICS, LISTENERS };

/*
 * The clients of a loopback listener all have one address, so one address may have three quarters
 * of all; a unix socket has none. Of those that we wait for, to send or to take, the oldest give
 * way when there are more than `idle`, first those of the client that has the most of them. With
 * those whose reports are being made (lanes, request.c) they are fewer than one address may have,
 * so that the next client gets in.
 */
static const struct {
	unsigned routes; /* enum listeners */
	unsigned threads;
	unsigned connections;
	unsigned per_address;
	unsigned idle;
} limits[LISTENERS] = {
	[TCP] = {ON_DEBUG, 2, 512, 384, 256},
	[UNIX] = {ON_DEBUG, 2, 256, 0, 128},
	[METRICS] = {ON_METRICS, 1, 128, 112, 32},
};

struct listener {
	struct server *server;
	unsigned routes;
	bool guarded; /* a browser can be led to it */
	unsigned idle;
	int fd; /* that listens; -1: none, or libmicrohttpd's by now */
	struct MHD_Daemon *daemon;
	char address[ADDRESS_TEXT_LEN];
};

struct server {
	const struct options *options;
	struct server_config config;
	struct listener listeners[LISTENERS];
	struct admission admission;
	struct unix_socket unix_socket;
	struct deadline *deadline;
	struct sources *sources;
	struct requests requests;
	bool has_requests;
	atomic_bool stopping; /* new connections are closed at once */
};

static struct watched *watched(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

/* UINT64_MAX when it is not watched, for want of memory. */
static uint64_t source(struct MHD_Connection *connection)
{
	struct watched *w = watched(connection);

	return w ? watched__source(w) : UINT64_MAX;
}

static void set_deadline(struct server *server, struct MHD_Connection *connection, unsigned seconds)
{
	struct watched *w = watched(connection);

	if (w)
		deadline__set(server->deadline, w, seconds * NSEC_PER_SEC);
}

/*
 * Whose the connection is, for quotas: a container or a user of this machine, or an address. On the
 * metrics listener, too, where that is all that is asked.
 */
static uint64_t source_of(const struct server *server, int fd)
{
	struct address address = {.len = sizeof(address.sa)};
	struct peer peer;
	uint64_t ret;

	if (!peer__look(fd, server->options->proc, &peer)) {
		ret = sources__of(server->sources, &peer);
		peer__put(&peer);
		return ret;
	}
	if (getpeername(fd, (struct sockaddr *)&address.sa, &address.len))
		return UINT64_MAX;
	address__unmap(&address);
	return address__number(&address);
}

static enum MHD_Result on_accept(void *ctx, const struct sockaddr *peer, socklen_t len)
{
	const struct server *server = ctx;

	return server->stopping ? MHD_NO : MHD_YES;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = ctx;
	struct deadline *deadline = listener->server->deadline;
	int fd;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			     ->connect_fd;
		*context = deadline__watch(deadline, fd, listener, source_of(listener->server, fd));
		if (!*context) {
			shutdown(fd, SHUT_RDWR); /* no memory to watch it */
			return;
		}
		deadline__set(deadline, *context, SEND_SECONDS * NSEC_PER_SEC);
		deadline__make_room(deadline, listener, listener->idle);
	} else if (*context) {
		deadline__drop(deadline, *context);
		*context = NULL;
	}
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct listener *listener = ctx;

	request__put(*context);
	*context = NULL;
	set_deadline(listener->server, connection, SEND_SECONDS);
}

/* The usual decoding, but for %00, which stays as it is: names and values are C strings, and
 * "pid=1%00x" must not be taken for "pid=1". */
static size_t on_unescape(void *ctx, struct MHD_Connection *connection, char *text)
{
	char *in = text, *out = text, *zero;
	size_t raw, len;

	do {
		zero = strstr(in, "%00");
		if (zero)
			*zero = '\0';
		raw = strlen(in);
		len = MHD_http_unescape(in);
		memmove(out, in, len);
		out += len;
		in += raw;
		if (zero) {
			memcpy(out, "%00", 3);
			out += 3;
			in += 3;
		}
	} while (zero);
	*out = '\0';
	return out - text;
}

static enum MHD_Result on_parameter(void *ctx, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	query__add(ctx, name, value);
	return MHD_YES;
}

static enum MHD_Result reply(struct server *server, struct request *request)
{
	static const char no_memory[] = "out of memory\n";
	struct answer *answer = &request->answer;
	struct MHD_Response *response;
	enum MHD_Result queued;

	if (buf__error(&answer->body)) {
		response = MHD_create_response_from_buffer(sizeof(no_memory) - 1, (void *)no_memory,
							   MHD_RESPMEM_PERSISTENT);
		answer->status = 503;
		answer->type = TYPE_TEXT;
	} else {
		/* The request, and with it the body, lives until on_completed(). */
		response = MHD_create_response_from_buffer(answer->body.len, answer->body.data,
							   MHD_RESPMEM_PERSISTENT);
	}
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", answer->type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	if (answer->policy) {
		MHD_add_response_header(response, "Content-Security-Policy", answer->policy);
		MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	}
	if (answer->encoding)
		MHD_add_response_header(response, "Content-Encoding", answer->encoding);
	if (answer->header)
		MHD_add_response_header(response, answer->header, answer->value);
	set_deadline(server, request->connection, TAKE_SECONDS);
	/* A slow reader looks idle for as long as the kernel's send buffer holds data for it. */
	MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT, TAKE_SECONDS);
	queued = MHD_queue_response(request->connection, answer->status, response);
	MHD_destroy_response(response);
	return queued;
}

/* It holds no data, so every client may have it. */
static void answer_page(struct request *request)
{
	const char *accepted = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
							   MHD_HTTP_HEADER_ACCEPT_ENCODING);
	bool gzip = accept__gzip(accepted);
	struct answer *answer = &request->answer;

	answer__page(answer, web__page_policy());
	answer->encoding = gzip ? "gzip" : NULL;
	answer->header = "Vary";
	answer->value = "Accept-Encoding";
	web__page(gzip, &answer->body);
}

/* What can be said without reading a process; true when that is all. */
static bool answer_at_once(struct listener *listener, struct request *request, const char *path,
			   bool method_allowed)
{
	const struct server_config *config = &listener->server->config;
	struct answer *answer = &request->answer;
	bool json = query__is_json(&request->query);
	char quoted[QUOTE_LEN], list[ROUTES_LIST_LEN], why[256];

	if (listener->guarded &&
	    !admission__origin(&listener->server->admission, request->connection, json, answer))
		return true;
	if (!request->route) {
		routes__list(listener->routes, list);
		answer__fail(answer, ERROR_NO_SUCH_ROUTE, json, "no route %s; there are %s",
			     quote__text(path, quoted), list);
		return true;
	}
	if (!method_allowed) {
		answer__fail(answer, ERROR_METHOD_NOT_ALLOWED, json, "%s takes GET and HEAD", path);
		return true;
	}
	if (request->query.error[0]) {
		answer__fail(answer, ERROR_BAD_PARAMETER, json, "%s", request->query.error);
		return true;
	}
	switch (request->route->kind) {
	case ROUTE_READY:
		if (!config->ready(config->ctx, why, sizeof(why))) {
			answer__fail(answer, ERROR_NOT_READY, json, "not ready: %s", why);
			return true;
		}
		/* fallthrough */
	case ROUTE_HEALTH:
		answer__ok(answer, TYPE_TEXT);
		buf__puts(&answer->body, "ok\n");
		return true;
	case ROUTE_PAGE:
		answer_page(request);
		return true;
	default:
		/* What the metrics listener shows is meant for every client that can reach it. */
		if (listener->routes == ON_METRICS)
			return false;
		return !admission__client(&listener->server->admission, request->connection, json,
					  &request->client, answer);
	}
}

static enum lane lane_of(const struct listener *listener, const struct route *route)
{
	if (route->kind == ROUTE_METRICS)
		return LANE_METRICS;
	return listener->guarded ? LANE_TCP : LANE_UNIX;
}

/*
 * libmicrohttpd calls this when the headers are there, again for each piece of a request body, at
 * the end of the request, and once more after the connection was resumed. Bodies are thrown away.
 */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **context)
{
	struct listener *listener = ctx;
	struct server *server = listener->server;
	struct request *request = *context;
	bool allowed = !strcmp(method, "GET") || !strcmp(method, "HEAD");

	if (!request) {
		request = request__new(&server->requests, connection);
		*context = request;
		if (!request)
			return MHD_NO;
		if (allowed)
			return MHD_YES;
		/* Refused before its body is sent, if the client waits for "100 Continue". */
	}
	if (*data_len) {
		*data_len = 0;
		return MHD_YES;
	}
	if (request->state == REQUEST_NEW) {
		request->route = routes__find(path, listener->routes);
		query__init(&request->query, request->route ? route__takes(request->route) : 0);
		MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, on_parameter,
					  &request->query);
		if (request->route && request->route->kind == ROUTE_OOM)
			query__set_id(&request->query, path + strlen(request->route->path));
		query__end(&request->query);
		if (answer_at_once(listener, request, path, allowed)) {
			request->state = REQUEST_ANSWERED;
		} else {
			set_deadline(server, connection, 0);
			request->lane = lane_of(listener, request->route);
			request->job.source = source(connection);
			if (request__submit(request))
				return MHD_YES; /* called again when it is answered */
		}
	}
	return reply(server, request);
}

static int start_listener(struct server *server, int which)
{
	struct listener *listener = &server->listeners[which];
	unsigned threads = limits[which].threads;
	const struct tls *tls = &server->admission.tls;
	bool with_tls = which == TCP && tls->key.len;
	struct MHD_OptionItem no_options[] = {{MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem tls_options[] = {
		{MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key.data},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, tls->cert.data},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
		{tls->client_ca.len ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
		 tls->client_ca.data},
		{MHD_OPTION_END, 0, NULL},
	};

	if (listener->fd < 0)
		return 0;
	/* When it fails it may or may not have closed it, so that is left to the program's end. */
	listener->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
			(with_tls ? MHD_USE_TLS : 0),
		0, on_accept, server, on_request, listener, MHD_OPTION_LISTEN_SOCKET,
		take_fd(listener->fd), MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0,
		MHD_OPTION_CONNECTION_LIMIT, limits[which].connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits[which].per_address,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener,
		MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, listener, MHD_OPTION_ARRAY,
		with_tls ? tls_options : no_options, MHD_OPTION_END);
	if (listener->daemon)
		return 0;
	log_error("cannot start the HTTP server: %s", strerror(errno));
	return errno ? -errno : -EIO;
}

static int open_tcp(struct server *server, int which, const char *option, const char *text)
{
	struct address address;
	int fd = address__parse(text, &address) ?: listen__tcp(&address, &address);

	if (fd < 0) {
		log_error("cannot listen on %s %s: %s", option, text, strerror(-fd));
		return fd;
	}
	address__format(&address, server->listeners[which].address);
	server->listeners[which].fd = fd;
	return 0;
}

static int open_unix(struct server *server, const char *path)
{
	int fd = listen__unix(path, &server->unix_socket);

	if (fd < 0) {
		log_error("cannot listen on --socket %s: %s", path,
			  fd == -EADDRINUSE ? "another process answers on it"
			  : fd == -EEXIST   ? "the file exists and is not a socket"
					    : strerror(-fd));
		return fd;
	}
	server->listeners[UNIX].fd = fd;
	return 0;
}

static int open_all(struct server *server)
{
	const struct options *options = server->options;
	int err = admission__init(&server->admission, options);

	/* First the port: a second daemon by mistake then fails before it touches the socket. */
	err = err ?: open_tcp(server, TCP, "--listen", options->listen);
	err = err ?: open_unix(server, options->socket);
	if (!err && options->metrics_listen)
		err = open_tcp(server, METRICS, "--metrics-listen", options->metrics_listen);
	return err;
}

int server__open(const struct options *options, struct server **ret)
{
	struct server *server = calloc(1, sizeof(*server));
	int err;

	if (!server) {
		log_error("cannot start the HTTP server: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	server->options = options;
	for (int i = 0; i < LISTENERS; i++)
		server->listeners[i] = (struct listener){.server = server,
							 .routes = limits[i].routes,
							 .idle = limits[i].idle,
							 .guarded = i == TCP,
							 .fd = -1};
	err = open_all(server);
	if (err) {
		server__stop(server);
		return err;
	}
	*ret = server;
	return 0;
}

static int start(struct server *server)
{
	struct reporter reporter = {.taker = server->config.taker,
				    .sampler = server->config.sampler,
				    .blackbox = server->config.blackbox,
				    .history = server->config.history,
				    .growth = server->config.growth,
				    .proc = server->options->proc,
				    .pid = server->options->pid,
				    .metrics = server->config.metrics,
				    .took = server->config.took,
				    .ctx = server->config.ctx};
	int err = deadline__new(&server->deadline);

	server->sources = sources__new();
	if (!err && !server->sources)
		err = -ENOMEM;
	if (!err) {
		server->has_requests = true;
		err = requests__init(&server->requests, &reporter, &server->admission,
				     server->config.crew);
	}
	if (err)
		log_error("cannot start the HTTP server: %s", strerror(-err));
	for (int i = 0; !err && i < LISTENERS; i++)
		err = start_listener(server, i);
	return err;
}

int server__start(struct server *server, const struct server_config *config)
{
	sigset_t all, old;
	int err;

	server->config = *config;
	/* Threads inherit the mask: signals are for the program's main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = start(server);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

const char *server__address(const struct server *server)
{
	return server->listeners[TCP].address;
}

bool server__has_tls(const struct server *server)
{
	return server->admission.tls.key.len;
}

const char *server__metrics_address(const struct server *server)
{
	const struct listener *listener = &server->listeners[METRICS];

	return listener->address[0] ? listener->address : NULL;
}

int server__stop(struct server *server)
{
	int stuck = 0;

	/* MHD_quiesce_daemon() would close the ports by now; but with epoll it may remove a socket
	 * that the listener's thread removes at the same time, and then that one aborts. */
	server->stopping = true;
	unix_socket__remove(&server->unix_socket);
	if (server->has_requests) {
		stuck = crew__stop(server->config.crew, STOP_GRACE_NS);
		/* libmicrohttpd must not be stopped while a connection is suspended. */
		requests__abandon(&server->requests);
	}
	for (int i = 0; i < LISTENERS; i++) {
		if (server->listeners[i].daemon)
			MHD_stop_daemon(server->listeners[i].daemon);
		else if (server->listeners[i].fd >= 0)
			close(server->listeners[i].fd);
	}
	deadline__free(server->deadline);
	sources__free(server->sources);
	admission__destroy(&server->admission);
	if (stuck)
		return stuck;
	if (server->has_requests)
		requests__destroy(&server->requests);
	free(server);
	return 0;
}
