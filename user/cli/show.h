/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov show`: one report on the terminal, from the daemon if there is one. */
#ifndef MEMPROV_SHOW_H
#define MEMPROV_SHOW_H

struct options;

int show__run(const struct options *options); /* the exit code */

#endif
