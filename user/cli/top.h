/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov top`: the machine's processes, refreshed. */
#ifndef MEMPROV_TOP_H
#define MEMPROV_TOP_H

struct options;

/* The exit code. Ended by a signal, it has put the terminal in order and raises the signal anew. */
int top__run(const struct options *options);

#endif
