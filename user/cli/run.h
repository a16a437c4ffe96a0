/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov run -- CMD`: one program, traced from its first instruction. */
#ifndef MEMPROV_RUN_H
#define MEMPROV_RUN_H

struct options;

/* The exit code. When a signal killed CMD, the same one is raised here, so that the parent of
 * memprov sees what it would have seen of CMD. */
int run__run(const struct options *options);

#endif
