/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who asks, which decides what they may see:
 *
 *	unix socket		the process at the other end, by its uid
 *	TCP, a certificate	trusted: everything. Not trusted: 403, whatever else there is
 *	TCP, a token		the right one: everything. A wrong one: 401
 *	TCP over loopback	the process at the other end, by its uid
 *	TCP from elsewhere	401
 */
#ifndef MEMPROV_ADMISSION_H
#define MEMPROV_ADMISSION_H

#include <stdbool.h>

#include "report/caller.h"
#include "serve/answer.h"
#include "serve/tls.h"

struct options;
struct token;

struct admission {
	const char *host_names; /* host__is_ours() */
	struct token *token;	/* NULL: there are none */
	struct tls tls;
};

/* By the options, which must outlive it: 0, or -errno with what is wrong logged. */
int admission__init(struct admission *admission, const struct options *options);
void admission__destroy(struct admission *admission); /* a zeroed one is fine */

/* False: the request was answered, since it names a host that is not us. */
bool admission__host(const struct admission *admission, struct MHD_Connection *connection,
		     bool json, struct answer *answer);

/* False: the request was answered, since it cannot be told who asks. */
bool admission__caller(const struct admission *admission, struct MHD_Connection *connection,
		       bool json, struct caller *ret, struct answer *answer);

#endif
