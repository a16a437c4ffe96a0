/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS for the debug listener: our certificate, and those of callers. */
#ifndef MEMPROV_TLS_H
#define MEMPROV_TLS_H

#include <stdbool.h>

#include "util/buf.h"

struct MHD_Connection;

struct tls {
	struct buf cert, key, client_ca; /* PEM; no key: no TLS, no client_ca: no certificates */
};

/* Reads the files (NULL: not given) and sees that they fit together. 0, or -errno with what is
 * wrong logged. tls__free in any case. */
int tls__read(struct tls *tls, const char *cert, const char *key, const char *client_ca);
void tls__free(struct tls *tls);

/* Whether a file of that option has certificates (NULL: not given). 0, or -errno, logged likewise.
 */
int tls__check_ca(const char *option, const char *path);

enum tls_caller {
	TLS_NO_CERTIFICATE, /* none was shown, or none was asked for */
	TLS_TRUSTED,	    /* by the client CA, and valid now */
	TLS_REFUSED,	    /* one was shown that is not */
};

/* What the caller showed; why is what is wrong with it when refused, a constant. */
enum tls_caller tls__caller(const struct tls *tls, struct MHD_Connection *connection,
			    const char **why);

#endif
