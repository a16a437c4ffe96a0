/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov diff A B`: what grew between two saved reports. */
#ifndef MEMPROV_DIFF_H
#define MEMPROV_DIFF_H

struct options;

/* The exit code: EXIT_FAILED also when RSS grew by more than --fail-over. */
int diff__run(const struct options *options);

#endif
