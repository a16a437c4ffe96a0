/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages. They are made from web/src by `make web`, kept here as *.html with the policy that
 * their hashes are in as *.csp, and built into the program.
 */
#ifndef MEMPROV_WEB_H
#define MEMPROV_WEB_H

#include <stdbool.h>

#include "report/encode.h"

/* The page at "/", which holds no data; gzip: compressed. */
void web__page(bool gzip, struct buf *ret);
const char *web__page_policy(void); /* its Content-Security-Policy */

/* A page with the report's flame graph in it, which needs nothing else; and what it is drawn
 * from. Memory running out shows in buf__error(ret). */
encode_fn web__flamegraph;
encode_fn web__flamegraph_json;
const char *web__flamegraph_policy(void);

#endif
