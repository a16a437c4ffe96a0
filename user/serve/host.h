/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Host header, against DNS rebinding: a web page in the operator's browser may have its own
 * name resolve to our address, and is then of the same origin as we are. It cannot choose which
 * Host the browser sends, though: that is the page's own name. So names are only those that were
 * configured, and localhost. An address is no name, and cannot be rebound.
 */
#ifndef MEMPROV_HOST_H
#define MEMPROV_HOST_H

#include <stdbool.h>

/* Pure: the value of a Host header, "HOST" or "HOST:PORT". names: "a.example,b" that are also good;
 * NULL: none. */
bool host__is_ours(const char *host, const char *names);

#endif
