/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What V8 calls the code of a function in a perf map, the latest versions and those since Node 8:
 *
 *	JS:*grow /srv/app.js:12:7              compiled by TurboFan
 *	JS:~ node:internal/main:1:1            interpreted; the body of a module
 *	LazyCompile:^get size /srv/a b.js:3:9  by Sparkplug, of an accessor
 *
 * The mark says which compiler made it, so a function has several; line and column are where it
 * begins.
 */
#ifndef MEMPROV_V8_NAME_H
#define MEMPROV_V8_NAME_H

#include <stdbool.h>

#include "child/symbol.h"
#include "util/arena.h"

/* False when it is no function's, or out of memory; then *ret is as it was. The texts are in the
 * arena. */
bool v8_name__parse(const char *text, struct arena *arena, struct symbol *ret);

#endif
