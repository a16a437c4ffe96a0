/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which client asks, and so what it may see:
 *
 *	unix socket		the process at the other end
 *	TCP, a certificate	trusted: everything. Not trusted: 403, whatever else there is
 *	TCP, a token		the right one: everything. A wrong one: 401
 *	TCP over loopback	the process at the other end; with --require-token 401
 *	TCP from elsewhere	401
 *
 * A process sees what the kernel would let it ptrace-read. Finding it takes a search through the
 * descriptors of its user's processes, which the thread that makes the report does. Without
 * CAP_SYS_PTRACE we cannot search, but we cannot read much either: then our own user and root see
 * what we do, and other users nothing.
 */
#ifndef MEMPROV_ADMISSION_H
#define MEMPROV_ADMISSION_H

#include <stdbool.h>

#include "report/caller.h"
#include "serve/answer.h"
#include "serve/peer.h"
#include "serve/tls.h"

struct options;
struct token;

struct admission {
	const char *proc;	/* where processes are looked for */
	bool require_token;	/* on loopback, too */
	bool blind;		/* without CAP_SYS_PTRACE, which takes looking for them */
	const char *host_names; /* host__is_ours() */
	struct token *token;	/* NULL: there are none */
	struct tls tls;
};

/* By the options, which must outlive it: 0, or -errno with what is wrong logged. */
int admission__init(struct admission *admission, const struct options *options);
void admission__destroy(struct admission *admission); /* a zeroed one is fine */

/* False: the request was answered, since it names a host that is not us, or none, or a browser says
 * that another site's page has made it. */
bool admission__origin(const struct admission *admission, struct MHD_Connection *connection,
		       bool json, struct answer *answer);

/* What is known of a client without searching for its process. */
struct client {
	bool trusted; /* with everything */
	struct peer peer;
};

#define CLIENT_TRUSTED ((struct client){.trusted = true, .peer.process = -1})

/* False: the request was answered, since it is not admitted. ret is to be let go with
 * client__put(). */
bool admission__client(const struct admission *admission, struct MHD_Connection *connection,
		       bool json, struct client *ret, struct answer *answer);
void client__put(struct client *client);

/* False: the request was answered, since it cannot be told which process asks. */
bool admission__caller(const struct admission *admission, const struct client *client, bool json,
		       struct caller *ret, struct answer *answer);

#endif
