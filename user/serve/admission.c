// SPDX-License-Identifier: BSD-2-Clause
#include "serve/admission.h"

#include <errno.h>
#include <linux/capability.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "options/address.h"
#include "options/options.h"
#include "serve/host.h"
#include "serve/token.h"
#include "util/capability.h"
#include "util/log.h"
#include "util/quote.h"
#include "util/shortage.h"

static void explain_token(const char *path, int err)
{
	log_error("--token-file %s: %s", path,
		  err == -EMSGSIZE	? "takes a secret of 16 to 512 characters, on one line"
		  : err == -EILSEQ	? "takes one line of printable characters without spaces"
		  : err == -EMEDIUMTYPE ? "is not a regular file"
					: strerror(-err));
}

int admission__init(struct admission *admission, const struct options *options)
{
	struct address listen;
	int err;

	admission->proc = options->proc;
	admission->blind = !(capability__effective() & CAPABILITY_BIT(CAP_SYS_PTRACE));
	admission->host_names = options->host_names;
	admission->require_token = options->require_token;
	err = options->token_file ? token__open(options->token_file, &admission->token) : 0;
	if (err) {
		explain_token(options->token_file, err);
		return err;
	}
	if (admission->token && !options->tls_cert && !address__parse(options->listen, &listen) &&
	    !address__is_loopback(&listen))
		log_warn("--listen %s without --tls-cert: tokens and reports cross the network "
			 "unencrypted",
			 options->listen);
	return tls__read(&admission->tls, options->tls_cert, options->tls_key,
			 options->tls_client_ca);
}

void admission__destroy(struct admission *admission)
{
	token__free(admission->token);
	tls__free(&admission->tls);
	memset(admission, 0, sizeof(*admission));
}

struct origin {
	const char *names;
	size_t hosts;
	const char *foreign; /* the first host that is not ours */
	const char *site;    /* Sec-Fetch-Site, unless the request is from our own pages or none */
};

static enum MHD_Result look_at_header(void *ctx, enum MHD_ValueKind kind, const char *name,
				      const char *value)
{
	struct origin *origin = ctx;

	if (!value)
		value = "";
	if (!strcasecmp(name, MHD_HTTP_HEADER_HOST)) {
		origin->hosts++;
		if (!origin->foreign && !host__is_ours(value, origin->names))
			origin->foreign = value;
	} else if (!strcasecmp(name, "Sec-Fetch-Site") && strcmp(value, "same-origin") &&
		   strcmp(value, "none")) {
		origin->site = value;
	}
	return MHD_YES;
}

bool admission__origin(const struct admission *admission, struct MHD_Connection *connection,
		       bool json, struct answer *answer)
{
	struct origin origin = {.names = admission->host_names};
	char quoted[QUOTE_LEN];

	MHD_get_connection_values(connection, MHD_HEADER_KIND, look_at_header, &origin);
	if (origin.foreign) {
		answer__fail(answer, ERROR_FORBIDDEN, json,
			     "the request is for the host '%s'; takes localhost, an address, or a "
			     "name of --host-names",
			     quote__text(origin.foreign, quoted));
		return false;
	}
	/* libmicrohttpd joins a folded line to the name before it: that is none, too. */
	if (origin.hosts != 1) {
		answer__fail(answer, ERROR_BAD_REQUEST, json,
			     "the request has %s Host header; takes one, on one line",
			     origin.hosts ? "more than one" : "no");
		return false;
	}
	if (origin.site) {
		answer__fail(answer, ERROR_FORBIDDEN, json,
			     "the request comes from another site's page (Sec-Fetch-Site: %s); "
			     "takes an address that is typed in, or links of these pages",
			     quote__text(origin.site, quoted));
		return false;
	}
	return true;
}

/* The other end's address; false for a unix socket. */
static bool peer_address(int fd, struct address *ret)
{
	ret->len = sizeof(ret->sa);
	if (getpeername(fd, (struct sockaddr *)&ret->sa, &ret->len) || ret->sa.ss_family == AF_UNIX)
		return false;
	address__unmap(ret);
	return true;
}

/* 1: it is settled that everything may be read; 0: it is not; -1: answered. */
static int look_at_credentials(const struct admission *admission, struct MHD_Connection *connection,
			       bool json, struct answer *answer)
{
	const char *why, *authorization;

	switch (tls__caller(&admission->tls, connection, &why)) {
	case TLS_TRUSTED:
		return 1;
	case TLS_REFUSED:
		answer__fail(answer, ERROR_FORBIDDEN, json,
			     "the client's certificate is not accepted: %s", why);
		return -1;
	case TLS_NO_CERTIFICATE:
		break;
	}
	authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						    MHD_HTTP_HEADER_AUTHORIZATION);
	if (!admission->token || !authorization)
		return 0;
	if (token__accepts(admission->token, authorization))
		return 1;
	answer__fail(answer, ERROR_UNAUTHORIZED, json, "the token is not the right one");
	return -1;
}

static void refuse_unknown(struct answer *answer, bool json, int err)
{
	static const char whose[] = "it cannot be told whose connection this is";
	const char *why = err == -ENOENT  ? "the other end is closed, or not on this machine"
			  : err == -ESRCH ? "no process of its user has it open"
			  : err == -EPERM ? "processes of different rights have it open"
			  : err == -E2BIG ? "its user's processes have too many descriptors open"
					  : NULL;

	answer__fail(answer,
		     why		? ERROR_FORBIDDEN
		     : is_shortage(err) ? ERROR_TOO_BUSY
					: ERROR_KERNEL_REFUSED,
		     json, "%s: %s", whose, why ?: strerror(-err));
}

bool admission__client(const struct admission *admission, struct MHD_Connection *connection,
		       bool json, struct client *ret, struct answer *answer)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = info ? info->connect_fd : -1, settled = 0, err;
	struct client client = {};
	struct address peer;

	if (peer_address(fd, &peer)) {
		settled = look_at_credentials(admission, connection, json, answer);
		if (!settled && (admission->require_token || !address__is_loopback(&peer))) {
			answer__fail(answer, ERROR_UNAUTHORIZED, json, "%s takes %s%s%s",
				     admission->require_token ? "this" : "from elsewhere, this",
				     admission->token ? "'Authorization: Bearer TOKEN'" : "",
				     admission->token && admission->tls.client_ca.len ? " or " : "",
				     admission->tls.client_ca.len ? "a client's certificate" : "");
			return false;
		}
	}
	if (settled) {
		*ret = CLIENT_TRUSTED;
		return settled > 0;
	}
	err = peer__look(fd, admission->proc, &client.peer);
	if (err)
		refuse_unknown(answer, json, err);
	else
		*ret = client;
	return !err;
}

void client__put(struct client *client)
{
	peer__put(&client->peer);
}

static bool is_ours(uid_t uid)
{
	return uid == geteuid() || uid == 0;
}

bool admission__caller(const struct admission *admission, const struct client *client, bool json,
		       struct caller *ret, struct answer *answer)
{
	struct reader reader;
	int err;

	if (client->trusted || (admission->blind && is_ours(client->peer.uid))) {
		*ret = CALLER_OURSELVES;
		return true;
	}
	err = peer__identify(&client->peer, admission->proc, &reader);
	if (err)
		refuse_unknown(answer, json, err);
	else
		*ret = caller__new(&reader, admission->proc);
	return !err;
}
