/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client accepts, by its headers. Pure. */
#ifndef MEMPROV_ACCEPT_H
#define MEMPROV_ACCEPT_H

#include <stdbool.h>

/* Whether an Accept-Encoding (RFC 9110 §12.5.3) names gzip and does not refuse it. NULL: there was
 * none. */
bool accept__gzip(const char *header);

#endif
