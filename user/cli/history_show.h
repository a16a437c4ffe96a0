/* SPDX-License-Identifier: BSD-2-Clause */
/* memprov history: how the memory of a process came here, as a running daemon knows it. */
#ifndef MEMPROV_HISTORY_SHOW_H
#define MEMPROV_HISTORY_SHOW_H

struct options;

/* The exit code. */
int history_show__run(const struct options *options);

#endif
